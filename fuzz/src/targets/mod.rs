//! One function for each parser of bytes from outside. Each must end, must not panic, and asserts
//! what must hold of whatever it could read.

pub mod node;
pub mod plan;
pub mod regex;
pub mod request;
pub mod table;
pub mod translate;

/// A target by name.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("node", node::run),
    ("plan", plan::run),
    ("regex", regex::run),
    ("request", request::run),
    ("table", table::run),
    ("translate", translate::run),
];

/// The first byte, and the others.
fn split(data: &[u8]) -> (u8, &[u8]) {
    data.split_first()
        .map_or((0, &[]), |(first, rest)| (*first, rest))
}
