//! Cross-origin requests. The cases are those of the specification and of its conformance test.

use silverback_core::table::model::{Cors, Header, Redirect, RouteKind, Rule};

use crate::world::{Ask, Seen, World, get, path, rule};

fn texts(list: &[&str]) -> Vec<Box<str>> {
    list.iter().map(|text| (*text).into()).collect()
}

fn with(cors: Cors) -> Rule {
    let mut rule = rule(RouteKind::HttpRoute);
    rule.filters.cors = Some(cors);
    rule
}

fn world(cors: Cors) -> World {
    World::one(path("/"), with(cors), Default::default())
}

/// Origins, methods, headers and exposed headers by name, with credentials.
fn named() -> Cors {
    Cors {
        origins: texts(&["https://www.foo.com", "https://*.bar.com"]),
        credentials: true,
        methods: texts(&["GET", "OPTIONS"]),
        headers: texts(&["x-header-1", "x-header-2"]),
        expose: texts(&["x-header-3", "x-header-4"]),
        max_age: 3600,
    }
}

/// `*` everywhere.
fn any(credentials: bool) -> Cors {
    Cors {
        origins: texts(&["*"]),
        credentials,
        methods: texts(&["*"]),
        headers: texts(&["*"]),
        expose: texts(&["*"]),
        max_age: 5,
    }
}

fn from(origin: &str) -> Ask {
    Ask {
        headers: vec![("origin", origin.to_owned())],
        ..get("/")
    }
}

fn preflight(origin: &str, method: &str, headers: Option<&str>) -> Ask {
    let mut ask = Ask {
        method: "OPTIONS",
        ..from(origin)
    };
    ask.headers
        .push(("access-control-request-method", method.to_owned()));
    if let Some(headers) = headers {
        ask.headers
            .push(("access-control-request-headers", headers.to_owned()));
    }
    ask
}

fn reply(headers: &[&str]) -> Seen {
    Seen::Reply(200, headers.iter().map(|h| (*h).to_owned()).collect())
}

#[test]
fn a_preflight_is_answered_without_the_upstream() {
    for origin in [
        "https://www.foo.com",
        "https://www.bar.com",
        "https://xpto.www.bar.com",
    ] {
        let seen = world(named()).ask(&preflight(origin, "GET", Some("x-header-1, x-header-2")));
        let allow = format!("access-control-allow-origin: {origin}");
        assert_eq!(
            seen,
            reply(&[
                "vary: Origin",
                &allow,
                "access-control-allow-credentials: true",
                "access-control-expose-headers: x-header-3, x-header-4",
                "access-control-allow-methods: GET, OPTIONS",
                "access-control-allow-headers: x-header-1, x-header-2",
                "access-control-max-age: 3600",
            ])
        );
    }
}

#[test]
fn a_preflight_of_another_origin_gets_no_cors_headers() {
    for origin in ["https://foobar.com", "null", "", "https://www.foo.com.evil"] {
        let seen = world(named()).ask(&preflight(origin, "GET", None));
        assert_eq!(seen, reply(&["vary: Origin"]), "{origin}");
    }
}

#[test]
fn wildcards_give_back_what_was_asked_for() {
    let wanted = || {
        preflight(
            "https://other.foo.com",
            "PUT",
            Some("x-header-1, x-header-2"),
        )
    };
    assert_eq!(
        world(any(true)).ask(&wanted()),
        reply(&[
            "vary: Origin",
            "access-control-allow-origin: https://other.foo.com",
            "access-control-allow-credentials: true",
            "access-control-allow-methods: PUT",
            "access-control-allow-headers: x-header-1, x-header-2",
            "access-control-max-age: 5",
        ])
    );
    assert_eq!(
        world(any(false)).ask(&wanted()),
        reply(&[
            "access-control-allow-origin: *",
            "access-control-expose-headers: *",
            "access-control-allow-methods: PUT",
            "access-control-allow-headers: x-header-1, x-header-2",
            "access-control-max-age: 5",
        ])
    );
    // "If the `Access-Control-Request-Headers` header is not present in the request, the gateway must
    // omit the `Access-Control-Allow-Headers` response header."
    let Seen::Reply(_, headers) = world(any(true)).ask(&preflight("https://a", "PUT", None)) else {
        panic!("a preflight")
    };
    assert!(
        !headers.iter().any(|h| h.contains("allow-headers")),
        "{headers:?}"
    );
}

#[test]
fn what_is_not_configured_is_left_out() {
    let cors = Cors {
        origins: texts(&["https://www.foo.com"]),
        max_age: 5,
        ..Cors::default()
    };
    let seen = world(cors).ask(&preflight("https://www.foo.com", "POST", Some("x")));
    assert_eq!(
        seen,
        reply(&[
            "vary: Origin",
            "access-control-allow-origin: https://www.foo.com",
            "access-control-max-age: 5",
        ])
    );
}

#[test]
fn options_without_the_headers_of_a_preflight_are_proxied() {
    let no_method = Ask {
        method: "OPTIONS",
        ..from("https://www.foo.com")
    };
    let no_origin = Ask {
        headers: vec![("access-control-request-method", "GET".to_owned())],
        method: "OPTIONS",
        ..get("/")
    };
    let no_options = Ask {
        method: "GET",
        ..preflight("https://www.foo.com", "GET", None)
    };
    for ask in [no_method, no_origin, no_options] {
        let seen = world(named()).ask(&ask);
        assert!(matches!(seen, Seen::Proxy(..)), "{seen:?}");
    }
}

fn edits(cors: Cors, ask: &Ask) -> Vec<String> {
    match world(cors).ask(ask) {
        Seen::Proxy(_, edits) => edits,
        reply @ Seen::Reply(..) => panic!("{reply:?}"),
    }
}

#[test]
fn responses_say_who_may_see_them_and_the_upstream_s_word_does_not_count() {
    let foo = from("https://www.foo.com");
    assert_eq!(
        edits(named(), &foo),
        [
            "+vary: Origin",
            "=access-control-allow-origin: https://www.foo.com",
            "=access-control-allow-credentials: true",
            "=access-control-expose-headers: x-header-3, x-header-4",
        ]
    );
    assert_eq!(
        edits(named(), &from("https://foobar.com")),
        [
            "-access-control-allow-origin",
            "-access-control-allow-credentials",
            "+vary: Origin",
        ]
    );
    // No cross-origin request: only caches must know.
    assert_eq!(edits(named(), &get("/")), ["+vary: Origin"]);
    assert_eq!(
        edits(any(false), &foo),
        [
            "-access-control-allow-credentials",
            "=access-control-allow-origin: *",
            "=access-control-expose-headers: *",
        ]
    );
    assert_eq!(edits(any(false), &get("/")), [""; 0]);
    assert_eq!(
        edits(any(true), &foo),
        [
            "+vary: Origin",
            "=access-control-allow-origin: https://www.foo.com",
            "=access-control-allow-credentials: true",
        ]
    );
}

#[test]
fn the_gateway_s_own_answers_may_be_seen_too() {
    let mut redirecting = with(named());
    redirecting.filters.redirect = Some(Redirect {
        status: 302,
        tls: Some(true),
        hostname: None,
        port: None,
        path: None,
    });
    let mut nowhere = with(named());
    nowhere.backends.clear();
    let mut empty = with(named());
    empty.backends = vec![crate::world::backend("none", 1)];
    for (rule, status) in [(redirecting, 302), (nowhere, 500), (empty, 503)] {
        let world = World::one(path("/"), rule, Default::default());
        let seen = world.ask(&from("https://www.foo.com"));
        let Seen::Reply(got, headers) = seen else {
            panic!("{seen:?}")
        };
        assert_eq!(got, status);
        let allow = "access-control-allow-origin: https://www.foo.com".to_owned();
        assert!(headers.contains(&allow), "{status}: {headers:?}");
    }
}

#[test]
fn modifiers_come_after_and_a_backend_s_filter_after_the_rule_s() {
    let mut rule = with(named());
    rule.filters.response_headers.set.push(Header {
        name: "access-control-expose-headers".into(),
        value: "x-mine".into(),
    });
    rule.backends[0].filters.cors = Some(Cors {
        origins: texts(&["https://www.foo.com"]),
        max_age: 5,
        ..Cors::default()
    });
    let world = World::one(path("/"), rule, Default::default());
    let Seen::Proxy(_, edits) = world.ask(&from("https://www.foo.com")) else {
        panic!("proxied")
    };
    assert_eq!(
        edits,
        [
            "-access-control-allow-credentials",
            "+vary: Origin",
            "=access-control-allow-origin: https://www.foo.com",
            "=access-control-expose-headers: x-mine",
        ]
    );
}
