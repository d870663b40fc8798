//! What the emulator itself costs: `cargo bench -p silverback-emulator`.
//!
//! The guest is written by hand and does next to nothing, so that what is measured is the host:
//! the order of a whole request is half a microsecond, that of a host call some ten nanoseconds.

use divan::Bencher;
use silverback_emulator::{
    Eviction, Exchange, Filter, Properties, SharedStore, StoreOptions, Worker, WorkerOptions,
};

fn main() {
    divan::main();
}

/// Calls one host function in `on_request_headers`, `calls` times.
fn guest(import: &str, call: &str, calls: usize) -> Filter {
    let text = format!(
        "(module {import} (memory (export \"memory\") 2)
          (data (i32.const 16) \"key\") (data (i32.const 32) \"host\") (data (i32.const 48) \"ngx.scheme\")
          (func (export \"proxy_abi_version_0_2_1\"))
          (func (export \"proxy_on_memory_allocate\") (param i32) (result i32) i32.const 1024)
          (func (export \"proxy_on_context_create\") (param i32 i32))
          (func (export \"proxy_on_delete\") (param i32))
          (func (export \"proxy_on_request_body\") (param i32 i32 i32) (result i32) i32.const 0)
          (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32)
            {} i32.const 0))",
        format!("(drop {call})").repeat(calls)
    );
    let wasm = wat::parse_str(&text).expect("valid text");
    Filter::compile(&wasm).expect("a filter")
}

fn request(bencher: Bencher<'_, '_>, filter: &Filter) {
    let store = SharedStore::new(
        StoreOptions::new()
            .zone("*", 1 << 20, Eviction::None)
            .strict(true),
    );
    store.set(b"key", &[1; 1024], 0).expect("room");
    let mut worker = Worker::start(filter, store, WorkerOptions::default()).expect("it starts");
    let mut properties = Properties::new();
    properties.set("ngx.scheme", "http");
    let mut exchange = Exchange::new("GET", "/")
        .header("host", "h")
        .properties(properties);
    bencher.bench_local(|| {
        let id = worker.open().expect("no trap");
        let action = worker
            .on_request_headers(id, &mut exchange)
            .expect("no trap");
        worker.close(id, &mut exchange).expect("no trap");
        action
    });
}

#[divan::bench]
fn request_without_host_calls(bencher: Bencher<'_, '_>) {
    request(bencher, &guest("", "(i32.const 0)", 0));
}

#[divan::bench]
fn request_with_10_gets_of_a_header(bencher: Bencher<'_, '_>) {
    let import = "(import \"env\" \"proxy_get_header_map_value\" (func $f (param i32 i32 i32 i32 i32) (result i32)))";
    let call = "(call $f (i32.const 0) (i32.const 32) (i32.const 4) (i32.const 64) (i32.const 68))";
    request(bencher, &guest(import, call, 10));
}

#[divan::bench]
fn request_with_10_gets_of_a_property(bencher: Bencher<'_, '_>) {
    let import =
        "(import \"env\" \"proxy_get_property\" (func $f (param i32 i32 i32 i32) (result i32)))";
    let call = "(call $f (i32.const 48) (i32.const 10) (i32.const 64) (i32.const 68))";
    request(bencher, &guest(import, call, 10));
}

#[divan::bench]
fn request_with_10_gets_of_1_kib_of_shared_data(bencher: Bencher<'_, '_>) {
    let import = "(import \"env\" \"proxy_get_shared_data\" (func $f (param i32 i32 i32 i32 i32) (result i32)))";
    let call =
        "(call $f (i32.const 16) (i32.const 3) (i32.const 64) (i32.const 68) (i32.const 72))";
    request(bencher, &guest(import, call, 10));
}
