//! The Kubernetes objects of the test.

use serde_json::{Value, json};

use crate::timeline::Config;

/// Namespace of everything.
pub(crate) const NAMESPACE: &str = "shop";

/// Name that the filter's zone and root have.
pub(crate) const ZONE: &str = "silverback";

/// Data plane ports, which stand for the listeners' own.
pub(crate) const PORT: u16 = 8080;
/// See `PORT`.
pub(crate) const TLS_PORT: u16 = 8443;

/// Hosts of routes that nobody asks for; some change with each rollout.
pub(crate) const FILLERS: u32 = 100;

/// A Service with pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Service {
    WebA,
    WebB,
    Pay,
    Feed,
    Chat,
    Greeter,
}

/// A route with a host of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Route {
    Web,
    Pay,
    Feed,
    Chat,
    Greeter,
}

// === impl Service ===

impl Service {
    pub(crate) const ALL: [Self; 6] = [
        Self::WebA,
        Self::WebB,
        Self::Pay,
        Self::Feed,
        Self::Chat,
        Self::Greeter,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebA => "web-a",
            Self::WebB => "web-b",
            Self::Pay => "pay",
            Self::Feed => "feed",
            Self::Chat => "chat",
            Self::Greeter => "greeter",
        }
    }

    /// Its pods speak HTTP/2.
    pub(crate) fn http2(self) -> bool {
        matches!(self, Self::Feed | Self::Greeter)
    }

    pub(crate) fn object(self) -> Value {
        let mut port = json!({"name": "main", "port": 80, "targetPort": "main"});
        if self == Self::Feed {
            port["appProtocol"] = "kubernetes.io/h2c".into();
        }
        json!({"apiVersion": "v1", "kind": "Service",
               "metadata": {"name": self.name(), "namespace": NAMESPACE},
               "spec": {"ports": [port]}})
    }
}

// === impl Route ===

impl Route {
    pub(crate) const ALL: [Self; 5] = [Self::Web, Self::Pay, Self::Feed, Self::Chat, Self::Greeter];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Pay => "pay",
            Self::Feed => "feed",
            Self::Chat => "chat",
            Self::Greeter => "greeter",
        }
    }

    pub(crate) fn host(self) -> String {
        format!("{}.apps.test", self.name())
    }

    pub(crate) fn services(self) -> &'static [Service] {
        match self {
            Self::Web => &[Service::WebA, Service::WebB],
            Self::Pay => &[Service::Pay],
            Self::Feed => &[Service::Feed],
            Self::Chat => &[Service::Chat],
            Self::Greeter => &[Service::Greeter],
        }
    }

    /// The route as it is in this configuration. Its revision is in what it does: in a header that the
    /// pod sees, in one that the client sees, and in the path behind `/edit`.
    pub(crate) fn object(self, config: &Config) -> Value {
        let revision = config.revisions[&self];
        let backends: Vec<Value> = match self {
            Self::Web => [Service::WebA, Service::WebB]
                .iter()
                .zip(config.weights)
                .map(|(service, weight)| json!({"name": service.name(), "port": 80, "weight": weight}))
                .collect(),
            _ => vec![json!({"name": self.name(), "port": 80})],
        };
        let filters = json!([
            {"type": "RequestHeaderModifier", "requestHeaderModifier": {
                "set": [{"name": "x-revision", "value": revision.to_string()}], "remove": ["x-secret"]}},
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": {
                "set": [{"name": "x-answer-revision", "value": revision.to_string()}]}},
        ]);
        let mut rules = vec![json!({"filters": filters, "backendRefs": backends})];
        let kind = match self {
            Self::Greeter => "GRPCRoute",
            _ => "HTTPRoute",
        };
        if self == Self::Web {
            let mut edited = filters.as_array().unwrap().clone();
            edited.push(json!({"type": "URLRewrite", "urlRewrite": {"path": {
                "type": "ReplacePrefixMatch", "replacePrefixMatch": format!("/revision-{revision}")}}}));
            rules.push(json!({"filters": edited, "backendRefs": backends,
                "matches": [{"path": {"type": "PathPrefix", "value": "/edit"}}]}));
        }
        route(kind, self.name(), &self.host(), &rules)
    }
}

/// The route that there is once, under another name and host after each rollout.
pub(crate) fn extra(number: u32) -> Value {
    let backends = json!([{"name": Service::WebA.name(), "port": 80}]);
    let name = format!("extra-{number}");
    route(
        "HTTPRoute",
        &name,
        &format!("{name}.apps.test"),
        &[json!({"backendRefs": backends})],
    )
}

/// A route that nobody asks for.
pub(crate) fn filler(number: u32, revision: u32) -> Value {
    let backends = json!([{"name": Service::WebB.name(), "port": 80}]);
    let path = json!([{"path": {"type": "PathPrefix", "value": format!("/v{revision}")}}]);
    let rule = json!({"matches": path, "backendRefs": backends});
    route(
        "HTTPRoute",
        &format!("filler-{number}"),
        &format!("filler-{number}.apps.test"),
        &[rule],
    )
}

fn route(kind: &str, name: &str, host: &str, rules: &[Value]) -> Value {
    json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": kind,
           "metadata": {"name": name, "namespace": NAMESPACE},
           "spec": {"parentRefs": [{"name": "public"}], "hostnames": [host], "rules": rules}})
}

/// What is there before routes.
pub(crate) fn base() -> Vec<Value> {
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
               "metadata": {"name": "silverback"},
               "spec": {"controllerName": "silverback.rs/gateway-controller"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
               "metadata": {"name": "tls", "namespace": NAMESPACE}}),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
               "metadata": {"name": "public", "namespace": NAMESPACE},
               "spec": {"gatewayClassName": "silverback", "listeners": [
                   {"name": "http", "protocol": "HTTP", "port": 80},
                   {"name": "https", "protocol": "HTTPS", "port": 443,
                    "tls": {"certificateRefs": [{"name": "tls"}]}}]}}),
    ]
}

/// The filter's configuration: which ports stand for which listeners.
pub(crate) fn filter_configuration() -> Vec<u8> {
    json!({"ports": [{"port": PORT, "ingress": false, "listener": 80},
                     {"port": TLS_PORT, "ingress": false, "listener": 443}]})
    .to_string()
    .into_bytes()
}
