//! Runs the binary.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Runs the binary as if nothing were set in the environment.
pub(super) fn silverback(args: &[&str], stdin: &str) -> Output {
    with(args, stdin, &[])
}

/// The same with variables.
pub(super) fn with(args: &[&str], stdin: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_silverback"));
    for name in [
        "RUST_LOG",
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "COLUMNS",
    ] {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SILVERBACK_") {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args(args)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut input = child.stdin.take().expect("a pipe");
    // Who does not read its input may be gone already.
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    child.wait_with_output().expect("ended")
}

pub(super) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(super) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The answer in JSON.
pub(super) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("not JSON: {error}\n{}\n{}", out(output), err(output));
    })
}

/// Files in a directory of their own.
pub(super) fn files(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        fs::write(root.path().join(name), text).expect("written");
    }
    root
}

/// A file below such a directory, as an argument.
pub(super) fn below(root: &Path, name: &str) -> String {
    root.join(name).to_str().expect("UTF-8").to_owned()
}

/// Messages have the same names everywhere.
pub(super) fn text_below(root: &Path, text: &str) -> String {
    text.replace(&root.display().to_string(), "ROOT")
}
