use std::fmt::Write;

use serde_json::{Value, json};

use super::support::{below, err, files, json, out, silverback, text_below, with};

const BAD: &str = "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: first}
spec:
  rules:
  - host: \"A b\" # not a name
    http:
      paths:
      - path: x
        pathType: Prefix
        backend: {service: {name: none, port: {number: 80}}}
";

/// What is wrong with which object, and where.
fn places(report: &Value) -> Vec<(String, String, u64, u64)> {
    let problems = report["problems"].as_array().expect("a list");
    problems
        .iter()
        .map(|problem| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let source = &problem["source"];
            (
                text(&problem["code"]),
                text(&problem["object"]["name"]),
                source["line"].as_u64().unwrap_or_default(),
                source["column"].as_u64().unwrap_or_default(),
            )
        })
        .collect()
}

fn has(report: &Value, code: &str, name: &str, line: u64, column: u64) {
    let places = places(report);
    let expected = (code.to_owned(), name.to_owned(), line, column);
    assert!(places.contains(&expected), "{expected:?} in {places:#?}");
}

#[test]
fn problems_are_shown_in_the_manifest() {
    let root = files(&[("bad.yaml", BAD)]);
    let path = below(root.path(), "bad.yaml");
    let output = silverback(&["validate", "-f", &path], "");
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    insta::assert_snapshot!(text_below(root.path(), &out(&output)));
}

#[test]
fn report_has_a_version_problems_and_what_is_skipped() {
    let output = silverback(&["validate", "-f", "-", "-o", "json"], BAD);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    let names: Vec<_> = report.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["schemaVersion", "problems", "skipped"]);
    assert_eq!(report["schemaVersion"], 1);
    assert_eq!(report["problems"][0]["source"]["file"], "<stdin>");
    has(&report, "InvalidHost", "first", 6, 11);
    let nothing = silverback(&["validate", "-f", "-", "-o", "json"], "# empty\n");
    assert_eq!(nothing.status.code(), Some(0));
    assert_eq!(
        json(&nothing),
        json!({"schemaVersion": 1, "problems": [], "skipped": []})
    );
}

const UNREAD: &str = "\
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: old}
---
apiVersion: networking.k8s.io/v1
kind: Ingres
metadata: {name: misspelt}
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: somebody}
---
apiVersion: v1
kind: Endpoints
metadata: {name: web}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: other}
spec: {ingressClassName: nginx, rules: [{host: a.example}]}
";

#[test]
fn objects_of_routing_that_are_not_read_are_problems() {
    let report = json(&silverback(&["validate", "-f", "-", "-o", "json"], UNREAD));
    for (name, line, column) in [
        ("old", 1, 13),
        ("misspelt", 6, 7),
        ("somebody", 10, 7),
        ("web", 14, 7),
    ] {
        has(&report, "UnsupportedKind", name, line, column);
    }
    assert_eq!(places(&report).len(), 4, "{report:#}");
    let skipped = report["skipped"].as_array().expect("a list");
    assert_eq!(skipped.len(), 6, "{report:#}");
    let denied = silverback(&["validate", "-f", "-", "--deny-warnings"], UNREAD);
    assert_eq!(denied.status.code(), Some(1));
}

#[test]
fn what_is_skipped_is_listed_with_the_reason() {
    let args = ["validate", "-v", "-f", "-", "--ingress-class", "kong"];
    let shown = out(&silverback(&args, UNREAD));
    let skipped: Vec<_> = shown
        .lines()
        .filter(|line| line.starts_with("skipped "))
        .collect();
    insta::assert_snapshot!(skipped.join("\n"));
    assert!(shown.contains("in 0 objects of 1 file"), "{shown}");
}

/// An Ingress with a certificate for `host`.
#[cfg(feature = "dev")]
fn secured(host: &str, certificate: &str, key: &str) -> String {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert"},
        "type": "kubernetes.io/tls", "stringData": {"tls.crt": certificate, "tls.key": key}});
    format!(
        "\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web}}
spec:
  tls: [{{hosts: [{host}], secretName: cert}}]
  defaultBackend: {{service: {{name: web, port: {{number: 80}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{ports: [{{port: 80}}]}}
---
{secret}
"
    )
}

#[cfg(feature = "dev")]
#[test]
fn certificates_are_looked_at_as_dev_does() {
    let make = || rcgen::generate_simple_self_signed(["a.example".to_owned()]).expect("made");
    let (first, second) = (make(), make());
    let (own, other) = (
        first.signing_key.serialize_pem(),
        second.signing_key.serialize_pem(),
    );
    for (host, key, expected) in [
        ("a.example", &own, None),
        // A wildcard may have several certificates for parts of it.
        ("\"*.example\"", &own, None),
        (
            "a.example",
            &other,
            Some((
                "UnusableCertificate",
                "error",
                "tls.key belongs to another certificate than tls.crt",
            )),
        ),
        (
            "b.example",
            &own,
            Some((
                "CertificateForOthers",
                "warning",
                "the certificate is served for b.example, which none of its names covers",
            )),
        ),
    ] {
        let text = secured(host, &first.cert.pem(), key);
        let report = json(&silverback(&["validate", "-f", "-", "-o", "json"], &text));
        let problems = report["problems"].as_array().expect("a list");
        let told: Vec<_> = problems
            .iter()
            .filter(|problem| problem["severity"] != "info")
            .map(|problem| {
                let text = |name: &str| problem[name].as_str().unwrap_or_default();
                assert!(problem["source"]["line"].is_u64(), "{problem}");
                (text("code"), text("severity"), text("message"))
            })
            .collect();
        assert_eq!(told, expected.as_slice(), "{host}");
    }
}

#[test]
fn documents_of_one_file_have_their_own_places() {
    let text = format!(
        "# a comment\n---\n{BAD}---\n{}",
        BAD.replace("first", "second")
    );
    let report = json(&silverback(&["validate", "-f", "-", "-o", "json"], &text));
    has(&report, "InvalidHost", "first", 8, 11);
    has(&report, "InvalidHost", "second", 20, 11);
}

#[test]
fn items_of_a_list_have_their_own_places() {
    let mut text = "apiVersion: v1\nkind: List\nitems:\n".to_owned();
    for name in ["first", "second"] {
        for (index, line) in BAD.replace("first", name).lines().enumerate() {
            let head = if index == 0 { "- " } else { "  " };
            writeln!(text, "{head}{line}").expect("a String takes everything");
        }
    }
    let report = json(&silverback(&["validate", "-f", "-", "-o", "json"], &text));
    has(&report, "InvalidHost", "first", 9, 13);
    has(&report, "InvalidHost", "second", 20, 13);

    // The same list in JSON, on one line.
    let item = |name: &str| {
        format!(
            r#"{{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{{"name":"{name}"}},"spec":{{"rules":[{{"host":"A b"}}]}}}}"#
        )
    };
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"List","items":[{},{}]}}"#,
        item("first"),
        item("second")
    );
    let report = json(&silverback(&["validate", "-f", "-", "-o", "json"], &text));
    for name in ["first", "second"] {
        let start = text.find(name).expect("there");
        let host = start + text[start..].find("\"A b\"").expect("there");
        has(&report, "InvalidHost", name, 1, host as u64 + 1);
    }
}

#[test]
fn huge_lines_do_not_flood_the_terminal() {
    let huge = "x".repeat(1 << 20);
    let yaml = format!(
        "{}  annotations: {{a: \"{huge}\", konghq.com/methods: \"{huge} !\"}}\n",
        BAD.replace("metadata: {name: first}", "metadata:\n  name: first")
    );
    let yaml = yaml.replace("\"A b\"", &format!("\"A {huge}\""));
    let json = format!(
        r#"{{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{{"name":"a","labels":{{"x":"{huge}"}}}},"spec":{{"rules":[{{"host":"A b"}}],"x":"{huge}"}}}}"#
    );
    for text in [yaml, json] {
        let output = silverback(&["validate", "-f", "-"], &text);
        assert_eq!(output.status.code(), Some(1), "{}", err(&output));
        let shown = out(&output);
        assert!(shown.len() < 10_000, "{} bytes", shown.len());
        assert!(shown.contains("error["), "{shown}");
    }
}

#[test]
fn terminal_is_not_told_what_a_manifest_says() {
    let text = BAD.replace("A b", "\\e[2J\\u202Eb");
    let output = silverback(&["validate", "-f", "-", "--color", "never"], &text);
    let shown = out(&output);
    assert!(shown.contains("InvalidHost"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let coloured = |args: &[&str], variables: &[(&str, &str)]| {
        let args = [&["validate", "-f", "-"], args].concat();
        out(&with(&args, BAD, variables)).contains('\u{1b}')
    };
    assert!(!coloured(&[], &[]), "a pipe");
    assert!(coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(
        &[],
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]
    ));
    assert!(coloured(&["--color", "always"], &[]));
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(!coloured(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&["-o", "json", "--color", "always"], &[]));
}

#[test]
fn denied_warnings_are_said_to_be() {
    let output = silverback(&["validate", "-f", "-", "--deny-warnings"], "a: 1\n");
    assert_eq!(output.status.code(), Some(1));
    let shown = out(&output);
    assert!(shown.contains("0 errors, 1 warning (denied)"), "{shown}");
    let ignored = silverback(&["validate", "-f", "-"], "a: 1\n");
    assert_eq!(ignored.status.code(), Some(0));
}

#[test]
fn many_problems_are_shown_in_reasonable_time() {
    // Finding lines and fields once per problem would be quadratic here.
    let one = BAD.split_once("spec:\n").expect("a spec").1;
    let mut text = String::new();
    for index in 0..3000 {
        writeln!(
            text,
            "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: n{index}}}\nspec:\n{one}"
        )
        .expect("a String takes everything");
    }
    let output = silverback(&["validate", "-f", "-"], &text);
    assert_eq!(output.status.code(), Some(1));
    assert!(out(&output).matches("InvalidHost").count() >= 3000);
}

#[test]
fn bytes_that_are_no_text_have_a_place_too() {
    let root = files(&[]);
    let path = below(root.path(), "a.yaml");
    std::fs::write(&path, b"a: 1\nb: \xff\n").expect("written");
    let output = silverback(&["validate", "-f", &path], "");
    assert_eq!(output.status.code(), Some(1));
    let shown = text_below(root.path(), &out(&output));
    assert!(
        shown.contains("error[Unparsable]: not UTF-8 (ROOT/a.yaml:2:4)"),
        "{shown}"
    );
    let report = json(&silverback(&["validate", "-f", &path, "-o", "json"], ""));
    has(&report, "Unparsable", "", 2, 4);
}
