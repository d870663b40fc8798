//! Model-based: workers answer while tables are published and shared data fails. Every answer must
//! be what the oracle says for one published epoch, whole.
//!
//! `SILVERBACK_SEED` and `SILVERBACK_STEPS` override the run; both are printed.

mod support;
#[path = "../core/tests/support/mod.rs"]
mod tables;

#[path = "epochs/run.rs"]
mod run;
#[path = "epochs/world.rs"]
mod world;
