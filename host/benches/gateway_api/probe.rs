//! Route probe.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, rule};
use crate::scale;

/// The original asks every 5 ms.
const PAUSE: Duration = Duration::from_millis(1);
const UNDER_LOAD: usize = 100;
const LOAD: usize = 5_000;

/// Route number and when it was applied.
type Order = (usize, Instant);

/// How long it took until a worker answered 200, and what it answered before besides 404.
struct Found {
    took: Duration,
    errors: usize,
}

pub(crate) fn run(routes: usize) {
    println!("route probe: from the applied HTTPRoute to 200 in every worker, ms");
    println!("| routes | probes | mean | p99 | max | errors |");
    println!("|-|-|-|-|-|-|");
    let mut cluster = Cluster::start();
    probe(&mut cluster, &format!("0..{routes}"), 0..routes, |_, _| {});
    let mut cluster = Cluster::start();
    scale::load(&mut cluster, LOAD);
    let what = format!("{LOAD}, one other change with each");
    probe(&mut cluster, &what, 0..UNDER_LOAD, |cluster, n| {
        scale::jitter(cluster, n, LOAD);
    });
    println!();
}

fn probe(
    cluster: &mut Cluster,
    what: &str,
    numbers: std::ops::Range<usize>,
    mut other: impl FnMut(&mut Cluster, usize),
) {
    let (done, found) = mpsc::channel::<Found>();
    let mut orders = Vec::new();
    let mut threads = Vec::new();
    for mut client in cluster.clients() {
        let (order, ordered) = mpsc::channel::<Order>();
        orders.push(order);
        let done = done.clone();
        threads.push(std::thread::spawn(move || {
            for (number, since) in ordered {
                let (host, path) = (host(number), format!("/{number}"));
                let mut errors = 0;
                loop {
                    match client.get(&host, &path) {
                        200 => break,
                        404 => {}
                        _ => errors += 1,
                    }
                    std::thread::sleep(PAUSE);
                }
                let took = since.elapsed();
                done.send(Found { took, errors }).unwrap();
            }
        }));
    }
    let (mut times, mut errors) = (Vec::new(), 0);
    for number in numbers {
        let filter = r#"{"type":"RequestHeaderModifier","requestHeaderModifier":{"set":[{"name":"x-probe","value":"1"}]}}"#;
        let good = rule(&format!("/{number}"), "a", filter);
        let bad = rule("/", "does-not-exist", filter);
        cluster.route(
            &format!("probe-{number}"),
            &host(number),
            &format!("{good},{bad}"),
        );
        let since = Instant::now();
        for order in &orders {
            order.send((number, since)).unwrap();
        }
        other(cluster, number);
        cluster.publish();
        // The slowest worker counts.
        let all = orders.iter().map(|_| found.recv().unwrap());
        let slowest = all.inspect(|found| errors += found.errors);
        times.push(slowest.map(|found| found.took).max().unwrap());
    }
    drop(orders);
    for thread in threads {
        thread.join().unwrap();
    }
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let mean = times.iter().sum::<Duration>() / times.len() as u32;
    println!(
        "| {what} | {} | {:.2} | {:.2} | {:.2} | {errors} |",
        times.len(),
        ms(mean),
        ms(times[(times.len() - 1) * 99 / 100]),
        ms(times[times.len() - 1])
    );
    assert_eq!(
        errors, 0,
        "a route that came into effect answered something else first"
    );
}

fn host(number: usize) -> String {
    format!("{number}-route.example.com")
}
