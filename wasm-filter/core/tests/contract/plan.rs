//! `kong.silverback.plan`.

use core::net::SocketAddr;

use proptest::prelude::*;
use silverback_core::contract::plan::{
    Deadlines, FIXED_HEADERS, OwnedMirror, OwnedPlan, OwnedRetryOn, Plan, Protocol, Timeouts,
};

use crate::cases::{cases, error};
use crate::fixture::{encode, good, plan};

const CASES: &str = include_str!("../../testdata/contract/plan.json");

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

#[test]
fn a_plan_has_defaults() {
    let good = good();
    let mut out = Vec::new();
    let plan = Plan::to(good.epoch, good.rule, &good.endpoints);
    plan.encode(&mut out).expect("a plan");
    assert_eq!(OwnedPlan::decode(&out), Ok(good));
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("a line", |b| !matches!(b, b'\r' | b'\n' | 0));
    proptest::collection::vec(byte, 0..40)
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    line().prop_filter("a name", |name| !name.is_empty())
}

fn header() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let name = "[a-z0-9!#$%&'*+.^_`|~-]{1,20}".prop_map(String::into_bytes);
    let name = name.prop_filter("free", |name| !FIXED_HEADERS.contains(&&name[..]));
    (name, line())
}

fn protocol() -> impl Strategy<Value = Protocol> {
    (0u8..5).prop_map(|b| Protocol::from_byte(b).expect("a protocol"))
}

fn endpoints() -> impl Strategy<Value = Vec<SocketAddr>> {
    let address = (any::<core::net::IpAddr>(), 1..=u16::MAX);
    let endpoint = address.prop_map(|(ip, port)| SocketAddr::new(ip, port));
    proptest::collection::vec(endpoint, 1..=16)
}

fn mirror() -> impl Strategy<Value = OwnedMirror> {
    (protocol(), endpoints()).prop_map(|(protocol, endpoints)| OwnedMirror {
        protocol,
        endpoints,
    })
}

fn retry() -> impl Strategy<Value = OwnedRetryOn> {
    let codes = proptest::collection::vec(400u16..=599, 0..5);
    (0..=i32::MAX as u32, codes).prop_map(|(backoff, codes)| OwnedRetryOn { backoff, codes })
}

fn any_plan() -> impl Strategy<Value = OwnedPlan> {
    let ms = || 1..=i32::MAX as u32;
    let timeouts = (ms(), ms(), ms()).prop_map(|(connect, send, read)| Timeouts {
        connect,
        send,
        read,
    });
    let ms = || 0..=i32::MAX as u32;
    let deadlines = (ms(), ms()).prop_map(|(request, attempt)| Deadlines { request, attempt });
    let numbers = (any::<u64>(), any::<u64>(), 1..=u8::MAX, any::<u64>());
    let parts = (
        timeouts,
        deadlines,
        protocol(),
        proptest::option::of(retry()),
        proptest::option::of((any::<u64>(), line())),
    );
    let lists = (
        endpoints(),
        proptest::collection::vec(name(), 0..4),
        proptest::collection::vec(header(), 0..4),
        proptest::collection::vec(header(), 0..4),
        proptest::collection::vec(mirror(), 0..=4),
    );
    let texts = (
        proptest::option::of(line()),
        proptest::option::of(line()),
        line(),
        line(),
        line(),
    );
    (numbers, parts, lists, texts).prop_map(|(numbers, parts, lists, texts)| OwnedPlan {
        epoch: numbers.0,
        rule: numbers.1,
        tries: numbers.2,
        plugin_set: numbers.3,
        timeouts: parts.0,
        deadlines: parts.1,
        protocol: parts.2,
        retry: parts.3,
        tls: parts.4,
        endpoints: lists.0,
        remove_headers: lists.1,
        set_headers: lists.2,
        add_headers: lists.3,
        mirrors: lists.4,
        host: texts.0,
        uri: texts.1,
        route_name: texts.2,
        service_name: texts.3,
        tags: texts.4,
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
