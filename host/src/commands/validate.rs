//! `silverback validate`: everything that is wrong with the manifests.

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use super::Failure;
use crate::args::{TableOutput, ValidateArgs};
use crate::manifests::ManifestSet;
use crate::offline::Offline;
use crate::problem::{Problem, Severity};
use crate::render;

pub(super) fn run(args: &ValidateArgs, verbose: u8) -> Result<ExitCode, Failure> {
    let set = super::load(&args.manifests.filename)?;
    let mut offline = Offline::new(&set, &args.manifests.classes.options())?;
    let of_certificates = certificates(&set, &offline);
    offline.add_problems(&set, of_certificates);
    super::written(report(args, &set, &offline, verbose))?;
    let limit = if args.deny_warnings {
        Severity::Warning
    } else {
        Severity::Error
    };
    let failed = offline.worst().is_some_and(|worst| worst >= limit);
    Ok(ExitCode::from(u8::from(failed)))
}

fn report(
    args: &ValidateArgs,
    set: &ManifestSet,
    offline: &Offline,
    verbose: u8,
) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match args.output {
        TableOutput::Json => {
            let report = json!({
                "schemaVersion": 1,
                "problems": offline.problems,
                "skipped": offline.skipped,
            });
            writeln!(out, "{report}")?;
        }
        TableOutput::Table => {
            render::problems(&mut out, &offline.problems)?;
            if verbose > 0 {
                render::skipped(&mut out, &offline.skipped)?;
            }
            render::summary(&mut out, offline, set.file_count(), args.deny_warnings)?;
        }
    }
    Ok(())
}

/// What `dev` would say about the certificates.
#[cfg(feature = "dev")]
fn certificates(set: &ManifestSet, offline: &Offline) -> Vec<Problem> {
    super::dev::certificate_problems(set, offline)
}

#[cfg(not(feature = "dev"))]
fn certificates(_set: &ManifestSet, _offline: &Offline) -> Vec<Problem> {
    Vec::new()
}
