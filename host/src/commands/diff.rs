//! `silverback diff`: what new manifests change in the routing table.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::Failure;
use crate::args::{DiffArgs, TableOutput};
use crate::diff::{self, Counts};
use crate::manifests::STDIN;
use crate::offline::Offline;
use crate::render;

pub(super) fn run(args: &DiffArgs, verbose: u8) -> Result<ExitCode, Failure> {
    let [old, new] = &*args.tables else {
        return Err(Failure::usage(anyhow::anyhow!(
            "diff compares two paths, not {} (hint: silverback diff -f OLD -f NEW)",
            args.tables.len()
        )));
    };
    if [old, new].iter().all(|path| *path == Path::new(STDIN)) {
        return Err(Failure::usage(anyhow::anyhow!(
            "old and new manifests cannot both come from the standard input"
        )));
    }
    let options = args.classes.options();
    // 1 says that the tables differ, so everything that goes wrong is 2.
    let old = dump(old, &options, verbose).map_err(Failure::trouble)?;
    let new = dump(new, &options, verbose).map_err(Failure::trouble)?;
    let changes = diff::diff(&old, &new);

    let mut out = anstream::stdout().lock();
    match args.output {
        TableOutput::Json => {
            let counts = diff::counts(&changes);
            let report = json!({
                "schemaVersion": 1,
                "equal": changes.is_empty(),
                "summary": Counts::total(counts.iter().map(|(_, counts)| counts)),
                "changes": changes,
            });
            writeln!(out, "{report}")
        }
        TableOutput::Table => render::diff(&mut out, &changes),
    }
    .map_err(|error| Failure::trouble(error.into()))?;
    let differ = args.exit_code && !changes.is_empty();
    Ok(ExitCode::from(u8::from(differ)))
}

/// The routing table of a path.
fn dump(path: &PathBuf, options: &str, verbose: u8) -> Result<Value, Failure> {
    let set = super::load(std::slice::from_ref(path))?;
    let offline = Offline::new(&set, options)?;
    render::input_of(&offline, &path.display().to_string(), verbose)?;
    Ok(serde_json::from_str(&offline.dump()?)?)
}
