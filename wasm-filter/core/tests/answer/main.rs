//! What happens with a request once its rule is selected, rule by rule.

mod cors;
mod forward;
mod headers;
mod mirror;
mod names;
mod property;
mod redirect;
mod uri;
mod world;
