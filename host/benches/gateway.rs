//! The gateway with silverback.wasm and a real table, against a plain hyper proxy, in one run.
//!
//! ```text
//! cargo bench -p silverback --bench gateway [-- throughput|memory|changes] [HTTP/1.1|h2c] [SECONDS [CONNECTIONS]]
//! ```
//! * `throughput`: both proxies run on one thread, with the same raw-socket load and backend on other
//!   threads, in turns, so that what else the machine does hits both; medians of the rounds. Two ratios are
//!   printed: of requests a second, and of the CPU time of the proxy's thread for each request; on a machine
//!   with few or busy cores the second is the one to believe.
//! * `memory`: what an idle connection costs. The clients are in another process.
//! * `changes`: what a steady client sees while routes and endpoints change 100 times a second.
//!
//! Without one of these words, all of them. A protocol named is the only one of `throughput`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot do its work shall stop"
)]

#[path = "gateway/changes.rs"]
mod changes;
#[path = "gateway/frames.rs"]
mod frames;
#[path = "gateway/load.rs"]
mod load;
#[path = "gateway/memory.rs"]
mod memory;
#[path = "gateway/plain.rs"]
mod plain;
#[path = "gateway/table.rs"]
mod table;
#[path = "gateway/throughput.rs"]
mod throughput;

use std::time::Duration;

/// As the binary has it, for both proxies.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Http1,
    /// HTTP/2 without TLS.
    H2c,
}

impl Speaks {
    const ALL: [Self; 2] = [Self::Http1, Self::H2c];

    fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::H2c => "h2c",
        }
    }

    fn named(name: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|speaks| speaks.name() == name).unwrap()
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = args.iter().position(|arg| arg == memory::CLIENTS) {
        memory::clients(&args[at + 1..]);
        return;
    }
    if let Some(at) = args.iter().position(|arg| arg == memory::PROXY) {
        memory::proxy(&args[at + 1..]);
        return;
    }
    let mut numbers = args.iter().filter_map(|arg| arg.parse::<f64>().ok());
    let seconds = numbers.next();
    let connections = numbers.next().map(|number| number as usize);
    let time = |default: f64| Duration::from_secs_f64(seconds.unwrap_or(default));
    let wanted = |what: &str| {
        let named = |arg: &String| ["throughput", "memory", "changes"].contains(&&**arg);
        args.iter().any(|arg| arg == what) || !args.iter().any(named)
    };
    if wanted("throughput") {
        let named = |speaks: &Speaks| args.iter().any(|arg| arg == speaks.name());
        let speaks = Speaks::ALL.into_iter().find(named);
        throughput::run(time(1.0), connections, speaks);
    }
    if wanted("memory") {
        memory::run();
    }
    if wanted("changes") {
        changes::run(time(5.0));
    }
}
