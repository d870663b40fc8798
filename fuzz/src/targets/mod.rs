//! One function for each parser of bytes from outside. Each must end, must not panic, and asserts
//! what must hold of whatever it could read. (A `mod.rs`, so that the core's tests can take it in by its path.)

pub mod node;
pub mod plan;
pub mod pull;
pub mod regex;
pub mod request;
pub mod table;
pub mod translate;

/// What runs one input.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("node", node::run),
    ("plan", plan::run),
    ("pull", pull::run),
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
