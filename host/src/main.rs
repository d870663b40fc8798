//! The `silverback` binary.

use std::process::ExitCode;

use clap::Parser;

/// A gateway's worker allocates some forty times a request, which is faster so. It keeps 70 MB more of what
/// compiling takes for a moment: without a gateway the system's is the better one.
#[cfg(feature = "dev")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    silverback::commands::run(silverback::args::Args::parse())
}
