//! Whatever rules and requests say: a plan can be read, and its path is one.

use std::sync::Arc;

use proptest::prelude::*;
use silverback_core::contract::plan::OwnedPlan;
use silverback_core::table::model::{
    Cors, Filters, Forwarding, Header, HeaderEdits, Mirror, PathEdit, Piece, Redirect, Retry,
    Rewrite, RouteKind, RouteMatch, Rule, SchemeMatch, ServiceSettings, Timeouts, UpstreamProtocol,
};

use crate::world::{Ask, Seen, World, endpoints, path, rule, service};

/// Paths with everything that a normal form, a template or a join may stumble over.
const PATH: &str = "/(foo|[a-c]|\\.|\\.\\.|/|%2[fFeE]|%|é|\\?x){0,6}";

fn text() -> BoxedStrategy<Box<str>> {
    prop_oneof![
        Just("/".into()),
        Just("/x".into()),
        Just("/x/".into()),
        Just(String::new()),
        PATH.prop_map(String::from),
        "[ -~\\r\\n\\x00]{0,4}".prop_map(String::from),
    ]
    .prop_map(String::into_boxed_str)
    .boxed()
}

fn at() -> BoxedStrategy<&'static str> {
    prop::sample::select(vec![
        "/",
        "/foo",
        "=/foo",
        "^/fo",
        "^/",
        r"~/fo*(.*)",
        r"~/([a-z.]*)/?(.*)",
        r"~/(%2)?",
        r"~/.*?",
    ])
    .boxed()
}

fn piece() -> BoxedStrategy<Piece> {
    prop_oneof![
        text().prop_map(Piece::Text),
        (1u8..=3).prop_map(Piece::Capture)
    ]
    .boxed()
}

fn edit() -> BoxedStrategy<Option<PathEdit>> {
    prop_oneof![
        Just(None),
        text().prop_map(|text| Some(PathEdit::Full(text))),
        text().prop_map(|text| Some(PathEdit::Prefix(text))),
        prop::collection::vec(piece(), 0..4).prop_map(|pieces| Some(PathEdit::Template(pieces))),
    ]
    .boxed()
}

fn header() -> BoxedStrategy<Header> {
    let name = prop::sample::select(vec!["a", "b", "host", "x-c"]);
    (name, "[ -~]{0,5}")
        .prop_map(|(name, value)| Header {
            name: name.into(),
            value: value.into(),
        })
        .boxed()
}

fn edits() -> BoxedStrategy<HeaderEdits> {
    let headers = || prop::collection::vec(header(), 0..3);
    let names = prop::collection::vec(header().prop_map(|header| header.name), 0..2);
    (headers(), headers(), names)
        .prop_map(|(set, add, remove)| HeaderEdits { set, add, remove })
        .boxed()
}

fn cors() -> BoxedStrategy<Cors> {
    let origins = prop::sample::subsequence(vec!["*", "https://a.test", "https://*.test"], 0..3);
    (origins, any::<bool>())
        .prop_map(|(origins, credentials)| Cors {
            origins: origins.into_iter().map(Into::into).collect(),
            credentials,
            methods: vec!["*".into()],
            headers: vec!["*".into()],
            expose: vec!["x".into()],
            max_age: 5,
        })
        .boxed()
}

fn filters() -> BoxedStrategy<Filters> {
    let rewrite =
        (prop::option::of(text()), edit()).prop_map(|(hostname, path)| Rewrite { hostname, path });
    let redirect = (
        any::<u16>(),
        any::<Option<bool>>(),
        prop::option::of(text()),
        edit(),
    )
        .prop_map(|(status, tls, hostname, path)| Redirect {
            status,
            tls,
            hostname,
            port: None,
            path,
        });
    let mirror = (0u32..3, 0u32..3).prop_map(|(numerator, denominator)| Mirror {
        service: service("a"),
        numerator,
        denominator,
    });
    (
        edits(),
        edits(),
        prop::option::weighted(0.2, redirect).boxed(),
        prop::option::of(rewrite).boxed(),
        prop::collection::vec(mirror, 0..6).boxed(),
        prop::option::weighted(0.3, cors()).boxed(),
    )
        .prop_map(
            |(request_headers, response_headers, redirect, rewrite, mirrors, cors)| Filters {
                request_headers,
                response_headers,
                redirect,
                rewrite,
                mirrors,
                cors,
            },
        )
        .boxed()
}

fn rules() -> BoxedStrategy<Rule> {
    let forwarding = (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(strip_path, preserve_host, path_v1)| Forwarding {
            strip_path,
            preserve_host,
            path_v1,
        },
    );
    let retry = (
        any::<u8>(),
        0u32..1000,
        prop::collection::vec(400u16..600, 0..4),
    )
        .prop_map(|(attempts, backoff, codes)| Retry {
            attempts,
            backoff,
            codes,
        });
    let timeouts = (any::<Option<u32>>(), any::<Option<u32>>());
    (
        filters(),
        filters(),
        forwarding,
        prop::option::of(retry),
        timeouts,
        any::<bool>(),
    )
        .prop_map(
            |(of_rule, of_backend, forwarding, retry, (request, backend_request), grpc)| {
                let kind = if grpc {
                    RouteKind::GrpcRoute
                } else {
                    RouteKind::HttpRoute
                };
                let mut rule = rule(kind);
                rule.filters = of_rule.into();
                rule.backends[0].filters = of_backend.into();
                rule.forwarding = forwarding;
                rule.retry = retry;
                rule.timeouts = Timeouts {
                    request,
                    backend_request,
                };
                rule
            },
        )
        .boxed()
}

fn settings() -> BoxedStrategy<ServiceSettings> {
    use UpstreamProtocol::{Grpc, Grpcs, H2c, Http, Https};
    let protocol = prop::sample::select(vec![Http, Https, Grpc, Grpcs, H2c]);
    (
        protocol,
        prop::option::of(text()),
        prop::option::of(text()),
        any::<Option<u32>>(),
        any::<Option<u8>>(),
    )
        .prop_map(
            |(protocol, path, host_header, read_timeout, retries)| ServiceSettings {
                protocol,
                path,
                host_header,
                read_timeout,
                retries,
                ..ServiceSettings::default()
            },
        )
        .boxed()
}

fn asks() -> BoxedStrategy<Ask> {
    let origin = prop::option::of(prop::sample::select(vec!["https://a.test", "null", "x"]));
    let target = prop_oneof![
        PATH.prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| [b"/".to_vec(), bytes].concat()),
    ];
    (target, origin, any::<bool>(), any::<bool>())
        .prop_map(|(target, origin, tls, options)| {
            let mut headers = Vec::new();
            if let Some(origin) = origin {
                headers.push(("origin", origin.to_owned()));
                headers.push(("access-control-request-method", "PUT".to_owned()));
            }
            Ask {
                method: if options { "OPTIONS" } else { "GET" },
                host: b"a.test".to_vec(),
                target,
                tls,
                listener: Some(80),
                headers,
            }
        })
        .boxed()
}

fn is_origin_form(uri: &[u8]) -> bool {
    uri.first() == Some(&b'/') && uri.iter().all(|byte| *byte > 0x20 && *byte != 0x7f)
}

/// The segments of a path are what the rule and the normal form say: none leads elsewhere.
fn has_dots(uri: &[u8]) -> bool {
    let path = uri.split(|byte| *byte == b'?').next().unwrap_or_default();
    let mut segments = path.split(|byte| *byte == b'/');
    segments.any(|segment| segment == b"." || segment == b"..")
}

/// A plan that can be read was decoded by [`World::ask`]; this is about what it says.
fn check(plan: &OwnedPlan, ask: &Ask) {
    let uri = plan.uri.as_deref().unwrap_or(&ask.target);
    assert!(is_origin_form(uri), "{}", uri.escape_ascii());
    assert!(!plan.endpoints.is_empty() && plan.tries > 0);
    assert_eq!(plan.tls.is_some(), plan.protocol.is_tls());
    let names = plan.set_headers.iter().chain(&plan.add_headers);
    assert!(names.clone().all(|(name, _)| name != b"host"));
    for (name, _) in names {
        let set = plan.set_headers.iter().filter(|(known, _)| known == name);
        assert!(set.count() <= 1, "a header is set once");
    }
}

fn plain_path() -> BoxedStrategy<String> {
    prop::sample::select(vec!["/", "/x", "/x/", "/x/y"])
        .prop_map(String::from)
        .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_request_makes_dot_segments_where_the_rule_has_none(
        at in at(),
        base in prop::option::of(plain_path()),
        pieces in prop::option::of(prop::collection::vec(
            prop_oneof![
                plain_path().prop_map(|text| Piece::Text(text.into())),
                Just(Piece::Text("%2".into())),
                (1u8..=2).prop_map(Piece::Capture),
            ],
            0..5,
        )),
        forwarding in (any::<bool>(), any::<bool>()),
        asks in prop::collection::vec(asks(), 1..8),
    ) {
        let mut rule = rule(RouteKind::Ingress);
        (rule.forwarding.strip_path, rule.forwarding.path_v1) = forwarding;
        rule.filters.rewrite = pieces.map(|pieces| Rewrite {
            hostname: None,
            path: Some(PathEdit::Template(pieces)),
        });
        let settings = ServiceSettings {
            path: base.map(String::into_boxed_str),
            ..ServiceSettings::default()
        };
        let world = World::one(path(at), rule, settings);
        for ask in &asks {
            if let Seen::Proxy(plan, _) = world.ask(ask)
                && let Some(uri) = plan.uri
            {
                prop_assert!(!has_dots(&uri), "{}", uri.escape_ascii());
            }
        }
    }

    #[test]
    fn a_plan_can_always_be_read_and_its_path_is_one(
        at in at(),
        rule in rules(),
        settings in settings(),
        scheme in prop::option::weighted(0.1, any::<u16>()),
        asks in prop::collection::vec(asks(), 1..8),
    ) {
        let mut matched = RouteMatch::new(path(at), 0, Arc::new(rule));
        if let Some(status) = scheme {
            matched.scheme = SchemeMatch::Tls { status };
        }
        let world = World::new(vec![matched], [(service("a"), endpoints(3, settings))]);
        for (spin, ask) in (0..).zip(&asks) {
            match world.spin(ask, spin) {
                Seen::Proxy(plan, _) => check(&plan, ask),
                Seen::Reply(status, headers) => {
                    prop_assert!((200..600).contains(&status));
                    for header in headers {
                        prop_assert!(header.is_ascii(), "{}", header);
                        prop_assert!(!header.contains(['\r', '\n', '\0']), "{}", header);
                    }
                }
            }
        }
    }
}
