use super::support::{err, out, with};

/// A help text in lines of 100 characters.
fn help(args: &[&str]) -> String {
    let output = with(args, "", &[("COLUMNS", "100")]);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", err(&output));
    out(&output)
}

#[cfg(feature = "dev")]
#[test]
fn program_has_help() {
    insta::assert_snapshot!(help(&["--help"]));
}

#[cfg(feature = "dev")]
#[test]
fn every_command_has_help_with_examples() {
    for command in COMMANDS.iter().chain(&["dev"]) {
        insta::assert_snapshot!(*command, help(&[command, "--help"]));
    }
}

#[test]
fn every_example_is_of_its_command() {
    for command in COMMANDS {
        let text = help(&[command, "--help"]);
        // A long example goes on in the next line.
        let text = text.replace("\\\n", "");
        let (_, examples) = text.split_once("\nExamples:\n").expect("examples");
        let examples: Vec<_> = examples
            .lines()
            .take_while(|line| line.starts_with("  "))
            .collect();
        assert!(!examples.is_empty(), "{command}");
        for example in examples {
            let run = format!("silverback {command}");
            let whole = example.ends_with(&run) || example.contains(&format!("{run} "));
            assert!(whole, "{example}");
        }
    }
}

const COMMANDS: &[&str] = &[
    "status",
    "explain",
    "translate",
    "validate",
    "diff",
    "push",
    "problems",
    "completions",
];
