//! `cargo bench -p silverback-core --bench lookup`: one lookup, natively, against a `HashMap` of
//! the same routes.
#![allow(missing_docs, reason = "a bench has no readers of its documentation")]

use std::collections::HashMap;

use divan::{Bencher, black_box};

mod shapes;
use shapes::{Case, Shape, host_name, path_name};

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
    assert_eq!(case.lookup(1, known).is_some(), known);
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        black_box(case.lookup(black_box(n), known))
    });
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
    let requests: Vec<_> = (0..20_000usize)
        .map(|n| {
            let host = host_name(n.wrapping_mul(7919) % hosts);
            let path = format!("{}/orders/42", path_name(n % (routes / hosts)));
            (host, path)
        })
        .collect();
    let mut n = 0;
    bencher.bench_local(|| {
        n = (n + 1) % requests.len();
        let (host, path) = &requests[n];
        let found = map.get(host).and_then(|paths| {
            paths.iter().find(|(prefix, _)| {
                path.strip_prefix(prefix.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        });
        black_box(found.map(|(_, rule)| *rule))
    });
}
