//! Table, routing and shared data of the core: rules as named rows, an oracle, hostile bytes.

#[path = "../support/mod.rs"]
mod support;

mod against_oracle;
mod builder;
mod encoded;
mod layout;
mod robust;
mod route_balance;
mod route_host;
mod route_match;
mod route_path;
mod sketch;
mod store;
