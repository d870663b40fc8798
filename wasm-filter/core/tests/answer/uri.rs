//! The path that an upstream gets.

use silverback_core::table::model::{
    Forwarding, PathEdit, Piece, Rewrite, RouteKind, ServiceSettings,
};

use crate::world::{Seen, World, get, path, rule};

/// The upstream's path for a rule with this path, strip-path and Service path.
fn stripped(at: &str, base: Option<&str>, v1: bool, target: &str) -> String {
    let mut rule = rule(RouteKind::Ingress);
    rule.forwarding = Forwarding {
        strip_path: true,
        path_v1: v1,
        ..Forwarding::default()
    };
    let settings = ServiceSettings {
        path: base.map(Into::into),
        ..ServiceSettings::default()
    };
    let world = World::one(path(at), rule, settings);
    let ask = get(target);
    world.ask(&ask).uri(&ask)
}

#[test]
fn strip_path_removes_what_matched() {
    for (at, base, target, v0, v1) in [
        ("/foo", None, "/foo", "/", "/"),
        ("/foo", None, "/foo/", "/", "/"),
        ("/foo", None, "/foo/bar?x=%2f", "/bar?x=%2f", "/bar?x=%2f"),
        ("/foo", Some("/api"), "/foo", "/api", "/api"),
        ("/foo", Some("/api"), "/foo/", "/api/", "/api"),
        ("/foo", Some("/api"), "/foo/bar", "/api/bar", "/apibar"),
        ("/foo", Some("/api/"), "/foo", "/api", "/api/"),
        ("/foo", Some("/api/"), "/foo/bar", "/api/bar", "/api/bar"),
        ("/", Some("/api"), "/bar", "/api/bar", "/apibar"),
        ("/", None, "/", "/", "/"),
        ("/", None, "/bar/", "/bar/", "/bar/"),
        // The whole path of an exact match.
        ("=/foo/bar", None, "/foo/bar", "/", "/"),
        ("=/foo/bar", Some("/api"), "/foo/bar?q", "/api?q", "/api?q"),
        // The text of a text prefix, wherever a segment ends.
        ("^/foo", None, "/foobar", "/bar", "/bar"),
        ("^/foo", Some("/api"), "/foobar", "/api/bar", "/apibar"),
        ("^/foo", Some("/api"), "/foo/bar", "/api/bar", "/api/bar"),
        ("^/foo/", None, "/foo/bar", "/bar", "/bar"),
        // The whole match of a regex, not its groups.
        (r"~/foo/\d+", None, "/foo/123/x", "/x", "/x"),
        (r"~/foo/\d+", Some("/api"), "/foo/123/x", "/api/x", "/api/x"),
        (r"~/foo/(\d+)", None, "/foo/123", "/", "/"),
        (r"~/foo/\d+", None, "/foo/123x", "/x", "/x"),
        (r"~/(foo|foobar)/", None, "/foobar/x", "/x", "/x"),
    ] {
        assert_eq!(stripped(at, base, false, target), v0, "v0 {at} {target}");
        assert_eq!(stripped(at, base, true, target), v1, "v1 {at} {target}");
    }
}

#[test]
fn what_is_stripped_leaves_no_dot_segments() {
    for (at, target, expected) in [
        ("^/foo", "/foo..", "/"),
        ("^/foo", "/foo../x", "/x"),
        ("^/foo", "/foo./x", "/x"),
        ("^/foo", "/foo.x", "/.x"),
        (r"~/foo", "/foo../x", "/x"),
    ] {
        assert_eq!(stripped(at, None, false, target), expected, "{target}");
        assert_eq!(stripped(at, None, true, target), expected, "{target}");
    }
}

#[test]
fn without_strip_path_the_path_comes_behind_the_service_s() {
    for (base, v1, target, expected) in [
        (None, false, "/foo", "/foo"),
        (None, true, "/foo", "/foo"),
        (Some("/"), false, "/foo?q", "/foo?q"),
        (Some("/api"), false, "/foo?q", "/api/foo?q"),
        (Some("/api/"), false, "/foo", "/api/foo"),
        (Some("/api"), false, "/", "/api"),
        (Some("/api/"), false, "/", "/api/"),
        (Some("/api"), true, "/foo", "/apifoo"),
        (Some("/api/"), true, "/foo", "/api/foo"),
        // The path is the normal form also where nothing else changes.
        (None, false, "//foo/./bar", "/foo/bar"),
        (Some("/api"), false, "//foo", "/api/foo"),
    ] {
        let mut rule = rule(RouteKind::Ingress);
        rule.forwarding.path_v1 = v1;
        let settings = ServiceSettings {
            path: base.map(Into::into),
            ..ServiceSettings::default()
        };
        let world = World::one(path("/"), rule, settings);
        let ask = get(target);
        assert_eq!(world.ask(&ask).uri(&ask), expected, "{base:?} {target}");
    }
}

#[test]
fn a_plain_request_s_path_is_not_written() {
    let world = World::one(path("/"), rule(RouteKind::Ingress), Default::default());
    assert_eq!(world.ask(&get("/a?b")).plan().uri, None);
}

fn rewritten(at: &str, edit: PathEdit) -> World {
    let mut rule = rule(RouteKind::HttpRoute);
    // Neither has a part in it.
    rule.forwarding.strip_path = true;
    let settings = ServiceSettings {
        path: Some("/base".into()),
        ..ServiceSettings::default()
    };
    rule.filters.rewrite = Some(Rewrite {
        hostname: None,
        path: Some(edit),
    });
    World::one(path(at), rule, settings)
}

/// The rows of Gateway API `HTTPPathModifier.replacePrefixMatch`, then others.
#[test]
fn replace_prefix_match() {
    for (target, prefix, with, expected) in [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "", "/bar"),
        ("/foo/", "/foo", "", "/"),
        ("/foo", "/foo", "", "/"),
        ("/foo/bar?a=//", "/foo", "/xyz", "/xyz/bar?a=//"),
        ("/foo//bar", "/foo", "/xyz", "/xyz/bar"),
        ("/bar", "/", "/xyz", "/xyz/bar"),
        ("/foobar", "/foo", "/xyz", "404"),
    ] {
        let world = rewritten(prefix, PathEdit::Prefix(with.into()));
        let ask = get(target);
        assert_eq!(world.ask(&ask).uri(&ask), expected, "{target} {with}");
    }
}

#[test]
fn replace_full_path_keeps_the_query() {
    for (target, with, expected) in [
        ("/foo/bar", "/one", "/one"),
        ("/foo/bar?x=1", "/one/", "/one/?x=1"),
        ("/foo?", "/", "/?"),
    ] {
        let world = rewritten("/foo", PathEdit::Full(with.into()));
        let ask = get(target);
        assert_eq!(world.ask(&ask).uri(&ask), expected, "{target}");
    }
}

/// `/x/$1` as a template.
fn template(text: &str) -> PathEdit {
    let mut parts = text.split('$');
    let mut pieces = vec![Piece::Text(parts.next().unwrap_or_default().into())];
    for part in parts {
        let (number, text) = part.split_at(1);
        pieces.push(Piece::Capture(number.parse().expect("a digit")));
        pieces.push(Piece::Text(text.into()));
    }
    PathEdit::Template(pieces)
}

#[test]
fn a_rewrite_takes_groups_of_the_path_s_pattern() {
    for (at, text, target, expected) in [
        (r"~/foo/(\d+)", "/x/$1", "/foo/12", "/x/12"),
        (r"~/foo/(\d+)", "/x/$1", "/foo/12/rest?q=1", "/x/12?q=1"),
        (r"~/(\w+)/(\w+)", "/$2/$1", "/a/b", "/b/a"),
        (r"~/(\w+)/(\w+)", "/$1$2$1", "/a/b", "/aba"),
        // A group that took no part is empty.
        (r"~/a(b)?(c)?", "/x$1/$2", "/ac", "/x/c"),
        // There is no such group.
        (r"~/(a)", "/x/$2", "/a", "/x/"),
        // No pattern, no groups.
        ("/foo", "/x/$1", "/foo/bar", "/x/"),
        ("/foo", "/x", "/foo/bar", "/x"),
        // Begins with a slash, has no second one where parts meet.
        (r"~/foo/(.*)", "$1", "/foo/bar", "/bar"),
        (r"~/foo(.*)", "/x/$1", "/foo/bar", "/x/bar"),
        (r"~/foo(.*)", "/x/$1", "/foo", "/x/"),
        (r"~/foo/(.*)", "", "/foo/bar", "/"),
        // Escapes stay escapes.
        (r"~/foo/(.*)", "/x/$1", "/foo/a%2Fb%3f", "/x/a%2Fb%3F"),
        (r"~/foo/(.*)", "/x/$1", "/foo/é", "/x/é"),
    ] {
        let ask = get(target);
        let uri = rewritten(at, template(text)).ask(&ask).uri(&ask);
        assert_eq!(uri, expected, "{at} {text} {target}");
    }
}

/// The upstream could take them for a way out of what the template says.
#[test]
fn a_rewrite_never_makes_dot_segments_or_broken_escapes() {
    for (at, text, target) in [
        (r"~/a(.*)b", "/x/$1", "/a..b"),
        (r"~/a(.*)b", "/x/$1/y", "/a.b"),
        (r"~/a(\.)b", "/x/$1$1/y", "/a.b"),
        (r"~/a(%2)F", "/x/$1e.", "/a%2F"),
        (r"~/a(%)2F", "/x/$1", "/a%2F"),
    ] {
        let seen = rewritten(at, template(text)).ask(&get(target));
        assert!(matches!(seen, Seen::Reply(400, _)), "{at} {text}: {seen:?}");
    }
}

#[test]
fn groups_need_a_path_of_text() {
    let world = rewritten(r"~/foo/(.*)", template("/x/$1"));
    let seen = world.ask(&get(b"/foo/\xff"));
    assert!(matches!(seen, Seen::Reply(400, _)), "{seen:?}");
    // Without groups any bytes will do.
    let world = rewritten(r"~/foo/(.*)", template("/x"));
    assert_eq!(
        world.ask(&get(b"/foo/\xff")).plan().uri,
        Some(b"/x".to_vec())
    );
}

#[test]
fn a_rule_that_gives_no_path_is_answered_500() {
    for edit in [
        PathEdit::Full("".into()),
        PathEdit::Full("x".into()),
        PathEdit::Full("/a b".into()),
        PathEdit::Full("/a\r\nb".into()),
        PathEdit::Full("/a?b".into()),
        PathEdit::Prefix("/a#".into()),
    ] {
        let seen = rewritten("/foo", edit.clone()).ask(&get("/foo"));
        assert!(matches!(seen, Seen::Reply(500, _)), "{edit:?}: {seen:?}");
    }
}
