//! The guest of `wasm-filter/benches/guest.rs`: builds a table in its own memory and looks up in a loop, so
//! that what is timed is a lookup inside the sandbox and not the way into it.
#![allow(
    unsafe_code,
    missing_docs,
    reason = "exports for a bench; no pointers cross the boundary"
)]

use std::cell::RefCell;

#[path = "../../../../wasm-filter/core/benches/shapes.rs"]
mod shapes;
use shapes::{Case, Shape};

thread_local! {
    static CASE: RefCell<Option<Case>> = const { RefCell::new(None) };
}

/// Builds a table; gives its bytes.
#[unsafe(no_mangle)]
pub extern "C" fn setup(shape: u32, routes: u32) -> u64 {
    let shape = match shape {
        0 => Shape::Hosts,
        1 => Shape::OneHost,
        2 => Shape::Ingresses,
        _ => Shape::Patterns,
    };
    let case = Case::new(shape, routes as usize);
    let bytes = case.bytes;
    CASE.set(Some(case));
    bytes
}

/// Looks up `count` times; gives the number of hits.
#[unsafe(no_mangle)]
pub extern "C" fn run(count: u32, known: u32) -> u32 {
    CASE.with_borrow(|case| {
        case.as_ref().map_or(0, |case| {
            (0..count as usize)
                .filter(|n| case.lookup(*n, known == 1).is_some())
                .count() as u32
        })
    })
}
