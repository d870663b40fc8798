//! The emulator's behaviour, one module for each subject. A test that reproduces a measured fact
//! names it: "Kong facts 4.2" is section 4, point 2 of the facts about Kong's data plane.

mod bodies;
mod budgets;
mod callouts;
mod headers;
mod hostile;
mod instances;
mod local_response;
mod metrics;
mod other_functions;
mod properties;
mod queues;
mod random_calls;
mod shared_data;
mod store_model;
mod support;
mod ticks;
