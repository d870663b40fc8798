//! Sees to it that the toolchain has the target of a guest.

use std::env::var_os;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::env;

/// Adds the target if it is missing and rustup can; otherwise says what to do.
pub(crate) fn ensure(target: &str) -> Result<()> {
    if installed(target)? {
        return Ok(());
    }
    let toolchain = std::env::var("RUSTUP_TOOLCHAIN").ok();
    let shown = match &toolchain {
        Some(toolchain) => format!("rustup target add --toolchain {toolchain} {target}"),
        None => format!("rustup target add {target}"),
    };
    let Some(rustup) = rustup().filter(|_| toolchain.is_some()) else {
        bail!(
            "the toolchain has no {target} and is not managed by rustup (hint: install that \
             target's rust-std the way the toolchain was installed, or use rustup: {shown})"
        );
    };
    if env::offline() {
        bail!("the toolchain has no {target} (hint: run `{shown}`; not done for you offline)");
    }

    println!("cargo::warning=target {target} is missing: {shown}");
    let mut command = Command::new(rustup);
    command.args(["target", "add"]);
    if let Some(toolchain) = &toolchain {
        command.args(["--toolchain", toolchain]);
    }
    let output = command
        .arg(target)
        .output()
        .context("cannot run rustup (hint: is it installed and in PATH?)")?;
    if !output.status.success() {
        bail!(
            "`{shown}` failed:\n{}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    if !installed(target)? {
        bail!("`{shown}` succeeded, yet the target is missing");
    }
    Ok(())
}

/// A target is there if its core library is; rustc names the directory of any target it knows.
fn installed(target: &str) -> Result<bool> {
    let rustc = var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .with_context(|| format!("cannot run {}", Path::new(&rustc).display()))?;
    if !output.status.success() {
        bail!(
            "rustc does not know the target {target}:\n{}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    let directory = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let Ok(entries) = directory.read_dir() else {
        return Ok(false);
    };
    Ok(entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-")))
}

/// Where rustup is: beside cargo's other programs, or in the path.
fn rustup() -> Option<PathBuf> {
    let name = format!("rustup{}", std::env::consts::EXE_SUFFIX);
    let home = var_os("CARGO_HOME").map(|home| PathBuf::from(home).join("bin"));
    let path = var_os("PATH").unwrap_or_default();
    home.into_iter()
        .chain(std::env::split_paths(&path))
        .map(|directory| directory.join(&name))
        .find(|file| file.is_file())
}
