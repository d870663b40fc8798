//! Splits a YAML stream into its documents.
//!
//! The parser could do that too, but it cannot go on after a syntax error, and one broken document
//! must not take the rest of the file with it. Splitting by lines is exact: YAML 1.2.2 (9.1.2)
//! forbids a line that starts with a marker inside any document, even in a block scalar.

use std::ops::Range;

/// One document of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// Its part of the text, from its directives or its `---` on.
    pub(super) range: Range<usize>,
    /// Line that the part starts on, from 1.
    pub(super) first_line: u32,
}

/// All documents of a stream. Stretches with nothing but comments and blank lines are left out.
pub(super) fn split(text: &str) -> Vec<Document> {
    let mut documents = Vec::new();
    let mut open = Document {
        range: 0..0,
        first_line: 1,
    };
    // Directives belong to the document whose `---` follows them.
    let mut content = false;
    let mut begun = false;
    let mut offset = 0;
    for (line, number) in text.split_inclusive('\n').zip(1u32..) {
        let end = offset + line.len();
        if marker(line, "---") {
            if content {
                close(&mut documents, &mut open, offset, number);
            } else if begun {
                // The one before was empty.
                open.range.start = offset;
                open.first_line = number;
            }
            begun = true;
            content = false;
        }
        content |= !insignificant(line);
        if marker(line, "...") {
            if content {
                close(&mut documents, &mut open, end, number + 1);
            } else {
                open.range.start = end;
                open.first_line = number + 1;
            }
            begun = false;
            content = false;
        }
        offset = end;
    }
    if content {
        close(&mut documents, &mut open, text.len(), 0);
    }
    documents
}

/// Ends the open document here, and opens the next.
fn close(documents: &mut Vec<Document>, open: &mut Document, end: usize, next_line: u32) {
    let next = Document {
        range: end..end,
        first_line: next_line,
    };
    let mut done = std::mem::replace(open, next);
    done.range.end = end;
    documents.push(done);
}

/// Whether a line starts with a document marker.
fn marker(line: &str, marker: &str) -> bool {
    line.trim_start_matches('\u{feff}')
        .strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether a line by itself makes no document.
fn insignificant(line: &str) -> bool {
    let line = line.trim_start_matches('\u{feff}').trim();
    let after = line
        .strip_prefix("---")
        .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
        .unwrap_or(line)
        .trim_start();
    after.is_empty() || after.starts_with('#') || line.starts_with('%') || line == "..."
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        name: &'static str,
        text: &'static str,
        documents: &'static [(&'static str, u32)],
    }

    const CASES: &[Case] = &[
        Case {
            name: "nothing",
            text: "",
            documents: &[],
        },
        Case {
            name: "only comments",
            text: "# a\n---\n# b\n---\n",
            documents: &[],
        },
        Case {
            name: "one without a marker",
            text: "a: 1\n",
            documents: &[("a: 1\n", 1)],
        },
        Case {
            name: "two",
            text: "---\na: 1\n---\nb: 1",
            documents: &[("---\na: 1\n", 1), ("---\nb: 1", 3)],
        },
        Case {
            name: "an empty one between",
            text: "a: 1\n---\n---\nb: 1\n",
            documents: &[("a: 1\n", 1), ("---\nb: 1\n", 3)],
        },
        Case {
            name: "content on the marker's line",
            text: "--- {a: 1}\n--- # c\nb: 1\n",
            documents: &[("--- {a: 1}\n", 1), ("--- # c\nb: 1\n", 2)],
        },
        Case {
            name: "an indented marker is text",
            text: "a: |\n  ---\n  b\n",
            documents: &[("a: |\n  ---\n  b\n", 1)],
        },
        Case {
            name: "an explicit end",
            text: "a: 1\n...\nb: 1\n",
            documents: &[("a: 1\n...\n", 1), ("b: 1\n", 3)],
        },
        Case {
            name: "directives",
            text: "%YAML 1.2\n---\na: 1\n",
            documents: &[("%YAML 1.2\n---\na: 1\n", 1)],
        },
        Case {
            name: "carriage returns",
            text: "a: 1\r\n---\r\nb: 1\r\n",
            documents: &[("a: 1\r\n", 1), ("---\r\nb: 1\r\n", 2)],
        },
        Case {
            name: "four dashes are text",
            text: "a: 1\n---- x\n",
            documents: &[("a: 1\n---- x\n", 1)],
        },
    ];

    #[test]
    fn documents_end_at_markers_only() {
        for case in CASES {
            let got: Vec<_> = split(case.text)
                .into_iter()
                .map(|document| (&case.text[document.range], document.first_line))
                .collect();
            assert_eq!(got, case.documents, "{}", case.name);
        }
    }
}
