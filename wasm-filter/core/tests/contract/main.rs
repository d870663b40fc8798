//! The data-plane contract: one table of cases that encoder and decoder are both tested with.

mod cases;
mod fixture;
mod page;
mod plan;
mod plan_refusals;
mod request;
mod result;
