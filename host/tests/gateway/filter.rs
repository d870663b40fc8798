//! The filter `plan_from_header`, built from source: the tests and the bench run it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use silverback_emulator::Filter;

const TARGET: &str = "wasm32-wasip1";

/// The test filter, compiled once in this process.
pub(crate) fn filter() -> Filter {
    static COMPILED: OnceLock<Filter> = OnceLock::new();
    let compile = || Filter::compile(&std::fs::read(built()).unwrap()).unwrap();
    COMPILED.get_or_init(compile).clone()
}

/// Builds the filter as the emulator's tests do, into the same directory.
fn built() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target = workspace.join("target/guests-tests");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(workspace).args([
        "build",
        "--offline",
        "--locked",
        "--release",
        "--package",
        "silverback-test-filters",
        "--example",
        "plan_from_header",
        "--target",
        TARGET,
        "--target-dir",
    ]);
    cargo.arg(&target);
    // What the outer cargo sets is for the host, not for the guest.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let outer = ["CARGO", "RUSTFLAGS", "RUSTC"];
        let kept = ["CARGO_HOME", "CARGO_NET_OFFLINE"].contains(&&*text);
        if !kept && outer.iter().any(|prefix| text.starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    let output = cargo.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    target
        .join(TARGET)
        .join("release/examples/plan_from_header.wasm")
}
