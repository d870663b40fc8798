use super::support::{below, err, files, json, out, silverback, text_below, with};

const SERVICES: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.1.0.1, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: next}
spec: {clusterIP: 10.1.0.2, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints:
- addresses: [10.0.0.1]
";

const OLD: &str = "\
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /old, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}
";

const NEW: &str = "\
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /new, pathType: Exact, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /, pathType: Prefix, backend: {service: {name: next, port: {number: 80}}}}
  - host: api.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
";

/// Old and new manifests, as file and as directory.
fn both() -> (tempfile::TempDir, String, String) {
    let old = format!("{SERVICES}{OLD}");
    let new = format!("{NEW}---\n{SERVICES}").replace("[10.0.0.1]", "[10.0.0.2]");
    let root = files(&[("old.yaml", &old), ("new.yaml", &new)]);
    let paths = (
        below(root.path(), "old.yaml"),
        below(root.path(), "new.yaml"),
    );
    (root, paths.0, paths.1)
}

#[test]
fn differences_are_shown_with_a_summary() {
    let (root, old, new) = both();
    let output = silverback(&["diff", "-f", &old, "-f", &new], "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    insta::assert_snapshot!(text_below(root.path(), &out(&output)));
}

#[test]
fn report_has_a_version_and_a_summary() {
    let (_root, old, new) = both();
    let output = silverback(&["diff", "-f", &old, "-f", &new, "-o", "json"], "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let report = json(&output);
    assert_eq!(report["schemaVersion"], 1);
    assert_eq!(report["equal"], false);
    assert_eq!(
        report["summary"],
        serde_json::json!({"added": 4, "changed": 2, "removed": 1})
    );
    let changes = report["changes"].as_array().expect("a list");
    let host = changes
        .iter()
        .find(|change| change["id"]["host"] == "shop.example.com");
    let host = host.expect("the host");
    assert_eq!(
        (&host["op"], &host["kind"]),
        (&"change".into(), &"host".into())
    );
    let gone = host["changes"]
        .as_array()
        .expect("matches")
        .iter()
        .find(|change| change["op"] == "remove");
    assert_eq!(gone.expect("a match")["id"]["path"]["value"], "/old");
}

#[test]
fn exit_status_says_whether_tables_differ_if_asked() {
    let (root, old, new) = both();
    let code = |args: &[&str]| silverback(&[&["diff"], args].concat(), "").status.code();
    assert_eq!(code(&["-f", &old, "-f", &new]), Some(0));
    assert_eq!(code(&["-f", &old, "-f", &new, "--exit-code"]), Some(1));
    assert_eq!(code(&["-f", &old, "-f", &old, "--exit-code"]), Some(0));
    // What goes wrong is neither.
    let missing = below(root.path(), "missing.yaml");
    assert_eq!(code(&["-f", &old, "-f", &missing, "--exit-code"]), Some(2));
    assert_eq!(code(&["-f", &old]), Some(2));
    assert_eq!(code(&["-f", &old, "-f", &new, "-f", &new]), Some(2));
    assert_eq!(code(&["-f", "-", "-f", "-"]), Some(2));
}

/// An Ingress with a plugin and a certificate, and what they are.
fn referring(limit: u32, key: &str) -> String {
    format!(
        "{SERVICES}---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: shop, annotations: {{konghq.com/plugins: limit}}}}
spec:
  tls: [{{hosts: [shop.example.com], secretName: shop}}]
  rules:
  - host: shop.example.com
    http:
      paths:
      - {{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}
---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: limit}}
plugin: rate-limiting
config: {{minute: {limit}, policy: local}}
---
apiVersion: v1
kind: Secret
metadata: {{name: shop}}
type: kubernetes.io/tls
stringData:
  tls.crt: \"-----BEGIN CERTIFICATE-----\\nAA==\\n-----END CERTIFICATE-----\"
  tls.key: \"-----BEGIN PRIVATE KEY-----\\n{key}\\n-----END PRIVATE KEY-----\"
"
    )
}

#[test]
fn contents_of_plugins_and_certificates_are_compared_but_not_shown() {
    let (old, key) = ("c2VjcmV0", "b3RoZXI=");
    for (new, what) in [
        (
            referring(6, old),
            "plugins[KongPlugin default/limit].content: ",
        ),
        (referring(5, key), "secretContent: "),
        (referring(5, old), ""),
    ] {
        let root = files(&[("old.yaml", &referring(5, old)), ("new.yaml", &new)]);
        let (a, b) = (
            below(root.path(), "old.yaml"),
            below(root.path(), "new.yaml"),
        );
        let output = silverback(&["diff", "-f", &a, "-f", &b, "--exit-code"], "");
        let shown = out(&output);
        assert_eq!(
            output.status.code(),
            Some(i32::from(!what.is_empty())),
            "{shown}"
        );
        assert!(shown.contains(what), "{shown}");
        let json = silverback(&["diff", "-f", &a, "-f", &b, "-o", "json"], "");
        for text in [shown, out(&json), err(&output)] {
            assert!(!text.contains(old) && !text.contains(key), "{text}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_no_difference_that_anybody_made() {
    let (_root, old, _) = both();
    let broken = "a: [\n";
    let plain = silverback(&["diff", "-f", &old, "-f", "-"], broken);
    assert_eq!(plain.status.code(), Some(1), "{}", err(&plain));
    let why = "not all manifests could be read (1 error above)";
    assert!(err(&plain).contains(why), "{}", err(&plain));
    let asked = silverback(&["diff", "-f", &old, "-f", "-", "--exit-code"], broken);
    assert_eq!(asked.status.code(), Some(2), "{}", err(&asked));
}

#[test]
fn other_files_and_another_order_are_no_differences() {
    let (_root, old, _) = both();
    let ingress = OLD.trim_start_matches("---\n");
    let root = files(&[("1.yaml", ingress), ("2.yaml", SERVICES)]);
    let directory = root.path().to_str().expect("UTF-8");
    let output = silverback(&["diff", "-f", &old, "-f", directory, "--exit-code"], "");
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert_eq!(out(&output), "no differences\n");
    let output = silverback(&["diff", "-f", &old, "-f", directory, "-o", "json"], "");
    assert_eq!(json(&output)["equal"], true);
}

#[test]
fn either_side_can_come_from_the_standard_input() {
    let (_root, old, _) = both();
    let output = silverback(&["diff", "-f", &old, "-f", "-"], SERVICES);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        out(&output).contains("- host shop.example.com (ingress)"),
        "{}",
        out(&output)
    );
    let output = silverback(&["diff", "-f", "-", "-f", &old], SERVICES);
    assert!(
        out(&output).contains("+ host shop.example.com (ingress)"),
        "{}",
        out(&output)
    );
}

#[test]
fn signs_are_coloured_if_asked() {
    let (_root, old, new) = both();
    let output = with(
        &["diff", "-f", &old, "-f", &new],
        "",
        &[("CLICOLOR_FORCE", "1")],
    );
    let shown = out(&output);
    for start in ["\u{1b}[32m+ ", "\u{1b}[31m- ", "\u{1b}[33m~ "] {
        assert!(shown.contains(start), "{shown:?}");
    }
}

#[test]
fn problems_of_each_side_are_counted() {
    let (_root, old, _) = both();
    let output = silverback(&["diff", "-f", &old, "-f", "-"], OLD);
    assert!(err(&output).contains("with -"), "{}", err(&output));
    assert!(!err(&output).contains("old.yaml"), "{}", err(&output));
}
