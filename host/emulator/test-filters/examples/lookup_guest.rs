//! The guest of `wasm-filter/benches/guest.rs`: builds a table in its own memory and looks up in a loop, so
//! that what is timed is a lookup inside the sandbox and not the way into it.
#![allow(
    unsafe_code,
    missing_docs,
    reason = "exports for a bench; no pointers cross the boundary"
)]

use std::cell::RefCell;
use std::hint::black_box;

#[path = "../../../../wasm-filter/core/benches/shapes.rs"]
mod shapes;
use shapes::{BATCH, Batch, Case, Shape};

thread_local! {
    static CASE: RefCell<Option<Case>> = const { RefCell::new(None) };
    static LINES: RefCell<Vec<[u32; 16]>> = const { RefCell::new(Vec::new()) };
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

/// Looks up `count` (a multiple of a batch) requests, or only writes them; gives the number of hits.
#[unsafe(no_mangle)]
pub extern "C" fn run(count: u32, known: u32, look_up: u32) -> u32 {
    let mut batch = Batch::with_room();
    CASE.with_borrow(|case| {
        case.as_ref().map_or(0, |case| {
            (0..count as usize)
                .step_by(BATCH)
                .map(|n| {
                    case.fill(&mut batch, n, known == 1);
                    match look_up {
                        1 => case.lookup(black_box(&batch)),
                        _ => u32::from(black_box(&batch).requests().next().is_none()),
                    }
                })
                .sum()
        })
    })
}

/// Prepares a walk through `lines` cache lines in no order, each of which names the next.
#[unsafe(no_mangle)]
pub extern "C" fn setup_walk(lines: u32) {
    let mut order: Vec<u32> = (0..lines).collect();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for i in (1..order.len()).rev() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        order.swap(i, random as usize % (i + 1));
    }
    let mut walk = vec![[0; 16]; lines as usize];
    for (i, from) in order.iter().enumerate() {
        walk[*from as usize][0] = order[(i + 1) % order.len()];
    }
    LINES.set(walk);
}

/// Walks `count` lines; gives where it ended.
#[unsafe(no_mangle)]
pub extern "C" fn walk(count: u32) -> u32 {
    LINES.with_borrow(|lines| {
        (0..count).fold(0, |at, _| lines.get(at as usize).map_or(0, |line| line[0]))
    })
}
