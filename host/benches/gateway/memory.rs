//! What an idle client connection costs in memory.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use tokio::runtime::{Builder, LocalOptions};

use crate::load::{self, Client};
use crate::table::Table;
use crate::{Speaks, plain};

/// The argument by which this program becomes the clients: ADDRESS PROTOCOL COUNT follow.
pub(crate) const CLIENTS: &str = "clients";
/// The argument by which it becomes a proxy: which, and PROTOCOL follow.
pub(crate) const PROXY: &str = "proxy";
const PLAIN: &str = "plain";
const GATEWAY: &str = "gateway";
const COUNT: usize = 10_000;

/// Each number is of a process of its own: memory that was used once is not given back.
pub(crate) fn run() {
    println!("{COUNT} idle connections after a request each: bytes of RSS a connection");
    println!("| | plain hyper | gateway |");
    println!("|-|-|-|");
    for speaks in Speaks::ALL {
        let cost = |proxy: &str| {
            let mut own = Command::new(std::env::current_exe().unwrap());
            let output = own.args([PROXY, proxy, speaks.name()]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            said.trim().parse::<f64>().unwrap_or_else(|_| {
                panic!("{}", String::from_utf8_lossy(&output.stderr));
            })
        };
        let (a, b) = (cost(PLAIN), cost(GATEWAY));
        println!("| {} | {a:.0} | {b:.0} |", speaks.name());
    }
}

/// One proxy: prints what a connection costs.
pub(crate) fn proxy(args: &[String]) {
    let speaks = Speaks::named(&args[1]);
    let backend = load::backend();
    let gateway = (args[0] == GATEWAY).then(|| Table::start(backend));
    let addr = match &gateway {
        Some(table) => table.addr,
        None => plain::start(vec![backend])[speaks as usize],
    };
    // What is allocated once, and the upstream connections.
    idle(addr, speaks, 16);
    println!("{}", idle(addr, speaks, COUNT) / COUNT as f64);
}

/// How much more memory this process has while so many connections are open.
fn idle(addr: SocketAddr, speaks: Speaks, count: usize) -> f64 {
    let before = resident();
    let mut clients = Command::new(std::env::current_exe().unwrap())
        .args([
            CLIENTS,
            &addr.to_string(),
            speaks.name(),
            &count.to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(clients.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    assert_eq!(
        line, "open\n",
        "the clients ended (hint: ulimit -n 40000, for two ends of each connection)"
    );
    let after = resident();
    // The end of its input tells it to end.
    drop(clients.stdin.take());
    clients.wait().unwrap();
    after - before
}

/// Bytes of resident memory.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib * 1024.0
}

/// Opens connections, sends a request over each, and waits.
pub(crate) fn clients(args: &[String]) {
    let addr: SocketAddr = args[0].parse().unwrap();
    let speaks = Speaks::named(&args[1]);
    let count: usize = args[2].parse().unwrap();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    runtime.unwrap().block_on(async {
        let mut open = Vec::with_capacity(count);
        for _ in 0..count {
            let mut client = Client::connect(addr, speaks).await;
            client.ask().await;
            open.push(client);
        }
        let mut out = std::io::stdout();
        out.write_all(b"open\n").unwrap();
        out.flush().unwrap();
        std::io::stdin().read_line(&mut String::new()).unwrap();
    });
}
