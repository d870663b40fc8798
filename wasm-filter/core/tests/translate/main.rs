//! Gateway API: what Gateways, ListenerSets, HTTPRoutes and GRPCRoutes become. A rule of the
//! specification is a row of a table here.

mod attachment;
mod backends;
mod clients;
mod filters;
mod filters_paths;
mod fixture;
mod gateways;
mod golden_rule;
mod grpcroute;
mod httproute_matches;
mod listener_sets;
mod statuses;
mod timeouts;
#[path = "../translate_support/mod.rs"]
mod translate_support;
