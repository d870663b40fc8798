//! The filter in both of its forms, on the emulator's shared data.
#![allow(
    dead_code,
    reason = "each test program that includes it uses a part of it"
)]

pub(crate) mod node;
pub(crate) mod runtime;
