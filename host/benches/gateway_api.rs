//! The four tests of gateway-api-bench (<https://github.com/howardjohn/gateway-api-bench>) that need no
//! cluster, against what `silverback dev` runs: translator.wasm, the publisher, silverback.wasm in a gateway
//! with two workers, all in this process.
//!
//! ```text
//! cargo bench -p silverback --bench gateway_api [-- probe|change|attached|scale] [ROUTES]
//! ```
//! * `probe`: a route is added; from then until every worker has answered 200. Anything but 404 before it is
//!   an error. Then the same among 5,000 routes that change.
//! * `change`: a route is flipped between two backends every 200 ms while clients ask each worker without a
//!   pause; the first answer other than 200 fails.
//! * `attached`: a thousand routes come and go; how long until the Gateway's `attachedRoutes` says so, and
//!   how many times its status changes.
//! * `scale`: 5,000 routes, one of them edited every second and a pod added or removed every other; CPU and
//!   memory of the process.
//!
//! What the originals measure besides, and this does not: the API server, its watch, and status writes over
//! the network. What they leave out and is here: every worker is asked, each on a connection of its own.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot do its work shall stop"
)]

#[path = "gateway_api/attached.rs"]
mod attached;
#[path = "gateway_api/change.rs"]
mod change;
#[path = "gateway_api/client.rs"]
mod client;
#[path = "gateway_api/cluster.rs"]
mod cluster;
#[path = "gateway_api/probe.rs"]
mod probe;
#[path = "gateway_api/scale.rs"]
mod scale;

/// Workers of the gateway.
const WORKERS: usize = 2;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let routes = args.iter().find_map(|arg| arg.parse::<usize>().ok());
    let all = ["probe", "change", "attached", "scale"];
    let named = |arg: &String| all.contains(&&**arg);
    let wanted = |what: &str| args.iter().any(|arg| arg == what) || !args.iter().any(named);
    if wanted("probe") {
        probe::run(routes.unwrap_or(3_000));
    }
    if wanted("change") {
        change::run();
    }
    if wanted("attached") {
        attached::run(routes.unwrap_or(1_000));
    }
    if wanted("scale") {
        scale::run(routes.unwrap_or(5_000));
    }
}
