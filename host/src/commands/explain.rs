//! `silverback explain`: what happens to a request, and why.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use serde_json::json;

use super::answer::{self, Placeholders, Plugins};
use super::{Failure, request};
use crate::args::{ExplainArgs, ExplainOutput};
use crate::manifests::{ManifestSet, STDIN};
use crate::object::ObjectKey;
use crate::offline::{Offline, OfflineError};
use crate::render;

/// Answers a request; both are JSON.
type Ask<'a> = &'a dyn Fn(&str) -> Result<String, OfflineError>;

pub(super) fn run(args: &ExplainArgs, verbose: u8) -> Result<ExitCode, Failure> {
    if args.requests.as_deref() == Some(Path::new(STDIN))
        && args
            .manifests
            .filename
            .iter()
            .any(|path| path == Path::new(STDIN))
    {
        return Err(Failure::usage(anyhow::anyhow!(
            "manifests and requests cannot both come from the standard input"
        )));
    }
    let set = super::load(&args.manifests.filename)?;
    let more = stubs(args, &set);
    let mut offline = Offline::with(&set, &args.manifests.classes.options(), &more)?;
    render::input(&offline, verbose)?;
    // Nothing is looked up here, and a name is not the same as nothing.
    let (names, objects) = Placeholders::of(offline.names());
    offline.add(&objects);
    let ask = |request: &str| {
        let answer = offline.explain(request);
        answer.map(|answer| answer::complete(answer, &names, Plugins::Kong))
    };
    match (&args.url, &args.requests) {
        (_, Some(requests)) => many(args, &ask, requests)?,
        (Some(url), None) => one(args, &ask, url)?,
        (None, None) => return Err(Failure::usage(anyhow::anyhow!("no URL given"))),
    }
    super::all_was_read(&offline)?;
    Ok(ExitCode::SUCCESS)
}

/// What `dev` would add to the objects of the files.
#[cfg(feature = "dev")]
fn stubs(args: &ExplainArgs, set: &ManifestSet) -> Vec<(ObjectKey, Arc<[u8]>)> {
    if args.echo {
        super::dev::echoes(set)
    } else {
        Vec::new()
    }
}

#[cfg(not(feature = "dev"))]
fn stubs(_args: &ExplainArgs, _set: &ManifestSet) -> Vec<(ObjectKey, Arc<[u8]>)> {
    Vec::new()
}

fn one(args: &ExplainArgs, ask: Ask<'_>, url: &str) -> Result<(), Failure> {
    let request = request::build(&args.method, url, &args.header).map_err(Failure::usage)?;
    let answer = ask(&request.to_string());
    let answer = answer.map_err(|error| match error {
        OfflineError::Core(why) => Failure::usage(anyhow::anyhow!("{why}")),
        error => error.into(),
    })?;
    let mut out = anstream::stdout().lock();
    match args.output {
        None | Some(ExplainOutput::Table) => render::explain(&mut out, &request, &answer)?,
        Some(_) => writeln!(out, "{answer}")?,
    }
    Ok(())
}

/// One answer a line, in the order of the questions. A line that cannot be asked has an answer
/// that says so, and the others are answered all the same.
fn many(args: &ExplainArgs, ask: Ask<'_>, path: &Path) -> Result<(), Failure> {
    if args.output == Some(ExplainOutput::Table) {
        return Err(Failure::usage(anyhow::anyhow!(
            "--requests answers with one JSON value a line (hint: -o jsonl)"
        )));
    }
    let input: Box<dyn BufRead> = if path == Path::new(STDIN) {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path)
            .with_context(|| format!("cannot read {}", path.display()))
            .map_err(Failure::usage)?;
        Box::new(BufReader::new(file))
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut unanswered = 0;
    for (line, number) in input.split(b'\n').zip(1..) {
        let line = line.with_context(|| format!("cannot read {}", path.display()))?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        match ask(line) {
            Ok(answer) => writeln!(out, "{answer}")?,
            Err(OfflineError::Core(why)) => {
                unanswered += 1;
                let error = json!({"message": why, "line": number});
                writeln!(out, "{}", json!({"schemaVersion": 1, "error": error}))?;
            }
            Err(error) => {
                out.flush()?;
                return Err(error.into());
            }
        }
    }
    out.flush()?;
    if unanswered > 0 {
        return Err(Failure::usage(anyhow::anyhow!(
            "{unanswered} requests of {} could not be asked: see the lines with `error`",
            path.display()
        )));
    }
    Ok(())
}
