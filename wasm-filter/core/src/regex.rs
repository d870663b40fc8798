//! Regular expressions of paths, headers and query parameters.
//!
//! The translator compiles each pattern to an anchored sparse DFA ([`compile()`]); the table carries
//! its bytes, and a worker checks them once, when it first needs them ([`cache`]). So a request
//! never waits for a pattern to be compiled, and no pattern can make matching slower than one step
//! a byte. Captures need a second engine, which runs only after the automaton matched
//! ([`captures`]).
//!
//! Texts are bytes and classes are ASCII (`\d` is `[0-9]`): request paths are ASCII, everything else
//! in them is percent-escaped.

pub mod cache;
pub mod captures;
#[cfg(feature = "translate")]
pub mod compile;

pub use cache::Cache;
#[cfg(feature = "translate")]
pub use compile::compile;
