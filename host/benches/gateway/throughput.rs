//! Requests a second and latency, side by side.

use std::net::SocketAddr;
use std::time::Duration;

use crate::table::{Table, addresses};
use crate::{Speaks, load, plain};

const CONNECTIONS: [usize; 3] = [1, 16, 512];
const ROUNDS: usize = 7;

/// With so many connections; `None` = each of [`CONNECTIONS`]. And by this protocol; `None` = each.
pub(crate) fn run(time: Duration, only: Option<usize>, one: Option<Speaks>) {
    let backend = load::backend();
    let endpoints = addresses(0).map(|ip| SocketAddr::new(ip, backend.port()));
    let plain = plain::start(endpoints.collect());
    let table = Table::start(backend);
    println!("medians of {ROUNDS} rounds of {time:?}, alternating; latencies in us");
    println!(
        "|          | connections | plain hyper | CPU us | p50 | p99 | gateway | CPU us | p50 | p99 | ratio of requests | of CPU |"
    );
    println!("|-|-|-|-|-|-|-|-|-|-|-|-|");
    for (speaks, plain) in Speaks::ALL.into_iter().zip(plain) {
        if one.is_some_and(|one| one != speaks) {
            continue;
        }
        for connections in only.map_or(CONNECTIONS.to_vec(), |only| vec![only]) {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                a.push(load::measure(
                    plain,
                    plain::THREAD,
                    speaks,
                    connections,
                    time,
                ));
                b.push(load::measure(
                    table.addr,
                    "gateway-0",
                    speaks,
                    connections,
                    time,
                ));
            }
            let (a, b) = (load::median(&a), load::median(&b));
            println!(
                "| {} | {connections} | {:.0}/s | {:.1} | {:.0} | {:.0} | {:.0}/s | {:.1} | {:.0} | {:.0} | {:.2} | {:.2} |",
                speaks.name(),
                a.per_second,
                a.cpu_us,
                a.p50,
                a.p99,
                b.per_second,
                b.cpu_us,
                b.p50,
                b.p99,
                b.per_second / a.per_second,
                a.cpu_us / b.cpu_us,
            );
        }
    }
    println!("{:?}", table.gateway.stats());
}
