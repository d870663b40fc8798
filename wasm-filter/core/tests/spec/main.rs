//! The specifications against translator and matcher: sets of manifests, requests, and what should
//! happen with them.

mod ask;
mod explained;
mod generated;
mod judge;
mod malformed;
mod oracle;
mod random;
mod rows;
mod shrink;
mod subject;
mod verdict;
