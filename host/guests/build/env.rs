//! What the environment says, and what of it must not reach the cargo that builds the guests.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

/// Set to 1: no network, for crates or for rustup.
pub(crate) const OFFLINE: &str = "SILVERBACK_OFFLINE";

/// The variables of cargo that say how to reach crates. Every other one either describes the
/// package that this script belongs to, or would change the code of the guests (profiles, flags,
/// wrappers such as clippy's), which have to be the same whoever builds them.
const KEPT: &[&str] = &[
    "CARGO_HOME",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTRY_",
    "CARGO_REGISTRIES_",
    "CARGO_SOURCE_",
];

/// Variables without cargo's prefix that cargo, clippy or a coverage tool sets.
const DROPPED: &[&str] = &[
    "CLIPPY_ARGS",
    "CLIPPY_CONF_DIR",
    "DEBUG",
    "HOST",
    "LLVM_PROFILE_FILE",
    "NUM_JOBS",
    "OPT_LEVEL",
    "OUT_DIR",
    "PROFILE",
    "RUSTC_LINKER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOC",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "TARGET",
];

/// A variable that cargo promises to set.
pub(crate) fn required(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("{name} is not set (hint: this is run by cargo only)"))
}

/// A variable that names a file; empty counts as not set.
pub(crate) fn file(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// Whether the network is out of bounds.
pub(crate) fn offline() -> bool {
    let set =
        |name| env::var(name).is_ok_and(|value: String| !matches!(&*value, "" | "0" | "false"));
    set(OFFLINE) || set("CARGO_NET_OFFLINE")
}

/// Takes from the command's environment what would leak from this build into that of a guest.
pub(crate) fn scrub(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let leaks = name.to_str().is_some_and(|name| {
            let cargo = name.starts_with("CARGO") || name.starts_with("__CARGO");
            let kept = KEPT.iter().any(|kept| name.starts_with(kept));
            (cargo && !kept) || name.starts_with("DEP_") || DROPPED.contains(&name)
        });
        if leaks {
            command.env_remove(name);
        }
    }
}
