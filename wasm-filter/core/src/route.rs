//! From a request to a decision: select a rule, choose a backend and endpoints, and say what is
//! changed on the way.

pub mod answer;
pub mod balance;
pub mod cors;
pub mod edits;
pub mod forward;
pub mod host;
pub mod names;
pub mod path;
pub mod query;
pub mod rank;
pub mod redirect;
pub mod reply;
pub mod select;
pub mod target;
pub mod uri;
