//! How the last try at each endpoint went: all that is known of its health, since nobody asks it
//! unless there is a request.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use silverback_core::contract::result::Outcome;

use super::record::Record;
use super::rules::Names;
use crate::gateway::Answer;

/// What became of the tries at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands::dev) struct Tried {
    /// How the last one ended.
    pub(in crate::commands::dev) last: Outcome,
    /// When that request was over.
    pub(in crate::commands::dev) at: SystemTime,
    /// The status that it was answered with.
    pub(in crate::commands::dev) status: Option<u16>,
    pub(in crate::commands::dev) answered: u64,
    pub(in crate::commands::dev) failed: u64,
    pub(in crate::commands::dev) timed_out: u64,
}

/// The endpoints of the table that were tried.
#[derive(Debug, Default)]
pub(in crate::commands::dev) struct Endpoints(Mutex<HashMap<SocketAddr, Tried>>);

// === impl Endpoints ===

impl Endpoints {
    pub(super) fn note(&self, record: &Record) {
        let mut endpoints = lock(&self.0);
        for (n, (endpoint, outcome)) in record.attempts.iter().enumerate() {
            let tried = endpoints.entry(*endpoint).or_insert(Tried {
                last: *outcome,
                at: record.at,
                status: None,
                answered: 0,
                failed: 0,
                timed_out: 0,
            });
            tried.last = *outcome;
            tried.at = record.at;
            let last = n + 1 == record.attempts.len();
            let answered = *outcome == Outcome::Answered && record.answer == Answer::Proxied;
            tried.status = (last && answered).then_some(record.status);
            match outcome {
                Outcome::Answered => tried.answered += 1,
                Outcome::Failed => tried.failed += 1,
                Outcome::TimedOut => tried.timed_out += 1,
            }
        }
    }

    /// What is in the table no more is forgotten.
    pub(super) fn keep(&self, names: &Names) {
        lock(&self.0).retain(|endpoint, _| names.has_endpoint(endpoint));
    }

    pub(in crate::commands::dev) fn all(&self) -> HashMap<SocketAddr, Tried> {
        lock(&self.0).clone()
    }
}

/// What is locked here is whole at each step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
