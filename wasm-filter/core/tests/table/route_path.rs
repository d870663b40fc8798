//! Which path of a host a request belongs to, with few paths (listed) and many (hashed).

use crate::sketch::{Sketch, get, matching};
use silverback_core::table::model::{RouteKind, Scope};

/// The table itself, and the same with so many more paths that they are hashed.
fn both(table: Sketch) -> [Sketch; 2] {
    let mut hashed = table.clone();
    for n in 0..40 {
        let filler = matching(RouteKind::Ingress, "filler", &format!("/zzz/{n}"));
        hashed = hashed.add(Scope::Ingress, "a.test", filler);
    }
    [table, hashed]
}

fn rows(table: Sketch, rows: &[(&str, &str, &str)]) {
    for (form, table) in ["listed", "hashed"].into_iter().zip(both(table)) {
        for (name, path, expected) in rows {
            let found = table.which(&get("a.test", path));
            assert_eq!(found, *expected, "{name} ({form})");
        }
    }
}

#[test]
fn prefixes_go_by_segment_and_exact_paths_by_the_letter() {
    let table = Sketch::default()
        .ingress("foo", "a.test", "/foo")
        .ingress("exact", "a.test", "=/exact")
        .ingress("slash", "a.test", "=/slash/");
    rows(
        table,
        &[
            ("a prefix is itself", "/foo", "foo"),
            ("with a slash", "/foo/", "foo"),
            ("and what is below", "/foo/bar/baz", "foo"),
            ("not what begins with its letters", "/foobar", "404"),
            ("not with another case", "/Foo", "404"),
            ("not below something else", "/bar/foo", "404"),
            ("an encoded slash is no boundary", "/foo%2Fbar", "404"),
            ("in either case", "/foo%2fbar", "404"),
            ("the query does not count", "/foo?x=/", "foo"),
            ("an exact path is itself", "/exact", "exact"),
            ("and not what is below", "/exact/a", "404"),
            ("its trailing slash counts: one too many", "/exact/", "404"),
            ("its trailing slash counts: one too few", "/slash", "404"),
            ("and the same", "/slash/", "slash"),
            (
                "paths are compared in normal form: slashes",
                "//foo///bar",
                "foo",
            ),
            ("dots", "/x/../foo", "foo"),
            ("dots that leave the prefix", "/foo/../bar", "404"),
            ("escapes of unreserved characters", "/%66oo", "foo"),
            ("nothing else", "/", "404"),
        ],
    );
}

#[test]
fn exact_comes_before_prefix_and_the_longest_prefix_first() {
    let table = Sketch::default()
        .ingress("root", "a.test", "/")
        .ingress("a", "a.test", "/a")
        .ingress("ab", "a.test", "/a/b")
        .ingress("ab-exact", "a.test", "=/a/b");
    rows(
        table,
        &[
            ("exact", "/a/b", "ab-exact"),
            ("the longest prefix", "/a/b/", "ab"),
            ("the longest prefix, deeper", "/a/b/c", "ab"),
            ("the next shorter", "/a/c/b", "a"),
            ("the root takes the rest", "/c", "root"),
            ("the root itself", "/", "root"),
            ("letters are no segment", "/ab", "root"),
        ],
    );
}

#[test]
fn a_longer_prefix_wins_over_a_shorter_one_whatever_the_order() {
    for order in [["/a/b/c", "/a", "/a/b"], ["/a", "/a/b", "/a/b/c"]] {
        let table = order.iter().fold(Sketch::default(), |table, path| {
            table.ingress(&format!("p{}", path.len()), "a.test", path)
        });
        rows(
            table,
            &[("deepest", "/a/b/c/d", "p6"), ("middle", "/a/b", "p4")],
        );
    }
}

#[test]
fn paths_of_many_segments_are_matched_whole() {
    for depth in [15, 16, 17, 18, 24, 40, 254, 255, 256, 300] {
        let deep = "/s".repeat(depth);
        let table = Sketch::default()
            .ingress("deep", "a.test", &deep)
            .ingress("root", "a.test", "/");
        let shorter = "/s".repeat(depth - 1);
        rows(
            table,
            &[
                ("itself", &deep, "deep"),
                ("below", &format!("{deep}/x/y"), "deep"),
                ("far below", &format!("{deep}{deep}"), "deep"),
                ("one short", &shorter, "root"),
                ("letters more", &format!("{deep}s"), "root"),
            ],
        );
    }
}

#[test]
fn paths_without_normal_form_are_refused() {
    let table = Sketch::default().ingress("any", "", "/");
    for path in [
        "", "*", "a", "/%", "/%4", "/%zz", "/%00", "/a b", "/a\0", "/a\r\nb", "/#",
    ] {
        assert_eq!(table.which(&get("a", path)), "400", "{path:?}");
    }
    let mut ask = get("a", "/");
    ask.target = b"/\xff\xfe".to_vec();
    assert_eq!(
        table.which(&ask),
        "any",
        "bytes that are no UTF-8 are bytes"
    );
}
