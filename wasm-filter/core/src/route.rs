//! From a request to a decision: select a rule, choose a backend and endpoints.

pub mod rank;
