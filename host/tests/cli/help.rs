use super::support::{err, out, with};

/// The environment that a help text mentions values of is left out; lines are 100 wide.
fn help(args: &[&str]) -> String {
    let output = with(args, "", &[("COLUMNS", "100")]);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", err(&output));
    out(&output)
}

#[test]
fn program_has_help() {
    insta::assert_snapshot!(help(&["--help"]));
}

#[test]
fn every_command_has_help_with_examples() {
    for command in [
        "explain",
        "translate",
        "validate",
        "diff",
        "problems",
        "completions",
    ] {
        let text = help(&[command, "--help"]);
        let example = format!("Examples:\n  ");
        assert!(text.contains(&example), "{command}");
        insta::assert_snapshot!(command, text);
    }
    #[cfg(feature = "dev")]
    assert!(help(&["dev", "--help"]).contains("Examples:\n  silverback dev"));
}
