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
fn report_has_a_version_and_nothing_but_problems() {
    let output = silverback(&["validate", "-f", "-", "-o", "json"], BAD);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    let names: Vec<_> = report.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["schemaVersion", "problems"]);
    assert_eq!(report["schemaVersion"], 1);
    assert_eq!(report["problems"][0]["source"]["file"], "<stdin>");
    has(&report, "InvalidHost", "first", 6, 11);
    let nothing = silverback(&["validate", "-f", "-", "-o", "json"], "# empty\n");
    assert_eq!(nothing.status.code(), Some(0));
    assert_eq!(json(&nothing), json!({"schemaVersion": 1, "problems": []}));
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
