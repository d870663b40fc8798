//! Problems with the lines that they are about.

use std::io::{self, Write};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::snippet::{Lines, Shown};
use super::value::{cut, visible};
use crate::manifests::SourceFile;
use crate::problem::{Problem, Severity, Source};

/// What is said about a problem is cut here: a value of a megabyte may be quoted in it.
const LONGEST: usize = 1000;

/// Draws problems. It keeps where the lines of the last file are, because problems come in runs.
#[derive(Debug, Default)]
struct Drawer {
    last: Option<(Arc<SourceFile>, Lines)>,
}

/// Writes problems, an empty line after each.
pub fn problems(out: &mut dyn Write, problems: &[Problem]) -> io::Result<()> {
    let mut drawer = Drawer::default();
    for problem in problems {
        writeln!(out, "{}\n", drawer.draw(problem))?;
    }
    Ok(())
}

/// One problem, styled.
pub fn problem(problem: &Problem) -> String {
    Drawer::default().draw(problem)
}

// === impl Drawer ===

impl Drawer {
    fn draw(&mut self, problem: &Problem) -> String {
        let level = match problem.severity {
            Severity::Info => Level::INFO,
            Severity::Warning => Level::WARNING,
            Severity::Error => Level::ERROR,
        };
        let said = |text: &str| cut(&visible(text), LONGEST);
        let message = said(&problem.message);
        let object = problem.object.as_ref().map(ToString::to_string);
        let snippet = problem.source.as_ref().and_then(|source| {
            let file = source.text.as_ref()?;
            Some(self.lines(file).around(file, source.line, source.column))
        });
        let field = Some(&*problem.field).filter(|field| !field.is_empty());
        let title = match (&object, field) {
            // With a snippet the object's name is at the arrow.
            (Some(object), None) if snippet.is_none() => said(&format!("{object}: {message}")),
            (Some(object), Some(field)) if snippet.is_none() => {
                said(&format!("{object} {field}: {message}"))
            }
            // The arrow is at what there is of the way to a field that is missing.
            (_, Some(field)) => said(&format!("{field}: {message}")),
            (_, None) => message,
        };
        let title = match (&problem.source, &snippet) {
            (Some(source), None) => format!("{title} ({})", visible(&source.to_string())),
            _ => title,
        };
        let label = said(object.as_deref().unwrap_or_default());
        let hint = said(&problem.hint);
        let path = problem.source.as_ref().map(|source| visible(&source.file));

        let mut group = Group::with_title(level.primary_title(&title).id(&*problem.code));
        if let (Some(snippet), Some(path)) = (&snippet, &path) {
            group = group.element(
                Snippet::source(&*snippet.text)
                    .line_start(snippet.first)
                    .path(path)
                    .fold(false)
                    .annotation(
                        AnnotationKind::Primary
                            .span(snippet.span.clone())
                            .label((!label.is_empty()).then_some(label.as_str())),
                    ),
            );
        }
        if !hint.is_empty() {
            group = group.element(Level::HELP.message(&hint));
        }
        let drawn = Renderer::styled().render(&[group]);
        match (snippet, &problem.source, path) {
            (Some(snippet), Some(source), Some(path)) => placed(&drawn, &snippet, source, &path),
            _ => drawn,
        }
    }

    fn lines(&mut self, file: &Arc<SourceFile>) -> &Lines {
        let lines = match self.last.take() {
            Some((last, lines)) if Arc::ptr_eq(&last, file) => lines,
            _ => Lines::of(&file.text),
        };
        &self.last.insert((Arc::clone(file), lines)).1
    }
}

/// The renderer counts columns in the part of a line that it was given: this says the file's. The
/// title is one line; the place is in the next.
fn placed(drawn: &str, snippet: &Shown, source: &Source, path: &str) -> String {
    let (title, rest) = drawn.split_once('\n').unwrap_or((drawn, ""));
    let column = source.column.max(1) as usize;
    let counted = format!(
        "{path}:{}:{}",
        source.line,
        column.saturating_sub(snippet.shift)
    );
    let place = format!("{path}:{}:{column}", source.line);
    format!("{title}\n{}", rest.replacen(&counted, &place, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::Format;
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
    fn place_in_a_long_line_is_the_file_s() {
        let long = format!("metadata: {{{}b: ki, c: d}}\n", "x: y, ".repeat(30));
        let column = u32::try_from(long.find("ki").expect("there") + 1).expect("small");
        let file = Arc::new(SourceFile {
            name: "a.yaml".to_owned(),
            format: Format::Yaml,
            text: format!("kind: Ingress\n{long}spec: {{}}\n"),
        });
        let mut problem = Problem::new("NotFound", Severity::Error, "there is no such thing");
        problem.field = "metadata.b".to_owned();
        let text = plain(&problem.at(file.at(2, column)));
        assert!(text.contains(&format!("--> a.yaml:2:{column}\n")), "{text}");
        assert!(
            text.starts_with("error[NotFound]: metadata.b: there"),
            "{text}"
        );
        assert_eq!(text.matches('^').count(), 2, "{text}");
        assert!(text.contains("1 | kind: Ingress\n"), "{text}");
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
