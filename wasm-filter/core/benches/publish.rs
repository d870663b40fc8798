//! `cargo bench -p silverback-core --bench publish [-- ROUNDS]`: what one endpoint's change costs from
//! the publisher to a worker, by the protocol of nodes: bytes on the wire, the publisher's and the node's
//! time, pages; then a worker's epoch check, its switch to the new table, and its first load of all.
//!
//! The baseline of each row is in the same run: the same change as a table that is sent and read whole.
#![allow(missing_docs, reason = "a bench has no readers of its documentation")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use silverback_core::node::commit::{Commit, RootChange};
use silverback_core::node::{Node, Reply, Request};
use silverback_core::regex::Cache;
use silverback_core::route::select::{Entry, Request as Lookup, select};
use silverback_core::table::build::TableBuilder;
use silverback_core::table::hash::Digest;
use silverback_core::table::layout::SEGMENTS;
use silverback_core::table::root::Root;
use silverback_core::table::store::MemoryStore;
use silverback_core::table::store::view::Views;

mod shapes;
use shapes::{OneHeader, Shape, host_name, path_name, pods, service_port, table};

const PAGES: u16 = 3_000;
const SERVICES: usize = 10_000;
const PODS: usize = 15;

struct Bench {
    table: TableBuilder,
    store: MemoryStore,
    node: Node,
    epoch: u64,
    routes: usize,
    /// Bytes on the wire and the node's median of one change.
    change: (usize, Duration),
}

fn main() {
    let mut args = std::env::args().skip(1);
    let rounds = args.find_map(|arg| arg.parse().ok()).unwrap_or(400);
    println!("one endpoint changes, us (min / median / p90 of {rounds}); Services of {PODS} pods");
    println!(
        "| routes | table, bytes | wire, bytes | build | encode commit | node | node, pages | epoch check, ns | switch: root + segment |"
    );
    println!("|-|-|-|-|-|-|-|-|-|");
    let mut benches: Vec<Bench> = [1_000, 10_000, 100_000].map(Bench::new).into();
    for bench in &mut benches {
        bench.changes(rounds);
    }
    println!("\nthe same with the whole table, ms (median of 5)");
    println!(
        "| routes | wire, bytes | node takes all of it | wire, node: times a change | a new worker reads all of it | first request of a new worker |"
    );
    println!("|-|-|-|-|-|-|");
    for bench in &mut benches {
        bench.whole();
    }
}

/// Minimum, median and 90th percentile in microseconds.
fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let us = |at: usize| times[at.min(times.len() - 1)].as_nanos() as f64 / 1e3;
    let end = times.len();
    format!(
        "{:.1} / {:.1} / {:.1}",
        us(0),
        us(end / 2),
        us(end * 9 / 10)
    )
}

/// Minimum and median of times of a thousand each, in nanoseconds.
fn spread_ns(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let ns = |at: usize| times[at].as_nanos() as f64 / 1e3;
    format!("{:.0} / {:.0}", ns(0), ns(times.len() / 2))
}

fn median_ms(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_nanos() as f64 / 1e6
}

fn ok(reply: Option<Reply>) {
    let reply = reply.expect("a request of the protocol");
    assert!(reply.status < 300, "{}", reply.body);
}

impl Bench {
    fn new(routes: usize) -> Self {
        let mut table = table(Shape::Hosts, routes);
        for service in 0..SERVICES.min(routes) {
            table.set_service(&service_port(service), Some(&pods(service, PODS)));
        }
        table.commit();
        let store = MemoryStore::default();
        let node = Node::open(&store, PAGES).expect("a pool");
        let mut bench = Self {
            table,
            store,
            node,
            epoch: 0,
            routes,
            change: (0, Duration::ZERO),
        };
        bench.send_whole();
        bench
    }

    /// Every segment by PUT or in the commit, as to a node that has nothing; the bytes on the wire.
    fn send_whole(&mut self) -> usize {
        let root = self.table.root().clone();
        let segments: Vec<(Digest, &[u8])> = (0..SEGMENTS)
            .filter_map(|index| self.table.segment(index))
            .map(|segment| (segment.digest, &segment.bytes[..]))
            .collect();
        let commit = Commit {
            adopt: true,
            publisher: 1,
            expected: (0, Digest::default()),
            digest: root.digest(),
            root: RootChange::Whole(root),
            segments,
        };
        let (puts, commit) = commit.fit();
        let mut bytes = 0;
        for put in puts {
            let path = format!("/silverback/v1/{}", put.path());
            let (path, query) = path.split_once('?').expect("a query");
            bytes += put.bytes.len();
            let request = Request {
                method: "PUT",
                path,
                query,
                body: put.bytes,
            };
            ok(self.node.serve(&self.store, Vec::new, request));
        }
        let body = commit.encode().expect("fits");
        bytes += body.len();
        ok(self
            .node
            .serve(&self.store, Vec::new, commit_request(&body)));
        self.epoch += 1;
        bytes
    }

    /// The commit of what changed since `base`.
    fn delta(&self, base: &Root, base_digest: Digest) -> Vec<u8> {
        let root = self.table.root();
        let segments = (0..SEGMENTS)
            .filter(|index| base.get(*index) != root.get(*index))
            .filter_map(|index| self.table.segment(index));
        let commit = Commit {
            adopt: false,
            publisher: 1,
            expected: (self.epoch, base_digest),
            digest: root.digest(),
            root: RootChange::between(base, root),
            segments: segments.map(|s| (s.digest, &s.bytes[..])).collect(),
        };
        commit.encode().expect("fits")
    }

    fn lookup(&self, views: &mut Views, n: usize) {
        let hosts = self.routes.min(10_000);
        let host = host_name(n * 7_919 % hosts);
        let path = format!("{}/orders/42", path_name(n % (self.routes / hosts)));
        let request = Lookup {
            entry: Entry {
                ingress: false,
                listener: Some(80),
            },
            tls: false,
            host: host.as_bytes(),
            path: path.as_bytes(),
            query: b"",
            method: b"GET",
            sni: b"",
        };
        let cache = Cache::new();
        let found = views.answer(&self.store, |segments, _| {
            Ok(select(segments, &request, &OneHeader, &cache)?.is_some())
        });
        assert_eq!(found, Ok(true));
    }

    fn changes(&mut self, rounds: usize) {
        let mut views = Views::new();
        self.read_all(&mut views);
        let [mut build, mut encode, mut node, mut check, mut switch] = [const { Vec::new() }; 5];
        let (mut wire, mut pages) = (0, 0);
        for round in 0..rounds {
            let service = round * 37 % SERVICES.min(self.routes);
            let base = self.table.root().clone();
            let base_digest = base.digest();
            let endpoints = pods(service, PODS - 1 + round % 2);
            let start = Instant::now();
            self.table
                .set_service(&service_port(service), Some(&endpoints));
            let changed = self.table.commit();
            build.push(start.elapsed());
            if changed.is_empty() {
                continue;
            }
            let start = Instant::now();
            let body = self.delta(&base, base_digest);
            encode.push(start.elapsed());
            wire = wire.max(body.len());
            let start = Instant::now();
            let reply = self
                .node
                .serve(&self.store, Vec::new, commit_request(&body));
            node.push(start.elapsed());
            let committed = reply.as_ref().map_or("", |reply| &reply.body);
            let committed: silverback_core::node::answer::Committed =
                serde_json::from_str(committed).expect("committed");
            (self.epoch, pages) = (committed.epoch, pages.max(committed.pages));
            // The worker finds the new epoch, takes over what did not change and reads one segment.
            let start = Instant::now();
            views.pin(&self.store).expect("a table");
            self.segment(&mut views, changed[0]);
            switch.push(start.elapsed());
            // What every request does: 1,000 at once, as one is shorter than the clock's step.
            let start = Instant::now();
            for _ in 0..1_000 {
                black_box(views.pin(black_box(&self.store))).expect("a table");
            }
            check.push(start.elapsed());
        }
        node.sort_unstable();
        self.change = (wire, node[node.len() / 2]);
        println!(
            "| {} | {} | {wire} | {} | {} | {} | {pages} | {} | {} |",
            self.routes,
            self.table.root().table_bytes(),
            spread(&mut build),
            spread(&mut encode),
            spread(&mut node),
            spread_ns(&mut check),
            spread(&mut switch)
        );
    }

    /// Has the view load a segment, as the first lookup that needs it does.
    fn segment(&self, views: &mut Views, index: u32) {
        let read = views.answer(&self.store, |segments, _| {
            segments.segment(index)?;
            Ok(())
        });
        read.expect("readable");
    }

    fn read_all(&self, views: &mut Views) {
        let read = views.answer(&self.store, |segments, _| {
            for index in 0..SEGMENTS {
                segments.segment(index)?;
            }
            Ok(())
        });
        read.expect("readable");
    }

    fn whole(&mut self) {
        const ROUNDS: usize = 5;
        let [mut node, mut load, mut first] = [const { Vec::new() }; 3];
        let mut wire = 0;
        for round in 0..ROUNDS {
            self.store = MemoryStore::default();
            self.node = Node::open(&self.store, PAGES).expect("a pool");
            let start = Instant::now();
            wire = self.send_whole();
            node.push(start.elapsed());
            let mut views = Views::new();
            let start = Instant::now();
            self.read_all(&mut views);
            load.push(start.elapsed());
            let mut views = Views::new();
            let start = Instant::now();
            self.lookup(&mut views, round);
            first.push(start.elapsed());
        }
        println!(
            "| {} | {wire} | {:.2} | {:.0}, {:.0} | {:.2} | {:.3} |",
            self.routes,
            median_ms(&mut node),
            wire as f64 / self.change.0 as f64,
            median_ms(&mut node) / (self.change.1.as_secs_f64() * 1e3),
            median_ms(&mut load),
            median_ms(&mut first)
        );
    }
}

fn commit_request(body: &[u8]) -> Request<'_> {
    Request {
        method: "POST",
        path: "/silverback/v1/commit",
        query: "",
        body,
    }
}
