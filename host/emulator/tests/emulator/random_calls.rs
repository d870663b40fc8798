//! Every host function with arbitrary arguments: whatever a guest passes, the host neither panics
//! nor writes outside of the guest's memory, and the worker serves the next request.

use std::fmt::Write as _;

use proptest::prelude::*;
use silverback_emulator::{Exchange, Filter, Properties};

use crate::hostile::FUNCTIONS;
use crate::support::{Bench, lenient, strict};

/// Where the guest has the request body: the function's number, its arguments, and then bytes
/// that the arguments may point at.
const BODY: u32 = 1024;

/// A guest that reads its request body and calls what it says.
fn caller() -> Filter {
    let mut imports = String::new();
    let mut calls = String::new();
    for (n, (name, kinds)) in FUNCTIONS.iter().enumerate() {
        let params = " i32".repeat(kinds.len());
        let _ = writeln!(
            imports,
            "(import \"env\" \"{name}\" (func $f{n} (param{params}) (result i32)))"
        );
        let mut args = String::new();
        for arg in 0..kinds.len() {
            let _ = write!(
                args,
                "(i32.load (i32.const {})) ",
                BODY as usize + 4 + arg * 4
            );
        }
        let _ = writeln!(
            calls,
            "(if (i32.eq (i32.load (i32.const {BODY})) (i32.const {n})) (then (drop (call $f{n} {args}))))"
        );
    }
    let get = FUNCTIONS
        .iter()
        .position(|(name, _)| *name == "proxy_get_buffer_bytes")
        .expect("it is there");
    let text = format!(
        "(module {imports} (memory (export \"memory\") 1)
          (func (export \"proxy_abi_version_0_2_1\"))
          (func (export \"proxy_on_memory_allocate\") (param i32) (result i32) i32.const {BODY})
          (func (export \"proxy_on_request_body\") (param i32 i32 i32) (result i32) i32.const 0)
          (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
            (drop (call $f{get} (i32.const 0) (i32.const 0) (i32.const 4096) (i32.const 8) (i32.const 12)))
            {calls} i32.const 0))"
    );
    let wasm = wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    Filter::compile(&wasm).expect("it compiles")
}

fn argument() -> impl Strategy<Value = u32> {
    prop_oneof![
        3 => 0..12u32,
        4 => BODY..BODY + 128,
        1 => 65_500..65_600u32,
        1 => any::<u32>(),
        1 => (0..16u32).prop_map(|n| u32::MAX - n),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let function = 0..u32::try_from(FUNCTIONS.len()).expect("few");
    let rest = prop_oneof![
        prop::collection::vec(any::<u8>(), 64),
        prop::collection::vec(0..4u8, 64)
    ];
    (function, prop::collection::vec(argument(), 12), rest).prop_map(
        |(function, arguments, rest)| {
            let words = std::iter::once(function).chain(arguments);
            words.flat_map(u32::to_le_bytes).chain(rest).collect()
        },
    )
}

fn serves(bench: &mut Bench, body: Vec<u8>) {
    let mut exchange = Exchange::new("POST", "/").header("host", "h").body(body);
    exchange.properties = Properties::with_shim();
    let Ok(id) = bench.worker.open() else {
        panic!("this guest always starts")
    };
    let _ = bench.worker.on_request_headers(id, &mut exchange);
    for call in bench.worker.pending_calls() {
        let _ = bench
            .worker
            .on_http_call_response(call.token, None, Some(&mut exchange));
    }
    let _ = bench.worker.close(id, &mut exchange);
}

#[test]
fn arbitrary_arguments_do_no_harm() {
    let filter = caller();
    for setup in [strict(), lenient()] {
        let bench = std::cell::RefCell::new(setup.try_start(&filter).expect("it starts"));
        let config = ProptestConfig {
            cases: 4096,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        proptest!(config, |(body in body())| {
            serves(&mut bench.borrow_mut(), body);
        });
        let mut bench = bench.into_inner();
        let calls = bench.worker.host_calls();
        assert!(
            calls.iter().count() >= FUNCTIONS.len() - 1,
            "{:?}",
            calls.iter().collect::<Vec<_>>()
        );
        serves(&mut bench, vec![0xff; 64]);
    }
}
