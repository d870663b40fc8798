//! Patterns: what is taken, what is refused, and that the automaton, the engine for captures and a
//! third engine that shares no code with the table agree.

use proptest::prelude::*;
use silverback_core::regex::captures::{self, Captures};
use silverback_core::regex::{Cache, compile};
use silverback_core::table::model::{Anchor, Regex};

fn take(pattern: &str, anchor: Anchor) -> Regex {
    compile(pattern, anchor, false).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

fn end(regex: &Regex, text: &[u8]) -> Option<usize> {
    Cache::new()
        .end(regex.id, &regex.dfa, text)
        .expect("an automaton")
}

#[test]
fn a_pattern_must_match_where_it_is_used() {
    use Anchor::{Anywhere, Start, Whole};
    for (pattern, anchor, text, expected) in [
        ("/foo", Start, "/foo", true),
        ("/foo", Start, "/foo/bar", true),
        ("/foo", Start, "/x/foo", false),
        ("/foo$", Start, "/foo/bar", false),
        ("^/foo", Start, "/foo", true),
        ("/a|/b", Start, "/b", true),
        ("/a|/b", Start, "/c/a", false),
        ("v1", Whole, "v1", true),
        ("v1", Whole, "v12", false),
        ("v1", Whole, "xv1", false),
        ("a|b", Whole, "ab", false),
        ("v1", Anywhere, "xv12", true),
        ("^v1", Anywhere, "xv1", false),
        ("v1$", Anywhere, "xv1", true),
        ("", Whole, "", true),
        ("", Whole, "a", false),
        (r"/\d+", Start, "/42", true),
        (r"/\d+", Start, "/x", false),
        // ASCII classes: no digit of another script.
        (r"/\d", Start, "/\u{0663}", false),
        (r"(?i)/foo", Start, "/FOO", true),
        (r"(?x) /a # a comment", Start, "/a", true),
        (r"/a.c", Start, "/a\nc", false),
        (r"(?s)/a.c", Start, "/a\nc", true),
    ] {
        let regex = take(pattern, anchor);
        let cache = Cache::new();
        let found = cache.is_match(regex.id, &regex.dfa, text.as_bytes());
        assert_eq!(found, Ok(expected), "{pattern} {anchor:?} {text}");
    }
}

#[test]
fn case_does_not_count_where_it_is_said_so() {
    let regex = compile("beta", Anchor::Anywhere, true).expect("a pattern");
    let cache = Cache::new();
    assert_eq!(cache.is_match(regex.id, &regex.dfa, b"xBETAy"), Ok(true));
}

#[test]
fn what_is_no_pattern_or_too_much_is_refused_with_a_sentence() {
    let long = "a".repeat(4097);
    let groups = "(a)".repeat(100);
    let nested = format!("{}a{}", "(".repeat(200), ")".repeat(200));
    for (name, pattern, part) in [
        ("an open group", "(", "is no regular expression"),
        ("look-ahead", "/a(?=b)", "look-around"),
        ("look-behind", "/a(?<!b)", "look-around"),
        ("a back-reference", r"/(a)\1", "backreferences"),
        ("a bad class", "[z-a]", "is no regular expression"),
        (
            "classes of Unicode",
            r"\p{Greek}",
            "is no regular expression",
        ),
        ("nothing to repeat", "*", "is no regular expression"),
        ("too long", &long, "4097 bytes"),
        ("too many groups", &groups, "100 capture groups"),
        ("too deep", &nested, "is no regular expression"),
        (
            "repetitions that multiply",
            "(((a{100}){100}){100})",
            "too large",
        ),
        ("states that multiply", "(a|b)*a(a|b){20}", "too large"),
    ] {
        let error = compile(pattern, Anchor::Start, false).expect_err(name);
        assert!(error.contains(part), "{name}: {error}");
        assert!(error.len() < 300, "{name}: {error}");
    }
}

#[test]
fn the_literal_is_what_every_match_begins_with() {
    for (pattern, literal) in [
        ("/api/v1/users", "/api/v1/users"),
        (r"/api/v\d+/users", "/api/v"),
        ("/a(b|c)", "/a"),
        ("(/a|/b)", "/"),
        (r"(?i)/API", "/"),
        ("^/a", ""),
        (".*", ""),
    ] {
        let regex = take(pattern, Anchor::Start);
        let found = String::from_utf8_lossy(&regex.literal);
        // A longer common start would be right too, but never another one.
        assert!(found.starts_with(literal), "{pattern}: {found}");
    }
}

#[test]
fn broken_automata_are_refused_and_never_panic() {
    let good = take(r"/a/(b|c)+/\d{2,4}", Anchor::Start);
    for at in 0..good.dfa.len() {
        let mut bad = good.dfa.to_vec();
        bad[at] ^= 0x55;
        let _ = Cache::new().is_match(1, &bad, b"/a/b/123");
        assert!(Cache::new().is_match(1, &good.dfa[..at], b"/a").is_err());
    }
}

#[test]
fn groups_of_patterns_with_one_automaton_are_told_apart() {
    let captures = Captures::default();
    let one = captures.of("/(a)b", "/ab").expect("a match");
    let other = captures.of("/a(b)", "/ab").expect("a match");
    assert_eq!((one.get(1), other.get(1)), ("a", "b"));
    assert_eq!(one.get(2), "");
}

/// Patterns of a small grammar that all engines know.
fn pattern() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[abc/]".prop_map(|text| text),
        Just(".".to_owned()),
        Just("[ab]".to_owned()),
        Just("[^a/]".to_owned()),
        Just(r"\d".to_owned()),
        Just(r"\w".to_owned()),
        Just("$".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(?:{a}|{b})")),
            inner.clone().prop_map(|a| format!("({a})")),
            (
                inner.clone(),
                prop_oneof![Just("*"), Just("+?"), Just("?"), Just("{1,2}")]
            )
                .prop_map(|(a, times)| format!("(?:{a}){times}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn all_engines_find_the_same_match(pattern in pattern(), text in "[abc1/]{0,8}") {
        let regex = take(&pattern, Anchor::Start);
        let oracle = regex::bytes::RegexBuilder::new(&format!("\\A(?:{pattern})"))
            .unicode(false)
            .build()
            .expect("a pattern");
        let wanted = oracle.captures(text.as_bytes());
        let whole = wanted.as_ref().and_then(|groups| groups.get(0)).map(|m| m.end());
        prop_assert_eq!(end(&regex, text.as_bytes()), whole);
        prop_assert_eq!(
            text.as_bytes().starts_with(&regex.literal) || whole.is_none(),
            true
        );
        let lite = captures::compile(&pattern).expect("a pattern of the small grammar");
        let lite = lite.captures(&text);
        prop_assert_eq!(lite.is_some(), wanted.is_some());
        if let (Some(lite), Some(wanted)) = (lite, wanted) {
            prop_assert_eq!(lite.len(), usize::from(regex.captures) + 1);
            for i in 0..lite.len() {
                let bytes = lite.get(i).map(|m| m.as_str().as_bytes());
                prop_assert_eq!(bytes, wanted.get(i).map(|m| m.as_bytes()));
            }
        }
    }
}
