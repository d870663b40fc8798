//! `cargo bench -p silverback-filter --bench request`: a whole request of silverback.wasm in the
//! emulator (context, request headers, deletion; typed calls), and what a new epoch costs.
#![allow(missing_docs, reason = "a bench has no readers of its documentation")]

use std::time::Instant;

use silverback_core::contract::REQUEST_PROPERTY;
use silverback_core::contract::request::RequestInfo;
use silverback_core::table::build::TableBuilder;
use silverback_core::table::store::publish::Publisher;
use silverback_emulator::{Exchange, Filter, Properties, SharedStore, Worker, WorkerOptions};

#[path = "../tests/support/node.rs"]
mod node;
#[path = "../core/benches/shapes.rs"]
mod shapes;

use node::{Writer, zone};
use shapes::{Shape, host_name, path_name, pods, service_port, table};

const PAGES: u16 = 3_000;
const REQUESTS: usize = 50_000;
const ROUNDS: usize = 9;

struct Node {
    table: TableBuilder,
    publisher: Publisher,
    writer: Writer,
    worker: Worker,
    routes: usize,
}

fn main() {
    let filter = Filter::compile(silverback_guests::FILTER_WASM).expect("silverback.wasm");
    println!("a whole request, ns (minimum and median of {ROUNDS} rounds of {REQUESTS})");
    println!("| routes | hit min | hit median | unknown host min | median | host calls of a hit |");
    println!("|-|-|-|-|-|-|");
    let mut nodes: Vec<Node> = [100, 10_000, 100_000]
        .into_iter()
        .map(|routes| Node::new(&filter, routes))
        .collect();
    for node in &mut nodes {
        let hit = node.time(true);
        let miss = node.time(false);
        let calls = node.calls();
        println!(
            "| {} | {:.0} | {:.0} | {:.0} | {:.0} | {} |",
            node.routes, hit.0, hit.1, miss.0, miss.1, calls
        );
    }
    println!();
    println!(
        "one endpoint changes, us (median of 200): commit and publish; the next request of a worker"
    );
    println!("| routes | commit + publish | pages | next request (new root, one segment) |");
    println!("|-|-|-|-|");
    for node in &mut nodes {
        node.change();
    }
}

impl Node {
    fn new(filter: &Filter, routes: usize) -> Self {
        let mut table = table(Shape::Hosts, routes);
        for service in 0..10_000.min(routes) {
            table.set_service(&service_port(service), Some(&pods(service, 15)));
        }
        table.commit();
        let store = SharedStore::new(zone(PAGES));
        let writer = Writer(store.clone());
        let mut publisher = Publisher::open(&writer, PAGES).expect("a pool");
        let content = |index| table.segment(index).map(|segment| &segment.bytes[..]);
        publisher
            .publish(&writer, table.root(), content)
            .expect("published");
        let options = WorkerOptions {
            configuration: br#"{"ports":[{"port":8080,"listener":80}]}"#.to_vec(),
            ..WorkerOptions::default()
        };
        let worker = Worker::start(filter, store, options).expect("it starts");
        let mut node = Self {
            table,
            publisher,
            writer,
            worker,
            routes,
        };
        // Every segment is loaded once.
        for n in 0..20_000 {
            assert!(node.request(n, true));
        }
        node
    }

    /// One request; was it proxied?
    fn request(&mut self, n: usize, known: bool) -> bool {
        let hosts = self.routes.min(10_000);
        let host = n.wrapping_mul(7_919) % hosts;
        let host = if known {
            host_name(host)
        } else {
            "nobody.example.com".to_owned()
        };
        let path = format!("{}/orders/42", path_name(n % (self.routes / hosts)));
        self.send(&host, &path)
    }

    fn send(&mut self, host: &str, path: &str) -> bool {
        let mut message = Vec::with_capacity(128);
        let info = RequestInfo {
            port: 8080,
            host: host.as_bytes(),
            path: path.as_bytes(),
            method: b"GET",
            source: b"127.0.0.1",
            ..RequestInfo::default()
        };
        info.encode(&mut message).expect("short");
        let mut properties = Properties::with_shim();
        properties.set(REQUEST_PROPERTY, message);
        let mut exchange = Exchange::new("GET", "/").properties(properties);
        let id = self.worker.open().expect("open");
        self.worker
            .on_request_headers(id, &mut exchange)
            .expect("no trap");
        self.worker.close(id, &mut exchange).expect("close");
        exchange.local_response.is_none()
    }

    fn time(&mut self, known: bool) -> (f64, f64) {
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let start = Instant::now();
                for n in 0..REQUESTS {
                    assert_eq!(self.request(n, known), known);
                }
                start.elapsed().as_nanos() as f64 / REQUESTS as f64
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        (rounds[0], rounds[ROUNDS / 2])
    }

    fn calls(&mut self) -> u64 {
        self.worker.reset_host_calls();
        self.request(1, true);
        self.worker.host_calls().total()
    }

    fn change(&mut self) {
        let mut commits = Vec::new();
        let mut nexts = Vec::new();
        let mut pages = 0;
        for round in 0..200 {
            let service = round * 37 % 10_000.min(self.routes);
            let start = Instant::now();
            let endpoints = pods(service, 14 + round % 2);
            self.table
                .set_service(&service_port(service), Some(&endpoints));
            self.table.commit();
            let content = |index| self.table.segment(index).map(|s| &s.bytes[..]);
            let done = self
                .publisher
                .publish(&self.writer, self.table.root(), content);
            commits.push(start.elapsed().as_nanos() as f64 / 1e3);
            pages = pages.max(done.expect("published").pages);
            let start = Instant::now();
            assert!(self.request(round, true));
            nexts.push(start.elapsed().as_nanos() as f64 / 1e3);
        }
        commits.sort_by(f64::total_cmp);
        nexts.sort_by(f64::total_cmp);
        println!(
            "| {} | {:.0} | {pages} | {:.0} |",
            self.routes, commits[100], nexts[100]
        );
    }
}
