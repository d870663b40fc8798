//! From a request to a decision: select a rule, choose a backend and endpoints.

pub mod answer;
pub mod balance;
pub mod host;
pub mod path;
pub mod query;
pub mod rank;
pub mod select;
pub mod target;
