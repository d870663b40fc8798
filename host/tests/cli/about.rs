use super::support::{err, json, out, silverback};

#[test]
fn code_is_explained_in_any_case() {
    let output = silverback(&["problems", "invalidhost"], "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let shown = out(&output);
    assert!(shown.starts_with("InvalidHost\ncause  "), "{shown}");
    assert!(shown.contains("\n cure  "), "{shown}");
}

#[test]
fn codes_of_translator_and_host_are_listed() {
    let output = silverback(&["problems", "-o", "json"], "");
    let report = json(&output);
    assert_eq!(report["schemaVersion"], 1);
    let codes = report["codes"].as_array().expect("a list");
    for code in ["BackendNotFound", "Unparsable"] {
        let page = codes.iter().find(|page| page["code"] == code);
        let page = page.unwrap_or_else(|| panic!("{code} is not listed"));
        assert!(page["cause"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(page["cure"].as_str().is_some_and(|text| !text.is_empty()));
    }
    let table = out(&silverback(&["problems"], ""));
    assert!(table.lines().count() > codes.len(), "{table}");
}

#[test]
fn unknown_code_is_answered_with_the_nearest() {
    let output = silverback(&["problems", "BackendNotFuond"], "");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(out(&output), "");
    assert_eq!(
        err(&output),
        "error: there is no problem code `BackendNotFuond`\n hint: did you mean BackendNotFound?\n"
    );
    let output = silverback(&["problems", "42"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("silverback problems lists all"));
}

#[test]
fn every_shell_gets_completions_of_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = silverback(&["completions", shell], "");
        assert_eq!(output.status.code(), Some(0), "{shell}: {}", err(&output));
        let script = out(&output);
        for word in ["validate", "diff", "explain", "translate", "deny-warnings"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
    }
    let output = silverback(&["completions", "csh"], "");
    assert_eq!(output.status.code(), Some(2));
}
