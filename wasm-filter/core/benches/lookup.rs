//! `cargo bench -p silverback-core --bench lookup`: one lookup, natively, against the same routes in a
//! `HashMap`, in the router `matchit` and in a list by priority that is gone through from its start. Times are of a batch of 32 requests that were just written; `items/s` are lookups.
#![allow(missing_docs, reason = "a bench has no readers of its documentation")]

use std::collections::HashMap;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

mod shapes;
use shapes::{BATCH, Batch, Case, Shape, host_name, path_name};

fn main() {
    for shape in [Shape::Hosts, Shape::OneHost, Shape::Ingresses] {
        for routes in [100, 1_000, 10_000, 100_000] {
            let bytes = Case::new(shape, routes).bytes;
            println!(
                "{shape:?} {routes:>6} routes: {bytes:>9} bytes, {:.1} a route",
                bytes as f64 / routes as f64
            );
        }
    }
    divan::main();
}

#[divan::bench(args = [100, 1_000, 10_000, 100_000])]
fn hosts_hit(bencher: Bencher<'_, '_>, routes: usize) {
    run(bencher, Shape::Hosts, routes, true);
}

#[divan::bench(args = [10_000, 100_000])]
fn hosts_miss(bencher: Bencher<'_, '_>, routes: usize) {
    run(bencher, Shape::Hosts, routes, false);
}

#[divan::bench(args = [100, 1_000, 10_000, 100_000])]
fn one_host_hit(bencher: Bencher<'_, '_>, routes: usize) {
    run(bencher, Shape::OneHost, routes, true);
}

#[divan::bench(args = [10_000, 100_000])]
fn ingresses_hit(bencher: Bencher<'_, '_>, routes: usize) {
    run(bencher, Shape::Ingresses, routes, true);
}

fn run(bencher: Bencher<'_, '_>, shape: Shape, routes: usize, known: bool) {
    let case = Case::new(shape, routes);
    let mut n = 0;
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| requests(&case, &mut n, known))
        .bench_local_refs(|batch| {
            let hits = case.lookup(black_box(batch));
            assert_eq!(hits, if known { BATCH as u32 } else { 0 });
        });
}

fn requests(case: &Case, n: &mut usize, known: bool) -> Batch {
    let mut batch = Batch::with_room();
    case.fill(&mut batch, *n, known);
    *n += BATCH;
    batch
}

/// The baseline: exact host in a `HashMap`, then the longest prefix of a sorted list.
#[divan::bench(args = [100, 1_000, 10_000, 100_000])]
#[allow(
    clippy::disallowed_types,
    reason = "the baseline is std's HashMap as anyone would use it"
)]
fn baseline_hashmap(bencher: Bencher<'_, '_>, routes: usize) {
    let hosts = routes.min(10_000);
    let map: HashMap<String, Vec<(String, u32)>> = (0..hosts)
        .map(|host| {
            let mut paths: Vec<_> = (0..routes / hosts)
                .map(|path| (path_name(path), path as u32))
                .collect();
            paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
            (host_name(host), paths)
        })
        .collect();
    let case = Case::new(Shape::Hosts, routes);
    let mut n = 0;
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| requests(&case, &mut n, true))
        .bench_local_refs(|batch| {
            for (host, path) in black_box(batch).requests() {
                let (host, path) = (text(host), text(path));
                let found = map.get(host).and_then(|paths| {
                    paths.iter().find(|(prefix, _)| {
                        path.strip_prefix(prefix.as_str())
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    })
                });
                black_box(found.map(|(_, rule)| *rule));
            }
        });
}

/// A baseline with a router of its own kind: matchit, which web frameworks use. Hosts are the first segment of
/// its paths, with the labels as they are; a prefix is a route with a rest. It ranks static before parameter,
/// and has no methods, headers or wildcard hosts.
#[divan::bench(args = [100, 1_000, 10_000, 100_000])]
fn baseline_matchit(bencher: Bencher<'_, '_>, routes: usize) {
    let hosts = routes.min(10_000);
    let mut router = matchit::Router::new();
    for host in 0..hosts {
        for path in 0..routes / hosts {
            let prefix = format!("/{}{}", host_name(host), path_name(path));
            router.insert(prefix.clone(), path as u32).expect("a route");
            let below = format!("{prefix}/{{*rest}}");
            router.insert(below, path as u32).expect("a route");
        }
    }
    let case = Case::new(Shape::Hosts, routes);
    let mut n = 0;
    // The host before the path: what an embedder would have to do.
    let mut key = String::with_capacity(256);
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| requests(&case, &mut n, true))
        .bench_local_refs(|batch| {
            for (host, path) in black_box(batch).requests() {
                key.clear();
                key.push('/');
                key.push_str(text(host));
                key.push_str(text(path));
                let found = router.at(&key).map(|found| *found.value);
                black_box(found.expect("a route"));
            }
        });
}

/// A baseline of the other kind: routes in the order of their priority, tried one after the other, as
/// Kong's atc-router does (performance of its expressions not included: host and prefix are compared
/// directly).
#[divan::bench(args = [100, 1_000, 10_000, 100_000], sample_count = 20)]
fn baseline_linear(bencher: Bencher<'_, '_>, routes: usize) {
    let hosts = routes.min(10_000);
    let mut list: Vec<(String, String, u32)> = Vec::new();
    for host in 0..hosts {
        for path in 0..routes / hosts {
            list.push((host_name(host), path_name(path), path as u32));
        }
    }
    // Longer paths first, as priorities have it; hosts lie as they come.
    list.sort_by_key(|(_, path, _)| std::cmp::Reverse(path.len()));
    let case = Case::new(Shape::Hosts, routes);
    let mut n = 0;
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| requests(&case, &mut n, true))
        .bench_local_refs(|batch| {
            for (host, path) in black_box(batch).requests() {
                let (host, path) = (text(host), text(path));
                let found = list.iter().find(|(known, prefix, _)| {
                    known == host
                        && path
                            .strip_prefix(prefix.as_str())
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                });
                black_box(found.map(|(_, _, rule)| *rule)).expect("a route");
            }
        });
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
