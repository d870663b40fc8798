//! Instances that a reload has replaced, for as long as they have requests in flight.
//!
//! nginx's old workers go on until their requests are done while new ones take what comes next, so
//! a request is finished by the filter that began it. An old instance opens nothing, and its
//! timers and the calls of its root contexts are gone.

use super::{ContextId, Worker};
use crate::host_calls::HostCalls;
use crate::violation::Violation;

impl Worker {
    /// Keeps what this worker was before, with what that kept itself.
    pub(super) fn retire(&mut self, mut old: Self) {
        self.retired = std::mem::take(&mut old.retired);
        if let Some(state) = old.state_mut() {
            state.timers.clear();
            state.calls.retain(|o| o.call.context.is_some());
            // The new instance goes on counting where this one was.
            state.counts = HostCalls::default();
            state.violations.clear();
        }
        self.retired.push(old);
        self.release();
    }

    /// The old instance that a request was opened in.
    pub(super) fn retired(&mut self, id: ContextId) -> Option<&mut Self> {
        self.retired.iter_mut().find(|old| old.is_open(id))
    }

    /// The old instance that waits for the answer to a call.
    pub(super) fn retired_caller(&mut self, token: u32) -> Option<&mut Self> {
        self.retired.iter_mut().find(|old| {
            old.state()
                .is_some_and(|state| state.calls.iter().any(|o| o.call.token == token))
        })
    }

    /// Drops the old instances that no request needs any more; what they did stays known.
    pub(super) fn release(&mut self) {
        let needed = |old: &Self| !old.trapped() && !old.open.is_empty();
        if self.retired.iter().all(needed) {
            return;
        }
        let (kept, gone) = std::mem::take(&mut self.retired)
            .into_iter()
            .partition(needed);
        self.retired = kept;
        for old in gone {
            let (counts, violations) = (old.host_calls(), old.violations());
            if let Some(state) = self.state_mut() {
                state.counts.add(&counts);
                state.violations.extend(violations);
            }
        }
    }

    /// How many instances that a reload replaced still have requests in flight.
    pub fn retired_instances(&self) -> usize {
        self.retired.len()
    }

    /// What the old instances did.
    pub(super) fn retired_work(&self) -> (HostCalls, Vec<Violation>) {
        let (mut counts, mut violations) = (HostCalls::default(), Vec::new());
        for old in &self.retired {
            counts.add(&old.host_calls());
            violations.extend(old.violations());
        }
        (counts, violations)
    }
}
