//! Gateways, their listeners, and which routes attach to which.

use serde_json::Value;

use super::Classes;
use super::hosts::Host;
use super::objects::{Objects, age, list, name_of, namespace_of, text};

pub(crate) const GROUP: &str = "gateway.networking.k8s.io";

/// A listener that is programmed.
#[derive(Debug, Clone)]
pub(crate) struct Listener<'o> {
    /// The Gateway or ListenerSet that it is written in.
    owner: &'o Value,
    spec: &'o Value,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) host: Host,
}

/// A route and a listener that it is attached to, with a host on which it answers there.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) port: u16,
    pub(crate) listener: Host,
    pub(crate) host: Host,
}

/// All listeners that are programmed.
pub(crate) fn listeners<'o>(objects: Objects<'o>, classes: &Classes) -> Vec<Listener<'o>> {
    let mut out = Vec::new();
    for gateway in objects
        .of("Gateway")
        .filter(|gateway| is_ours(objects, classes, gateway))
    {
        // "Listeners are merged using the following precedence: 1. Parent Gateway 2. ListenerSet
        // ordered by creation time (oldest first) 3. ListenerSet ordered alphabetically".
        let mut owners: Vec<&Value> = objects
            .of("ListenerSet")
            .filter(|set| belongs(objects, set, gateway))
            .collect();
        owners.sort_by_key(|set| age(set));
        owners.insert(0, gateway);
        let mut before: Vec<Listener<'_>> = Vec::new();
        for owner in owners {
            let mut own: Vec<Listener<'_>> = list(&owner["spec"]["listeners"])
                .map(|spec| Listener {
                    owner,
                    spec,
                    port: u16::try_from(spec["port"].as_u64().unwrap_or(0)).unwrap_or(0),
                    tls: spec["protocol"] == "HTTPS",
                    host: Host::read(spec["hostname"].as_str()),
                })
                .filter(|listener| matches!(text(&listener.spec["protocol"]), "HTTP" | "HTTPS"))
                .collect();
            own.retain(|listener| !before.iter().any(|other| listener.conflicts(other)));
            for listener in &own {
                // "Each listener in a set MUST have a unique combination of Port, Protocol, and, if
                // supported by the protocol, Hostname. [...] The implementation MUST NOT pick one
                // conflicting Listener as the winner. ALL indistinct Listeners must not be accepted
                // for processing."
                let twins = own.iter().filter(|other| listener.conflicts(other));
                if twins.count() == 1 && (!listener.tls || certified(objects, listener)) {
                    out.push(listener.clone());
                }
            }
            before.extend(own);
        }
    }
    out
}

/// Does a ListenerSet add to the Gateway? "AllowedListeners [...] defaults to only allowing listeners
/// defined on the Gateway": of which namespaces, "None" unless it says so.
fn belongs(objects: Objects<'_>, set: &Value, gateway: &Value) -> bool {
    let parent = &set["spec"]["parentRef"];
    let namespace = parent["namespace"].as_str().unwrap_or(namespace_of(set));
    let namespaces = &gateway["spec"]["allowedListeners"]["namespaces"];
    parent["name"] == name_of(gateway)
        && namespace == namespace_of(gateway)
        && allows(objects, namespaces, "None", gateway, namespace_of(set))
}

/// "Gateway: ours if its GatewayClass has our `controllerName`."
fn is_ours(objects: Objects<'_>, classes: &Classes, gateway: &Value) -> bool {
    let class = text(&gateway["spec"]["gatewayClassName"]);
    let class = objects.get("GatewayClass", "", class);
    classes.all
        || class.is_some_and(|class| class["spec"]["controllerName"] == classes.controller.as_str())
}

/// "CertificateRefs contains a series of references to Kubernetes objects that contains TLS
/// certificates and private keys. [...] A single CertificateRef to a Kubernetes Secret has "Core"
/// support. [...] References to a resource in different namespace are invalid UNLESS there is a
/// ReferenceGrant in the target namespace that allows the certificate to be attached."
fn certified(objects: Objects<'_>, listener: &Listener<'_>) -> bool {
    let from = namespace_of(listener.owner);
    let kind = text(&listener.owner["kind"]);
    list(&listener.spec["tls"]["certificateRefs"]).any(|reference| {
        let namespace = reference["namespace"].as_str().unwrap_or(from);
        let name = text(&reference["name"]);
        objects
            .get("Secret", namespace, name)
            .is_some_and(|secret| secret["type"] == "kubernetes.io/tls")
            && objects.permits((GROUP, kind, from), ("", "Secret"), namespace, name)
    })
}

/// Where a route answers: "intersected with the listener's hostname; the more specific one counts.
/// None: the listener's."
pub(crate) fn places(
    objects: Objects<'_>,
    listeners: &[Listener<'_>],
    kind: &'static str,
    route: &Value,
) -> Vec<Place> {
    let mut out = Vec::new();
    // Of an HTTPRoute and a GRPCRoute with hostnames in common the specification accepts one only;
    // here both are accepted and the HTTPRoute is asked first, as in KIC (docs/routing.md).
    for listener in listeners
        .iter()
        .filter(|listener| attaches(objects, listener, kind, route))
    {
        out.extend(hosts(listener, route).into_iter().map(|host| Place {
            port: listener.port,
            listener: listener.host.clone(),
            host,
        }));
    }
    out
}

fn hosts(listener: &Listener<'_>, route: &Value) -> Vec<Host> {
    let mut hostnames: Vec<Host> = list(&route["spec"]["hostnames"])
        .map(|name| Host::read(name.as_str()))
        .collect();
    if hostnames.is_empty() {
        hostnames.push(Host::Any);
    }
    // "Any HTTPRoute hostnames that do not match the Listener hostname MUST be ignored."
    hostnames
        .iter()
        .filter_map(|host| listener.host.meet(host))
        .collect()
}

/// Does a parentRef select the listener, and does the listener allow the route?
fn attaches(objects: Objects<'_>, listener: &Listener<'_>, kind: &str, route: &Value) -> bool {
    let (owner, spec) = (listener.owner, listener.spec);
    let selected = list(&route["spec"]["parentRefs"]).any(|parent| {
        let is = |field: &str, default: &str, value: &str| {
            parent[field].as_str().unwrap_or(default) == value
        };
        // "When unspecified, "gateway.networking.k8s.io" is inferred." "Namespace [...] When
        // unspecified, this refers to the local namespace of the Route."
        is("group", GROUP, GROUP)
            // "A route that names a Gateway attaches to the Gateway's own listeners only; those of a
            // ListenerSet it must name."
            && is("kind", "Gateway", text(&owner["kind"]))
            && is("namespace", namespace_of(route), namespace_of(owner))
            && is("name", "", name_of(owner))
            // "When both Port (experimental) and SectionName are specified, the name and port of the
            // selected listener must match both specified values."
            && (parent["sectionName"].is_null() || parent["sectionName"] == spec["name"])
            && (parent["port"].is_null() || parent["port"] == spec["port"])
    });
    let namespaces = &spec["allowedRoutes"]["namespaces"];
    selected
        && allows_kind(spec, kind)
        && allows(objects, namespaces, "Same", owner, namespace_of(route))
}

/// "Kinds specifies the groups and kinds of Routes that are allowed to bind to this Gateway Listener.
/// When unspecified or empty, the kinds of Routes selected are determined using the Listener
/// protocol."
fn allows_kind(spec: &Value, kind: &str) -> bool {
    let kinds: Vec<&Value> = list(&spec["allowedRoutes"]["kinds"]).collect();
    kinds.is_empty()
        || kinds
            .iter()
            .any(|entry| entry["kind"] == kind && entry["group"].as_str().unwrap_or(GROUP) == GROUP)
}

/// "All: Routes in all namespaces may be used by this Gateway. Selector: Routes in namespaces selected
/// by the selector may be used by this Gateway. Same: Only Routes in the same namespace may be used by
/// this Gateway".
fn allows(
    objects: Objects<'_>,
    namespaces: &Value,
    default: &str,
    owner: &Value,
    namespace: &str,
) -> bool {
    match namespaces["from"].as_str().unwrap_or(default) {
        "All" => true,
        "Same" => namespace_of(owner) == namespace,
        "Selector" => {
            let object = objects.get("Namespace", "", namespace);
            let labels = object.map_or(&Value::Null, |object| &object["metadata"]["labels"]);
            selects(&namespaces["selector"], labels)
        }
        _ => false,
    }
}

/// "The result of matchLabels and matchExpressions are ANDed. [...] Valid operators are In, NotIn,
/// Exists and DoesNotExist"; "NotIn [...] Objects without the key are selected too."
fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector["matchLabels"].as_object();
    let mut wanted = wanted.into_iter().flatten();
    let mut expressions = list(&selector["matchExpressions"]);
    wanted.all(|(key, value)| labels[key] == *value)
        && expressions.all(|expression| {
            let label = &labels[text(&expression["key"])];
            let among = list(&expression["values"]).any(|value| value == label);
            match text(&expression["operator"]) {
                "In" => among,
                "NotIn" => !among,
                "Exists" => !label.is_null(),
                "DoesNotExist" => label.is_null(),
                other => panic!("the generator made an operator {other:?}"),
            }
        })
}

impl Listener<'_> {
    /// Indistinct, or of different protocols on one port, which cannot be served here.
    fn conflicts(&self, other: &Self) -> bool {
        self.port == other.port && (self.host == other.host || self.tls != other.tls)
    }
}
