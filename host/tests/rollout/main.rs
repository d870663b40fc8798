//! Requests of every kind go through the gateway while what they depend on is replaced: pods, weights,
//! routes, certificates and both modules. None may fail.
//!
//! ```text
//! clients (HTTP/1.1, h2, h2c, WebSocket, gRPC) ─► Gateway + silverback.wasm ─► pods (HTTP/1.1, h2c, WebSocket)
//!        │ checked against                              ▲ shared data                 ▲ start, drain, end
//!        └─► timeline of configurations ◄── rollouts ───┴── translator.wasm           │
//!                                              └──────────────────────────────────────┘
//! ```
//!
//! Every answer names the pod that gave it and the revision of the route that led there. Both must belong
//! to one configuration that was in effect at some time between request and answer.
//!
//! `SILVERBACK_REQUESTS` (20,000), `SILVERBACK_ROLLOUTS` (10) and `SILVERBACK_SEED` choose another size;
//! `just rollout` runs a million requests during a hundred rollouts.

#![cfg(feature = "dev")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that finds something missing shall fail"
)]

mod ask;
mod certificates;
mod clients;
mod cluster;
mod grpc;
mod http1;
mod http2;
mod objects;
mod pace;
mod pods;
mod random;
mod report;
mod rollouts;
mod timeline;
mod websocket;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use clients::Clients;
use cluster::Cluster;
use pace::Pace;
use report::Report;

/// How large the test is.
#[derive(Clone, Copy, Debug)]
struct Size {
    requests: u64,
    rollouts: u64,
    seed: u64,
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect(name))
}

#[test]
fn no_request_fails_while_everything_is_replaced() {
    let size = Size {
        requests: number("SILVERBACK_REQUESTS", 20_000),
        rollouts: number("SILVERBACK_ROLLOUTS", 10),
        seed: number("SILVERBACK_SEED", 4),
    };
    // RUST_LOG=silverback=debug says what the gateway thinks.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
    let runtime = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let report = Arc::new(Report::new(size));
    let (took, stats, drained) = runtime.block_on(async {
        let mut cluster = Cluster::start(size.seed).await;
        let started = Instant::now();
        let pace = Arc::new(Pace::new(size));
        let clients = Clients::start(&cluster, &pace, &report, size.seed);
        rollouts::run(&mut cluster, &pace, &report, size).await;
        clients.finish().await;
        let took = started.elapsed();
        let open = || cluster.gateway.stats().open_connections;
        pace::until("clients to be gone", || open() == 0).await;
        let stats = cluster.gateway.stats();
        let drained = cluster.gateway.shutdown(Duration::from_secs(10));
        (took, stats, drained)
    });
    report.print(took, &stats);
    report.assert_complete();
    assert_eq!(drained.cut, 0);
    // What clients may not have noticed.
    let unnoticed = [
        ("traps", stats.traps),
        ("no plan", stats.no_plan),
        ("bad plans", stats.bad_plans),
        ("refused", stats.refused),
        ("upstream failures", stats.upstream_failures),
        ("broken responses", stats.broken_responses),
        ("client aborts", stats.client_aborts),
        ("failed handshakes", stats.failed_handshakes),
        ("misdirected", stats.misdirected),
        ("stalled clients", stats.stalled_clients),
        ("reset floods", stats.reset_floods),
        ("too many connections", stats.too_many_connections),
    ];
    for (what, count) in unnoticed {
        assert_eq!(count, 0, "{what}");
    }
}
