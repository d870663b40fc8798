//! The `silverback` binary.

use std::process::ExitCode;

use clap::Parser;

/// A gateway's worker allocates some forty times a request, and a translator that has loaded a cluster
/// gives a lot back: glibc's is slow at the first and keeps the second.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    silverback::commands::run(silverback::args::Args::parse())
}
