//! The real .wasm pulls its table, in the emulator's strict mode; the publisher and the wire between are
//! the test's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use silverback_core::node::pull::answer::{self, Source as _};
use silverback_core::node::pull::request::PullRequest;
use silverback_core::table::build::TableBuilder;
use silverback_core::table::root::Root;
use silverback_core::table::store::publish::Publisher;
use silverback_emulator::{
    CallResponse, Clock as _, Exchange, HttpCall, ManualClock, MemoryLog, Properties, SharedStore,
    Worker, WorkerOptions,
};

use crate::harness::{Route, get, model};
use crate::support::node::{Writer, zone};
use crate::support::runtime::filter;
use crate::tables::built::edit;
use crate::tables::oracle::Model;

const PAGES: u16 = 24;
const TICK: Duration = Duration::from_millis(100);
const CONFIGURATION: &str = r#"{"pull":{"upstream":"publisher:9090","token":"secret","pages":24}}"#;

/// What happens with an answer on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It never comes, and the host says so.
    Lost,
    /// It never comes, and the host says nothing.
    Silent,
    /// The second half of it is missing.
    Cut,
    /// This bit of it is another.
    Flipped(usize),
    /// Something else answers.
    Html,
}

pub(crate) struct World {
    pub(crate) store: SharedStore,
    clock: Arc<ManualClock>,
    logs: Vec<Arc<MemoryLog>>,
    pub(crate) workers: Vec<Worker>,
    table: TableBuilder,
    model: Model,
    roots: Vec<Root>,
    token: &'static str,
    faults: VecDeque<Fault>,
    /// Requests so far, by worker.
    asked: Vec<usize>,
}

impl World {
    fn new(workers: usize) -> Self {
        Self::with(workers, CONFIGURATION)
    }

    /// Workers with this configuration, whose publisher and pages are those of [`CONFIGURATION`].
    pub(crate) fn with(workers: usize, configuration: &str) -> Self {
        let mut world = Self {
            store: SharedStore::new(zone(PAGES)),
            clock: Arc::new(ManualClock::at(Duration::from_secs(1_800_000_000))),
            logs: Vec::new(),
            workers: Vec::new(),
            table: TableBuilder::new(),
            model: Model::default(),
            roots: Vec::new(),
            token: "secret",
            faults: VecDeque::new(),
            asked: vec![0; workers],
        };
        for number in 0..workers {
            let log = Arc::new(MemoryLog::default());
            let options = WorkerOptions {
                root_id: "silverback".to_owned(),
                configuration: configuration.as_bytes().to_vec(),
                worker: number,
                log: Arc::clone(&log) as Arc<_>,
                clock: Arc::clone(&world.clock) as Arc<_>,
                ..WorkerOptions::default()
            };
            let worker = Worker::start(filter(), world.store.clone(), options).expect("starts");
            world.workers.push(worker);
            world.logs.push(log);
        }
        world
    }

    /// The publisher has another table.
    pub(crate) fn publish(&mut self, routes: &[Route<'_>]) {
        self.roots.push(self.table.root().clone());
        let next = model(routes);
        edit(&mut self.table, &self.model, &next);
        self.table.commit();
        self.model = next;
    }

    fn answer(&self, call: &HttpCall) -> CallResponse {
        assert_eq!(call.upstream, b"publisher:9090");
        assert_eq!(call.headers.get(":authority"), Some(&b"publisher:9090"[..]));
        let token = format!("Bearer {}", self.token);
        if call.headers.get("authorization") != Some(token.as_bytes()) {
            return CallResponse::new(401, "{}");
        }
        assert_eq!(call.headers.get(":path"), Some(&b"/silverback/v1/pull"[..]));
        let request = PullRequest::decode(&call.body).expect("a request");
        if !answer::is_due(&request, &self.table) {
            return CallResponse::new(204, "");
        }
        let base = self.roots.iter().find(|root| root.digest() == request.root);
        let commit = answer::commit(&request, &self.table, base);
        CallResponse::new(200, commit.expect("a commit"))
    }

    /// One tick of every worker, with the answers to what they ask.
    fn tick(&mut self) {
        self.clock.advance(TICK);
        for number in 0..self.workers.len() {
            self.tick_one(number);
        }
    }

    fn tick_one(&mut self, number: usize) {
        self.workers[number].tick().expect("no trap");
        loop {
            let calls = self.workers[number].pending_calls();
            if calls.is_empty() {
                return;
            }
            for call in calls {
                self.asked[number] += 1;
                let kind = "application/octet-stream";
                let mut response = self.answer(&call).header("content-type", kind);
                if response.status == 204 {
                    // Held until the next change: the test answers nothing.
                    continue;
                }
                let fault = self.faults.pop_front();
                match fault {
                    Some(Fault::Silent) => continue,
                    Some(Fault::Cut) => response.body.truncate(response.body.len() / 2),
                    Some(Fault::Flipped(bit)) => {
                        let len = response.body.len();
                        response.body[bit / 8 % len] ^= 1 << (bit % 8);
                    }
                    Some(Fault::Html) => response.body = b"<html>".to_vec(),
                    Some(Fault::Lost) | None => {}
                }
                let response = (fault != Some(Fault::Lost)).then_some(response);
                self.workers[number]
                    .on_http_call_response(call.token, response, None)
                    .expect("no trap");
            }
        }
    }

    /// Status of the filter's answer, or 200 for a plan.
    fn status(&mut self, worker: usize, host: &str) -> u16 {
        let worker = &mut self.workers[worker];
        let mut properties = Properties::with_shim();
        let message = get(host, "/").message.expect("a request");
        properties.set("kong.silverback.request", message);
        let mut exchange = Exchange::new("GET", "/").properties(properties);
        let id = worker.open().expect("no trap");
        worker
            .on_request_headers(id, &mut exchange)
            .expect("no trap");
        let local = exchange.local_response.as_ref();
        let status = local.map_or(200, |response| response.status);
        worker.close(id, &mut exchange).expect("no trap");
        status
    }

    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) -> u32 {
        for ticks in 0..3_000 {
            if holds(self) {
                return ticks;
            }
            self.tick();
        }
        let logs: Vec<_> = self.logs.iter().map(|log| log.take()).collect();
        panic!("never: {what}; {logs:?}")
    }

    fn logged(&self) -> Vec<String> {
        let lines = self.logs.iter().flat_map(|log| log.take());
        lines.map(|line| line.message).collect()
    }

    fn is_current(&mut self) -> bool {
        let store = Writer(self.store.clone());
        // Without a pool there is no table, and the test must not make one.
        if self.store.keys("silverback").len() <= usize::from(PAGES) {
            return false;
        }
        let publisher = Publisher::open(&store, PAGES).expect("a pool");
        publisher.state(&store).expect("a state").digest == self.table.digest()
    }
}

#[test]
fn without_a_table_requests_wait_and_a_new_table_is_in_effect_in_every_worker() {
    let mut world = World::new(2);
    assert_eq!(world.status(0, "a.test"), 503);
    world.publish(&[("a", "a.test", "/", None)]);
    let ticks = world.until("a table", |world| world.status(0, "a.test") == 200);
    assert!(ticks <= 4, "{ticks}");
    assert_eq!(world.status(1, "a.test"), 200);
    assert_eq!(world.status(1, "b.test"), 404);
    assert_eq!(world.asked.iter().filter(|asked| **asked > 0).count(), 1);
    assert!(world.store.violations().is_empty());
    for worker in &world.workers {
        assert!(worker.violations().is_empty(), "{:?}", worker.violations());
    }
}

#[test]
fn faults_on_the_wire_cost_time_only() {
    for fault in [
        Fault::Lost,
        Fault::Silent,
        Fault::Cut,
        Fault::Html,
        Fault::Flipped(3),
        Fault::Flipped(8 * 60 + 1),
        Fault::Flipped(8 * 20_000),
    ] {
        let mut world = World::new(1);
        world.publish(&[("a", "a.test", "/", None)]);
        world.faults = [fault; 3].into();
        world.until("a table", |world| {
            let status = world.status(0, "a.test");
            assert!(matches!(status, 200 | 503), "{fault:?}: {status}");
            status == 200
        });
        assert!(world.is_current(), "{fault:?}");
        assert!(world.faults.is_empty(), "{fault:?}");
    }
}

#[test]
fn a_wrong_token_is_told_once_with_a_hint_and_gets_nothing() {
    let mut world = World::new(1);
    world.token = "another";
    world.publish(&[("a", "a.test", "/", None)]);
    for _ in 0..600 {
        world.tick();
    }
    assert_eq!(world.status(0, "a.test"), 503);
    let told = world.logged();
    let told: Vec<_> = told.iter().filter(|line| line.contains("pulled")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("401") && told[0].contains("`pull.token`"));
    assert!(!told[0].contains("secret"));
    assert!(world.asked[0] < 40, "{}", world.asked[0]);
    world.token = "secret";
    world.until("a table", |world| world.status(0, "a.test") == 200);
}

#[test]
fn a_worker_that_dies_while_it_holds_the_lease_is_followed_by_another() {
    let mut world = World::new(2);
    world.publish(&[("a", "a.test", "/", None)]);
    world.until("a table", |world| world.status(0, "a.test") == 200);
    let holder = usize::from(world.asked[1] > 0);
    world.publish(&[("b", "b.test", "/", None)]);
    let asked = world.asked[1 - holder];
    // It is stuck, or gone: no tick, no answer.
    for _ in 0..200 {
        world.clock.advance(TICK);
        world.tick_one(1 - holder);
    }
    assert!(world.asked[1 - holder] > asked);
    assert!(world.is_current());
    assert_eq!(
        world.status(holder, "b.test"),
        200,
        "it reads what the other wrote"
    );
}

#[test]
fn a_clock_that_jumps_back_an_hour_does_not_stop_the_pull() {
    let mut world = World::new(1);
    world.clock.advance(Duration::from_secs(3_600));
    world.publish(&[("a", "a.test", "/", None)]);
    world.until("a table", |world| world.status(0, "a.test") == 200);
    let late = world.clock.now();
    world.clock = Arc::new(ManualClock::at(late - Duration::from_secs(3_600)));
    // A worker that is started anew has the earlier clock, on the same store.
    let options = WorkerOptions {
        root_id: "silverback".to_owned(),
        configuration: CONFIGURATION.as_bytes().to_vec(),
        clock: Arc::clone(&world.clock) as Arc<_>,
        ..WorkerOptions::default()
    };
    world.workers = vec![Worker::start(filter(), world.store.clone(), options).expect("starts")];
    world.publish(&[("b", "b.test", "/", None)]);
    let ticks = world.until("the change", |world| world.status(0, "b.test") == 200);
    assert!(
        ticks < 20,
        "the old lease, of an hour ahead, does not count: {ticks}"
    );
}

#[test]
fn a_zone_that_is_too_small_is_told_and_the_table_before_stays() {
    let mut world = World::new(1);
    world.publish(&[("a", "a.test", "/", None)]);
    world.until("a table", |world| world.status(0, "a.test") == 200);
    world.logged();
    let names: Vec<String> = (0..40).map(|n| format!("host-{n}.test")).collect();
    let routes: Vec<_> = names
        .iter()
        .map(|name| (&**name, &**name, "/", None))
        .collect();
    world.publish(&routes);
    let mut told = Vec::new();
    world.until("it is told", |world| {
        told.extend(world.logged());
        told.iter().any(|line| line.contains("pages"))
    });
    assert_eq!(world.status(0, "a.test"), 200);
    world.publish(&[("c", "c.test", "/", None)]);
    world.until("a table that fits", |world| {
        world.status(0, "c.test") == 200
    });
}
