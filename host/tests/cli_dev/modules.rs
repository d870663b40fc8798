//! Modules that are replaced while it runs, and modules that cannot be.

use std::fs;
use std::path::{Path, PathBuf};

use silverback_guests::{FILTER_WASM, TRANSLATOR_WASM};

use crate::support::{Dev, command, directory, free_port};

/// An empty custom section more: other bytes, the same code.
fn other(wasm: &[u8]) -> Vec<u8> {
    [wasm, &[0, 2, 1, b'x']].concat()
}

/// The same module as if it were built for another format of tables.
fn of_another_build(wasm: &[u8]) -> Vec<u8> {
    let (text, changed) = (b"silverbacktable/2 ", b"silverbacktable/9 ");
    let at = wasm.windows(text.len()).position(|window| window == text);
    let at = at.expect("the section");
    let mut wasm = wasm.to_vec();
    wasm[at..at + text.len()].copy_from_slice(changed);
    wasm
}

fn written(directory: &Path, name: &str, wasm: &[u8]) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, wasm).expect("written");
    path
}

#[test]
fn modules_are_replaced_while_it_runs_and_broken_ones_are_not() {
    let root = directory();
    let modules = tempfile::tempdir().expect("a directory");
    let filter = written(modules.path(), "silverback.wasm", FILTER_WASM);
    let translator = written(modules.path(), "translator.wasm", TRANSLATOR_WASM);
    let text = |path: &Path| path.display().to_string();
    let mut dev = Dev::start(
        root.path(),
        &[
            "--filter-wasm",
            &text(&filter),
            "--translator-wasm",
            &text(&translator),
        ],
    );
    // As a linker does it: written elsewhere, then moved.
    let replace = |file: &Path, wasm: &[u8]| {
        let temporary = written(modules.path(), "new", wasm);
        fs::rename(temporary, file).expect("moved");
    };

    for (file, wasm, name) in [
        (&filter, FILTER_WASM, "silverback.wasm"),
        (&translator, TRANSLATOR_WASM, "translator.wasm"),
    ] {
        let other = other(wasm);
        replace(file, &other);
        let line = dev.wait_for(name);
        assert!(line.contains("in effect after"), "{line}");
        assert_eq!(dev.status("/cart"), "200");

        // Each is told in one line: which file, why, and that the one before goes on.
        let goes_on = format!("the {name} before goes on");
        for (broken, why) in [
            (b"no module".to_vec(), "it is no WebAssembly (hint: "),
            (
                wasm[..wasm.len() / 2].to_vec(),
                "failed to parse WebAssembly module",
            ),
            (
                of_another_build(wasm),
                "table format 9, and this program for 2 (hint: ",
            ),
        ] {
            replace(file, &broken);
            let line = dev.wait_for(&goes_on);
            assert!(line.starts_with("error: "), "{line}");
            assert!(line.contains(why) && line.contains(&text(file)), "{line}");
            assert_eq!(dev.status("/cart"), "200");
        }
        fs::remove_file(file).expect("removed");
        let line = dev.wait_for(&goes_on);
        assert!(line.contains("no such file"), "{line}");
        fs::write(file, &other).expect("written");
        let line = dev.wait_for(name);
        assert!(line.contains("in effect after"), "{line}");
        assert_eq!(dev.status("/cart"), "200");
    }

    // A filter that is one, and does not start.
    replace(&filter, b"\0asm\x01\0\0\0");
    let line = dev.wait_for("the silverback.wasm before goes on");
    assert!(line.contains("proxy_abi_version_0_2_1"), "{line}");
    assert_eq!(dev.status("/cart"), "200");
}

#[test]
fn a_module_that_cannot_be_used_at_the_start_is_told_in_a_line_with_a_hint() {
    let root = directory();
    let modules = tempfile::tempdir().expect("a directory");
    for (flag, wasm, why) in [
        ("--filter-wasm", b"text".to_vec(), "it is no WebAssembly"),
        (
            "--filter-wasm",
            TRANSLATOR_WASM.to_vec(),
            "it is a component",
        ),
        (
            "--filter-wasm",
            FILTER_WASM[..5000].to_vec(),
            "failed to parse WebAssembly module",
        ),
        (
            "--filter-wasm",
            of_another_build(FILTER_WASM),
            "table format 9",
        ),
        (
            "--translator-wasm",
            FILTER_WASM.to_vec(),
            "it is a core module",
        ),
        (
            "--translator-wasm",
            of_another_build(TRANSLATOR_WASM),
            "table format 9",
        ),
    ] {
        let file = written(modules.path(), "module", &wasm)
            .display()
            .to_string();
        let output = command(root.path(), free_port(), &[flag, &file]).output();
        let output = output.expect("ended");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        let mut lines = err.lines();
        let first = lines.next().unwrap_or_default();
        assert!(
            first.starts_with(&format!("error: {flag} {file}: ")),
            "{err}"
        );
        assert!(first.contains(why), "{err}");
        assert!(
            lines.next().is_some_and(|line| line.contains("hint: ")),
            "{err}"
        );
        assert_eq!(lines.next(), None, "{err}");
    }
}
