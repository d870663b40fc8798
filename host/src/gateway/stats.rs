//! Counters. Each worker has its own, so that counting never shares a cache line.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use silverback_core::contract::result::{Outcome, Try};

use super::access::Answer;
use super::latency::{LatencyCounters, LatencyStats};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One worker's counters.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
            pub(crate) local: [Counter; 5],
            answers: [[Counter; 5]; Answer::ALL.len()],
            tries: [Counter; 3],
            latency: LatencyCounters,
            upstream_latency: LatencyCounters,
        }

        /// Sums over all workers, at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
            /// Responses that the filter made itself, by class: 1xx, 2xx, 3xx, 4xx, 5xx.
            pub local: [u64; 5],
            /// Requests that are over, in the order of [`Answer::ALL`], each by class of the status.
            pub answers: [[u64; 5]; Answer::ALL.len()],
            /// Tries that were answered, failed, timed out.
            pub tries: [u64; 3],
            /// Requests that are over, but not upgraded: from the last byte of the request's headers to
            /// the last byte of the response.
            pub latency: LatencyStats,
            /// Requests with a try: from the first try to the head of the upstream's response.
            pub upstream_latency: LatencyStats,
        }

        impl Stats {
            pub(crate) fn add(&mut self, counters: &Counters) {
                $(self.$name += counters.$name.get();)*
                let sum_up = |sums: &mut [u64], ones: &[Counter]| {
                    for (sum, one) in sums.iter_mut().zip(ones) {
                        *sum += one.get();
                    }
                };
                sum_up(&mut self.local, &counters.local);
                sum_up(&mut self.tries, &counters.tries);
                for (sums, ones) in self.answers.iter_mut().zip(&counters.answers) {
                    sum_up(sums, ones);
                }
                self.latency.add(&counters.latency);
                self.upstream_latency.add(&counters.upstream_latency);
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
    /// Instances of the filter that were made anew after a trap.
    restarts,
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
    /// Clients, and of HTTP/2 responses, cut off because nothing of what was sent was taken.
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
    /// Bytes of request bodies; of upgraded connections what came from the client.
    received_bytes,
    /// Bytes of response bodies; of upgraded connections what came from the upstream.
    sent_bytes,
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

    pub(crate) fn set(&self, to: u64) {
        self.0.store(to, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// Counts a response that the filter made.
    pub(crate) fn local_response(&self, status: u16) {
        if let Some(counter) = self.local.get(class(status)) {
            counter.inc();
        }
    }

    /// Counts a request that is over.
    pub(crate) fn over(&self, answer: Answer, status: u16, latency: Option<Duration>) {
        let classes = self.answers.get(answer as usize);
        if let Some(counter) = classes.and_then(|classes| classes.get(class(status))) {
            counter.inc();
        }
        if let Some(latency) = latency {
            self.latency.observe(latency);
        }
    }

    /// Counts the tries of a request, and how long they took.
    pub(crate) fn tried(&self, tries: &[Try], upstream: Option<Duration>) {
        for Try { outcome, .. } in tries {
            let counter = match outcome {
                Outcome::Answered => self.tries.first(),
                Outcome::Failed => self.tries.get(1),
                Outcome::TimedOut => self.tries.get(2),
            };
            if let Some(counter) = counter {
                counter.inc();
            }
        }
        if let Some(upstream) = upstream {
            self.upstream_latency.observe(upstream);
        }
    }
}

/// Index of the class of a status, 1xx being the first.
fn class(status: u16) -> usize {
    usize::from(status / 100).saturating_sub(1)
}
