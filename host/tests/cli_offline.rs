//! `explain`, `translate` and `validate` as people run them.

#[path = "cli/support.rs"]
#[allow(dead_code, reason = "the tests of `cli` use more of it")]
mod support;

use std::process::Output;

use serde_json::Value;
use support::{err, files, out, silverback, text_below};

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart");

fn lines(output: &Output) -> Vec<Value> {
    let text = out(output);
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn explain_answers_and_a_404_is_an_answer() {
    let found = silverback(
        &[
            "explain",
            "-f",
            QUICKSTART,
            "--echo",
            "http://api.example.com/v1/x",
            "-H",
            "x-canary: always",
            "-o",
            "json",
        ],
        "",
    );
    assert_eq!(found.status.code(), Some(0), "{}", err(&found));
    let answer = &lines(&found)[0];
    assert_eq!(answer["schemaVersion"], 1);
    assert_eq!(answer["outcome"], "route");
    assert_eq!(answer["route"]["name"], "api");
    assert_eq!(answer["backends"][0]["name"], "cart");

    let missing = silverback(
        &[
            "explain",
            "--manifests",
            QUICKSTART,
            "http://nowhere.example.com/",
        ],
        "",
    );
    assert_eq!(missing.status.code(), Some(0), "{}", err(&missing));
    assert!(
        out(&missing).contains("no route matches: 404"),
        "{}",
        out(&missing)
    );
}

#[test]
fn many_requests_are_answered_in_order() {
    let requests = "{\"host\":\"shop.example.com\",\"path\":\"/cart\"}\n\n{\"host\":7}\nnot json\n{\"host\":\"x\"}\n";
    let output = silverback(
        &[
            "explain",
            "-f",
            QUICKSTART,
            "--echo",
            "--requests",
            "-",
            "-o",
            "jsonl",
        ],
        requests,
    );
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    let answers = lines(&output);
    let outcomes: Vec<_> = answers
        .iter()
        .map(|answer| answer["outcome"].as_str())
        .collect();
    assert_eq!(outcomes, [Some("route"), None, None, Some("not_found")]);
    assert_eq!(answers[1]["error"]["line"], 3);
}

#[test]
fn manifests_can_come_from_the_standard_input() {
    let json = r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"a"},
        "spec":{"rules":[{"host":"a.com","http":{"paths":[
          {"path":"/","pathType":"Prefix","backend":{"service":{"name":"s","port":{"number":80}}}}]}}]}}"#;
    let output = silverback(&["translate", "-f", "-", "-o", "json"], json);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(lines(&output)[0]["hosts"][0]["host"], "a.com");
}

#[test]
fn wrong_command_lines_end_with_2() {
    for args in [
        &["explain", "http://a.com/"][..],
        &["explain", "-f", QUICKSTART],
        &["explain", "-f", QUICKSTART, "ftp://a.com/"],
        &["explain", "-f", QUICKSTART, "-H", "x", "http://a.com/"],
        &["explain", "-f", QUICKSTART, "--requests", "/does/not/exist"],
        &["explain", "-f", "-", "--requests", "-"],
        &["validate", "-f", "/does/not/exist"],
        &["nonsense"],
    ] {
        let output = silverback(args, "");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", err(&output));
        assert_eq!(out(&output), "", "{args:?}");
    }
    let output = silverback(&["validate", "-f", "/does/not/exist"], "");
    insta::assert_snapshot!(err(&output));
}

#[test]
fn validate_shows_where() {
    let root = files(&[
        (
            "broken.yaml",
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n   x: b\n---\na: 1\n",
        ),
        (
            "dup.yaml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
        ),
        (
            "more.json",
            "{\"kind\": \"X\", \"apiVersion\": \"v1\"}\n{]\n",
        ),
        (
            "other.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n",
        ),
    ]);
    let path = root.path().to_str().expect("UTF-8");
    let output = silverback(&["validate", "-f", path, "-v"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        !out(&output).contains('\u{1b}'),
        "colours without a terminal"
    );
    insta::assert_snapshot!(text_below(root.path(), &out(&output)));

    let output = silverback(&["validate", "-f", path, "-o", "json"], "");
    let report = &lines(&output)[0];
    assert_eq!(report["schemaVersion"], 1);
    let problem = &report["problems"][0];
    assert_eq!(problem["code"], "Unparsable");
    assert_eq!(problem["severity"], "error");
    assert_eq!(problem["source"]["line"], 5);
}

#[test]
fn warnings_fail_only_if_denied() {
    let root = files(&[("a.yaml", "a: 1\n")]);
    let path = root.path().to_str().expect("UTF-8");
    assert_eq!(
        silverback(&["validate", "-f", path], "").status.code(),
        Some(0)
    );
    let denied = silverback(&["validate", "-f", path, "--deny-warnings"], "");
    assert_eq!(denied.status.code(), Some(1));
}

#[test]
fn quickstart_is_valid() {
    let output = silverback(&["validate", "-f", QUICKSTART, "--deny-warnings"], "");
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    // Its weights mean something else in KIC, which a user of KIC is told.
    let out = out(&output);
    assert!(
        out.starts_with("info[KicDiffers]: spec.rules[1].backendRefs: weights"),
        "{out}"
    );
    assert!(out.contains("0 errors, 0 warnings, 1 info in 7 objects of 3 files\n"));
}

const NAMED: &str = "\
apiVersion: v1
kind: Service
metadata: {name: away}
spec: {type: ExternalName, externalName: Away.example.org, ports: [{port: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: away, annotations: {konghq.com/plugins: limit}}
spec:
  rules:
  - host: a.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: away, port: {number: 8080}}}}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: limit}
plugin: rate-limiting
";

#[test]
fn a_name_is_looked_up_when_it_runs() {
    let output = silverback(&["explain", "-f", "-", "http://a.com/"], NAMED);
    let shown = out(&output);
    assert!(
        shown.contains("goes to a backend"),
        "{shown}{}",
        err(&output)
    );
    let expected = "default/away:8080 -> away.example.org:8080 (looked up while it runs)";
    assert!(shown.contains(expected), "{shown}");
    let output = silverback(
        &["explain", "-f", "-", "http://a.com/", "-o", "json"],
        NAMED,
    );
    let endpoints = &lines(&output)[0]["backends"][0]["endpoints"];
    assert_eq!(*endpoints, serde_json::json!(["away.example.org:8080"]));
    let output = silverback(&["translate", "-f", "-"], NAMED);
    assert!(
        out(&output).contains("away.example.org:8080 (looked up"),
        "{}",
        out(&output)
    );
}

#[test]
fn explain_says_what_becomes_of_plugins() {
    let output = silverback(&["explain", "-f", "-", "http://a.com/"], NAMED);
    assert!(
        out(&output).contains("`silverback dev` runs none and answers 500"),
        "{}",
        out(&output)
    );
}

#[test]
fn explain_says_why_a_request_is_refused() {
    let output = silverback(&["explain", "-f", QUICKSTART, "http://a.com/a%zz"], "");
    let shown = out(&output);
    assert!(
        shown.contains("400") && shown.contains("two hexadecimal digits"),
        "{shown}"
    );
}

#[test]
fn table_without_what_cannot_be_read_is_no_success() {
    let output = silverback(
        &["translate", "-f", "-", "-o", "json"],
        &format!("{NAMED}---\na: [\n"),
    );
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert_eq!(lines(&output)[0]["schemaVersion"], 1);
    assert!(
        err(&output).contains("not all manifests could be read"),
        "{}",
        err(&output)
    );
}

#[test]
fn an_answer_without_what_could_not_be_read_is_no_success() {
    let manifests = format!("{NAMED}---\nkind: [\n");
    for args in [
        &["explain", "-f", "-", "http://a.com/"][..],
        &["translate", "-f", "-"],
    ] {
        let output = silverback(args, &manifests);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", err(&output));
        assert!(out(&output).contains("away.example.org"), "{args:?}");
        let said = err(&output);
        assert!(said.contains("not all manifests could be read"), "{said}");
    }
}
