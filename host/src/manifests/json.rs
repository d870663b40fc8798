//! JSON files: one value, or several one after the other.

use std::ops::Range;

use serde_json::Value;

use super::node::SyntaxError;

/// A value and its part of the text.
pub(super) type Item = (Value, Range<usize>);

/// Reads values up to the end, or up to the first that cannot be read.
pub(super) fn read(text: &str) -> (Vec<Item>, Option<SyntaxError>) {
    let text_from = text.trim_start_matches('\u{feff}');
    let shift = text.len() - text_from.len();
    let mut values = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text_from).into_iter::<Value>();
    let mut start = 0;
    while let Some(next) = stream.next() {
        match next {
            Ok(value) => {
                let end = stream.byte_offset();
                let blank = text_from[start..end].len() - text_from[start..end].trim_start().len();
                values.push((value, start + blank + shift..end + shift));
                start = end;
            }
            Err(error) => return (values, Some(describe(&error))),
        }
    }
    (values, None)
}

fn describe(error: &serde_json::Error) -> SyntaxError {
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    let clamp = |position: usize| u32::try_from(position).unwrap_or(u32::MAX).max(1);
    SyntaxError {
        message,
        line: clamp(error.line()),
        column: clamp(error.column()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_each_other() {
        let text = "\u{feff}{\"a\":1}\n {\"b\":2}\n";
        let (values, error) = read(text);
        assert_eq!(error, None);
        let parts: Vec<_> = values
            .iter()
            .map(|(_, range)| &text[range.clone()])
            .collect();
        assert_eq!(parts, ["{\"a\":1}", "{\"b\":2}"]);
    }

    #[test]
    fn values_before_an_error_are_kept() {
        let (values, error) = read("{\"a\":1}\n{\"b\":}\n");
        assert_eq!(values.len(), 1);
        let error = error.expect("an error");
        assert_eq!((error.line, error.column), (2, 6), "{error:?}");
        assert_eq!(error.message, "expected value");
    }
}
