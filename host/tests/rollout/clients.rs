//! The clients: so many of each kind, each with one request after the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::certificates::Secure;
use crate::cluster::Cluster;
use crate::pace::{Kind, PATIENCE, Pace};
use crate::random::Random;
use crate::report::Report;
use crate::timeline::{Entered, Slot, Watch};
use crate::{grpc, http1, http2, websocket};

/// Requests at a time.
const HTTP1: u64 = 24;
const WEBSOCKETS: u64 = 8;
/// HTTP/2 connections of a kind, and requests at a time on each.
const CONNECTIONS: u64 = 4;
const STREAMS: u64 = 4;

/// A connection that was not used for so long is not used again: the gateway closes idle ones after
/// a minute.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// The client tasks.
pub(crate) struct Clients {
    tasks: Vec<JoinHandle<()>>,
    pace: Arc<Pace>,
    report: Arc<Report>,
}

/// What one client needs.
pub(crate) struct Client {
    pub(crate) kind: Kind,
    pub(crate) random: Random,
    pub(crate) tls: bool,
    pub(crate) plain: SocketAddr,
    pub(crate) secured: SocketAddr,
    pub(crate) secure: Secure,
    pub(crate) watch: Arc<Watch>,
    slot: Slot,
    pace: Arc<Pace>,
    report: Arc<Report>,
}

// === impl Clients ===

impl Clients {
    pub(crate) fn start(
        cluster: &Cluster,
        pace: &Arc<Pace>,
        report: &Arc<Report>,
        seed: u64,
    ) -> Self {
        let mut number = 0;
        let mut client = |kind: Kind, tls: bool| {
            number += 1;
            Client {
                kind,
                random: Random::new(seed, number),
                tls,
                plain: cluster.plain,
                secured: cluster.secured,
                secure: cluster.secure.clone(),
                watch: Arc::clone(&cluster.watch),
                slot: cluster.watch.slot(),
                pace: Arc::clone(pace),
                report: Arc::clone(report),
            }
        };
        let mut tasks = Vec::new();
        for n in 0..HTTP1 {
            let client = client(Kind::Http1, n % 4 == 0);
            tasks.push(tokio::spawn(http1::run(client)));
        }
        for n in 0..WEBSOCKETS {
            let client = client(Kind::WebSocket, n % 2 == 0);
            tasks.push(tokio::spawn(websocket::run(client)));
        }
        for n in 0..CONNECTIONS {
            for (kind, tls) in [
                (Kind::Http2Tls, true),
                (Kind::H2c, false),
                (Kind::Grpc, n % 2 == 0),
            ] {
                let shared = Arc::<http2::Shared>::default();
                for _ in 0..STREAMS {
                    let (client, shared) = (client(kind, tls), Arc::clone(&shared));
                    tasks.push(match kind {
                        Kind::Grpc => tokio::spawn(grpc::run(client, shared)),
                        _ => tokio::spawn(http2::run(client, shared)),
                    });
                }
            }
        }
        Self {
            tasks,
            pace: Arc::clone(pace),
            report: Arc::clone(report),
        }
    }

    /// Waits until all requests are through.
    pub(crate) async fn finish(self) {
        for task in self.tasks {
            task.await.unwrap();
        }
        self.report.keep_counts(&self.pace);
    }
}

// === impl Client ===

impl Client {
    /// Waits until another request may be sent; `false` at the end.
    pub(crate) async fn next(&self) -> bool {
        // The first failure is what is wanted, not thousands.
        !self.report.has_failures() && self.pace.next(self.kind).await
    }

    /// Where it connects to.
    pub(crate) fn gateway(&self) -> SocketAddr {
        if self.tls { self.secured } else { self.plain }
    }

    /// Number of the route that comes and goes.
    pub(crate) fn extra(&self) -> u32 {
        self.watch.configs.last().extra
    }

    /// From here on a request is under way.
    pub(crate) fn enter(&self) -> Entered<'_> {
        self.slot.enter(&self.watch)
    }

    /// Makes one request: within the time, and with an answer that was possible.
    pub(crate) async fn request(
        &self,
        what: &str,
        request: impl Future<Output = Result<(), String>>,
    ) {
        let started = Instant::now();
        let outcome = tokio::time::timeout(PATIENCE, request).await;
        let latency = started.elapsed();
        match outcome.unwrap_or_else(|_| Err(format!("not over after {PATIENCE:?}"))) {
            Ok(()) => {
                self.report.passed(self.kind, latency);
                self.pace.done(self.kind);
            }
            Err(why) => self.report.failed(self.kind, what, &why),
        }
    }

    pub(crate) fn count_messages(&self, count: u64) {
        self.report.messages.fetch_add(count, Ordering::Relaxed);
    }
}
