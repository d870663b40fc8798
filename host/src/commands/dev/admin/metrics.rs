//! `GET /metrics`: the counters in OpenMetrics text, which Prometheus reads. docs/observability.md
//! lists them. No label has a value that a client chooses.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use silverback_emulator::MetricKind;

use crate::commands::dev::observe::{Module, Observed};
use crate::gateway::{LATENCY_BOUNDS, LatencyStats, Stats};
use crate::problem::Severity;

/// Media type of what [`metrics`] writes.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// In the order of `Answer::ALL`.
const ANSWERS: [&str; 4] = ["upstream", "filter", "gateway", "nobody"];
const OUTCOMES: [&str; 3] = ["answered", "failed", "timed_out"];

/// Everything there is to count, as it stands.
pub(super) fn metrics(observed: &Arc<Observed>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("silverback");
    registry.register_collector(Box::new(Scraped(Arc::clone(observed))));
    let mut out = String::with_capacity(16 * 1024);
    text::encode(&mut out, &registry)?;
    Ok(out)
}

#[derive(Debug)]
struct Scraped(Arc<Observed>);

/// Labels and the number that they have.
type Series<N> = Vec<(Vec<(&'static str, String)>, N)>;

struct Writer<'a>(DescriptorEncoder<'a>);

impl Collector for Scraped {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (observed, mut out) = (&*self.0, Writer(encoder));
        if let Some(monitor) = observed.monitor() {
            requests(&mut out, &monitor.stats())?;
            connections(&mut out, &monitor.stats())?;
            filter(&mut out, &monitor.workers(), observed)?;
        }
        table(&mut out, observed)?;
        process(&mut out, observed)
    }
}

fn requests(out: &mut Writer<'_>, stats: &Stats) -> Result<(), fmt::Error> {
    let answers = ANSWERS.iter().zip(&stats.answers);
    let answers = answers.flat_map(|(answer, classes)| {
        CLASSES.iter().zip(classes).map(|(class, count)| {
            let labels = vec![("answer", label(answer)), ("class", label(class))];
            (labels, *count)
        })
    });
    out.counters(
        "requests",
        "Requests that are over, by who answered and class of the status",
        answers.collect(),
    )?;
    out.histogram(
        "request_duration",
        "From the last byte of a request's headers to the last byte of its response",
        &stats.latency,
    )?;
    out.histogram(
        "upstream_duration",
        "From the first try to the head of the response, or to the end of the last try",
        &stats.upstream_latency,
    )?;
    let tries = OUTCOMES.iter().zip(stats.tries);
    out.counters(
        "upstream_tries",
        "Tries at endpoints, by how they ended",
        tries
            .map(|(outcome, count)| (vec![("outcome", label(outcome))], count))
            .collect(),
    )?;
    out.bytes(
        "request",
        "Bytes of request bodies, upgraded connections included",
        stats.received_bytes,
    )?;
    out.bytes(
        "response",
        "Bytes of response bodies, upgraded connections included",
        stats.sent_bytes,
    )?;
    out.counter(
        "upstream_failures",
        "Requests without an answer of any endpoint",
        stats.upstream_failures,
    )?;
    out.counter(
        "broken_responses",
        "Responses cut because the upstream broke off",
        stats.broken_responses,
    )?;
    out.counters(
        "plan_failures",
        "Requests that the filter neither answered nor planned so that it could be carried out",
        vec![
            (vec![("reason", label("none"))], stats.no_plan),
            (vec![("reason", label("unreadable"))], stats.bad_plans),
        ],
    )?;
    out.counters(
        "mirrors",
        "Copies of requests for mirrors",
        vec![
            (vec![("outcome", label("answered"))], stats.mirrors_sent),
            (vec![("outcome", label("failed"))], stats.mirrors_failed),
            (vec![("outcome", label("dropped"))], stats.mirrors_dropped),
        ],
    )
}

fn connections(out: &mut Writer<'_>, stats: &Stats) -> Result<(), fmt::Error> {
    out.gauge(
        "active_connections",
        "Client connections that are open",
        stats.open_connections,
    )?;
    out.counter(
        "connections",
        "Client connections accepted",
        stats.connections,
    )?;
    out.counter(
        "http2_connections",
        "Client connections that spoke HTTP/2",
        stats.http2_connections,
    )?;
    out.counter(
        "upgrades",
        "Connections that changed to another protocol",
        stats.upgrades,
    )?;
    out.counter(
        "upstream_connections",
        "Connections made to upstreams",
        stats.upstream_connections,
    )?;
    out.counters(
        "refused_connections",
        "Client connections that were closed or cut",
        vec![
            (
                vec![("reason", label("too_many"))],
                stats.too_many_connections,
            ),
            (
                vec![("reason", label("handshake"))],
                stats.failed_handshakes,
            ),
            (vec![("reason", label("stalled"))], stats.stalled_clients),
            (vec![("reason", label("reset_flood"))], stats.reset_floods),
        ],
    )
}

fn filter(out: &mut Writer<'_>, workers: &[Stats], observed: &Observed) -> Result<(), fmt::Error> {
    let by_worker = |count: fn(&Stats) -> u64| {
        let workers = workers.iter().enumerate();
        workers
            .map(|(worker, stats)| (vec![("worker", worker.to_string())], count(stats)))
            .collect()
    };
    out.counters(
        "filter_traps",
        "Traps of the filter",
        by_worker(|stats| stats.traps),
    )?;
    out.counters(
        "filter_restarts",
        "Instances of the filter that were made anew after a trap",
        by_worker(|stats| stats.restarts),
    )?;
    own(out, observed)
}

/// The filter's own counters (docs/metrics.md). It writes a label into the name, where Kong's patterns
/// (silverback.meta.json) find it. Another filter's names are left out: nothing bounds them.
fn own(out: &mut Writer<'_>, observed: &Observed) -> Result<(), fmt::Error> {
    let mut families: BTreeMap<String, Series<u64>> = BTreeMap::new();
    for metric in observed.metrics.snapshot() {
        let Some((name, label)) = (metric.name.strip_prefix("silverback_"))
            .and_then(|name| name.split_once("_total"))
            .filter(|_| metric.kind == MetricKind::Counter)
        else {
            continue;
        };
        let labels = match label.strip_prefix("_outcome=") {
            Some(outcome) => vec![("outcome", outcome.to_owned())],
            None if label.is_empty() => Vec::new(),
            None => continue,
        };
        let family = families.entry(format!("filter_{name}")).or_default();
        family.push((labels, metric.value));
    }
    for (name, series) in families {
        out.counters(&name, "The filter's own (docs/metrics.md)", series)?;
    }
    Ok(())
}

fn table(out: &mut Writer<'_>, observed: &Observed) -> Result<(), fmt::Error> {
    let state = observed.state.load();
    let dump = &state.dump;
    out.gauge(
        "table_epoch",
        "How often a table came into effect",
        state.epoch,
    )?;
    out.gauge(
        "table_routes",
        "Matches in the table",
        count(dump.match_count()),
    )?;
    let endpoints = dump
        .services
        .iter()
        .map(|service| service.endpoints.len())
        .sum();
    out.gauge(
        "table_endpoints",
        "Endpoints in the table",
        count(endpoints),
    )?;
    out.gauges(
        "table",
        "Size of the table",
        Some(&Unit::Bytes),
        vec![(Vec::new(), dump.bytes)],
    )?;
    let problems = [Severity::Error, Severity::Warning, Severity::Info].map(|severity| {
        let problems = state.problems.iter();
        let problems = problems.filter(|problem| problem.severity == severity);
        (
            vec![("severity", severity.to_string())],
            count(problems.count()),
        )
    });
    out.gauges(
        "problems",
        "Problems of the manifests",
        None,
        problems.into(),
    )?;
    let modules = [
        ("silverback", &observed.filter),
        ("translator", &observed.translator),
    ];
    let loads = modules.into_iter().flat_map(|(name, module)| {
        let Module {
            replaced, refused, ..
        } = module;
        [("replaced", replaced), ("refused", refused)].map(|(outcome, count)| {
            let labels = vec![("module", label(name)), ("outcome", label(outcome))];
            (labels, read(count))
        })
    });
    out.counters(
        "module_reloads",
        "New modules, by what became of them",
        loads.collect(),
    )
}

fn process(out: &mut Writer<'_>, observed: &Observed) -> Result<(), fmt::Error> {
    out.counters(
        "dropped_lines",
        "Requests that are not in the access log or the live tail because nobody took them in time",
        vec![
            (vec![("stage", label("record"))], read(&observed.missed)),
            (vec![("stage", label("write"))], read(&observed.dropped)),
        ],
    )?;
    let started = observed
        .started
        .1
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    out.gauges(
        "start_time",
        "When this process started, since 1970",
        Some(&Unit::Seconds),
        vec![(Vec::new(), started.as_secs_f64())],
    )?;
    let labels = vec![("version", label(env!("CARGO_PKG_VERSION")))];
    out.gauges("build_info", "The program", None, vec![(labels, 1_u64)])
}

// === impl Writer ===

impl Writer<'_> {
    fn counters(&mut self, name: &str, help: &str, series: Series<u64>) -> Result<(), fmt::Error> {
        self.counters_in(name, help, None, series)
    }

    fn counters_in(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        series: Series<u64>,
    ) -> Result<(), fmt::Error> {
        let mut metric = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Counter)?;
        for (labels, value) in series {
            if labels.is_empty() {
                metric.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
            } else {
                let mut one = metric.encode_family(&labels)?;
                one.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
            }
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
        self.counters(name, help, vec![(Vec::new(), value)])
    }

    fn bytes(&mut self, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
        self.counters_in(name, help, Some(&Unit::Bytes), vec![(Vec::new(), value)])
    }

    fn gauges<N: prometheus_client::encoding::EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        series: Series<N>,
    ) -> Result<(), fmt::Error> {
        let mut metric = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (labels, value) in series {
            if labels.is_empty() {
                metric.encode_gauge(&value)?;
            } else {
                metric.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
        self.gauges(name, help, None, vec![(Vec::new(), value)])
    }

    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        stats: &LatencyStats,
    ) -> Result<(), fmt::Error> {
        // The last bucket is the one without a bound.
        let bounds = LATENCY_BOUNDS.iter().map(|micros| *micros as f64 / 1e6);
        let bounds = bounds.chain([f64::MAX]);
        let buckets: Vec<_> = bounds.zip(stats.buckets).collect();
        let unit = Some(&Unit::Seconds);
        let mut metric = self
            .0
            .encode_descriptor(name, help, unit, MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(
            stats.sum.as_secs_f64(),
            stats.count(),
            &buckets,
            None,
        )
    }
}

fn label(text: &str) -> String {
    text.to_owned()
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn count(count: usize) -> u64 {
    count as u64
}
