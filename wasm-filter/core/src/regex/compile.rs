//! Pattern -> automaton, with limits that no pattern passes.

use regex_automata::dfa::{StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind, dfa::Automaton as _};
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Dot, Hir, Look, Repetition};

use crate::table::hash::digest128;
use crate::table::model::{Anchor, Regex};

/// The longest pattern in bytes.
pub const MAX_PATTERN: usize = 4096;
/// The largest automaton in bytes. A rule that needs more belongs into several.
pub const MAX_DFA: usize = 64 * 1024;
/// The most capture groups of a pattern; a template names them with two digits.
pub const MAX_CAPTURES: usize = 99;

/// Bounds what the compiler holds while it works: counted repetitions multiply.
const MAX_NFA: usize = 256 * 1024;
const MAX_WORK: usize = 2 * 1024 * 1024;
/// Groups within groups.
const MAX_NESTING: u32 = 64;
/// A longer literal would not tell more.
const MAX_LITERAL: usize = 64;

/// Compiles a pattern.
///
/// # Errors
/// A sentence about what is wrong with it: not a regular expression, one that no automaton can
/// match (look-around, back-references), or one beyond the limits.
pub fn compile(pattern: &str, anchor: Anchor, ignore_case: bool) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!(
            "has {} bytes, more than {MAX_PATTERN}",
            pattern.len()
        ));
    }
    let syntax = syntax::Config::new()
        .unicode(false)
        .utf8(false)
        .nest_limit(MAX_NESTING)
        .case_insensitive(ignore_case);
    let hir = syntax::parse_with(pattern, &syntax).map_err(|error| reason(&error.to_string()))?;
    let captures = hir.properties().explicit_captures_len();
    if captures > MAX_CAPTURES {
        return Err(format!(
            "has {captures} capture groups, more than {MAX_CAPTURES}"
        ));
    }
    let literal = if anchor == Anchor::Anywhere {
        Vec::new()
    } else {
        literal(&hir)
    };
    let hir = match anchor {
        Anchor::Start => hir,
        Anchor::Whole => Hir::concat(vec![hir, Hir::look(Look::End)]),
        Anchor::Anywhere => Hir::concat(vec![anything(), hir]),
    };
    let nfa = thompson::Compiler::new()
        .configure(
            thompson::Config::new()
                .utf8(false)
                .which_captures(thompson::WhichCaptures::None)
                .nfa_size_limit(Some(MAX_NFA)),
        )
        .build_from_hir(&hir)
        .map_err(|error| nfa_reason(&error))?;
    let dfa = dense::Builder::new()
        .configure(
            dense::Config::new()
                .start_kind(StartKind::Anchored)
                .match_kind(MatchKind::LeftmostFirst)
                .dfa_size_limit(Some(MAX_WORK))
                .determinize_size_limit(Some(MAX_WORK)),
        )
        .build_from_nfa(&nfa)
        .map_err(|error| build_reason(&error))?;
    let sparse = dfa.to_sparse().map_err(|error| build_reason(&error))?;
    // Everything in a pattern is known here: a search that cannot be done shows at once.
    let probe = Input::new(b"/".as_slice()).anchored(Anchored::Yes);
    if let Err(error) = sparse.try_search_fwd(&probe) {
        return Err(format!("cannot be searched: {error}"));
    }
    let bytes = sparse.to_bytes_little_endian();
    if bytes.len() > MAX_DFA {
        return Err(format!(
            "needs an automaton of {} KiB, more than {} KiB",
            bytes.len() / 1024,
            MAX_DFA / 1024
        ));
    }
    let id = digest128(&bytes)
        .first_chunk()
        .map_or(0, |head| u64::from_le_bytes(*head));
    Ok(Regex {
        pattern: pattern.into(),
        anchor,
        ignore_case,
        literal: literal.into(),
        // At most 99.
        captures: u8::try_from(captures).unwrap_or(u8::MAX),
        id,
        dfa: bytes.into(),
    })
}

/// As little as possible of anything.
fn anything() -> Hir {
    Hir::repetition(Repetition {
        min: 0,
        max: None,
        greedy: false,
        sub: Box::new(Hir::dot(Dot::AnyByte)),
    })
}

/// Bytes that every match begins with.
fn literal(hir: &Hir) -> Vec<u8> {
    let mut extractor = Extractor::new();
    extractor.kind(ExtractKind::Prefix);
    let seq = extractor.extract(hir);
    let mut bytes = seq.longest_common_prefix().unwrap_or_default().to_vec();
    bytes.truncate(MAX_LITERAL);
    bytes
}

/// The last line of a syntax error is its sentence; those before draw the pattern.
fn reason(text: &str) -> String {
    let last = text.lines().last().unwrap_or_default();
    let sentence = last.strip_prefix("error: ").unwrap_or(last);
    format!("is no regular expression: {sentence}")
}

fn nfa_reason(error: &thompson::BuildError) -> String {
    if error.size_limit().is_some() {
        return "needs an automaton that is too large".to_owned();
    }
    format!("cannot be compiled: {error}")
}

fn build_reason(error: &dense::BuildError) -> String {
    if error.is_size_limit_exceeded() {
        return "needs an automaton that is too large".to_owned();
    }
    format!("cannot be compiled: {error}")
}
