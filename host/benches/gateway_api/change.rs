//! Route change.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cluster::{Cluster, rule};

const FLIPS: usize = 20;
const PERIOD: Duration = Duration::from_millis(200);
const HOST: &str = "change.example.com";

pub(crate) fn run() {
    let mut cluster = Cluster::start();
    flip(&mut cluster, 0);
    let clients = cluster.clients();
    let stop = AtomicBool::new(false);
    let requests: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                let stop = &stop;
                scope.spawn(move || {
                    let (mut all, mut bad) = (0, 0);
                    while !stop.load(Ordering::Relaxed) {
                        all += 1;
                        bad += u64::from(client.get(HOST, "/") != 200);
                    }
                    (all, bad)
                })
            })
            .collect();
        for number in 1..=FLIPS {
            std::thread::sleep(PERIOD);
            flip(&mut cluster, number);
        }
        std::thread::sleep(PERIOD);
        stop.store(true, Ordering::Relaxed);
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let bad: u64 = requests.iter().map(|(_, bad)| bad).sum();
    println!(
        "route change: {FLIPS} flips, one every {PERIOD:?}, a client without a pause at each worker"
    );
    println!("| requests by worker | other than 200 |");
    println!("|-|-|");
    let counts: Vec<String> = requests.iter().map(|(all, _)| all.to_string()).collect();
    println!("| {} | {bad} |\n", counts.join(", "));
    assert_eq!(
        bad, 0,
        "a route that changed answered something else than 200"
    );
}

/// Between two backends, with and without a filter on responses.
fn flip(cluster: &mut Cluster, number: usize) {
    let service = if number.is_multiple_of(2) { "a" } else { "b" };
    let filter = if number % 4 < 2 {
        ""
    } else {
        r#"{"type":"ResponseHeaderModifier","responseHeaderModifier":{"set":[{"name":"x-flip","value":"1"}]}}"#
    };
    cluster.route("change", HOST, &rule("/", service, filter));
    cluster.publish();
}
