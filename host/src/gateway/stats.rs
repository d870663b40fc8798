//! Counters. Each worker has its own, so that counting never shares a cache line.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One worker's counters.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
            pub(crate) local: [Counter; 5],
        }

        /// Sums over all workers, at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
            /// Responses that the filter made itself, by class: 1xx, 2xx, 3xx, 4xx, 5xx.
            pub local: [u64; 5],
        }

        impl Stats {
            pub(crate) fn add(&mut self, counters: &Counters) {
                $(self.$name += counters.$name.get();)*
                for (sum, one) in self.local.iter_mut().zip(&counters.local) {
                    *sum += one.get();
                }
            }
        }
    };
}

counters! {
    /// Requests whose headers were read in full.
    requests,
    /// Requests that an upstream answered.
    proxied,
    /// Requests refused before the filter saw them.
    refused,
    /// Requests that the filter neither answered nor gave a plan.
    no_plan,
    /// Plans that could not be read.
    bad_plans,
    /// Traps of the filter, in any callback.
    traps,
    /// Requests that ended with 502 or 504 because every try failed.
    upstream_failures,
    /// Tries after the first.
    retries,
    /// Requests sent again because a kept connection turned out to be closed; not tries.
    stale_connections,
    /// Requests whose client went away before the end of the response.
    client_aborts,
    /// Responses cut because the upstream failed in the middle of the body.
    broken_responses,
    /// Client connections accepted.
    connections,
    /// Client connections open now, those of upgraded protocols included.
    open_connections,
    /// Client connections closed at once because there were too many.
    too_many_connections,
    /// Client connections that spoke HTTP/2.
    http2_connections,
    /// TLS handshakes that failed, by the client or for want of a certificate.
    failed_handshakes,
    /// Requests answered with 421: for another listener than their connection's.
    misdirected,
    /// Clients cut off because they took nothing of what was sent to them.
    stalled_clients,
    /// HTTP/2 connections cut because their client took back too many requests.
    reset_floods,
    /// Connections that changed to another protocol (WebSocket).
    upgrades,
    /// Connections made to upstreams.
    upstream_connections,
    /// Copies of requests that a mirror answered.
    mirrors_sent,
    /// Copies of requests that no mirror answered.
    mirrors_failed,
    /// Copies of requests that were not sent: the body was too long or never came whole, or too many
    /// copies were under way.
    mirrors_dropped,
}

/// A counter with one writer; readers see it a little late.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        // One writer: a load and a store are enough and cost no locked instruction.
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    pub(crate) fn inc(&self) {
        self.add(1);
    }

    pub(crate) fn dec(&self) {
        self.0
            .store(self.get().saturating_sub(1), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Counts a response that the filter made.
    pub(crate) fn local_response(&self, status: u16) {
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(counter) = self.local.get(class) {
            counter.inc();
        }
    }
}
