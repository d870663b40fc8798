//! `silverback diff`: what new manifests change in the routing table.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::Failure;
use crate::args::{DiffArgs, TableOutput};
use crate::diff::{self, Contents, Counts};
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
    let contents = Contents::default();
    let mut read = Ok(());
    let mut dump = |path| {
        let asked = dump(path, &options, verbose, &contents);
        let (dump, whole) = asked.map_err(Failure::trouble)?;
        if read.is_ok() {
            read = whole;
        }
        Ok::<_, Failure>(dump)
    };
    let (old, new) = (dump(old)?, dump(new)?);
    let changes = diff::diff(&old, &new);

    let mut out = anstream::stdout().lock();
    let shown = match args.output {
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
    .map_err(|error| Failure::trouble(error.into()));
    super::written(shown)?;
    // What a broken file held looks as if it were removed.
    read.map_err(|failure| match args.exit_code {
        true => Failure::trouble(failure),
        false => failure,
    })?;
    let differ = args.exit_code && !changes.is_empty();
    Ok(ExitCode::from(u8::from(differ)))
}

/// The routing table of a path, and whether all of the path is in it.
fn dump(
    path: &PathBuf,
    options: &str,
    verbose: u8,
    contents: &Contents,
) -> Result<(Value, Result<(), Failure>), Failure> {
    let set = super::load(std::slice::from_ref(path))?;
    let offline = Offline::new(&set, options)?;
    render::input_of(&offline, &path.display().to_string(), verbose)?;
    let mut dump = serde_json::from_str(&offline.dump()?)?;
    contents.add(&mut dump, &set.objects());
    Ok((dump, super::all_was_read(&offline)))
}
