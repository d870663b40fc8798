//! Builds the two guests, so that `cargo run` is all that anyone needs to type.
//!
//! ```text
//! wasm-filter --wasm32-wasip1, feature filter-------------> silverback.wasm   (core module)
//! wasm-filter --wasm32-unknown-unknown, feature component-> translator.wasm   (component)
//! ```
//!
//! The guests have a target directory of their own (`target/guests`): the cargo that runs this
//! script holds the lock of the ordinary one.
//!
//! Environment:
//! * `SILVERBACK_FILTER_WASM`, `SILVERBACK_TRANSLATOR_WASM`: use these prebuilt files.
//! * `SILVERBACK_OFFLINE=1`: never touch the network, neither for crates nor for rustup.

mod cargo;
mod env;
mod target;
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// One of the two modules that are embedded in the host.
struct Guest {
    /// Name in `target/wasm`, in messages and of the copy in `OUT_DIR`.
    file: &'static str,
    /// Names a prebuilt file instead.
    prebuilt: &'static str,
    /// Prefix of the variables that the library reads with `env!`.
    variable: &'static str,
    target: &'static str,
    features: &'static [&'static str],
    /// What a finished file starts with: the magic and, in the second word, whether it is a
    /// core module (version 1) or a component (version 13, layer 1).
    magic: [u8; 8],
}

const FILTER: Guest = Guest {
    file: "silverback.wasm",
    prebuilt: "SILVERBACK_FILTER_WASM",
    variable: "SILVERBACK_FILTER",
    target: "wasm32-wasip1",
    features: &[],
    magic: *b"\0asm\x01\0\0\0",
};

const TRANSLATOR: Guest = Guest {
    file: "translator.wasm",
    prebuilt: "SILVERBACK_TRANSLATOR_WASM",
    variable: "SILVERBACK_TRANSLATOR",
    target: "wasm32-unknown-unknown",
    features: &["--no-default-features", "--features", "component"],
    magic: *b"\0asm\x0d\0\x01\0",
};

/// Everything that the guests are made of, below the workspace.
const INPUTS: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "rust-toolchain.toml",
    "wasm-filter/Cargo.toml",
    "wasm-filter/core/Cargo.toml",
    "wasm-filter/core/src",
    "wasm-filter/src",
    "wit",
];

/// What Kong wants to find beside silverback.wasm.
const META: &str = "wasm-filter/silverback.meta.json";

fn main() {
    // A panic or a returned error would print a Debug form; this is the text for people.
    if let Err(error) = run() {
        eprintln!("error: {error:#}");
        std::process::exit(1);
    }
}

fn run() -> Result<()> {
    let manifest = PathBuf::from(env::required("CARGO_MANIFEST_DIR")?);
    let workspace = manifest
        .parent()
        .and_then(Path::parent)
        .context("host/guests is not two levels below the workspace")?
        .to_owned();
    let out = PathBuf::from(env::required("OUT_DIR")?);
    let people = workspace.join("target").join("wasm");
    fs::create_dir_all(&people).with_context(|| format!("cannot create {}", people.display()))?;

    for input in INPUTS.iter().chain([&META]) {
        // Cargo takes a path that does not exist for one that has always just changed.
        let path = workspace.join(input);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=Cargo.toml");
    for variable in [FILTER.prebuilt, TRANSLATOR.prebuilt, env::OFFLINE] {
        println!("cargo::rerun-if-env-changed={variable}");
    }

    for guest in [&FILTER, &TRANSLATOR] {
        let bytes = match env::file(guest.prebuilt) {
            Some(path) => prebuilt(guest, &path)?,
            None => {
                build(guest, &workspace).with_context(|| format!("cannot build {}", guest.file))?
            }
        };
        hand_out(guest, &bytes, &out, &people)?;
    }
    let meta = workspace.join(META);
    if meta.exists() {
        write_if_changed(
            &people.join("silverback.meta.json"),
            &fs::read(&meta).with_context(|| format!("cannot read {}", meta.display()))?,
        )?;
    }
    Ok(())
}

/// Takes a file that somebody built elsewhere.
fn prebuilt(guest: &Guest, path: &Path) -> Result<Vec<u8>> {
    println!("cargo::rerun-if-changed={}", path.display());
    let bytes = fs::read(path)
        .with_context(|| format!("cannot read {} (set by {})", path.display(), guest.prebuilt))?;
    check_magic(guest, &bytes)
        .with_context(|| format!("{} (set by {})", path.display(), guest.prebuilt))?;
    Ok(bytes)
}

/// Builds a guest, and makes a component of it where that is what it is.
fn build(guest: &Guest, workspace: &Path) -> Result<Vec<u8>> {
    target::ensure(guest.target)?;
    terminal::progress(&format!("{} ({})", guest.file, guest.target));
    let module = cargo::build(workspace, guest.target, guest.features)?;
    let bytes = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
    let bytes = if guest.magic == TRANSLATOR.magic {
        wit_component::ComponentEncoder::default()
            .validate(true)
            .module(&bytes)
            .and_then(|encoder| encoder.encode())
            .context("the module cannot be made a component")?
    } else {
        bytes
    };
    check_magic(guest, &bytes)?;
    Ok(bytes)
}

fn check_magic(guest: &Guest, bytes: &[u8]) -> Result<()> {
    if !bytes.starts_with(&guest.magic) {
        let what = match guest.magic[4] {
            1 => "a core WebAssembly module",
            _ => "a WebAssembly component",
        };
        bail!(
            "not {what}, which {} has to be (hint: are {} and {} swapped?)",
            guest.file,
            FILTER.prebuilt,
            TRANSLATOR.prebuilt
        );
    }
    Ok(())
}

/// Copies a guest to where the library includes it from, and to where people look for it.
fn hand_out(guest: &Guest, bytes: &[u8], out: &Path, people: &Path) -> Result<()> {
    let embedded = out.join(guest.file);
    let copy = people.join(guest.file);
    write_if_changed(&embedded, bytes)?;
    write_if_changed(&copy, bytes)?;
    let digest = blake3::hash(bytes).to_hex();
    println!("cargo::rustc-env={}_ID={}", guest.variable, &digest[..12]);
    println!(
        "cargo::rustc-env={}_OUT={}",
        guest.variable,
        embedded.display()
    );
    println!(
        "cargo::rustc-env={}_PATH={}",
        guest.variable,
        copy.display()
    );
    Ok(())
}

/// Leaves a file with the right content alone, so that whoever watches it sees real changes only,
/// and replaces any other at once, so that nobody reads half a file.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    fs::write(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
