//! What is read of each kind of object: views of a few fields, parsed leniently.
//!
//! A view holds parsed values (hosts, paths, ports), never text to be judged again later. What could
//! not be read is a finding and is left out, or marked so that the compiler closes it; no part
//! costs another. Two objects with equal views compile to the same, which is how updates that
//! change nothing (a status, an unknown annotation) are recognised.

pub(crate) mod annotations;
pub(crate) mod clients;
pub(crate) mod config_map;
pub(crate) mod duration;
pub(crate) mod endpoint_slice;
pub(crate) mod field;
pub(crate) mod gateway;
pub(crate) mod gateway_class;
pub(crate) mod grpc_route;
pub(crate) mod host;
pub(crate) mod http_route;
pub(crate) mod ingress;
pub(crate) mod ingress_class;
pub(crate) mod ingress_class_parameters;
pub(crate) mod kong_plugin;
pub(crate) mod kong_upstream_policy;
pub(crate) mod listener;
pub(crate) mod listener_set;
pub(crate) mod namespace;
pub(crate) mod path;
pub(crate) mod reference_grant;
pub(crate) mod resolved_name;
pub(crate) mod route;
pub(crate) mod secret;
pub(crate) mod selector;
pub(crate) mod service;
pub(crate) mod time;
pub(crate) mod unknown;

use serde_json::Value;

use self::field::{Field, Sink};
use crate::object::{Id, Kind, ObjectKey};
use crate::problem::{Code, Finding};

/// What is stored of an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Object {
    /// Creation time in seconds; only of kinds whose age decides.
    pub(crate) created: Option<i64>,
    /// `metadata.generation`; only of kinds that have a status, and of plugins.
    pub(crate) generation: Option<i64>,
    pub(crate) view: View,
    /// What was found while reading.
    pub(crate) findings: Box<[Finding]>,
}

/// The fields that are read, by kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum View {
    IngressClass(ingress_class::IngressClass),
    Ingress(ingress::Ingress),
    GatewayClass(gateway_class::GatewayClass),
    Gateway(gateway::Gateway),
    HttpRoute(route::Route),
    GrpcRoute(route::Route),
    ListenerSet(listener_set::ListenerSet),
    ReferenceGrant(reference_grant::ReferenceGrant),
    Service(service::Service),
    EndpointSlice(endpoint_slice::EndpointSlice),
    Namespace(namespace::Namespace),
    Secret(secret::Secret),
    ConfigMap(config_map::ConfigMap),
    IngressClassParameters(ingress_class_parameters::IngressClassParameters),
    KongPlugin(kong_plugin::KongPlugin),
    KongUpstreamPolicy(crate::table::model::UpstreamPolicy),
    ResolvedName(resolved_name::ResolvedName),
}

/// What a JSON document is.
#[derive(Debug)]
pub(crate) enum Parsed {
    Object(Id, Object),
    /// `apiVersion` and `kind` of something that is not read.
    Ignored(String, String),
    /// Cannot be stored; the key holds what could be read of it.
    Refused(ObjectKey, Finding),
}

/// Reads one object.
pub(crate) fn parse(json: &[u8]) -> Parsed {
    let value: Value = match serde_json::from_slice(json) {
        Ok(value) => value,
        Err(error) => {
            let finding = Finding::error(Code::InvalidJson, "", error.to_string());
            return Parsed::Refused(ObjectKey::new("", "", "", ""), finding);
        }
    };
    let root = Field::root(&value);
    match identify(&root) {
        Err(finding) => Parsed::Refused(guess(&root), finding),
        Ok(Err((api_version, kind))) => Parsed::Ignored(api_version.into(), kind.into()),
        Ok(Ok(id)) => {
            let object = read(id.kind, &root);
            Parsed::Object(id, object)
        }
    }
}

fn identify<'v>(root: &Field<'v, '_>) -> Result<Result<Id, (&'v str, &'v str)>, Finding> {
    let mut sink = Sink::default();
    let found = (|| {
        root.object(&mut sink)?;
        let api_version = root.key("apiVersion").required_text(&mut sink)?;
        let kind = root.key("kind").required_text(&mut sink)?;
        let Some(kind) = Kind::of(api_version, kind) else {
            return Ok(Err((api_version, kind)));
        };
        let metadata = root.key("metadata");
        metadata.required_object(&mut sink)?;
        let name = metadata.key("name").required_name(&mut sink)?;
        let namespace = metadata.key("namespace").name(&mut sink)?;
        Ok(Ok(Id::new(kind, namespace.unwrap_or_default(), name)))
    })();
    found.map_err(|field::Reported| {
        sink.into_findings()
            .into_iter()
            .next()
            .unwrap_or_else(|| Finding::error(Code::InvalidName, "", "has no name"))
    })
}

/// What a refused object seems to be called.
fn guess(root: &Field<'_, '_>) -> ObjectKey {
    let mut ignored = Sink::default();
    let metadata = root.key("metadata");
    let mut name = |field: Field<'_, '_>| {
        let text = field.name(&mut ignored).ok().flatten();
        text.unwrap_or_default().to_owned()
    };
    let kind = name(root.key("kind"));
    ObjectKey::new(
        "",
        &kind,
        &name(metadata.key("namespace")),
        &name(metadata.key("name")),
    )
}

fn read(kind: Kind, root: &Field<'_, '_>) -> Object {
    let mut sink = Sink::default();
    unknown::warn_object(root, members(kind), &mut sink);
    let view = match kind {
        Kind::IngressClass => View::IngressClass(ingress_class::read(root, &mut sink)),
        Kind::Ingress => View::Ingress(ingress::read(root, &mut sink)),
        Kind::GatewayClass => View::GatewayClass(gateway_class::read(root, &mut sink)),
        Kind::Gateway => View::Gateway(gateway::read(root, &mut sink)),
        Kind::HttpRoute => View::HttpRoute(http_route::read(root, &mut sink)),
        Kind::GrpcRoute => View::GrpcRoute(grpc_route::read(root, &mut sink)),
        Kind::ListenerSet => View::ListenerSet(listener_set::read(root, &mut sink)),
        Kind::ReferenceGrant => View::ReferenceGrant(reference_grant::read(root, &mut sink)),
        Kind::Service => View::Service(service::read(root, &mut sink)),
        Kind::EndpointSlice => View::EndpointSlice(endpoint_slice::read(root, &mut sink)),
        Kind::Namespace => View::Namespace(namespace::read(root, &mut sink)),
        Kind::Secret => View::Secret(secret::read(root, &mut sink)),
        Kind::ConfigMap => View::ConfigMap(config_map::read(root)),
        Kind::IngressClassParameters => {
            View::IngressClassParameters(ingress_class_parameters::read(root, &mut sink))
        }
        Kind::KongPlugin => View::KongPlugin(kong_plugin::read(root, false, &mut sink)),
        Kind::KongClusterPlugin => View::KongPlugin(kong_plugin::read(root, true, &mut sink)),
        Kind::KongUpstreamPolicy => {
            View::KongUpstreamPolicy(kong_upstream_policy::read(root, &mut sink))
        }
        Kind::ResolvedName => View::ResolvedName(resolved_name::read(root, &mut sink)),
    };
    let aged = matches!(
        kind,
        Kind::Ingress
            | Kind::HttpRoute
            | Kind::GrpcRoute
            | Kind::Gateway
            | Kind::ListenerSet
            | Kind::Service
            | Kind::KongClusterPlugin
    );
    // Plugins have no status; whoever gives them to Kong must know that they changed.
    let reported = matches!(
        kind,
        Kind::GatewayClass
            | Kind::Gateway
            | Kind::ListenerSet
            | Kind::HttpRoute
            | Kind::GrpcRoute
            | Kind::KongPlugin
            | Kind::KongClusterPlugin
            | Kind::KongUpstreamPolicy
    );
    Object {
        created: aged.then(|| created(root, &mut sink)).flatten(),
        generation: reported.then(|| generation(root, &mut sink)).flatten(),
        view,
        findings: sink.into_findings(),
    }
}

/// What an object has beside its name and metadata.
fn members(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::EndpointSlice => &["addressType", "endpoints", "ports"],
        Kind::Secret => &["data", "stringData", "type", "immutable"],
        Kind::ConfigMap => &["data", "binaryData", "immutable"],
        // The configuration goes to Kong from the object itself, and so does the rest.
        Kind::KongPlugin | Kind::KongClusterPlugin => &[
            "plugin",
            "config",
            "configFrom",
            "configPatches",
            "disabled",
            "consumerRef",
            "instance_name",
            "ordering",
            "protocols",
            "run_on",
        ],
        Kind::ResolvedName => &["addresses"],
        _ => &["spec"],
    }
}

fn created(root: &Field<'_, '_>, sink: &mut Sink) -> Option<i64> {
    let metadata = root.key("metadata");
    let field = metadata.key("creationTimestamp");
    let text = field.text(sink).ok()??;
    let seconds = time::seconds(text);
    if seconds.is_none() {
        sink.push(field.warning(
            Code::InvalidValue,
            format!(
                "{} is no RFC 3339 time; the object counts as new",
                field::quote(text)
            ),
        ));
    }
    seconds
}

fn generation(root: &Field<'_, '_>, sink: &mut Sink) -> Option<i64> {
    let metadata = root.key("metadata");
    metadata.key("generation").integer(sink).ok()?
}
