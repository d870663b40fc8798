//! `silverback dev`.

use std::process::ExitCode;

use super::Failure;
use crate::args::DevArgs;

pub(super) fn run(_args: &DevArgs, _verbose: u8) -> Result<ExitCode, Failure> {
    Err(anyhow::anyhow!("not yet").into())
}
