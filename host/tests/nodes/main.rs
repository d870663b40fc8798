//! The fleet against nodes as they are: the protocol over real connections.
#![cfg(feature = "dev")]

mod failures;
mod fleet;
mod missing;
mod pull;
mod push;
mod security;
mod support;
