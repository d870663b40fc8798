//! What is tested: objects through the translator, the table through shared data, requests through
//! silverback.wasm.
//!
//! The worker counts its requests from 0 here, so its answer must be, byte for byte, what the
//! native matcher answers at the same place of the sequence; that answer is then judged.

use core::cell::{Cell, RefCell};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_core::contract::{PLAN_PROPERTY, REQUEST_PROPERTY};
use silverback_core::route::answer::Scratch;
use silverback_core::route::edits::ResponseEdit;
use silverback_core::table::segment::SegmentView;
use silverback_core::table::store::publish::Publisher;
use silverback_core::table::store::view::{Segments, Unreadable};
use silverback_core::translate::Translator;
use silverback_emulator::{
    Exchange, Filter, ManualClock, Properties, SharedStore, Worker, WorkerOptions,
};

use crate::ask::Ask;
use crate::native;
pub(crate) use crate::native::{SETS, Seen};
use crate::node::{Writer, zone};
use crate::oracle::Classes;

/// Pages of the pool: more than any generated set needs.
const PAGES: u16 = 96;
/// The epoch that the native matcher writes.
const EPOCH: u64 = 7;
/// Listeners' ports that are asked at.
const PORTS: [u16; 6] = [80, 81, 443, 8000, 8080, 8443];

/// A worker with a table.
pub(crate) struct Subject {
    native: native::Subject,
    worker: RefCell<Worker>,
    /// What the worker remembers, natively.
    scratch: RefCell<Scratch>,
    asked: Cell<u64>,
    pub(crate) problems: Vec<String>,
}

impl Segments for Subject {
    fn segment(&self, index: u32) -> Result<SegmentView<'_>, Unreadable> {
        self.native.segment(index)
    }
}

fn filter() -> &'static Filter {
    static FILTER: OnceLock<Filter> = OnceLock::new();
    FILTER.get_or_init(|| Filter::compile(silverback_guests::FILTER_WASM).expect("a filter"))
}

/// A port of the data plane that serves this.
fn port(ingress: bool, listener: Option<u16>) -> u16 {
    20_000 + listener.unwrap_or(0) + if ingress { 10_000 } else { 0 }
}

fn configuration() -> Vec<u8> {
    let listeners = PORTS.map(Some).into_iter().chain([None]);
    let ports: Vec<Value> = listeners
        .flat_map(|listener| [(true, listener), (false, listener)])
        .map(|(ingress, listener)| match listener {
            Some(number) => {
                json!({"port": port(ingress, listener), "ingress": ingress, "listener": number})
            }
            None => json!({"port": port(ingress, None), "ingress": ingress}),
        })
        .collect();
    json!({ "ports": ports }).to_string().into_bytes()
}

impl Subject {
    pub(crate) fn new(objects: &[Value], classes: &Classes) -> Self {
        let mut translator = Translator::new(native::options(classes));
        for object in objects {
            translator.apply(object.to_string().as_bytes());
        }
        translator.commit();
        let store = SharedStore::new(zone(PAGES));
        let writer = Writer(store.clone());
        let mut publisher = Publisher::open(&writer, PAGES).expect("a pool");
        let table = translator.table();
        let content = |index| table.segment(index).map(|segment| &segment.bytes[..]);
        let published = publisher.publish(&writer, table.root(), content);
        published.expect("published");
        let options = WorkerOptions {
            root_id: "silverback".to_owned(),
            configuration: configuration(),
            strict: true,
            // The sequence begins at the time of the first request.
            clock: Arc::new(ManualClock::at(Duration::ZERO)),
            ..WorkerOptions::default()
        };
        let native = native::Subject::of(&translator);
        Self {
            problems: native.problems.clone(),
            native,
            worker: RefCell::new(Worker::start(filter(), store, options).expect("starts")),
            scratch: RefCell::default(),
            asked: Cell::new(0),
        }
    }

    /// The spin is the worker's own.
    pub(crate) fn answer(&self, ask: &Ask, _: u64) -> Seen {
        let spin = self.asked.replace(self.asked.get() + 1);
        let wanted = (self.native).answer_with(ask, spin, &mut self.scratch.borrow_mut());
        let (plan, reply, response) = self.through_wasm(ask);
        match &wanted {
            Seen::Proxy(expected, edits) => {
                let plan = OwnedPlan::decode(&plan.expect("a plan")).expect("a plan");
                let plan = OwnedPlan {
                    epoch: EPOCH,
                    ..plan
                };
                assert_eq!((&plan, reply), (&**expected, None), "{ask}");
                assert_eq!(response, edited(edits), "{ask}");
            }
            Seen::Reply(status, headers) => {
                assert_eq!(plan, None, "{ask}");
                let (got, all) = reply.expect("a reply");
                assert_eq!(got, *status, "{ask}");
                for (name, value) in headers {
                    let there = all.iter().any(|(n, v)| n == name && v == value);
                    assert!(there, "{ask}: no {name}: {value} in {all:?}");
                }
            }
        }
        wanted
    }

    #[allow(
        clippy::type_complexity,
        reason = "plan, reply and response, here only"
    )]
    fn through_wasm(
        &self,
        ask: &Ask,
    ) -> (
        Option<Vec<u8>>,
        Option<(u16, Vec<(String, String)>)>,
        Vec<(String, String)>,
    ) {
        let info = RequestInfo {
            tls: ask.tls,
            port: port(ask.ingress, ask.listener),
            host: &ask.host,
            path: &ask.target,
            method: &ask.method,
            sni: ask.sni.as_bytes(),
            ..RequestInfo::default()
        };
        let mut message = Vec::new();
        info.encode(&mut message).expect("short fields");
        let mut properties = Properties::with_shim();
        properties.set(REQUEST_PROPERTY, message);
        let mut exchange = Exchange::new("GET", "/").properties(properties);
        for (name, value) in &ask.headers {
            exchange.request_headers.add(name.as_bytes(), value.clone());
        }
        let mut worker = self.worker.borrow_mut();
        let id = worker.open().expect("a context");
        worker
            .on_request_headers(id, &mut exchange)
            .expect("no trap");
        let plan = exchange.properties.get(PLAN_PROPERTY).map(<[u8]>::to_vec);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let reply = exchange.local_response.take().map(|response| {
            let headers = response.headers.iter();
            let headers = headers.map(|(name, value)| (text(name).to_lowercase(), text(value)));
            (response.status, headers.collect())
        });
        if reply.is_none() {
            for (name, value) in UPSTREAM {
                exchange
                    .response_headers
                    .add(name.as_bytes(), value.as_bytes());
            }
            worker
                .on_response_headers(id, &mut exchange)
                .expect("no trap");
        }
        worker.on_log(id, &mut exchange).expect("no trap");
        worker.close(id, &mut exchange).expect("no trap");
        let mut response: Vec<_> = exchange
            .response_headers
            .iter()
            .map(|(name, value)| (text(name).to_lowercase(), text(value)))
            .collect();
        response.sort();
        (plan, reply, response)
    }
}

/// What the upstream answers with.
const UPSTREAM: [(&str, &str); 4] = [
    ("x-resp", "up"),
    ("x-other", "up"),
    ("vary", "accept"),
    ("access-control-allow-origin", "https://up.example"),
];

/// The same with these changes, sorted.
fn edited(edits: &[ResponseEdit]) -> Vec<(String, String)> {
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut headers: Vec<_> = UPSTREAM.map(own).to_vec();
    for edit in edits {
        match edit {
            ResponseEdit::Remove(name) => headers.retain(|(known, _)| **known != **name),
            ResponseEdit::Set(name, value) => {
                headers.retain(|(known, _)| **known != **name);
                headers.push((
                    name.to_string(),
                    String::from_utf8_lossy(value).into_owned(),
                ));
            }
            ResponseEdit::Add(name, value) => {
                headers.push((
                    name.to_string(),
                    String::from_utf8_lossy(value).into_owned(),
                ));
            }
        }
    }
    headers.sort();
    headers
}
