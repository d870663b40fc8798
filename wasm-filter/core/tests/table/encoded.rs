//! What is written of a host's routes is read again, by those that list it and not by a request.

use silverback_core::regex::Cache;
use silverback_core::route::rank::PathRank;
use silverback_core::table::layout::HostKind;
use silverback_core::table::model::{
    Anchor, HeaderMatch, PathMatch, QueryMatch, RouteKind, RouteMatch, SchemeMatch, ValueMatch,
};
use silverback_core::table::routes::{Condition, HostRoutes, PathEntry, PathKind, Value, encode};

use crate::sketch::{host, matching};
use crate::support::random::regex;

/// An Ingress path: `=/a` exact, `~/a` pattern, `^/a` text, else prefix.
fn at(text: &str) -> RouteMatch {
    let mut m = matching(RouteKind::Ingress, "i", text);
    if let Some(pattern) = text.strip_prefix('~') {
        m.path = PathMatch::Regex(regex(pattern, Anchor::Start, false));
    }
    if let Some(text) = text.strip_prefix('^') {
        m.path = PathMatch::Text(text.into());
    }
    m
}

fn paths<'t>(routes: &HostRoutes<'t>) -> Vec<PathEntry<'t>> {
    let paths: Result<_, _> = routes.paths().collect();
    paths.expect("whole")
}

/// The one path of a table, and more so that it is hashed.
fn listed_and_hashed(m: RouteMatch) -> [Vec<RouteMatch>; 2] {
    let more = (0..8).map(|n| at(&format!("/more/{n}")));
    [vec![m.clone()], more.chain([m]).collect()]
}

#[test]
fn every_path_is_listed() {
    for texts in [
        &["/a", "=/a"][..],
        &["/a", "=/a", "~/a", "^/a"],
        &["/a", "/b", "/c", "/d", "=/a", "=/b"],
        &["/a", "/b", "/c", "/d", "=/a", "^/a", "^/ab"],
        &["/a", "/b", "/c", "/d", "=/a", "^/a", "~/a", "~/a/.*", "~/b"],
    ] {
        let bytes = encode(texts.iter().map(|text| at(text)).collect());
        let routes = HostRoutes::new(&bytes).expect("routes");
        let mut found: Vec<_> = paths(&routes)
            .iter()
            .map(|path| {
                let sign = match path.kind {
                    PathKind::Prefix => "",
                    PathKind::Exact => "=",
                    PathKind::Text => "^",
                    PathKind::Regex => "~",
                };
                format!("{sign}{}", String::from_utf8_lossy(path.text))
            })
            .collect();
        found.sort();
        let mut wanted = texts.to_vec();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
    }
}

#[test]
fn a_path_has_the_rank_of_what_it_was_written_from() {
    for text in ["/", "/abc", "=/a", "^/ab", "~/abc/[0-9]+"] {
        let m = at(text);
        let rank = PathRank::of(RouteKind::Ingress, &m.path);
        for matches in listed_and_hashed(m) {
            let bytes = encode(matches);
            let routes = HostRoutes::new(&bytes).expect("routes");
            assert!(paths(&routes).iter().any(|path| path.rank() == rank));
        }
    }
    let exact = PathRank::of(RouteKind::Ingress, &at("=/a").path);
    let prefix = PathRank::of(RouteKind::Ingress, &at("/abc").path);
    assert_eq!((exact.size(), prefix.size()), (0, 4));
}

#[test]
fn a_pattern_is_read_as_it_was_compiled() {
    for anchor in [Anchor::Start, Anchor::Whole, Anchor::Anywhere] {
        for ignore_case in [false, true] {
            let compiled = regex("/(a)(b)?", anchor, ignore_case);
            let mut m = at("/");
            m.path = PathMatch::Regex(compiled.clone());
            for matches in listed_and_hashed(m) {
                let bytes = encode(matches);
                let routes = HostRoutes::new(&bytes).expect("routes");
                let all = paths(&routes);
                let path = all.iter().find(|path| path.kind == PathKind::Regex);
                let path = path.expect("a pattern");
                let read = path.regex().expect("a pattern");
                assert_eq!(read.pattern(), Ok("/(a)(b)?"));
                assert_eq!((read.id, read.captures), (compiled.id, 2));
                assert_eq!((read.anchor, read.ignore_case), (anchor, ignore_case));
                let cache = Cache::new();
                assert_eq!(read.is_match(&cache, b"/a"), Ok(true));
                assert_eq!(read.is_match(&cache, b"/c"), Ok(false));
                assert_eq!(read.end(&cache, b"/ab"), Ok(Some(3)));
                assert_eq!(read.end(&cache, b"/c"), Ok(None));
            }
        }
    }
    let bytes = encode(vec![at("/a")]);
    let routes = HostRoutes::new(&bytes).expect("routes");
    assert!(paths(&routes)[0].regex().is_none(), "a prefix is none");
}

#[test]
fn conditions_are_read_as_they_were_written() {
    let one = |value: &str| ValueMatch::OneOf(vec![value.into()]);
    let mut m = at("/");
    m.methods = vec!["GET".into(), "PUT".into()];
    m.scheme = SchemeMatch::Tls { status: 308 };
    m.snis = vec![host("a.test"), host("*.test"), host("")];
    m.headers = vec![HeaderMatch {
        name: "x-a".into(),
        value: one("1"),
    }];
    m.queries = vec![QueryMatch {
        name: "q".into(),
        value: ValueMatch::Regex(regex("[0-9]+", Anchor::Whole, false)),
    }];
    m.index = 7;
    let plain = at("/plain");
    let bytes = encode(vec![m, plain]);
    let routes = HostRoutes::new(&bytes).expect("routes");
    for path in paths(&routes) {
        let matches: Vec<_> = path.matches().map(|m| m.expect("whole")).collect();
        let [read] = matches[..] else {
            panic!("one match a path");
        };
        if path.text == b"/plain" {
            assert_eq!((read.index, read.is_plain()), (0, true));
            assert_eq!(read.conditions().count(), 0);
            continue;
        }
        assert_eq!((read.index, read.is_plain()), (7, false));
        let conditions: Vec<_> = read.conditions().map(|c| c.expect("whole")).collect();
        let [
            Condition::Method(methods),
            Condition::Scheme(Some(308)),
            Condition::Sni(names),
            Condition::Header("x-a", Value::OneOf(values)),
            Condition::Query(b"q", Value::Regex(regex)),
        ] = &conditions[..]
        else {
            panic!("{conditions:?}");
        };
        assert!(methods.iter().eq([&b"GET"[..], b"PUT"]));
        assert!(values.iter().eq([b"1"]));
        assert_eq!(regex.pattern(), Ok("[0-9]+"));
        assert!(names.iter().eq([
            (HostKind::Exact, &b"a.test"[..]),
            (HostKind::Wildcard, b"test"),
            (HostKind::Any, b""),
        ]));
    }
}
