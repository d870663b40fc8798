//! Route scale.

use std::time::{Duration, Instant};

use crate::cluster::{Cluster, rule};

/// As the original: a route every second, a pod every other.
const ROUTE_EVERY: Duration = Duration::from_secs(1);
const TIME: Duration = Duration::from_secs(20);

pub(crate) fn run(routes: usize) {
    let mut cluster = Cluster::start();
    let idle = memory_mib();
    let begun = Instant::now();
    load(&mut cluster, routes);
    let loaded = begun.elapsed();
    let mut clients = cluster.clients();
    let mut changes = 0;
    let (cpu, begun) = (cpu_seconds(), Instant::now());
    while begun.elapsed() < TIME {
        jitter(&mut cluster, changes, routes);
        cluster.publish();
        changes += 1;
        // Every worker takes each change over.
        for client in &mut clients {
            assert_eq!(client.get(&host(changes % routes), "/"), 200);
        }
        let due = begun + ROUTE_EVERY * changes as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let cores = (cpu_seconds() - cpu) / begun.elapsed().as_secs_f64();
    println!(
        "route scale: {routes} routes with a Service and a pod each; a route edited every {ROUTE_EVERY:?}, a pod every other"
    );
    println!(
        "| loaded in, s | CPU while it changes, cores | CPU of a change, ms | process, MiB | without routes, MiB |"
    );
    println!("|-|-|-|-|-|");
    println!(
        "| {:.2} | {cores:.4} | {:.2} | {:.0} | {idle:.0} |\n",
        loaded.as_secs_f64(),
        cores * begun.elapsed().as_secs_f64() * 1e3 / changes as f64,
        memory_mib()
    );
}

fn host(number: usize) -> String {
    format!("scale-{number}.example.com")
}

/// Routes with a Service and a pod each, in one commit.
pub(crate) fn load(cluster: &mut Cluster, routes: usize) {
    for number in 0..routes {
        let name = format!("scale-{number}");
        let port = cluster.backends[0];
        cluster.service(&name, &[pod(number)], port);
        cluster.route(&name, &host(number), &rule("/", &name, ""));
    }
    cluster.publish();
}

/// Every pod is the one backend, by another address of the loopback.
fn pod(number: usize) -> String {
    if cfg!(target_os = "linux") {
        format!("127.{}.{}.1", 1 + number / 250 % 100, 1 + number % 250)
    } else {
        "127.0.0.1".to_owned()
    }
}

/// Edits a route, and every other time comes or goes a pod.
pub(crate) fn jitter(cluster: &mut Cluster, number: usize, routes: usize) {
    let at = number * 7_919 % routes;
    let name = format!("scale-{at}");
    let filter = format!(
        r#"{{"type":"RequestHeaderModifier","requestHeaderModifier":{{"set":[{{"name":"x-edit","value":"{number}"}}]}}}}"#
    );
    cluster.route(&name, &host(at), &rule("/", &name, &filter));
    if number.is_multiple_of(2) {
        let at = number * 104_729 % routes;
        let mut pods = vec![pod(at)];
        if number.is_multiple_of(4) {
            pods.push(pod(at + 1));
        }
        let port = cluster.backends[0];
        cluster.pods(&format!("scale-{at}"), &pods, port);
    }
}

/// CPU that the threads of this process have used.
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let nanoseconds = tasks.filter_map(|task| {
        let stat = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}

fn memory_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .unwrap()
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .unwrap();
    kib / 1024.0
}
