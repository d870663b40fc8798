//! What is answered, and with how many host calls.

use crate::harness::{get, model, node, plan, scenario, usual, who};
use crate::support::runtime::Output;

#[test]
fn requests_are_proxied_or_answered() {
    scenario("", usual, |worker| {
        let long = vec![b'a'; 254];
        let deep = format!("/api{}", "/x".repeat(2_000));
        let rows: [(&str, &[u8], &[u8], &str); 24] = [
            ("proxied", b"a.test", b"/api/v1?x=1", "api"),
            (
                "host in another case and with a port",
                b"A.Test:8000",
                b"/api",
                "api",
            ),
            ("unknown path", b"a.test", b"/apis", "404"),
            ("unknown host", b"b.test", b"/", "404"),
            ("empty host, no route without host fits", b"", b"/", "404"),
            ("empty host, one fits", b"", b"/hostless", "none"),
            ("bad host", b"a b", b"/", "400"),
            ("host of bytes that are no UTF-8", b"\xff", b"/", "400"),
            ("host too long", &long, b"/", "400"),
            ("NUL in the host", b"a\0b", b"/", "400"),
            ("path without slash", b"a.test", b"api", "400"),
            ("an asterisk", b"a.test", b"*", "400"),
            ("empty path", b"a.test", b"", "400"),
            ("NUL in the path", b"a.test", b"/api\0", "400"),
            ("encoded NUL", b"a.test", b"/api%00", "400"),
            ("bad escape", b"a.test", b"/api%4", "400"),
            ("double slash", b"a.test", b"//api//v1", "api"),
            ("dots that reach the route", b"a.test", b"/x/../api", "api"),
            ("dots that leave the route", b"a.test", b"/api/../x", "404"),
            (
                "encoded dots that leave it",
                b"a.test",
                b"/api/%2e%2e/x",
                "404",
            ),
            (
                "an encoded slash is no boundary",
                b"a.test",
                b"/api%2fv1",
                "404",
            ),
            ("an encoded slash below", b"a.test", b"/api/a%2fb", "api"),
            (
                "path of bytes that are no UTF-8",
                b"a.test",
                b"/api/\xff\xfe",
                "api",
            ),
            (
                "a path of 2,000 segments",
                b"a.test",
                deep.as_bytes(),
                "api",
            ),
        ];
        let answer = |(name, host, target, expected): (&str, &[u8], &[u8], &str)| {
            let output = worker.request(&get(host, target));
            assert_eq!(who(&output), expected, "{name}");
            output
        };
        rows.into_iter().map(answer).collect()
    });
}

#[test]
fn the_upstream_gets_the_normal_form_of_the_path_and_the_query_as_it_came() {
    scenario("", usual, |worker| {
        type Row = (&'static str, &'static [u8], Option<&'static [u8]>);
        let rows: [Row; 7] = [
            ("already normal: the client's", b"/api/v1?a//b/..", None),
            ("slashes", b"//api//v1?a//b", Some(b"/api/v1?a//b")),
            ("dots", b"/api/./v1/../v2", Some(b"/api/v2")),
            ("escapes", b"/%61pi/%2f?%2f", Some(b"/api/%2F?%2f")),
            ("upper case escapes stay", b"/api/%2F", Some(b"/api/%2F")),
            ("bytes", b"/api//\xff?\xfe", Some(b"/api/\xff?\xfe")),
            ("empty query", b"/api//?", Some(b"/api/?")),
        ];
        let answer = |(name, target, expected): Row| {
            let output = worker.request(&get("a.test", target));
            let uri = plan(&output).uri;
            let same = uri.as_deref().unwrap_or(target) == expected.unwrap_or(target);
            assert!(same, "{name}: {uri:?}");
            output
        };
        rows.into_iter().map(answer).collect()
    });
}

#[test]
fn replies_are_json_in_kong_s_words() {
    scenario("", usual, |worker| {
        let output = worker.request(&get("b.test", "/"));
        let reply = output.reply.clone().expect("a reply");
        assert_eq!(
            reply.body,
            r#"{"message":"no Route matched with those values"}"#
        );
        let kind = (
            "content-type".to_owned(),
            "application/json; charset=utf-8".to_owned(),
        );
        assert_eq!(reply.headers, [kind]);
        vec![output]
    });
}

#[test]
fn a_header_is_asked_once_and_only_where_a_candidate_asks_for_it() {
    let store = || {
        node(&model(&[
            ("plain", "a.test", "/plain", None),
            ("one", "a.test", "/h", Some(("x-a", "1"))),
            ("two", "a.test", "/h", Some(("x-a", "2"))),
            ("long", "a.test", "/l", Some(("x-a", "3"))),
            ("rest", "a.test", "/", None),
        ]))
    };
    scenario("", store, |worker| {
        let big = vec![b'v'; 64 << 10];
        type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a [u8])], &'a str, u64);
        let rows: [Row<'_>; 8] = [
            ("no candidate asks", "/plain", &[("x-a", b"1")], "plain", 0),
            ("one of two asks", "/h", &[("x-a", b"1")], "one", 1),
            ("both ask: one call", "/h", &[("X-A", b"2")], "two", 1),
            ("neither fits: one call", "/h", &[("x-a", b"9")], "rest", 1),
            ("no such header: one call", "/h", &[], "rest", 1),
            (
                "the first value counts",
                "/h",
                &[("x-a", b"2"), ("x-a", b"1")],
                "two",
                1,
            ),
            (
                "bytes that are no UTF-8",
                "/h",
                &[("x-a", b"\xff\xfe")],
                "rest",
                1,
            ),
            ("64 KB of value", "/l", &[("x-a", &big)], "rest", 1),
        ];
        let mut outputs = Vec::new();
        for (name, path, headers, expected, calls) in rows {
            let mut input = get("a.test", path);
            for (name, value) in headers {
                input.headers.push(((*name).to_owned(), value.to_vec()));
            }
            let output = worker.request(&input);
            assert_eq!(who(&output), expected, "{name}");
            assert_eq!(worker.calls().header, calls, "{name}");
            outputs.push(output);
        }
        outputs
    });
}

#[test]
fn a_plain_request_is_three_host_calls() {
    scenario("", usual, |worker| {
        worker.request(&get("a.test", "/api"));
        let first = worker.calls();
        let output = worker.request(&get("a.test", "/api"));
        let calls = worker.calls();
        println!("first request {first:?}\nlater requests {calls:?}");
        assert_eq!(
            (calls.property, calls.shared, calls.set_property),
            (1, 1, 1)
        );
        assert_eq!(calls.header, 0);
        assert_eq!(calls.total, 3, "the budget is 5");
        vec![output]
    });
}

#[test]
fn endpoints_take_turns() {
    scenario("", usual, |worker| {
        let outputs: Vec<Output> = (0..100)
            .map(|_| worker.request(&get("a.test", "/api")))
            .collect();
        let first = |output: &Output| plan(output).endpoints[0].to_string();
        let ones = outputs.iter().filter(|o| first(o) == "10.0.0.1:8080");
        assert!((49..=51).contains(&ones.count()));
        outputs
    });
}
