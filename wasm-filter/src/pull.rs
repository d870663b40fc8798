//! Pull mode: the filter asks a publisher for the table (docs/node-protocol.md).

pub mod config;
