//! A model as table bytes, and requests against them.

use core::cell::Cell;

use silverback_core::contract::plan::{OwnedPlan, Protocol};
use silverback_core::contract::request::RequestInfo;
use silverback_core::route::answer::{Answer, Scratch, answer};
use silverback_core::route::balance::Spin;
use silverback_core::route::select::{Entry, Headers};
use silverback_core::table::build::TableBuilder;
use silverback_core::table::layout::{SEGMENTS, kind};
use silverback_core::table::segment::{Segment, SegmentView};
use silverback_core::table::store::view::{Segments, Unreadable};

use super::oracle::{Ask, Model, Seen};

/// The bytes of a table, in memory.
pub(crate) struct Built {
    pub(crate) segments: Vec<Vec<u8>>,
    /// The same as a worker keeps them: a lookup takes listeners without hostname from there.
    /// (`explain` reads the bytes alone, and so do the tables of other test programs.)
    loaded: Vec<Segment>,
}

/// A request's headers, which count how often they are asked.
pub(crate) struct AskHeaders<'a> {
    ask: &'a Ask,
    pub(crate) asked: Cell<usize>,
}

impl<'a> AskHeaders<'a> {
    pub(crate) fn new(ask: &'a Ask) -> Self {
        Self {
            ask,
            asked: Cell::new(0),
        }
    }
}

impl Headers for AskHeaders<'_> {
    fn first<T>(&self, name: &str, judge: impl FnOnce(Option<&[u8]>) -> T) -> T {
        self.asked.set(self.asked.get() + 1);
        let mut all = self.ask.headers.iter();
        let first = all.find(|(known, _)| known.eq_ignore_ascii_case(name));
        judge(first.map(|(_, first)| &**first))
    }
}

impl Segments for Built {
    fn segment(&self, index: u32) -> Result<SegmentView<'_>, Unreadable> {
        let segment = self.loaded.get(index as usize);
        segment.map(Segment::view).ok_or(Unreadable::Segment(index))
    }
}

/// The committed bytes of every segment.
pub(crate) fn bytes(table: &TableBuilder) -> Vec<Vec<u8>> {
    (0..SEGMENTS)
        .map(|index| {
            let segment = table.segment(index);
            segment.map(|s| s.bytes.clone()).unwrap_or_default()
        })
        .collect()
}

/// Sets everything of `new` that `old` has not, and removes what only `old` has.
pub(crate) fn edit(table: &mut TableBuilder, old: &Model, new: &Model) {
    for (key, matches) in &new.hosts {
        if old.hosts.get(key) != Some(matches) {
            table.set_host(key, matches.clone());
        }
    }
    for key in old.hosts.keys().filter(|key| !new.hosts.contains_key(key)) {
        table.set_host(key, Vec::new());
    }
    for (key, endpoints) in &new.services {
        table.set_service(key, Some(endpoints));
    }
    for key in old.services.keys() {
        if !new.services.contains_key(key) {
            table.set_service(key, None);
        }
    }
    for (key, listener) in &new.listeners {
        table.set_listener(key, Some(listener));
    }
    for key in old.listeners.keys() {
        if !new.listeners.contains_key(key) {
            table.set_listener(key, None);
        }
    }
}

impl Built {
    pub(crate) fn of(model: &Model) -> Self {
        let mut table = TableBuilder::new();
        edit(&mut table, &Model::default(), model);
        table.commit();
        let segments = bytes(&table);
        let loaded = (0..).zip(&segments).map(|(index, bytes)| {
            Segment::new(kind(index), bytes[..].into()).expect("what was just written")
        });
        Self {
            loaded: loaded.collect(),
            segments,
        }
    }

    /// The whole way of one request.
    pub(crate) fn answer(&self, ask: &Ask, spin: u64) -> Seen {
        let info = RequestInfo {
            tls: ask.tls,
            host: &ask.host,
            path: &ask.target,
            method: &ask.method,
            sni: ask.sni.as_bytes(),
            ..RequestInfo::default()
        };
        let entry = Entry {
            ingress: ask.ingress,
            listener: ask.listener,
        };
        let mut scratch = Scratch::default();
        let headers = AskHeaders::new(ask);
        match answer(self, 7, entry, &info, &headers, Spin(spin), &mut scratch) {
            Ok(Answer::Proxy) => seen(&OwnedPlan::decode(&scratch.plan).expect("a plan")),
            Ok(Answer::Reply(reply)) => Seen::Reply(reply.status()),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// What a plan says, as the oracle judges it. The fields that no rule can set yet are checked here.
pub(crate) fn seen(plan: &OwnedPlan) -> Seen {
    // No Service of the models says what it speaks: the kind of the route decides.
    let protocol = match plan.route_name.starts_with(b"grpcroute.") {
        true => Protocol::Grpc,
        false => Protocol::Http,
    };
    assert_eq!(
        (plan.tries, plan.timeouts, plan.protocol),
        (6, Default::default(), protocol)
    );
    assert!(plan.host.is_none() && plan.remove_headers.is_empty() && plan.tls.is_none());
    Seen::Proxy {
        endpoints: plan.endpoints.clone(),
        uri: plan.uri.clone(),
        route_name: String::from_utf8_lossy(&plan.route_name).into_owned(),
        service_name: String::from_utf8_lossy(&plan.service_name).into_owned(),
    }
}
