//! The `silverback` binary.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    silverback::commands::run(silverback::args::Args::parse())
}
