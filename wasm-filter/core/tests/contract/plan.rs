//! `kong.silverback.plan`.

use core::net::SocketAddr;

use proptest::prelude::*;
use serde_json::Value;
use silverback_core::contract::WireError;
use silverback_core::contract::plan::{OwnedPlan, Plan, Protocol, Timeouts, UpstreamTls};

use crate::cases::{bytes, cases, error};

const CASES: &str = include_str!("../../testdata/contract/plan.json");

/// The plan of a case; fields that are not given have their defaults.
fn plan(fields: &Value) -> OwnedPlan {
    let text = |name: &str| fields.get(name).map(bytes);
    let number = |value: &Value| value.as_u64().expect("a number");
    let list = |name: &str| {
        let list = fields.get(name).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    OwnedPlan {
        epoch: number(&fields["epoch"]),
        rule: number(&fields["rule"]),
        endpoints: list("endpoints")
            .iter()
            .map(|e| e.as_str().and_then(|e| e.parse().ok()).expect("an address"))
            .collect(),
        timeouts: fields.get("timeouts").map_or(Timeouts::default(), |t| {
            let ms = |at: usize| number(&t[at]) as u32;
            Timeouts {
                connect: ms(0),
                send: ms(1),
                read: ms(2),
            }
        }),
        tries: fields.get("tries").map_or(1, |tries| number(tries) as u8),
        protocol: match fields.get("protocol").and_then(Value::as_str) {
            None => Protocol::Http,
            Some("https") => Protocol::Https,
            Some("grpc") => Protocol::Grpc,
            Some("grpcs") => Protocol::Grpcs,
            Some(other) => panic!("{other}"),
        },
        host: text("host"),
        uri: text("uri"),
        remove_headers: list("remove_headers").iter().map(bytes).collect(),
        tls: fields
            .get("tls")
            .map(|tls| (number(&tls["policy"]), bytes(&tls["server_name"]))),
        route_name: text("route_name").unwrap_or_default(),
        service_name: text("service_name").unwrap_or_default(),
    }
}

fn encode(plan: &OwnedPlan) -> Result<Vec<u8>, WireError> {
    let names: Vec<&[u8]> = plan.remove_headers.iter().map(|n| &n[..]).collect();
    let mut out = Vec::new();
    let borrowed = Plan {
        epoch: plan.epoch,
        rule: plan.rule,
        endpoints: &plan.endpoints,
        timeouts: plan.timeouts,
        tries: plan.tries,
        protocol: plan.protocol,
        host: plan.host.as_deref(),
        uri: plan.uri.as_deref(),
        remove_headers: &names,
        tls: plan.tls.as_ref().map(|(policy, server_name)| UpstreamTls {
            policy: *policy,
            server_name,
        }),
        route_name: &plan.route_name,
        service_name: &plan.service_name,
    };
    borrowed.encode(&mut out).map(|()| out)
}

#[test]
fn every_case_is_read_and_written_as_the_table_says() {
    for case in cases(CASES) {
        let decoded = OwnedPlan::decode(&case.bytes);
        match (&case.fields, &case.error) {
            (Some(fields), _) => {
                let wanted = plan(fields);
                assert_eq!(decoded.as_ref(), Ok(&wanted), "{}", case.name);
                let written = encode(&wanted).expect(&case.name);
                assert_eq!(written == case.bytes, case.encodes, "{}", case.name);
            }
            (None, wanted) => {
                let got = decoded.map_err(error).expect_err(&case.name);
                assert_eq!(Some(got), *wanted, "{}", case.name);
            }
        }
    }
}

#[test]
fn a_plan_that_is_cut_short_is_refused_or_is_the_plan_without_its_last_fields() {
    for case in cases(CASES).iter().filter(|case| case.fields.is_some()) {
        for end in 0..case.bytes.len() {
            // A cut between two fields cannot be seen; it never invents anything.
            if let Ok(plan) = OwnedPlan::decode(&case.bytes[..end]) {
                let whole = OwnedPlan::decode(&case.bytes).expect("whole");
                assert_eq!(plan.endpoints, whole.endpoints, "{} at {end}", case.name);
            }
        }
    }
}

fn good() -> OwnedPlan {
    plan(&serde_json::json!({"epoch": 1, "rule": 2, "endpoints": ["10.0.0.1:80"]}))
}

#[test]
fn the_encoder_refuses_what_the_decoder_would() {
    type Change = fn(&mut OwnedPlan);
    let rows: [(&str, Change, &str); 17] = [
        ("no endpoint", |p| p.endpoints.clear(), "count endpoints"),
        (
            "17 endpoints",
            |p| p.endpoints = vec![p.endpoints[0]; 17],
            "count endpoints",
        ),
        ("no tries", |p| p.tries = 0, "bad tries"),
        (
            "connect timeout 0",
            |p| p.timeouts.connect = 0,
            "bad timeouts",
        ),
        ("send timeout 0", |p| p.timeouts.send = 0, "bad timeouts"),
        (
            "read timeout beyond nginx's number",
            |p| p.timeouts.read = 1 << 31,
            "bad timeouts",
        ),
        ("port 0", |p| p.endpoints[0].set_port(0), "bad endpoints"),
        (
            "LF in the host",
            |p| p.host = Some(b"a\nb".to_vec()),
            "bad host",
        ),
        (
            "CR in the URI",
            |p| p.uri = Some(b"/\r".to_vec()),
            "bad uri",
        ),
        (
            "NUL in a header's name",
            |p| p.remove_headers = vec![b"a\0".to_vec()],
            "bad remove_header",
        ),
        (
            "an empty header's name",
            |p| p.remove_headers = vec![Vec::new()],
            "bad remove_header",
        ),
        (
            "LF in the server name",
            |p| p.tls = Some((0, b"\n".to_vec())),
            "bad tls",
        ),
        (
            "LF in the route's name",
            |p| p.route_name = b"\n".to_vec(),
            "bad route_name",
        ),
        (
            "LF in the service's name",
            |p| p.service_name = b"\n".to_vec(),
            "bad service_name",
        ),
        (
            "a host too long",
            |p| p.host = Some(vec![b'a'; 65_536]),
            "long host",
        ),
        (
            "a URI too long",
            |p| p.uri = Some(vec![b'a'; 65_536]),
            "long uri",
        ),
        (
            "a server name too long",
            |p| p.tls = Some((0, vec![b'a'; 65_528])),
            "long tls",
        ),
    ];
    for (name, change, wanted) in rows {
        let mut plan = good();
        change(&mut plan);
        let refused = encode(&plan).map_err(error);
        assert_eq!(refused, Err(wanted.to_owned()), "{name}");
    }
    let mut longest = good();
    longest.uri = Some(vec![b'a'; 65_535]);
    longest.endpoints = vec![longest.endpoints[0]; 16];
    let bytes = encode(&longest).expect("the longest");
    assert_eq!(OwnedPlan::decode(&bytes), Ok(longest));
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("a line", |b| !matches!(b, b'\r' | b'\n' | 0));
    proptest::collection::vec(byte, 0..40)
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    line().prop_filter("a name", |name| !name.is_empty())
}

fn any_plan() -> impl Strategy<Value = OwnedPlan> {
    let address = (any::<core::net::IpAddr>(), 1..=u16::MAX);
    let endpoint = address.prop_map(|(ip, port)| SocketAddr::new(ip, port));
    let ms = || 1..=i32::MAX as u32;
    let timeouts = (ms(), ms(), ms()).prop_map(|(connect, send, read)| Timeouts {
        connect,
        send,
        read,
    });
    let protocol = (0u8..4).prop_map(|b| Protocol::from_byte(b).unwrap_or_default());
    let head = (any::<u64>(), any::<u64>(), 1..=u8::MAX, timeouts, protocol);
    let lists = (
        proptest::collection::vec(endpoint, 1..=16),
        proptest::collection::vec(name(), 0..4),
    );
    let texts = (
        proptest::option::of(line()),
        proptest::option::of(line()),
        line(),
        line(),
    );
    let tls = proptest::option::of((any::<u64>(), line()));
    (head, lists, texts, tls).prop_map(|(head, lists, texts, tls)| OwnedPlan {
        epoch: head.0,
        rule: head.1,
        tries: head.2,
        timeouts: head.3,
        protocol: head.4,
        endpoints: lists.0,
        remove_headers: lists.1,
        host: texts.0,
        uri: texts.1,
        route_name: texts.2,
        service_name: texts.3,
        tls,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(plan in any_plan()) {
        let bytes = encode(&plan).expect("within the limits");
        prop_assert_eq!(OwnedPlan::decode(&bytes), Ok(plan));
    }

    #[test]
    fn what_is_read_can_be_written(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Some(version) = bytes.first_mut() {
            *version = 1;
        }
        if let Ok(plan) = OwnedPlan::decode(&bytes) {
            let again = encode(&plan).map(|bytes| OwnedPlan::decode(&bytes));
            prop_assert_eq!(again, Ok(Ok(plan)));
        }
    }
}
