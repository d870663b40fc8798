//! What rules change: plan, reply and response, with the host calls that each needs.

use std::sync::Arc;

use silverback_core::table::model::{
    Cors, Header, HeaderEdits, PathEdit, Redirect, Rewrite, RouteMatch, Rule, SchemeMatch,
};
use silverback_emulator::SharedStore;

use crate::harness::{get, model, node, plan, scenario, who};
use crate::support::runtime::{Input, Output};

/// A node whose routes at `/` of a.test are these.
fn node_of(names: &[&'static str], change: impl Fn(&str, &mut RouteMatch)) -> SharedStore {
    let paths: Vec<_> = names.iter().map(|name| format!("/{name}")).collect();
    let routes: Vec<_> = (names.iter().zip(&paths))
        .map(|(name, path)| (*name, "a.test", path.as_str(), None))
        .collect();
    let mut model = model(&routes);
    for matched in model.hosts.values_mut().flatten() {
        let name = matched.rule.object.name.clone();
        change(&name, matched);
    }
    node(&model)
}

fn rule(matched: &mut RouteMatch) -> &mut Rule {
    Arc::make_mut(&mut matched.rule)
}

fn headers(list: &[(&str, &str)]) -> Vec<Header> {
    let header = |(name, value): &(&str, &str)| Header {
        name: (*name).into(),
        value: (*value).into(),
    };
    list.iter().map(header).collect()
}

fn text(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    list.iter().map(own).collect()
}

#[test]
fn a_response_is_changed_where_the_rule_says_so_and_nowhere_else() {
    let store = || {
        node_of(&["plain", "edits"], |name, matched| {
            if name == "edits" {
                rule(matched).filters.response_headers = HeaderEdits {
                    remove: vec!["x-gone".into()],
                    set: headers(&[("x-set", "1"), ("server", "none")]),
                    add: headers(&[("x-add", "1")]),
                };
            }
        })
    };
    scenario("", store, |worker| {
        let upstream = vec![
            ("server", "up"),
            ("x-gone", "a"),
            ("x-gone", "b"),
            ("x-add", "0"),
        ];
        let with = |path| Input {
            upstream: upstream.clone(),
            ..get("a.test", path)
        };
        let plain = worker.request(&with("/plain"));
        assert_eq!(plain.response, text(&upstream));
        let plain = worker.request(&with("/plain"));
        assert_eq!(
            worker.calls().total,
            3,
            "three host calls, response and all"
        );

        // The first request reads the endpoints' segment.
        worker.request(&with("/edits"));
        let edited = worker.request(&with("/edits"));
        assert_eq!(
            edited.response,
            text(&[
                ("server", "none"),
                ("x-add", "0"),
                ("x-set", "1"),
                ("x-add", "1"),
            ])
        );
        assert_eq!(worker.calls().response, 4);
        assert_eq!(worker.calls().total, 3 + 4);
        // The next request of the worker has nothing of it.
        let after = worker.request(&with("/plain"));
        assert_eq!(after.response, text(&upstream));
        vec![plain, edited, after]
    });
}

/// A node whose rule `edits` changes headers, host and path of requests.
pub(crate) fn edited() -> SharedStore {
    node_of(&["edits"], |_, matched| {
        let rule = rule(matched);
        rule.filters.request_headers = HeaderEdits {
            remove: vec!["x-gone".into()],
            set: headers(&[("x-set", "1")]),
            add: headers(&[("x-add", "1")]),
        };
        rule.filters.rewrite = Some(Rewrite {
            hostname: Some("b.test".into()),
            path: Some(PathEdit::Prefix("/new".into())),
        });
    })
}

#[test]
fn a_request_is_changed_by_the_plan_alone() {
    scenario("", edited, |worker| {
        worker.request(&get("a.test", "/edits"));
        let output = worker.request(&get("a.test", "/edits/x?y"));
        assert_eq!(worker.calls().total, 3, "three host calls");
        let plan = plan(&output);
        assert_eq!(plan.remove_headers, [b"x-gone"]);
        assert_eq!(plan.set_headers, [(b"x-set".to_vec(), b"1".to_vec())]);
        assert_eq!(plan.add_headers, [(b"x-add".to_vec(), b"1".to_vec())]);
        assert_eq!(plan.host.as_deref(), Some(&b"b.test"[..]));
        assert_eq!(plan.uri.as_deref(), Some(&b"/new/x?y"[..]));
        vec![output]
    });
}

#[test]
fn redirects_and_upgrades_are_answered() {
    let store = || {
        node_of(
            &["redirect", "upgrade", "moved"],
            |name, matched| match name {
                "redirect" => {
                    rule(matched).filters.redirect = Some(Redirect {
                        status: 302,
                        tls: Some(true),
                        hostname: Some("b.test".into()),
                        port: Some(8443),
                        path: Some(PathEdit::Prefix("/new".into())),
                    });
                }
                "upgrade" => matched.scheme = SchemeMatch::Tls { status: 426 },
                _ => matched.scheme = SchemeMatch::Tls { status: 308 },
            },
        )
    };
    scenario("", store, |worker| {
        let json = ("content-type", "application/json; charset=utf-8");
        /// Path, status, headers and body.
        type Row<'a> = (&'a str, u16, &'a [(&'a str, &'a str)], &'a str);
        let rows: [Row<'_>; 3] = [
            (
                "/redirect/x?y",
                302,
                &[("location", "https://b.test:8443/new/x?y")],
                "",
            ),
            (
                "/upgrade",
                426,
                &[
                    json,
                    ("connection", "Upgrade"),
                    ("upgrade", "TLS/1.2, HTTP/1.1"),
                ],
                r#"{"message":"Please use HTTPS protocol"}"#,
            ),
            (
                "/moved/x?y",
                308,
                &[("location", "https://a.test/moved/x?y")],
                "",
            ),
        ];
        let answer = |(path, status, headers, body): (&str, u16, &[_], &str)| {
            let output = worker.request(&get("a.test:8000", path));
            let reply = output.reply.clone().expect("a reply");
            assert_eq!((reply.status, &*reply.body), (status, body), "{path}");
            assert_eq!(reply.headers, text(headers), "{path}");
            output
        };
        rows.into_iter().map(answer).collect()
    });
}

fn options() -> Input {
    let info = silverback_core::contract::request::RequestInfo {
        port: 8000,
        host: b"a.test",
        path: b"/cors",
        method: b"OPTIONS",
        ..Default::default()
    };
    let mut message = Vec::new();
    info.encode(&mut message).expect("short fields");
    Input {
        message: Some(message),
        ..Input::default()
    }
}

fn from(mut input: Input, headers: &[(&str, &str)]) -> Input {
    for (name, value) in headers {
        let value = value.as_bytes().to_vec();
        input.headers.push(((*name).to_owned(), value));
    }
    input
}

#[test]
fn cross_origin_requests() {
    let store = || {
        node_of(&["cors"], |_, matched| {
            rule(matched).filters.cors = Some(Cors {
                origins: vec!["https://*.shop.test".into()],
                credentials: true,
                methods: vec!["PUT".into()],
                headers: vec!["*".into()],
                expose: vec!["x-id".into()],
                max_age: 60,
            });
        })
    };
    scenario("", store, |worker| {
        let origin = ("origin", "https://www.shop.test");
        let preflight = [
            origin,
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-a"),
        ];
        let preflight = worker.request(&from(options(), &preflight));
        let reply = preflight.reply.clone().expect("a reply");
        assert_eq!((reply.status, &*reply.body), (200, ""));
        assert_eq!(
            reply.headers,
            text(&[
                ("vary", "Origin"),
                ("access-control-allow-origin", "https://www.shop.test"),
                ("access-control-allow-credentials", "true"),
                ("access-control-expose-headers", "x-id"),
                ("access-control-allow-methods", "PUT"),
                ("access-control-allow-headers", "x-a"),
                ("access-control-max-age", "60"),
            ])
        );

        let ask = |origin| Input {
            upstream: vec![("access-control-allow-origin", "*"), ("vary", "Accept")],
            ..from(get("a.test", "/cors"), &[("origin", origin)])
        };
        let allowed = worker.request(&ask("https://www.shop.test"));
        assert_eq!(who(&allowed), "cors");
        assert_eq!(
            allowed.response,
            text(&[
                ("access-control-allow-origin", "https://www.shop.test"),
                ("vary", "Accept"),
                ("vary", "Origin"),
                ("access-control-allow-credentials", "true"),
                ("access-control-expose-headers", "x-id"),
            ])
        );
        let refused = worker.request(&ask("https://shop.test"));
        let vary = text(&[("vary", "Accept"), ("vary", "Origin")]);
        assert_eq!(refused.response, vary);
        vec![preflight, allowed, refused]
    });
}

#[test]
fn what_cannot_be_written_as_a_plan_is_answered_500() {
    let store = || {
        node_of(&["bad"], |_, matched| {
            let edits = &mut rule(matched).filters.request_headers;
            edits.set = headers(&[("content-length", "0")]);
        })
    };
    scenario("", store, |worker| {
        let output: Output = worker.request(&get("a.test", "/bad"));
        assert_eq!(who(&output), "500");
        vec![output]
    });
}
