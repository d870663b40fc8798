//! Throughput of the gateway against a plain hyper proxy, in one run.
//!
//! ```text
//! cargo bench -p silverback --bench gateway [-- SECONDS-PER-MEASUREMENT]
//! ```
//! Both proxies run on one thread, with the same raw-socket load and backend on other threads, in
//! turns, so that what else the machine does hits both. Two ratios are printed: of requests a
//! second, and of the CPU time of the proxy's thread for each request; on a machine with few or
//! busy cores the second is the one to believe.

#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot do its work shall stop"
)]

#[path = "../tests/gateway/filter.rs"]
mod filter;
#[path = "gateway/load.rs"]
mod load;
#[path = "gateway/plain.rs"]
mod plain;

use std::net::SocketAddr;
use std::time::Duration;

use silverback::gateway::{Gateway, GatewayOptions, ListenerSpec};
use silverback_core::contract::plan::Plan;

const CONNECTIONS: [usize; 3] = [1, 16, 128];
const ROUNDS: usize = 5;

fn main() {
    let mut seconds = std::env::args().filter_map(|arg| arg.parse::<f64>().ok());
    let time = Duration::from_secs_f64(seconds.next_back().unwrap_or(1.0));
    let backend = load::backend();
    let plain = plain::start(backend);
    let (gateway, addr) = gateway(backend);

    println!("connections |      plain hyper |          gateway | ratio: req/s | CPU");
    for connections in CONNECTIONS {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            a.push(load::measure(plain, plain::THREAD, connections, time));
            b.push(load::measure(addr, "gateway-0", connections, time));
        }
        let (a, b) = (load::median(&a), load::median(&b));
        println!(
            "{connections:>11} | {:>6.0}/s {:>5.1} us | {:>6.0}/s {:>5.1} us | {:>12.2} | {:.2}",
            a.per_second,
            a.cpu_us,
            b.per_second,
            b.cpu_us,
            b.per_second / a.per_second,
            a.cpu_us / b.cpu_us,
        );
    }
    println!("{:?}", gateway.stats());
}

fn gateway(backend: SocketAddr) -> (Gateway, SocketAddr) {
    let mut plan = Vec::new();
    let endpoints = [backend];
    let decision = Plan {
        tries: 5,
        route_name: b"default.shop.cart.example.80",
        service_name: b"default.cart.80",
        ..Plan::to(1, 1, &endpoints)
    };
    decision.encode(&mut plan).unwrap();
    let hex: String = plan.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut options = GatewayOptions {
        workers: 1,
        ..GatewayOptions::default()
    };
    options.filter.configuration = hex.into_bytes();
    let gateway = Gateway::start(&filter::filter(), options).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    gateway.set_listeners(&[ListenerSpec::http(any)]).unwrap();
    let addr = gateway.listeners().first().unwrap().addr;
    (gateway, addr)
}
