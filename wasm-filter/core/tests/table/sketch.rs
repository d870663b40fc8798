//! Small tables in a line, for rows.

use std::sync::Arc;

use silverback_core::table::model::{
    Backend, BackendTarget, HeaderMatch, HostKey, HostPattern, Listener, ListenerKey, PathMatch,
    RouteKind, RouteMatch, RouteObject, Rule, Scope, ServiceEndpoints, ServicePort, ValueMatch,
};

use crate::support::built::Built;
use crate::support::oracle::{Ask, Model, Seen};

/// A table whose objects each have a Service of their own name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sketch {
    pub(crate) model: Model,
}

/// `` = any, `*.a` = wildcard, else exact.
pub(crate) fn host(text: &str) -> HostPattern {
    match (text, text.strip_prefix("*.")) {
        ("", _) => HostPattern::Any,
        (_, Some(suffix)) => HostPattern::Wildcard(suffix.into()),
        (exact, None) => HostPattern::Exact(exact.into()),
    }
}

/// `=/a` is exact, `/a` a prefix.
pub(crate) fn path(text: &str) -> PathMatch {
    match text.strip_prefix('=') {
        Some(exact) => PathMatch::Exact(exact.into()),
        None => PathMatch::Prefix(text.trim_end_matches('/').into()),
    }
}

pub(crate) fn service(name: &str) -> ServicePort {
    ServicePort {
        namespace: "ns".into(),
        name: name.into(),
        port: 80,
    }
}

/// Endpoints 10.0.0.1..=count.
pub(crate) fn pods(count: u8) -> ServiceEndpoints {
    ServiceEndpoints {
        endpoints: (1..=count).map(|n| ([10, 0, 0, n], 80).into()).collect(),
        ..ServiceEndpoints::default()
    }
}

/// A match of rule 0 of the object; tests change what they are about.
pub(crate) fn matching(kind: RouteKind, name: &str, at: &str) -> RouteMatch {
    let object = Arc::new(RouteObject {
        kind,
        namespace: "ns".into(),
        name: name.into(),
        created: None,
    });
    let rule = Rule {
        backends: vec![Backend::new(1, BackendTarget::Service(service(name)))],
        ..Rule::new(object, 0)
    };
    RouteMatch::new(path(at), 0, Arc::new(rule))
}

pub(crate) fn header(name: &str, value: &str) -> HeaderMatch {
    HeaderMatch {
        name: name.into(),
        value: ValueMatch::OneOf(vec![value.into()]),
    }
}

/// A request over HTTP at a port for Ingress and for the listeners of port 80.
pub(crate) fn get(host: &str, target: &str) -> Ask {
    Ask {
        ingress: true,
        listener: Some(80),
        host: host.into(),
        target: target.into(),
        method: b"GET".to_vec(),
        ..Ask::default()
    }
}

impl Sketch {
    /// An Ingress with one path.
    pub(crate) fn ingress(self, name: &str, at: &str, path: &str) -> Self {
        let m = matching(RouteKind::Ingress, name, path);
        self.add(Scope::Ingress, at, m)
    }

    /// A listener on port 80.
    pub(crate) fn listener(mut self, hostname: &str) -> Self {
        let hostname = host(hostname);
        let key = ListenerKey { port: 80, hostname };
        self.model.listeners.insert(key, Listener::default());
        self
    }

    /// An HTTPRoute with one path, at a listener on port 80.
    pub(crate) fn route(self, name: &str, listener: &str, at: &str, path: &str) -> Self {
        let m = matching(RouteKind::HttpRoute, name, path);
        let scope = Scope::Listener {
            port: 80,
            hostname: host(listener),
        };
        self.add(scope, at, m)
    }

    /// A match at a host in a scope, and its Service with one endpoint.
    pub(crate) fn add(mut self, scope: Scope, at: &str, m: RouteMatch) -> Self {
        let name = m.rule.object.name.clone();
        let host = host(at);
        let key = HostKey { scope, host };
        self.model.hosts.entry(key).or_default().push(m);
        self.model.services.entry(service(&name)).or_insert(pods(1));
        self
    }

    pub(crate) fn built(&self) -> Built {
        Built::of(&self.model)
    }

    /// Name of the object that answers, or the status code.
    pub(crate) fn which(&self, ask: &Ask) -> String {
        object(&self.built().answer(ask, 1))
    }
}

/// Name of the object that answers, or the status code.
pub(crate) fn object(seen: &Seen) -> String {
    match seen {
        Seen::Reply(status) => status.to_string(),
        Seen::Proxy { service_name, .. } => {
            let parts: Vec<_> = service_name.split('.').collect();
            let at = usize::from(matches!(parts[0], "httproute" | "grpcroute")) + 1;
            parts[at].to_owned()
        }
    }
}
