//! Objects that are not read: which of them somebody meant to be.
//!
//! A directory holds Deployments, a dump of a cluster everything else; nobody expects those to be
//! routed. But what belongs to an API of routing and is not read is a problem: a kind that is not
//! supported, a version of long ago, or a name that is misspelt.

use serde::Serialize;
use silverback_core::object::{kinds, versions};

use crate::manifests::Object;
use crate::object::ObjectKey;
use crate::problem::{Problem, Severity};
use crate::similar;

/// An object that has no part in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Which.
    pub object: ObjectKey,
    /// Why.
    pub reason: String,
}

/// Kinds of the groups of routing that have nothing to do with requests.
const IRRELEVANT: &[(&str, &str)] = &[
    ("networking.k8s.io", "IPAddress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("networking.k8s.io", "ServiceCIDR"),
];
/// What is served by other kinds.
const INSTEAD: &[(&str, &str, &str)] = &[
    (
        "",
        "Endpoints",
        "write an EndpointSlice (discovery.k8s.io/v1) with the label kubernetes.io/service-name",
    ),
    (
        "configuration.konghq.com",
        "KongIngress",
        "use annotations of the Ingress and the Service, and a KongUpstreamPolicy",
    ),
    (
        "gateway.networking.x-k8s.io",
        "XListenerSet",
        "write a ListenerSet of gateway.networking.k8s.io/v1",
    ),
];
/// Misspelt names of kinds are this like the right ones.
const SIMILAR: f64 = 0.8;

// === impl Skipped ===

impl Skipped {
    /// An object of a kind or version that is not read.
    pub fn unread(object: &Object) -> Self {
        Self {
            object: object.key.clone(),
            reason: format!("{} {} is not read", object.api_version, object.key.kind),
        }
    }
}

/// The problem with an object that is not read; `None`: nobody expects it to be.
pub fn problem(object: &Object) -> Option<Problem> {
    let (group, kind) = (&*object.key.group, &*object.key.kind);
    let (field, hint) = cure(group, kind)?;
    let message = format!(
        "{} {kind} is not read: the object is skipped",
        object.api_version
    );
    let mut problem = Problem::new("UnsupportedKind", Severity::Warning, message)
        .hint(hint)
        .about(object.key.clone());
    problem.field = field.to_owned();
    Some(problem)
}

/// The field that is wrong, and what to do.
fn cure(group: &str, kind: &str) -> Option<(&'static str, String)> {
    // Ingress was born there.
    let home = match group {
        "extensions" => "networking.k8s.io",
        group => group,
    };
    if let Some(version) = versions(home, kind).first() {
        let read = match home {
            "" => (*version).to_owned(),
            home => format!("{home}/{version}"),
        };
        return Some(("apiVersion", format!("write it for {read}")));
    }
    let instead = |(g, k, _): &&(&str, &str, &str)| *g == group && *k == kind;
    if let Some((_, _, hint)) = INSTEAD.iter().find(instead) {
        return Some(("kind", (*hint).to_owned()));
    }
    if IRRELEVANT.contains(&(group, kind)) {
        return None;
    }
    let of_group = kinds().filter(|(known, _)| *known == home);
    if let Some(likely) = similar::nearest(kind, SIMILAR, of_group.map(|(_, kind)| kind)) {
        return Some(("kind", format!("did you mean {likely}?")));
    }
    let routing = matches!(group, "networking.k8s.io" | "gateway.networking.k8s.io")
        || group.ends_with(".konghq.com");
    routing.then(|| ("kind", "this kind is not supported yet".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_routing_that_are_not_read_are_told_with_a_cure() {
        let pending = "this kind is not supported yet";
        for (group, kind, expected) in [
            (
                "extensions",
                "Ingress",
                Some("write it for networking.k8s.io/v1"),
            ),
            (
                "networking.k8s.io",
                "Ingress",
                Some("write it for networking.k8s.io/v1"),
            ),
            ("networking.k8s.io", "Ingres", Some("did you mean Ingress?")),
            (
                "networking.k8s.io",
                "ingress",
                Some("did you mean Ingress?"),
            ),
            (
                "discovery.k8s.io",
                "EndpointSlice",
                Some("write it for discovery.k8s.io/v1"),
            ),
            (
                "gateway.networking.k8s.io",
                "HTTPRoute",
                Some("write it for gateway.networking.k8s.io/v1"),
            ),
            (
                "gateway.networking.k8s.io",
                "HttpRoutes",
                Some("did you mean HTTPRoute?"),
            ),
            ("gateway.networking.k8s.io", "UDPRoute", Some(pending)),
            ("gateway.networking.k8s.io", "TCPRoute", Some(pending)),
            ("gateway.networking.k8s.io", "TLSRoute", Some(pending)),
            (
                "gateway.networking.k8s.io",
                "BackendTLSPolicy",
                Some(pending),
            ),
            ("configuration.konghq.com", "TCPIngress", Some(pending)),
            ("configuration.konghq.com", "KongConsumer", Some(pending)),
            (
                "configuration.konghq.com",
                "KongPlugins",
                Some("did you mean KongPlugin?"),
            ),
            ("gateway-operator.konghq.com", "DataPlane", Some(pending)),
            ("", "Servce", Some("did you mean Service?")),
            ("", "ServiceAccount", None),
            ("", "Pod", None),
            ("apps", "Deployment", None),
            ("extensions", "Deployment", None),
            ("networking.k8s.io", "NetworkPolicy", None),
            ("serving.knative.dev", "Service", None),
            ("notkonghq.com", "KongPlugin", None),
        ] {
            let cure = cure(group, kind).map(|(_, hint)| hint);
            assert_eq!(cure.as_deref(), expected, "{group} {kind}");
        }
        let (field, hint) = cure("", "Endpoints").expect("a cure");
        assert_eq!(field, "kind");
        assert!(hint.starts_with("write an EndpointSlice"), "{hint}");
    }
}
