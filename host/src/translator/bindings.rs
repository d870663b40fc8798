//! What `wit/translator.wit` says, as Rust.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    reason = "generated; wasmtime derives the traits that describe a layout to it"
)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "translator",
});

pub use self::silverback::translator::types;
