//! `--rebuild`: sources change, a command builds, the module is replaced.

use std::fs;

use crate::support::{Dev, command, directory, free_port};

#[cfg(unix)]
fn change(dev: &mut Dev, source: &str, text: &[u8]) {
    fs::write(source, text).expect("written");
    dev.wait_for("a source changed: ");
}

#[cfg(unix)]
#[test]
fn a_change_of_the_sources_builds_and_replaces_the_module() {
    let root = directory();
    let work = tempfile::tempdir().expect("a directory");
    let path = |name: &str| work.path().join(name).display().to_string();
    fs::create_dir_all(path("src/sub")).expect("created");
    let (source, built) = (path("src/sub/part"), path("silverback.wasm"));
    fs::write(path("base.wasm"), silverback_guests::FILTER_WASM).expect("written");
    fs::write(&built, silverback_guests::FILTER_WASM).expect("written");
    // What is in the source ends up as a section of the module; without any it does not build.
    let build = format!(
        "test -s {source} && cat {} {source} > {built}.new && mv {built}.new {built}",
        path("base.wasm")
    );
    let mut dev = Dev::start(
        root.path(),
        &[
            "--filter-wasm",
            &built,
            "--rebuild",
            &build,
            "--rebuild-on",
            &path("src"),
        ],
    );
    change(&mut dev, &source, b"\0\x02\x01x");
    dev.wait_for("built in");
    let line = dev.wait_for("silverback.wasm");
    assert!(line.contains("in effect after"), "{line}");
    assert_eq!(dev.status("/cart"), "200");

    change(&mut dev, &source, b"");
    let line = dev.wait_for("what was built last goes on");
    assert!(line.contains("failed (exit status: 1)"), "{line}");
    assert_eq!(dev.status("/cart"), "200");
}

#[test]
fn each_of_the_two_flags_needs_the_other() {
    let root = directory();
    let missing = root.path().join("missing").display().to_string();
    for (args, why) in [
        (&["--rebuild", "true"][..], "--rebuild-on"),
        (&["--rebuild-on", "src"], "--rebuild <COMMAND>"),
        (
            &["--rebuild", "true", "--rebuild-on", &missing],
            "there is no such file or directory",
        ),
    ] {
        let output = command(root.path(), free_port(), args)
            .output()
            .expect("ended");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains(why), "{err}");
    }
}
