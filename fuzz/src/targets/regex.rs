//! Patterns, and bytes that should be an automaton. A pattern is what comes before the first NUL,
//! the text what comes after it.

use silverback_core::regex::{Cache, compile};
use silverback_core::table::model::Anchor;

pub fn run(data: &[u8]) {
    let (which, bytes) = super::split(data);
    if which % 4 == 3 {
        let cache = Cache::new();
        let _ = cache.is_match(1, bytes, b"/a/b");
        let _ = cache.end(1, bytes, b"/a/b");
        return;
    }
    let at = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    let (pattern, text) = bytes.split_at(at);
    let text = text.get(1..).unwrap_or_default();
    let Ok(pattern) = core::str::from_utf8(pattern) else {
        return;
    };
    let (anchor, slow) = match which & 1 {
        0 => (Anchor::Start, format!("^(?:{pattern})")),
        _ => (Anchor::Whole, format!("^(?:{pattern})$")),
    };
    let ignore_case = which & 2 != 0;
    let Ok(compiled) = compile(pattern, anchor, ignore_case) else {
        return;
    };
    let slow = regex::bytes::RegexBuilder::new(&slow)
        .unicode(false)
        .case_insensitive(ignore_case)
        .build();
    let Ok(slow) = slow else {
        return;
    };
    let cache = Cache::new();
    let found = cache
        .is_match(1, &compiled.dfa, text)
        .expect("an automaton");
    assert_eq!(found, slow.is_match(text), "{pattern:?} {text:?}");
}
