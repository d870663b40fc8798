//! The metrics that filters define, shared by all workers of a node.

use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// Longest metric name that ngx_wasm_module takes, its prefix `pw:<filter>:` included.
pub(crate) const MAX_NAME: usize = 256;

/// What a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only incremented.
    Counter,
    /// Set to a value.
    Gauge,
    /// Recorded values by power of two. Kong exports the buckets in the wrong order
    /// (Kong facts 8), so a filter does better with counters and gauges.
    Histogram,
}

/// A metric as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name that the filter gave.
    pub name: String,
    /// What it counts.
    pub kind: MetricKind,
    /// Counter or gauge: the value. Histogram: how many values were recorded.
    pub value: u64,
    /// Histogram: sum of the recorded values.
    pub sum: u64,
    /// Histogram: how many values were at most `2^n`, for each n (not cumulative).
    pub buckets: Vec<u64>,
}

/// Why a metric operation cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// No metric has this id.
    #[error("metric not found")]
    NotFound,
    /// The operation does not fit the kind, say recording into a counter.
    #[error("the operation does not fit a {0:?}")]
    WrongKind(MetricKind),
}

/// The registry. A clone is the same registry.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<Vec<Metric>>>);

impl Metrics {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of a metric, defined if it is new. The same name and kind give the same id in
    /// every worker.
    pub fn define(&self, kind: MetricKind, name: &str) -> u32 {
        let mut metrics = lock(&self.0);
        let at = metrics
            .iter()
            .position(|m| m.name == name && m.kind == kind)
            .unwrap_or_else(|| {
                let buckets = if kind == MetricKind::Histogram {
                    vec![0; 65]
                } else {
                    Vec::new()
                };
                metrics.push(Metric {
                    name: name.to_owned(),
                    kind,
                    value: 0,
                    sum: 0,
                    buckets,
                });
                metrics.len() - 1
            });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Reads a counter or gauge.
    pub fn value(&self, id: u32) -> Result<u64, MetricError> {
        let metrics = lock(&self.0);
        let metric = metrics.get(id as usize).ok_or(MetricError::NotFound)?;
        match metric.kind {
            MetricKind::Histogram => Err(MetricError::WrongKind(metric.kind)),
            MetricKind::Counter | MetricKind::Gauge => Ok(metric.value),
        }
    }

    /// Sets a gauge or records a value into a histogram.
    pub fn record(&self, id: u32, value: u64) -> Result<(), MetricError> {
        let mut metrics = lock(&self.0);
        let metric = metrics.get_mut(id as usize).ok_or(MetricError::NotFound)?;
        match metric.kind {
            MetricKind::Counter => return Err(MetricError::WrongKind(metric.kind)),
            MetricKind::Gauge => metric.value = value,
            MetricKind::Histogram => {
                metric.value += 1;
                metric.sum = metric.sum.wrapping_add(value);
                let bucket = 64 - value.saturating_sub(1).leading_zeros() as usize;
                if let Some(count) = metric.buckets.get_mut(bucket) {
                    *count += 1;
                }
            }
        }
        Ok(())
    }

    /// Adds to a counter, or to a gauge unless `counters_only` (as in ngx_wasm_module).
    pub fn increment(&self, id: u32, by: i64, counters_only: bool) -> Result<(), MetricError> {
        let mut metrics = lock(&self.0);
        let metric = metrics.get_mut(id as usize).ok_or(MetricError::NotFound)?;
        match metric.kind {
            MetricKind::Counter => {}
            MetricKind::Gauge if !counters_only => {}
            kind => return Err(MetricError::WrongKind(kind)),
        }
        metric.value = metric.value.wrapping_add_signed(by);
        Ok(())
    }

    /// The value of a metric by name, of whatever kind.
    pub fn get(&self, name: &str) -> Option<u64> {
        lock(&self.0)
            .iter()
            .find(|m| m.name == name)
            .map(|m| m.value)
    }

    /// All metrics, in order of definition.
    pub fn snapshot(&self) -> Vec<Metric> {
        lock(&self.0).clone()
    }

    /// The name on Kong's status port: `pw_<filter>_<metric>` with every other character than a
    /// letter, digit or `_` turned into `_` (Kong facts 8).
    pub fn exported_name(filter: &str, metric: &str) -> String {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '_'
            }
        };
        format!("pw_{filter}_{metric}").chars().map(plain).collect()
    }
}
