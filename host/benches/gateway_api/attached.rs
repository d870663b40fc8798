//! Attached routes.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use silverback::translator::Changes;

use crate::cluster::{Cluster, rule};

/// Objects come about as fast as an API server takes them.
const PACE: Duration = Duration::from_millis(1);

pub(crate) fn run(routes: usize) {
    let mut cluster = Cluster::start();
    let (setup, up) = all(&mut cluster, routes, routes, |cluster, number| {
        let host = format!("app-{number}.example.com");
        cluster.route(&format!("app-{number}"), &host, &rule("/", "a", ""));
    });
    let (teardown, down) = all(&mut cluster, routes, 0, |cluster, number| {
        cluster.delete_route(&format!("app-{number}"));
    });
    println!("attached routes: {routes} HTTPRoutes, one every {PACE:?}");
    println!(
        "| setup, after the last one, ms | teardown, after the last one, ms | statuses of the Gateway |"
    );
    println!("|-|-|-|");
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "| {:.1} | {:.1} | {} |\n",
        ms(setup),
        ms(teardown),
        up + down
    );
}

/// Has every route go through `one` at its time, with as many in a commit as have come by then, until the
/// status says `goal`; how long it took from the last one on, and how many statuses there were.
fn all(
    cluster: &mut Cluster,
    routes: usize,
    goal: usize,
    mut one: impl FnMut(&mut Cluster, usize),
) -> (Duration, usize) {
    let (sender, events) = mpsc::channel();
    let producer = std::thread::spawn(move || {
        let begun = Instant::now();
        for number in 0..routes {
            let due = begun + PACE * number as u32;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            sender.send(number).unwrap();
        }
        Instant::now()
    });
    let (mut count, mut writes) = (None, 0);
    while let Ok(first) = events.recv() {
        one(cluster, first);
        for number in events.try_iter() {
            one(cluster, number);
        }
        if let Some(attached) = attached(&cluster.publish()) {
            writes += 1;
            count = Some(attached);
        }
    }
    let reached = Instant::now();
    let last = producer.join().unwrap();
    assert_eq!(count, Some(goal), "the count never came to its goal");
    (reached.saturating_duration_since(last), writes)
}

/// `attachedRoutes` of the Gateway's listener, if its status changed.
fn attached(changes: &Changes) -> Option<usize> {
    let mut statuses = changes.statuses.iter();
    let (_, status) = statuses.find(|(key, _)| key.to_string().starts_with("Gateway "))?;
    let status: serde_json::Value = serde_json::from_str(status).unwrap();
    let count = status["listeners"][0]["attachedRoutes"].as_u64();
    Some(count.unwrap_or_else(|| panic!("no attachedRoutes: {status}")) as usize)
}
