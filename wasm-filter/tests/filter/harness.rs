//! A published table, and requests against both forms of the filter.

use std::sync::Arc;

use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_core::table::build::TableBuilder;
use silverback_core::table::model::{
    Backend, BackendTarget, HeaderMatch, HostKey, HostPattern, PathMatch, RouteKind, RouteMatch,
    RouteObject, Rule, Scope, ServiceEndpoints, ServicePort, ValueMatch,
};
use silverback_core::table::store::publish::Publisher;
use silverback_emulator::SharedStore;

use crate::support::node::{Writer, zone};
use crate::support::runtime::{Input, Output, Runtime, both};
use crate::tables::built::edit;
use crate::tables::oracle::Model;

/// Pages of the pool.
const PAGES: u16 = 24;

/// Name, host, path, and the header that it asks for.
pub(crate) type Route<'a> = (&'a str, &'a str, &'a str, Option<(&'a str, &'a str)>);

/// Ingress routes; each has two endpoints.
pub(crate) fn model(routes: &[Route<'_>]) -> Model {
    let mut model = Model::default();
    for (name, host, path, header) in routes {
        let service = ServicePort {
            namespace: "ns".into(),
            name: (*name).into(),
            port: 80,
        };
        let object = RouteObject {
            kind: RouteKind::Ingress,
            namespace: "ns".into(),
            name: (*name).into(),
            created: None,
        };
        let rule = Rule {
            backends: vec![Backend::new(1, BackendTarget::Service(service.clone()))],
            ..Rule::new(Arc::new(object), 0)
        };
        let path = PathMatch::Prefix(path.trim_end_matches('/').into());
        let m = RouteMatch {
            headers: header
                .iter()
                .map(|(name, value)| HeaderMatch {
                    name: (*name).into(),
                    value: ValueMatch::OneOf(vec![(*value).into()]),
                })
                .collect(),
            ..RouteMatch::new(path, 0, Arc::new(rule))
        };
        let host = match *host {
            "" => HostPattern::Any,
            host => HostPattern::Exact(host.into()),
        };
        let scope = Scope::Ingress;
        model
            .hosts
            .entry(HostKey { scope, host })
            .or_default()
            .push(m);
        let endpoints = [1, 2].map(|n| ([10, 0, 0, n], 8080).into()).to_vec();
        let endpoints = ServiceEndpoints {
            endpoints,
            ..ServiceEndpoints::default()
        };
        model.services.insert(service, endpoints);
    }
    model
}

/// A node without a table.
pub(crate) fn empty_node() -> SharedStore {
    let store = SharedStore::new(zone(PAGES));
    Publisher::open(&Writer(store.clone()), PAGES).expect("a pool");
    store
}

/// A node with this table.
pub(crate) fn node(model: &Model) -> SharedStore {
    let store = empty_node();
    publish(&store, model);
    store
}

pub(crate) fn publish(store: &SharedStore, model: &Model) {
    let writer = Writer(store.clone());
    let mut publisher = Publisher::open(&writer, PAGES).expect("the pool");
    let mut table = TableBuilder::new();
    edit(&mut table, &Model::default(), model);
    table.commit();
    let content = |index| table.segment(index).map(|s| &s.bytes[..]);
    let published = publisher.publish(&writer, table.root(), content);
    published.expect("published");
}

/// The usual node: `/api` of a.test, everything of any.test.
pub(crate) fn usual() -> SharedStore {
    node(&model(&[
        ("api", "a.test", "/api", None),
        ("any", "any.test", "/", None),
        ("none", "", "/hostless", None),
    ]))
}

/// A request at Kong's usual port.
pub(crate) fn get(host: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Input {
    at(8000, host, target)
}

pub(crate) fn at(port: u16, host: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Input {
    let info = RequestInfo {
        port,
        host: host.as_ref(),
        path: target.as_ref(),
        method: b"GET",
        source: b"192.0.2.1",
        ..RequestInfo::default()
    };
    let mut message = Vec::new();
    info.encode(&mut message).expect("short fields");
    Input {
        message: Some(message),
        ..Input::default()
    }
}

/// The object that a request is proxied for, or the status of the reply.
pub(crate) fn who(output: &Output) -> String {
    assert!(!output.trapped, "the filter trapped");
    match (&output.plan, &output.reply) {
        (Some(plan), None) => {
            let plan = OwnedPlan::decode(plan).expect("a plan");
            let name = String::from_utf8(plan.service_name).expect("a name");
            name.split('.').nth(1).expect("ns.name.port").to_owned()
        }
        (None, Some(reply)) => {
            assert!(reply.body.starts_with(r#"{"message":""#), "{}", reply.body);
            reply.status.to_string()
        }
        other => panic!("both or neither: {other:?}"),
    }
}

pub(crate) fn plan(output: &Output) -> OwnedPlan {
    OwnedPlan::decode(output.plan.as_deref().expect("a plan")).expect("readable")
}

/// Runs a scenario in both forms; they must have given the same outputs.
pub(crate) fn scenario(
    configuration: &str,
    prepare: impl Fn() -> SharedStore,
    run: impl Fn(&mut Runtime) -> Vec<Output>,
) {
    let [(_, mut native), (_, mut wasm)] = both(configuration, prepare);
    assert_eq!(run(&mut native), run(&mut wasm), "native and .wasm agree");
    if let Runtime::Wasm(worker) = &wasm {
        assert_eq!(worker.worker.violations(), []);
        let store = worker.worker.store().expect("a store");
        assert_eq!(store.violations(), []);
    }
}
