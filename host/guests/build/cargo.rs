//! Runs the cargo that builds a guest.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::env;

/// Builds `silverback-filter` for one target and returns the module that came of it.
///
/// Both guests come from one crate, so their files have the same name: the target keeps them
/// apart.
pub(crate) fn build(workspace: &Path, target: &str, features: &[&str]) -> Result<PathBuf> {
    let directory = workspace.join("target").join("guests");
    let mut command = Command::new(env::required("CARGO")?);
    env::scrub(&mut command);
    command
        .current_dir(workspace)
        .args(["build", "--package", "silverback-filter", "--lib"])
        .args(["--profile", "wasm", "--locked", "--color", "never"])
        .args(["--target", target])
        .arg("--target-dir")
        .arg(&directory)
        .args(features)
        .env("CARGO_TERM_PROGRESS_WHEN", "never")
        .stdin(Stdio::null());
    if env::offline() {
        command.arg("--offline");
    }

    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let hint = if env::offline() && said.contains("--offline") {
            "\nhint: offline, so run `cargo fetch --locked` once with a network"
        } else {
            ""
        };
        bail!(
            "cargo build --target {target} failed ({}):\n{}{hint}",
            output.status,
            said.trim_end()
        );
    }
    Ok(directory
        .join(target)
        .join("wasm")
        .join("silverback_filter.wasm"))
}
