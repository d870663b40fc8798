//! `silverback push` as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::support::{TestNode, url};

const SHOP: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: default}
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec: {ports: [{port: 80}]}
";

async fn push(manifests: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_silverback"));
    command
        .args(["push", "--color", "never", "-f"])
        .arg(manifests);
    // What the tester's own environment says must not matter.
    command.env_clear();
    command.args(more);
    // The nodes are served by this process meanwhile.
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.expect("it runs").expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn file(name: &str, content: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(name);
    std::fs::write(&path, content).expect("a file");
    (dir, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_get_into_effect_on_every_node() {
    let (a, b) = (TestNode::start().await, TestNode::start().await);
    let (_dir, shop) = file("shop.yaml", SHOP);
    let urls = format!("{},{}", a.url(), b.url());
    let args = ["--kong-admin-url", &*urls, "-o", "json"];
    let output = push(&shop, &args).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["schemaVersion"], 1);
    assert_eq!(answer["confirmed"], true);
    assert_eq!(answer["nodes"].as_array().map(Vec::len), Some(2));
    for node in [&a, &b] {
        let digest: String = node.digest().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(answer["root"], digest);
    }

    let output = push(&shop, &["--kong-admin-url", &urls]).await;
    let table = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(table.matches("confirmed").count(), 2, "{table}");
    assert_eq!(table.matches(" 0 bytes").count(), 2, "sent again: {table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_removes_nothing_unless_forced() {
    let node = TestNode::start().await;
    let (_dir, shop) = file("shop.yaml", SHOP);
    let url = node.url().to_string();
    let args = ["--kong-admin-url", &*url, "-o", "json"];
    let pushed = push(&shop, &args).await;
    assert!(pushed.status.success(), "{}", text(&pushed.stderr));
    let before = node.digest();

    let half = SHOP.replace("- host:", "- host");
    for (manifests, code, said) in [
        (&*half, "Unparsable", "not all manifests could be read"),
        (
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n",
            "",
            "there is no route",
        ),
    ] {
        std::fs::write(&shop, manifests).expect("written");
        let refused = push(&shop, &args).await;
        let error = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{error}");
        assert!(error.contains(said) && error.contains("--force"), "{error}");
        let answer: Value = serde_json::from_slice(&refused.stdout).expect("JSON");
        assert_eq!(answer["confirmed"], false);
        let problems = answer["problems"].as_array().expect("a list");
        assert!(
            problems.iter().all(|problem| problem["code"] == code),
            "{problems:?}"
        );
        assert_eq!(problems.is_empty(), code.is_empty());
        assert_eq!(node.digest(), before);
    }
    let forced = push(&shop, &[&args[..], &["--force"]].concat()).await;
    assert!(forced.status.success(), "{}", text(&forced.stderr));
    assert_ne!(node.digest(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_one_object_is_shown_and_stops_nothing() {
    let node = TestNode::start().await;
    let wrong =
        SHOP.replace("number: 80}", "number: 81}") + "---\n" + &SHOP.replace("shop", "cart");
    let (_dir, path) = file("shop.yaml", &wrong);
    let output = push(&path, &["--kong-admin-url", &node.url().to_string()]).await;
    let error = text(&output.stderr);
    assert!(output.status.success(), "{error}");
    assert!(error.contains("error[BackendNotFound]"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_logged_once() {
    let away = TestNode::start().await.stop().await;
    let (_dir, shop) = file("shop.yaml", SHOP);
    let output = push(
        &shop,
        &["--kong-admin-url", &url(away).to_string(), "--timeout", "2"],
    )
    .await;
    let error = text(&output.stderr);
    assert_eq!(error.matches("push failed").count(), 1, "{error}");
    assert!(!error.contains('\u{1b}'), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_confirm_is_named_with_a_hint() {
    let here = TestNode::start().await;
    let away = TestNode::start().await.stop().await;
    let (_dir, shop) = file("shop.yaml", SHOP);
    let urls = format!("{},{}", here.url(), url(away));
    let output = push(&shop, &["--kong-admin-url", &urls, "--timeout", "2"]).await;
    assert_eq!(output.status.code(), Some(1));
    let table = text(&output.stdout);
    assert!(table.contains("confirmed"), "{table}");
    let error = format!("error: {}: cannot connect", url(away));
    assert!(table.contains(&error), "{table}");
    assert!(
        table.contains("hint: is the Admin API listening"),
        "{table}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_would_be_the_node_itself_are_refused() {
    let node = TestNode::start().await;
    let local = format!(
        "{SHOP}---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: shop-1, namespace: default, labels: {{kubernetes.io/service-name: shop}}}}
addressType: IPv4
ports: [{{port: 8001}}]
endpoints: [{{addresses: [127.0.0.1]}}]
"
    );
    let (_dir, shop) = file("shop.yaml", &local);
    let output = push(&shop, &["--kong-admin-url", &node.url().to_string(), "-v"]).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("127.0.0.1"),
        "{}",
        text(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_command_line_is_2_and_shows_no_token() {
    let (_dir, shop) = file("shop.yaml", SHOP);
    for (args, said) in [
        (
            &["--kong-admin-url", "kong:8001"][..],
            "neither http:// nor https://",
        ),
        (
            &["--kong-admin-url", "https://kong"],
            "--kong-admin-ca-cert-file",
        ),
        (&[], "--kong-admin-url"),
        (
            &[
                "--kong-admin-url",
                "http://kong",
                "--kong-admin-token",
                "top\nsecret",
            ],
            "characters that no header can have",
        ),
        (
            &[
                "--kong-admin-url",
                "http://kong",
                "--kong-admin-token-file",
                "/none",
            ],
            "/none: the token cannot be read",
        ),
    ] {
        let output = push(&shop, args).await;
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains(said), "{args:?}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
