//! The test filters are the examples of this crate.
