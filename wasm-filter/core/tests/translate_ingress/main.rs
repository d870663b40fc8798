//! Ingress, Services, annotations and plugins: from objects to the answer to a request.

#[path = "../translate_support/mod.rs"]
mod translate_support;

mod annotations;
mod bad_input;
mod certificates;
mod classes;
mod conformance;
mod endpoints;
mod paths;
mod plugins;
mod policies;
mod services;
mod slices;
mod world;
