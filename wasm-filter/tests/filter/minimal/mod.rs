//! The contract in a stock Kong without the shim.

mod calls;
mod module;
