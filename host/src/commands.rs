//! The commands: one file each.

mod completions;
#[cfg(feature = "dev")]
pub mod dev;
mod diff;
mod explain;
mod failure;
mod problems;
mod push;
mod request;
mod status;
mod token;
mod translate;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ColorChoice;

use crate::args::{Args, Command};
use crate::manifests::{self, ManifestSet};
use crate::render;

pub use failure::{Failure, Hinted};

/// Runs a command and says how the process is to end: 0 = done, 1 = it failed or found something
/// wrong, 2 = it was not asked right.
pub fn run(args: Args) -> ExitCode {
    match args.color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    log(args.verbose);

    let result = match args.command {
        #[cfg(feature = "dev")]
        Command::Dev(dev) => dev::run(&dev, args.verbose),
        Command::Status(status) => status::run(&status),
        Command::Explain(explain) => explain::run(&explain, args.verbose),
        Command::Translate(translate) => translate::run(&translate, args.verbose),
        Command::Validate(validate) => validate::run(&validate, args.verbose),
        Command::Diff(diff) => diff::run(&diff, args.verbose),
        Command::Push(push) => push::run(&push, args.verbose),
        Command::Problems(problems) => problems::run(&problems),
        Command::Completions(completions) => completions::run(&completions),
    };
    match result {
        Ok(code) => code,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            render::failure(&failure);
            failure.code()
        }
    }
}

/// Loads the manifests of a command line. A path that is not there is a mistake in the command line.
fn load(paths: &[PathBuf]) -> Result<ManifestSet, Failure> {
    let set = manifests::load(paths);
    match set.unreadable_path() {
        Some(problem) => Err(Failure::usage(Hinted::from(problem))),
        None => Ok(set),
    }
}

/// The log is for those who ask for it; `RUST_LOG` says more exactly what.
fn log(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let level = match verbose {
        0 => "warn",
        1 => "warn,silverback=info",
        _ => "info,silverback=debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    // A second call, in a test, changes nothing.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}
