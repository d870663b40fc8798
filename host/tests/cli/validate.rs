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
                "DoubtfulCertificate",
                "warning",
                "it is not for b.example, for which it is served",
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

#[test]
fn exit_status_survives_a_reader_that_goes() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_silverback"))
        .args(["validate", "-f", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("started");
    // Gone before there is anything to read.
    drop(child.stdout.take());
    let mut input = child.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut input, BAD.as_bytes()).expect("written");
    drop(input);
    assert_eq!(child.wait().expect("ended").code(), Some(1));
}

#[test]
fn a_field_that_is_missing_is_named() {
    let text = BAD.replace(
        "backend: {service: {name: none, port: {number: 80}}}",
        "backend: {}",
    );
    let text = text
        .replace("\"A b\"", "a.com")
        .replace("path: x", "path: /x");
    let output = silverback(&["validate", "-f", "-"], &text);
    let expected = "spec.rules[0].http.paths[0].backend.service: is required";
    assert!(out(&output).contains(expected), "{}", out(&output));
}

#[test]
fn place_in_a_long_line_is_the_same_everywhere() {
    let annotations: String = (0..5)
        .map(|n| format!("example.com/a{n}: bbbbbbbbbbbbbbbbbbbbbbbb, "))
        .collect();
    let long = format!(
        "metadata: {{name: first, annotations: {{{annotations}konghq.com/override: ki, c: d}}}}"
    );
    let text = BAD.replace("metadata: {name: first}", &long);
    let report = json(&silverback(&["validate", "-f", "-", "-o", "json"], &text));
    let column = long.find("ki,").expect("there") + 1;
    has(&report, "UnsupportedField", "first", 3, column as u64);
    let shown = out(&silverback(&["validate", "-f", "-"], &text));
    assert!(shown.contains(&format!("<stdin>:3:{column}\n")), "{shown}");
    assert!(shown.contains(" ^^ Ingress default/first\n"), "{shown}");
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_a_problem_and_the_rest_is_read() {
    let root = files(&[(
        "a.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
    )]);
    std::os::unix::fs::symlink("gone.yaml", root.path().join("b.yaml")).expect("linked");
    let directory = root.path().to_str().expect("UTF-8");
    let output = silverback(&["validate", "-f", directory, "-o", "json"], "");
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let report = json(&output);
    assert_eq!(report["problems"][0]["code"], "Unreadable");
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(1));
    let named = below(root.path(), "b.yaml");
    assert_eq!(
        silverback(&["validate", "-f", &named], "").status.code(),
        Some(2)
    );
}

#[test]
fn a_name_that_none_can_have_has_a_place() {
    let report = json(&silverback(
        &["validate", "-f", "-", "-o", "json"],
        &BAD.replace("name: first", "name: \"a/b\""),
    ));
    has(&report, "InvalidName", "a/b", 3, 18);
}

#[test]
fn reasons_name_what_is_meant() {
    for (from, to, said) in [
        (
            "path: x",
            "path: '/~/v\\d+'",
            "pathType Prefix does not take",
        ),
        ("\"A b\"", "https://foo", "is a URL: only its host name"),
    ] {
        let text = BAD.replace(from, to).replace("\"A b\"", "a.com");
        let output = silverback(&["validate", "-f", "-"], &text);
        assert!(out(&output).contains(said), "{}", out(&output));
    }
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: none, annotations: {konghq.com/protocol: htps}}
spec: {ports: [{port: 80}]}
";
    let text = format!(
        "{}{service}",
        BAD.replace("\"A b\"", "a.com")
            .replace("path: x", "path: /x")
    );
    let output = silverback(&["validate", "-f", "-"], &text);
    let said =
        "Service default/none has the annotation konghq.com/protocol: \"htps\", which is not";
    assert!(out(&output).contains(said), "{}", out(&output));
}

#[test]
fn nothing_is_forced_by_0() {
    let output = with(&["validate", "-f", "-"], BAD, &[("CLICOLOR_FORCE", "0")]);
    assert!(!out(&output).contains('\u{1b}'), "{:?}", out(&output));
}
