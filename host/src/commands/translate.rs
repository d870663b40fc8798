//! `silverback translate`: the routing table that comes of the manifests.

use std::io::Write;
use std::process::ExitCode;

use super::Failure;
use crate::args::{TableOutput, TranslateArgs};
use crate::dump::Dump;
use crate::offline::Offline;
use crate::render;

pub(super) fn run(args: &TranslateArgs, verbose: u8) -> Result<ExitCode, Failure> {
    let set = super::load(&args.manifests.filename)?;
    let offline = Offline::new(&set, &args.manifests.classes.options())?;
    render::input(&offline, verbose)?;
    let dump = offline.dump()?;
    let mut out = anstream::stdout().lock();
    let shown = match args.output {
        TableOutput::Json => writeln!(out, "{dump}"),
        TableOutput::Table => render::tables(&mut out, &Dump::parse(&dump)?),
    };
    super::written(shown.map_err(Failure::from))?;
    super::all_was_read(&offline)?;
    Ok(ExitCode::SUCCESS)
}
