//! `konghq.com/rewrite`: a template of the upstream's path, as KIC's gate RewriteURIs takes it.
//!
//! `$1` is a group of the path's pattern, `\$` a dollar. The query is kept.

use crate::regex::captures;
use crate::regex::compile::MAX_CAPTURES;
use crate::resources::field::quote;
use crate::resources::path;
use crate::table::model::{PathEdit, PathMatch, Piece};

/// The longest template in bytes, as long as a pattern may be.
const MAX_TEMPLATE: usize = 4096;

/// The pieces of a template; the empty one is `/`, as in KIC.
pub(super) fn parse(text: &str) -> Result<Box<[Piece]>, String> {
    let text = if text.is_empty() { "/" } else { text };
    let shown = quote(text);
    if text.len() > MAX_TEMPLATE {
        return Err(format!("{shown} is longer than {MAX_TEMPLATE} bytes"));
    }
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '$' => {
                let mut digits = String::new();
                while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                    digits.push(digit);
                }
                let number = digits.parse::<u8>().ok();
                let number = number.filter(|n| (1..=MAX_CAPTURES).contains(&usize::from(*n)));
                let Some(number) = number else {
                    return Err(format!(
                        "{shown}: `$` must be followed by the number of a group, from 1 to \
                         {MAX_CAPTURES}; a dollar is written `\\$`"
                    ));
                };
                if !plain.is_empty() {
                    pieces.push(Piece::Text(core::mem::take(&mut plain).into()));
                }
                pieces.push(Piece::Capture(number));
            }
            '\\' if rest.next_if_eq(&'$').is_some() => plain.push('$'),
            '?' | '#' | ' ' | '\\' => {
                return Err(format!(
                    "{shown} has a {}",
                    quote(c.encode_utf8(&mut [0; 4]))
                ));
            }
            c if c.is_control() => return Err(format!("{shown} has control characters")),
            c => plain.push(c),
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain.into()));
    }
    match pieces.first() {
        Some(Piece::Text(first)) if !first.starts_with('/') => {
            Err(format!("{shown} does not start with `/`"))
        }
        _ => Ok(pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => Piece::Text(path::escape(&text).into()),
                capture => capture,
            })
            .collect()),
    }
}

/// What the template makes of the requests of `path`.
///
/// # Errors
/// The path has no such group, or groups that cannot be had.
pub(super) fn edit(pieces: &[Piece], path: &PathMatch) -> Result<PathEdit, String> {
    let highest = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Capture(number) => *number,
            Piece::Text(_) => 0,
        })
        .max()
        .unwrap_or(0);
    if highest == 0 {
        let text: String = pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => &**text,
                Piece::Capture(_) => "",
            })
            .collect();
        return Ok(PathEdit::Full(path::value(&text)?.into()));
    }
    let groups = match path {
        PathMatch::Regex(regex) => {
            if captures::compile(&regex.pattern).is_none() {
                return Err("the groups of the path's pattern cannot be had".to_owned());
            }
            regex.captures
        }
        _ => 0,
    };
    if highest > groups {
        return Err(format!(
            "the rewrite names group {highest}, and the path has {groups}"
        ));
    }
    Ok(PathEdit::Template(pieces.to_vec()))
}
