//! A client that sends a request every millisecond, while the table changes and while it does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};
use tokio::time::MissedTickBehavior;

use crate::Speaks;
use crate::load::{self, Client};
use crate::table::{HOSTS, Table};

const ROUNDS: usize = 5;
const PERIOD: Duration = Duration::from_millis(1);
const CHANGES: Duration = Duration::from_millis(10);

/// Latencies in milliseconds.
struct Seen {
    p50: f64,
    p99: f64,
    longest: f64,
    count: usize,
}

pub(crate) fn run(time: Duration) {
    let mut table = Table::start(load::backend());
    println!(
        "a client that asks every {PERIOD:?}, for {time:?}, {ROUNDS} times, alternating; ms from when it was due"
    );
    println!("| a change every 10 ms | changes | requests | p50 | p99 | longest |");
    println!("|-|-|-|-|-|-|");
    let (mut still, mut moving) = (Vec::new(), Vec::new());
    let mut changes = 0;
    for _ in 0..ROUNDS {
        still.push(steady(table.addr, time));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let addr = table.addr;
            let (table, stop) = (&mut table, &stop);
            let changing = scope.spawn(move || change(table, stop, changes));
            moving.push(steady(addr, time));
            stop.store(true, Ordering::Relaxed);
            changes = changing.join().unwrap();
        });
    }
    for (what, changes, seen) in [("no", 0, &still), ("yes", changes, &moving)] {
        let middle = |of: fn(&Seen) -> f64| {
            let mut values: Vec<f64> = seen.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let longest = seen.iter().map(|seen| seen.longest).fold(0.0, f64::max);
        println!(
            "| {what} | {changes} | {} | {:.2} | {:.2} | {longest:.2} |",
            seen.iter().map(|seen| seen.count).sum::<usize>(),
            middle(|seen| seen.p50),
            middle(|seen| seen.p99),
        );
    }
}

/// Changes a route or the endpoints of a Service every so often, those that the client asks for among
/// them. Returns how many changes there were, with those before.
fn change(table: &mut Table, stop: &AtomicBool, mut count: usize) -> usize {
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        // Of the host that is asked for every other time.
        let host = if count % 4 < 2 { 42 } else { count % HOSTS };
        if count.is_multiple_of(2) {
            table.set_route(host, count);
        } else {
            table.set_endpoints(host, count);
        }
        table.publish();
        due += CHANGES;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    count
}

fn steady(addr: std::net::SocketAddr, time: Duration) -> Seen {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    let mut times = runtime.unwrap().block_on(async {
        let mut client = Client::connect(addr, Speaks::Http1).await;
        // The first request finds an upstream connection.
        client.ask().await;
        let mut times = Vec::new();
        let mut period = tokio::time::interval(PERIOD);
        // A request that is late delays none that is due after it: it is late itself.
        period.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let end = Instant::now() + time;
        while Instant::now() < end {
            let due = period.tick().await.into_std();
            client.ask().await;
            times.push(due.elapsed());
        }
        times
    });
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    Seen {
        p50: at(50),
        p99: at(99),
        longest: at(100),
        count: times.len(),
    }
}
