//! The data-plane contract: one table of cases that encoder and decoder are both tested with.

mod cases;
mod page;
mod plan;
mod request;
mod result;
