//! What the filter counts. Requests count in the worker's memory; a tick hands on what has become more,
//! so that a request pays no host call for it.
//!
//! The names are a closed list: Kong keeps each for ever. Kong shows `pw_silverback_NAME` on its status
//! port and takes the label out of the name (`silverback.meta.json`).

use proxy_wasm::types::MetricType;
use silverback_core::route::answer::Reply;
use silverback_core::table::store::view::Counters;

use crate::proxy::Proxy;

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Metric {
    /// Requests that are proxied.
    Proxied,
    /// Preflights of cross-origin requests.
    Preflight,
    /// Redirects.
    Redirect,
    /// Requests without TLS for a rule that wants it.
    UpgradeRequired,
    /// Requests whose host or path has no normal form.
    BadRequest,
    /// Requests that no rule fits.
    NoRoute,
    /// Requests for an invalid backend, or a rule without any.
    NoBackend,
    /// Requests for a Service without endpoints.
    NoEndpoints,
    /// Requests whose decision cannot be written as a plan.
    NoPlan,
    /// Requests without a table that can be read.
    NoTable,
    /// Requests without a request property that can be read.
    NoRequest,
    /// Segments that were loaded.
    SegmentLoads,
    /// Reads of the table that failed and were tried again.
    ReadRetries,
    /// Requests that were served from the table before, because the current one could not be read.
    ReadFallbacks,
    /// Requests that could not be served, because no table could be read.
    ReadFailures,
    /// Endpoints that were ejected.
    Ejections,
}

/// The name of each [`Metric`], in its order.
const NAMES: [&str; 16] = [
    "silverback_requests_total_outcome=proxied",
    "silverback_requests_total_outcome=preflight",
    "silverback_requests_total_outcome=redirect",
    "silverback_requests_total_outcome=upgrade_required",
    "silverback_requests_total_outcome=bad_request",
    "silverback_requests_total_outcome=no_route",
    "silverback_requests_total_outcome=no_backend",
    "silverback_requests_total_outcome=no_endpoints",
    "silverback_requests_total_outcome=no_plan",
    "silverback_requests_total_outcome=no_table",
    "silverback_requests_total_outcome=no_request",
    "silverback_segment_loads_total",
    "silverback_read_retries_total",
    "silverback_read_fallbacks_total",
    "silverback_read_failures_total",
    "silverback_ejections_total",
];

/// A gauge; all workers write it, and the last one counts.
const EPOCH: &str = "silverback_epoch";

/// What was counted and not yet handed on.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counts: [u64; NAMES.len()],
    ids: [Option<u32>; NAMES.len()],
    /// What [`Self::reads`] and [`Self::ejections`] have seen.
    seen: (Counters, u64),
    epoch: (u64, Option<u32>),
}

// === impl Metric ===

impl From<Reply> for Metric {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::BadRequest => Self::BadRequest,
            Reply::NotFound => Self::NoRoute,
            Reply::UpgradeRequired => Self::UpgradeRequired,
            Reply::Redirect(_) => Self::Redirect,
            Reply::Preflight => Self::Preflight,
            Reply::NoBackend | Reply::NoGrpcBackend => Self::NoBackend,
            Reply::NoEndpoints => Self::NoEndpoints,
            Reply::NoPlan => Self::NoPlan,
        }
    }
}

// === impl Metrics ===

impl Metrics {
    pub(crate) fn count(&mut self, metric: Metric) {
        self.add(metric, 1);
    }

    fn add(&mut self, metric: Metric, by: u64) {
        if let Some(count) = self.counts.get_mut(metric as usize) {
            *count = count.saturating_add(by);
        }
    }

    /// Takes over what became more of what is counted elsewhere since the start.
    fn take_over(&mut self, reads: Counters, ejections: u64) {
        let (before, ejected) = core::mem::replace(&mut self.seen, (reads, ejections));
        for (metric, now, before) in [
            (Metric::SegmentLoads, reads.loads, before.loads),
            (Metric::ReadRetries, reads.retries, before.retries),
            (Metric::ReadFallbacks, reads.fallbacks, before.fallbacks),
            (Metric::ReadFailures, reads.failures, before.failures),
            (Metric::Ejections, ejections, ejected),
        ] {
            self.add(metric, now.saturating_sub(before));
        }
    }

    /// Hands on what has become more.
    pub(crate) fn flush(
        &mut self,
        reads: Counters,
        ejections: u64,
        epoch: u64,
        proxy: &impl Proxy,
    ) {
        self.take_over(reads, ejections);
        let all = self.counts.iter_mut().zip(&mut self.ids).zip(NAMES);
        for ((count, id), name) in all.filter(|((count, _), _)| **count > 0) {
            if id.is_none() {
                *id = proxy.define_metric(MetricType::Counter, name);
            }
            if let Some(id) = id {
                proxy.increment_metric(*id, core::mem::take(count));
            }
        }
        let (told, id) = &mut self.epoch;
        if *told != epoch {
            if id.is_none() {
                *id = proxy.define_metric(MetricType::Gauge, EPOCH);
            }
            if let Some(id) = id {
                proxy.record_metric(*id, epoch);
                *told = epoch;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_the_order_of_the_metrics() {
        for (metric, part) in [
            (Metric::Proxied, "=proxied"),
            (Metric::NoRoute, "=no_route"),
            (Metric::NoRequest, "=no_request"),
            (Metric::SegmentLoads, "segment_loads_total"),
            (Metric::Ejections, "ejections_total"),
        ] {
            assert!(NAMES[metric as usize].ends_with(part), "{metric:?}");
        }
    }
}
