//! `silverback problems`: what the codes mean.

use std::io::Write;
use std::process::ExitCode;

use serde_json::json;

use super::Failure;
use crate::args::{ProblemsArgs, TableOutput};
use crate::problem::{CodePage, codes};
use crate::render;
use crate::similar;

/// Names further apart than this are not offered as what was meant (0 = nothing in common).
const SIMILAR: f64 = 0.5;

pub(super) fn run(args: &ProblemsArgs) -> Result<ExitCode, Failure> {
    let mut pages = codes();
    if let Some(asked) = &args.code {
        let page = pages
            .iter()
            .position(|page| page.code.eq_ignore_ascii_case(asked));
        match page {
            Some(index) => pages = vec![pages.swap_remove(index)],
            None => return Err(Failure::usage(unknown(asked, &pages))),
        }
    }
    let mut out = anstream::stdout().lock();
    match args.output {
        TableOutput::Json => {
            let report = json!({"schemaVersion": 1, "codes": pages});
            writeln!(out, "{report}")?;
        }
        TableOutput::Table => render::codes(&mut out, &pages)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(asked: &str, pages: &[CodePage]) -> anyhow::Error {
    let hint = match similar::nearest(asked, SIMILAR, pages.iter().map(|page| page.code)) {
        Some(code) => format!("did you mean {code}?"),
        None => "silverback problems lists all".to_owned(),
    };
    anyhow::anyhow!("there is no problem code `{asked}` (hint: {hint})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_code_is_offered_if_it_is_near() {
        let pages = codes();
        for (asked, code) in [
            ("InvalidHosts", Some("InvalidHost")),
            ("backendnotfuond", Some("BackendNotFound")),
            ("Unparseable", Some("Unparsable")),
            ("x", None),
            ("", None),
        ] {
            let known = pages.iter().map(|page| page.code);
            assert_eq!(similar::nearest(asked, SIMILAR, known), code, "{asked}");
        }
    }
}
