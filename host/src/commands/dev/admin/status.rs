//! `GET /status`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use silverback_core::contract::result::Outcome;

use crate::commands::dev::observe::{Module, Observed, State, Tried, rfc3339};
use crate::render;
use crate::status::{Endpoint, Listener, SCHEMA_VERSION, Service, Status, Table, Worker};

/// How things are.
pub(super) fn status(observed: &Observed) -> Status {
    let state = observed.state.load();
    let problems = state.problems.iter();
    Status {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: rfc3339(observed.started.1),
        uptime_seconds: observed.started.0.elapsed().as_secs(),
        table: Table {
            epoch: state.epoch,
            digest: state.dump.digest.clone(),
            bytes: state.dump.bytes,
            routes: state.dump.match_count() as u64,
        },
        modules: vec![
            module("silverback.wasm", &observed.filter),
            module("translator.wasm", &observed.translator),
        ],
        workers: workers(observed),
        listeners: listeners(&state),
        services: services(&state, &observed.endpoints.all()),
        problems: problems
            .filter_map(|problem| serde_json::to_value(problem).ok())
            .collect(),
        notes: state.notes.clone(),
        dropped: observed.missed.load(Ordering::Relaxed) + observed.dropped.load(Ordering::Relaxed),
    }
}

fn module(name: &str, module: &Module) -> crate::status::Module {
    crate::status::Module {
        name: name.to_owned(),
        digest: module.id.load().to_string(),
        reloads: module.replaced.load(Ordering::Relaxed),
        refused: module.refused.load(Ordering::Relaxed),
    }
}

fn workers(observed: &Observed) -> Vec<Worker> {
    let stats = observed.monitor().map(|monitor| monitor.workers());
    let stats = stats.unwrap_or_default().into_iter().zip(0..);
    stats
        .map(|(stats, worker)| Worker {
            worker,
            requests: stats.requests,
            connections: stats.open_connections,
            traps: stats.traps,
            restarts: stats.restarts,
        })
        .collect()
}

fn listeners(state: &State) -> Vec<Listener> {
    let listening = state.listening.iter().map(|listening| {
        let port = state.ports.get(&listening.spec.proxy_port);
        Listener {
            address: listening.addr.to_string(),
            tls: listening.spec.tls,
            ingress: port.is_some_and(|port| port.ingress),
            gateway_port: port.and_then(|port| port.listener),
            gateways: port.map(|port| port.gateways.clone()).unwrap_or_default(),
        }
    });
    listening.collect()
}

fn services(state: &State, tried: &HashMap<SocketAddr, Tried>) -> Vec<Service> {
    let services = state.dump.services.iter().map(|service| Service {
        namespace: service.namespace.clone(),
        name: service.name.clone(),
        port: render::port(&service.port),
        external_name: service.external_name().map(str::to_owned),
        endpoints: service
            .endpoints
            .iter()
            .map(|address| {
                let parsed: Option<SocketAddr> = address.parse().ok();
                let tried = parsed.and_then(|address| tried.get(&address));
                let echo = parsed.is_some_and(|address| state.echoes.contains(&address));
                endpoint(address, echo, tried)
            })
            .collect(),
    });
    services.collect()
}

fn endpoint(address: &str, echo: bool, tried: Option<&Tried>) -> Endpoint {
    let base = Endpoint {
        address: address.to_owned(),
        echo,
        health: "untried".to_owned(),
        ..Endpoint::default()
    };
    let Some(tried) = tried else {
        return base;
    };
    let (health, outcome) = match tried.last {
        Outcome::Answered => ("healthy", "answered"),
        Outcome::Failed => ("failing", "failed"),
        Outcome::TimedOut => ("failing", "timedOut"),
    };
    Endpoint {
        health: health.to_owned(),
        last_outcome: Some(outcome.to_owned()),
        last_status: tried.status,
        last_at: Some(rfc3339(tried.at)),
        answered: tried.answered,
        failed: tried.failed,
        timed_out: tried.timed_out,
        ..base
    }
}
