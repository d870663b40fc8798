//! The lines around a place in a file, and what of them to point to.

use std::ops::Range;

use super::value::visible;
use crate::manifests::{Format, SourceFile};

/// Lines that are shown before and after the one that is meant.
const CONTEXT: usize = 2;

/// Characters of a line that are shown: an annotation of a megabyte, or a JSON file without line
/// breaks, is still one line.
const WIDEST: usize = 120;

/// Of these, so many before what is pointed to.
const BEFORE: usize = 40;

/// Where the lines of a text start.
#[derive(Debug)]
pub(super) struct Lines {
    starts: Vec<usize>,
}

/// A part of a file as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Number of its first line.
    pub(super) first: usize,
    /// Its lines.
    pub(super) text: String,
    /// What to point to.
    pub(super) span: Range<usize>,
    /// Characters by which it stands further left in its line than in the file.
    pub(super) shift: usize,
}

// === impl Lines ===

impl Lines {
    /// Finds the lines of a text.
    pub(super) fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let mut starts = vec![0];
        starts.extend(breaks.map(|(index, _)| index + 1));
        // Behind the last line break there is no line.
        if starts.last() == Some(&text.len()) {
            starts.pop();
        }
        Self { starts }
    }

    /// The lines around a place of the same file, counted from 1.
    pub(super) fn around(&self, file: &SourceFile, line: u32, column: u32) -> Shown {
        let line = line as usize;
        let column = column.saturating_sub(1) as usize;
        let first = line.saturating_sub(CONTEXT).max(1);
        let last = (line + CONTEXT).min(self.starts.len());
        let meant = self.line(&file.text, line);
        // Only the line that is meant is cut on the left: what the others say by their indentation
        // is seen at their start.
        let skip = match meant.chars().nth(WIDEST) {
            Some(_) => column.saturating_sub(BEFORE),
            None => 0,
        };
        let mut text = String::new();
        let mut span = 0..0;
        let mut shift = 0;
        for number in first..=last {
            let here = number == line;
            let content = self.line(&file.text, number);
            let (shown, hidden) = window(content, if here { skip } else { 0 });
            if here {
                let before = column.saturating_sub(skip) + hidden;
                shift = column.saturating_sub(before);
                // What the value is says the whole line, not the part of it that is shown.
                let length = match content.char_indices().nth(column) {
                    Some((start, _)) => {
                        let length = value(content, start, file.format);
                        content[start..start + length].chars().count()
                    }
                    None => 0,
                };
                let byte = |char: usize| {
                    let index = shown.char_indices().nth(char).map(|(index, _)| index);
                    text.len() + index.unwrap_or(shown.len())
                };
                span = byte(before)..byte(before + length);
            }
            text.push_str(&shown);
            text.push('\n');
        }
        Shown {
            first,
            text,
            span,
            shift,
        }
    }

    /// A line without its end.
    fn line<'t>(&self, text: &'t str, number: usize) -> &'t str {
        let Some(start) = number
            .checked_sub(1)
            .and_then(|index| self.starts.get(index))
        else {
            return "";
        };
        let end = self.starts.get(number).copied().unwrap_or(text.len());
        let line = text.get(*start..end).unwrap_or_default();
        line.strip_suffix('\n')
            .map_or(line, |line| line.strip_suffix('\r').unwrap_or(line))
    }
}

/// The part of a line that is shown, and how many characters stand for what is left out before it.
fn window(line: &str, skip: usize) -> (String, usize) {
    let mut chars = line.chars().skip(skip);
    let part: String = chars.by_ref().take(WIDEST).collect();
    let mut shown = String::new();
    let mut hidden = 0;
    if skip > 0 {
        shown.push('…');
        hidden = 1;
    }
    shown += &visible(&part);
    if chars.next().is_some() {
        shown.push('…');
    }
    (shown, hidden)
}

/// The length of the value that starts at a byte of a line; at least one character, if there is one.
fn value(line: &str, start: usize, format: Format) -> usize {
    let text = &line[start..];
    let Some(first) = text.chars().next() else {
        return 0;
    };
    let length = match first {
        '"' | '\'' => quoted(text, first),
        _ => plain(text, format == Format::Json || in_brackets(&line[..start])),
    };
    text[..length].trim_end().len().max(first.len_utf8())
}

/// Whether a mapping or list in brackets is open at the end of a text, as far as its line tells.
fn in_brackets(text: &str) -> bool {
    let mut open = 0_usize;
    let mut rest = text;
    let mut before = ' ';
    while let Some(char) = rest.chars().next() {
        let length = match char {
            '"' | '\'' if matches!(before, ' ' | ',' | ':' | '{' | '[') => quoted(rest, char),
            _ => char.len_utf8(),
        };
        match char {
            '{' | '[' => open += 1,
            '}' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
        before = char;
        rest = &rest[length..];
    }
    open > 0
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (index, char) in text.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            char if char == quote => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// To the end of a mapping or list that is written in brackets, to what ends a value in one, to a
/// comment, or to the end of the line.
fn plain(text: &str, in_brackets: bool) -> usize {
    let mut depth = 0_usize;
    let mut comma = None;
    let mut before = ' ';
    for (index, char) in text.char_indices() {
        match char {
            '{' | '[' => depth += 1,
            '}' | ']' if depth == 0 => return comma.unwrap_or(index),
            '}' | ']' => depth -= 1,
            // A comma ends a value only in brackets, which may be known when they are closed.
            ',' if depth == 0 && in_brackets => return index,
            ',' if depth == 0 => comma = comma.or(Some(index)),
            '#' if before == ' ' && index > 0 => return index,
            _ => {}
        }
        before = char;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(text: &str, format: Format) -> SourceFile {
        SourceFile {
            name: "a".to_owned(),
            format,
            text: text.to_owned(),
        }
    }

    fn marked(text: &str, format: Format, line: u32, column: u32) -> String {
        let file = file(text, format);
        let shown = Lines::of(text).around(&file, line, column);
        shown.text[shown.span].to_owned()
    }

    #[test]
    fn what_is_pointed_to_is_the_value() {
        for (text, column, value) in [
            ("host: a, b # x", 7, "a, b"),
            ("host: \"a # b\" # x", 7, "\"a # b\""),
            (r#"host: "a\"b" x"#, 7, r#""a\"b""#),
            ("service: {name: s, port: {number: 80}}", 17, "s"),
            ("service: {name: s, port: {number: 80}}", 35, "80"),
            (
                "service: {name: s, port: {number: 80}}",
                20,
                "port: {number: 80}",
            ),
            ("service: {name: s}", 10, "{name: s}"),
            ("a: b", 99, ""),
            ("ä: ö # x", 4, "ö"),
        ] {
            assert_eq!(marked(text, Format::Yaml, 1, column), value, "{text}");
        }
        // The bracket may be closed on another line.
        assert_eq!(marked("a: {b: ki, c: d", Format::Yaml, 1, 8), "ki");
        assert_eq!(marked("a: {b: \"}\", c: d, e", Format::Yaml, 1, 16), "d");
        let json = r#"{"a":80,"b":[1]}"#;
        assert_eq!(marked(json, Format::Json, 1, 6), "80");
    }

    #[test]
    fn long_line_is_shown_around_the_place() {
        let text = format!("{}\"here\",{}\n", "x".repeat(100_000), "y".repeat(100_000));
        let file = file(&text, Format::Json);
        let shown = Lines::of(&text).around(&file, 1, 100_001);
        assert_eq!(&shown.text[shown.span.clone()], "\"here\"");
        assert_eq!(shown.text.chars().count(), WIDEST + 3);
        let before = shown.text[..shown.span.start].chars().count();
        assert_eq!(before + shown.shift, 100_000);
    }

    #[test]
    fn a_long_line_hides_nothing_of_the_lines_around_it() {
        let long = format!(
            "  a: {{{}b: ki, c: {}}}",
            "x: y, ".repeat(30),
            "z".repeat(200)
        );
        let text = format!("before:\n{long}\n  after: 1\n");
        let column = long.find("ki").expect("there") + 1;
        let file = file(&text, Format::Yaml);
        let shown = Lines::of(&text).around(&file, 2, u32::try_from(column).expect("small"));
        assert_eq!(&shown.text[shown.span.clone()], "ki");
        assert!(shown.text.starts_with("before:\n…"), "{}", shown.text);
        assert!(shown.text.ends_with("…\n  after: 1\n"), "{}", shown.text);
    }

    #[test]
    fn lines_end_as_they_do_on_any_system() {
        let text = "a\r\nb\n\nc";
        let lines = Lines::of(text);
        let all: Vec<_> = (0..6).map(|number| lines.line(text, number)).collect();
        assert_eq!(all, ["", "a", "b", "", "c", ""]);
    }

    proptest! {
        #[test]
        fn any_place_is_shown_shortly(text in "[a-z\"'{}\\[\\],#: \\n\\r\\tä…]{0,400}", line in 0u32..9, column in 0u32..500) {
            for format in [Format::Yaml, Format::Json] {
                let file = file(&text, format);
                let shown = Lines::of(&text).around(&file, line, column);
                prop_assert!(shown.text.get(shown.span.clone()).is_some());
                prop_assert!(shown.text.lines().count() <= 2 * CONTEXT + 1);
                prop_assert!(shown.text.lines().all(|line| line.chars().count() <= WIDEST + 2));
            }
        }
    }
}
