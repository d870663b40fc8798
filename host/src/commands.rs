//! The commands: one file each.

mod answer;
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
use crate::offline::Offline;
use crate::render;

pub use failure::{Failure, Hinted, Unread};

/// Runs a command and says how the process is to end: 0 = done, 1 = it failed or found something
/// wrong, 2 = it was not asked right.
pub fn run(args: Args) -> ExitCode {
    match args.color {
        ColorChoice::Auto => automatic(),
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

/// `CLICOLOR_FORCE=0` forces nothing (bixense.com/clicolors); `anstream` asks only whether it is set.
fn automatic() -> anstream::ColorChoice {
    use std::io::IsTerminal;
    let is = |name, value: &str| std::env::var_os(name).is_some_and(|set| set == value);
    let set = |name| std::env::var_os(name).is_some_and(|set| !set.is_empty());
    if !is("CLICOLOR_FORCE", "0") {
        return anstream::ColorChoice::Auto;
    }
    let plain = set("NO_COLOR") || is("CLICOLOR", "0") || is("TERM", "dumb");
    let terminals = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    match terminals && !plain {
        true => anstream::ColorChoice::Always,
        false => anstream::ColorChoice::Never,
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

/// Whoever reads our output may go before its end; what the exit status says stays true.
fn written(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(failure) if failure.is_broken_pipe() => Ok(()),
        result => result,
    }
}

/// An answer that was made without files that could not be read is no success.
fn all_was_read(offline: &Offline) -> Result<(), Failure> {
    match offline.unread().count() {
        0 => Ok(()),
        errors => Err(Failure::from(Unread {
            errors,
            consequence: "the answer is without what they hold",
            advice: "correct them and ask again",
        })),
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
        .with_ansi(anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never)
        .try_init();
}
