//! Problems with the lines that they are about.

use std::io::{self, Write};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::problem::{Problem, Severity, Source};

/// Lines that are shown before and after the one that is meant.
const CONTEXT: usize = 2;

/// A line longer than this is shown in part: an annotation of a megabyte is still one line.
const MAX_LINE: usize = 500;

/// Writes problems, an empty line after each.
pub fn problems(out: &mut dyn Write, problems: &[Problem]) -> io::Result<()> {
    for problem in problems {
        writeln!(out, "{}\n", self::problem(problem))?;
    }
    Ok(())
}

/// One problem, styled.
pub fn problem(problem: &Problem) -> String {
    let level = match problem.severity {
        Severity::Info => Level::INFO,
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let message = visible(&problem.message);
    let object = problem.object.as_ref().map(ToString::to_string);
    let snippet = problem.source.as_ref().and_then(Lines::of);
    let title = match (&object, &snippet) {
        // With a snippet the object's name is at the arrow.
        (Some(object), None) => {
            let field = match &*problem.field {
                "" => String::new(),
                field => format!(" {field}"),
            };
            visible(&format!("{object}{field}: {message}"))
        }
        _ => message,
    };
    let label = visible(object.as_deref().unwrap_or_default());
    let hint = visible(&problem.hint);
    let path = problem.source.as_ref().map(|source| visible(&source.file));

    let mut group = Group::with_title(level.primary_title(&title).id(&*problem.code));
    if let (Some(lines), Some(path)) = (&snippet, &path) {
        group = group.element(
            Snippet::source(&*lines.text)
                .line_start(lines.first)
                .path(path)
                .fold(false)
                .annotation(
                    AnnotationKind::Primary
                        .span(lines.span.clone())
                        .label((!label.is_empty()).then_some(label.as_str())),
                ),
        );
    }
    if !hint.is_empty() {
        group = group.element(Level::HELP.message(&hint));
    }
    Renderer::styled().render(&[group])
}

/// The lines around a place, and what of them to point to.
struct Lines {
    first: usize,
    text: String,
    span: Range<usize>,
}

// === impl Lines ===

impl Lines {
    fn of(source: &Source) -> Option<Self> {
        let file = source.text.as_ref()?;
        let line = source.line as usize;
        let first = line.saturating_sub(CONTEXT).max(1);
        let mut text = String::new();
        let mut span = 0..0;
        let lines = file.text.lines().enumerate().skip(first - 1);
        for (number, content) in lines.take(line + CONTEXT + 1 - first) {
            let content = visible(&content.chars().take(MAX_LINE).collect::<String>());
            if number + 1 == line {
                let column = source.column.saturating_sub(1) as usize;
                let at = |char| content.char_indices().nth(char).map(|(index, _)| index);
                let start = at(column).unwrap_or(content.len());
                let rest = &content[start..];
                // To the end of the value: up to a comment or the end of the line.
                let end = rest.find(" #").unwrap_or(rest.len());
                let marked = rest[..end]
                    .trim_end()
                    .len()
                    .max(usize::from(!rest.is_empty()));
                span = text.len() + start..text.len() + start + marked.min(rest.len());
            }
            text.push_str(&content);
            text.push('\n');
        }
        Some(Self { first, text, span })
    }
}

/// The text without what could make a terminal do things.
fn visible(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            '\t' => ' ',
            char if char.is_control() => '\u{fffd}',
            char => char,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::manifests::{Format, SourceFile};
    use crate::object::ObjectKey;

    fn plain(problem: &Problem) -> String {
        anstream::adapter::strip_str(&super::problem(problem)).to_string()
    }

    #[test]
    fn problem_is_shown_where_it_is() {
        let file = Arc::new(SourceFile {
            name: "a.yaml".to_owned(),
            format: Format::Yaml,
            text: "spec:\n  rules:\n  - host: A.com # x\n    http:\n      paths: []\n".to_owned(),
        });
        let problem = Problem::new(
            "InvalidHost",
            Severity::Error,
            "not a host name: upper case",
        )
        .hint("write a.com")
        .about(ObjectKey::new(
            "networking.k8s.io/v1",
            "Ingress",
            "default",
            "shop",
        ))
        .at(file.at(3, 11));
        insta::assert_snapshot!(plain(&problem));
    }

    #[test]
    fn problem_without_a_place_names_its_object() {
        let mut problem =
            Problem::new("NoService", Severity::Warning, "there is no such Service").about(
                ObjectKey::new("networking.k8s.io/v1", "Ingress", "default", "shop"),
            );
        problem.field = "spec.defaultBackend".to_owned();
        insta::assert_snapshot!(plain(&problem));
    }

    #[test]
    fn any_place_can_be_shown() {
        let file = Arc::new(SourceFile {
            name: "a\u{1b}[2J.yaml".to_owned(),
            format: Format::Yaml,
            text: "ä: \u{1b}[31m\n\u{85}\tx".to_owned(),
        });
        for line in 0..5 {
            for column in 0..12 {
                let problem =
                    Problem::new("A", Severity::Info, "\u{1b}x").at(file.at(line, column));
                let text = anstream::adapter::strip_str(&super::problem(&problem)).to_string();
                assert!(!text.contains('\u{1b}'), "{text}");
            }
        }
    }
}
