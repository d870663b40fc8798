//! A gateway with the test filter, and waiting with a deadline.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use silverback::gateway::{AccessEvent, Gateway, GatewayOptions, ListenerSpec};
use silverback_core::contract::plan::{Plan, Timeouts};
use silverback_core::contract::result::PlanResult;
use silverback_emulator::MemoryLog;

pub(crate) use crate::client::{Client, PATIENCE, Reply, Stream, tcp};
pub(crate) use crate::filter::filter;

/// A gateway that listens at one port.
pub(crate) struct Proxy {
    pub(crate) gateway: Gateway,
    pub(crate) addr: SocketAddr,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
}

/// An access event, owned.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) status: u16,
    pub(crate) tries: usize,
    pub(crate) tags: String,
    pub(crate) text: String,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// One worker: the tests of pools and traps need to know which one serves.
    pub(crate) fn with(change: impl FnOnce(&mut GatewayOptions)) -> Self {
        let log = Arc::new(MemoryLog::default());
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let sink = Arc::clone(&events);
        let mut options = GatewayOptions {
            workers: 1,
            on_access: Some(Arc::new(move |event: &AccessEvent<'_>| {
                sink.lock().unwrap().push(Event {
                    status: event.status,
                    tries: event.tries,
                    tags: String::from_utf8_lossy(event.tags).into_owned(),
                    text: format!("{event:?}"),
                });
            })),
            ..GatewayOptions::default()
        };
        options.filter.log = log.clone();
        change(&mut options);
        let gateway = Gateway::start(&filter(), options).unwrap();
        gateway.set_listeners(&[any_port(8000)]).unwrap();
        let addr = gateway.listeners()[0].addr;
        Self {
            gateway,
            addr,
            log,
            events,
        }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.addr)
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, request: &str) -> Reply {
        let mut client = self.connect();
        client.write(request.as_bytes());
        let head = request.starts_with("HEAD ");
        client.read_reply(head)
    }

    /// The results that the filter read in `on_log`, once there are so many.
    pub(crate) fn results(&self, count: usize) -> Vec<PlanResult> {
        let lines = || {
            let lines = self.log.lines().into_iter();
            let lines = lines.filter_map(|l| Some(l.message.strip_prefix("result ")?.to_owned()));
            lines.filter(|hex| !hex.is_empty()).collect::<Vec<_>>()
        };
        until("the filter's on_log", || lines().len() >= count);
        let decode = |hex: String| PlanResult::decode(&unhex(&hex)).unwrap();
        lines().into_iter().map(decode).collect()
    }
}

/// A listener at a free port of the loopback, which the filter knows as `proxy_port`.
pub(crate) fn any_port(proxy_port: u16) -> ListenerSpec {
    ListenerSpec {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        proxy_port,
        tls: false,
    }
}

/// The same with TLS.
pub(crate) fn any_tls_port(proxy_port: u16) -> ListenerSpec {
    ListenerSpec {
        tls: true,
        ..any_port(proxy_port)
    }
}

/// A plan with these endpoints, as the header that the test filter reads.
pub(crate) fn plan(endpoints: &[SocketAddr]) -> PlanHeader<'_> {
    PlanHeader(Plan {
        route_name: b"route",
        service_name: b"service",
        ..Plan::to(7, 42, endpoints)
    })
}

pub(crate) struct PlanHeader<'a>(pub(crate) Plan<'a>);

impl<'a> PlanHeader<'a> {
    pub(crate) fn tries(mut self, tries: u8) -> Self {
        self.0.tries = tries;
        self
    }

    pub(crate) fn timeouts(mut self, connect: u32, send: u32, read: u32) -> Self {
        self.0.timeouts = Timeouts {
            connect,
            send,
            read,
        };
        self
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut Plan<'a>)) -> Self {
        change(&mut self.0);
        self
    }

    pub(crate) fn hex(&self) -> String {
        let mut bytes = Vec::new();
        self.0.encode(&mut bytes).unwrap();
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The header line, with its line break.
    pub(crate) fn line(&self) -> String {
        format!("x-test-plan: {}\r\n", self.hex())
    }

    /// A GET with this plan.
    pub(crate) fn get(&self) -> String {
        format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", self.line())
    }
}

/// Bytes of a hexadecimal text. Kong puts a line break behind a filter's response, and so does
/// the emulator.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let text = text.trim_end();
    let byte = |n: usize| u8::from_str_radix(&text[n..n + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Waits for a condition.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
