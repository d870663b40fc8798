//! What people see. Colours are only for terminals: everything is written through `anstream`.

mod codes;
mod diff;
mod explain;
mod grid;
mod nodes;
mod problems;
mod routes;
mod snippet;
mod status;
pub mod style;
mod tables;
mod value;

use std::io::{self, Write};

use crate::commands::Failure;
use crate::offline::{self, Offline};
use crate::problem::{Problem, Severity};
use crate::skipped::Skipped;

pub use codes::codes;
pub use diff::diff;
pub use explain::explain;
pub use grid::Grid;
pub use nodes::nodes;
pub use problems::{problem, problems};
pub use routes::{backends, host_name, path, port, routes, scope};
pub use status::{duration, last, serves, status};
pub use tables::tables;
pub use value::{brief, visible};

/// Why a command failed, on the standard error. A hint gets a line of its own.
pub fn failure(failure: &Failure) {
    let text = failure.to_string();
    let mut err = anstream::stderr().lock();
    let (message, hint) = match text.rsplit_once(" (hint: ") {
        Some((message, hint)) if hint.ends_with(')') => (message, hint.strip_suffix(')')),
        _ => (&*text, None),
    };
    // If the standard error is gone there is nobody to tell.
    let _ = writeln!(
        err,
        "{}error{}: {message}",
        style::ERROR,
        style::ERROR.render_reset()
    );
    if let Some(hint) = hint {
        let _ = writeln!(
            err,
            "{} hint{}: {hint}",
            style::HINT,
            style::HINT.render_reset()
        );
    }
}

/// What is worth knowing about the manifests before an answer that is made from them; on the
/// standard error, so that the answer can be piped.
pub fn input(offline: &Offline, verbose: u8) -> io::Result<()> {
    input_of(offline, "the manifests", verbose)
}

/// The same where there are several.
pub fn input_of(offline: &Offline, what: &str, verbose: u8) -> io::Result<()> {
    // What could not be read may well be why the answer is not what one expects.
    let shown = |problem: &Problem| problem.object.is_none();
    input_with(offline, what, verbose, shown)
}

/// The same for an answer that is in effect for others: every error is shown.
pub fn input_in_effect(offline: &Offline, verbose: u8) -> io::Result<()> {
    input_with(offline, "the manifests", verbose, |_| true)
}

/// Errors that are `shown`, and how many problems there are beside them.
fn input_with(
    offline: &Offline,
    what: &str,
    verbose: u8,
    shown: impl Fn(&Problem) -> bool,
) -> io::Result<()> {
    let mut err = anstream::stderr().lock();
    if verbose > 0 {
        problems(&mut err, &offline.problems)?;
        return skipped(&mut err, &offline.skipped);
    }
    let shown = |problem: &&Problem| problem.severity == Severity::Error && shown(problem);
    let all = offline.problems.iter();
    let errors: Vec<_> = all.clone().filter(shown).cloned().collect();
    problems(&mut err, &errors)?;
    let others = all
        .filter(|problem| problem.object.is_some() && problem.severity > Severity::Info)
        .filter(|problem| !shown(problem))
        .count();
    if others > 0 {
        let dim = style::DIM;
        writeln!(
            err,
            "{dim}{} with {} (hint: silverback validate, or -v){dim:#}",
            plural(others, "problem"),
            visible(what)
        )?;
    }
    Ok(())
}

/// Objects that have no part in the table, and why.
pub fn skipped<'s>(
    out: &mut dyn Write,
    skipped: impl IntoIterator<Item = &'s Skipped>,
) -> io::Result<()> {
    let dim = style::DIM;
    for Skipped { object, reason } in skipped {
        let object = visible(&object.to_string());
        writeln!(out, "{dim}skipped{dim:#} {object}: {}", visible(reason))?;
    }
    Ok(())
}

/// The last line of `validate`, and with problems where to read more about them.
pub fn summary(
    out: &mut dyn Write,
    offline: &Offline,
    files: usize,
    deny_warnings: bool,
) -> io::Result<()> {
    let count = |severity| {
        let problems = offline.problems.iter();
        problems
            .filter(|problem| problem.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let style = match (errors, warnings) {
        (0, 0) => style::GOOD,
        (0, _) => style::WARNING,
        _ => style::ERROR,
    };
    let infos = match count(Severity::Info) {
        0 => String::new(),
        infos => format!(", {}", plural(infos, "info")),
    };
    let denied = match (errors, warnings) {
        (0, 1..) if deny_warnings => " (denied)",
        _ => "",
    };
    write!(
        out,
        "{style}{}, {}{denied}{infos}{style:#} in {} of {}",
        plural(errors, "error"),
        plural(warnings, "warning"),
        plural(offline.translated, "object"),
        plural(files, "file"),
    )?;
    let kinds = offline::count_kinds(&offline.skipped);
    if !kinds.is_empty() {
        let kinds: Vec<_> = kinds
            .iter()
            .map(|(kind, count)| format!("{count} {}", visible(kind)))
            .collect();
        write!(out, "; skipped: {}", kinds.join(", "))?;
    }
    writeln!(out)?;
    let worst = offline
        .problems
        .iter()
        .max_by_key(|problem| problem.severity);
    if let Some(problem) = worst {
        let dim = style::DIM;
        writeln!(
            out,
            "{dim}more about a code: silverback problems {}{dim:#}",
            problem.code
        )?;
    }
    Ok(())
}

/// `1 problem`, `2 problems`.
pub fn plural(count: usize, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        _ if what.ends_with("ch") || what.ends_with('s') => format!("{count} {what}es"),
        _ => format!("{count} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals() {
        assert_eq!(plural(1, "file"), "1 file");
        assert_eq!(plural(0, "file"), "0 files");
        assert_eq!(plural(2, "directory"), "2 directories");
        assert_eq!(plural(2, "match"), "2 matches");
    }
}
