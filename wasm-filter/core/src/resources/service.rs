//! `v1` Service: its ports, and where its endpoints come from.

use core::net::IpAddr;

use super::annotations::service::{self as annotations, ServiceAnnotations};
use super::field::{Field, Read, Reported, Sink, quote};
use super::host;
use super::unknown;
use crate::problem::Code;
use crate::table::model::{HostPattern, UpstreamProtocol};

/// What is read of a Service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// TCP ports; requests cannot go to others.
    pub(crate) ports: Box<[ServicePortSpec]>,
    pub(crate) source: Source,
    /// Its own addresses, both families; none of a headless one.
    pub(crate) cluster_ips: Box<[IpAddr]>,
    /// `None`: there are none that say anything.
    pub(crate) annotations: Option<Box<ServiceAnnotations>>,
}

/// `ServiceSpec` of Kubernetes.
const SPEC: [&str; 22] = [
    "ports",
    "selector",
    "clusterIP",
    "clusterIPs",
    "type",
    "externalIPs",
    "sessionAffinity",
    "sessionAffinityConfig",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "loadBalancerClass",
    "allocateLoadBalancerNodePorts",
    "externalName",
    "externalTrafficPolicy",
    "internalTrafficPolicy",
    "trafficDistribution",
    "healthCheckNodePort",
    "publishNotReadyAddresses",
    "ipFamilies",
    "ipFamilyPolicy",
    // Of older versions.
    "ipFamily",
    "topologyKeys",
];
/// `ServicePort` of Kubernetes.
const PORT: [&str; 6] = [
    "name",
    "protocol",
    "appProtocol",
    "port",
    "targetPort",
    "nodePort",
];

/// Where the endpoints of a Service come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// From EndpointSlices, headless or not.
    Slices,
    /// From the addresses of this DNS name, lower case and without trailing dot.
    Name(Box<str>),
    /// An ExternalName that is none: there are no endpoints.
    Nowhere,
}

/// One port of a Service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServicePortSpec {
    /// Position in `spec.ports`.
    pub(crate) index: u16,
    /// Empty if it has none; EndpointSlices name it so too.
    pub(crate) name: Box<str>,
    pub(crate) port: u16,
    /// `targetPort`, if it is a name.
    pub(crate) target: Option<Box<str>>,
    /// `None`: there is no `appProtocol`.
    pub(crate) protocol: Option<AppProtocol>,
}

/// What `appProtocol` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AppProtocol {
    /// Any request can be made in it.
    Requests(UpstreamProtocol),
    /// WebSocket, which begins as HTTP/1.1.
    WebSocket(UpstreamProtocol),
    /// Nothing that is spoken here.
    Unknown,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> Service {
    let metadata = root.key("metadata");
    let mut annotations = annotations::read(&metadata, sink);
    let spec = root.key("spec");
    let _ = spec.required_object(sink);
    unknown::warn(&spec, &SPEC, sink);
    let source = if spec.key("type").text(sink) == Ok(Some("ExternalName")) {
        read_name(&spec.key("externalName"), sink).map_or(Source::Nowhere, Source::Name)
    } else {
        Source::Slices
    };
    let ports = spec.key("ports");
    let ports: Box<[ServicePortSpec]> = ports
        .items(sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|(index, port)| read_port(*index, port, sink).ok().flatten())
        .collect();
    if let Some(annotations) = &mut annotations
        && annotations.tls.is_some()
    {
        needs_tls(annotations, &ports, &metadata.key("annotations"), sink);
    }
    Service {
        ports,
        source,
        cluster_ips: read_cluster_ips(&spec, sink),
        annotations,
    }
}

/// Kong: "tls_verify can only be set if protocol is one of https, tls, wss, grpcs", and so for the other
/// settings: one that would have no effect anywhere closes the Service.
fn needs_tls(
    annotations: &mut ServiceAnnotations,
    ports: &[ServicePortSpec],
    field: &Field<'_, '_>,
    sink: &mut Sink,
) {
    let of_port = |port: &ServicePortSpec| port.protocol.map(AppProtocol::upstream);
    let tls = match annotations.protocol {
        Some(protocol) => protocol.is_tls(),
        None => ports
            .iter()
            .filter_map(of_port)
            .any(UpstreamProtocol::is_tls),
    };
    if !tls {
        let message = "certificates of endpoints need a protocol with TLS (https, wss or grpcs)";
        annotations.refuse(message, field, sink);
    }
}

/// "Must be a lowercase RFC-1123 hostname": an address is not resolved.
fn read_name(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Box<str>> {
    let text = field.required_text(sink)?;
    match host::parse(text.strip_suffix('.').unwrap_or(text)) {
        Ok(HostPattern::Exact(name)) => Ok(name),
        Ok(_) => {
            let message = format!("{} is a wildcard; requests are answered 503", quote(text));
            sink.push(field.error(Code::InvalidHost, message));
            Err(Reported)
        }
        Err(message) => {
            let message = format!("{message}; requests are answered 503");
            sink.push(field.error(Code::InvalidHost, message));
            Err(Reported)
        }
    }
}

fn read_cluster_ips(spec: &Field<'_, '_>, sink: &mut Sink) -> Box<[IpAddr]> {
    let mut out = Vec::new();
    let mut add = |field: &Field<'_, '_>, sink: &mut Sink| match field.text(sink) {
        Ok(None | Some("" | "None")) | Err(Reported) => {}
        Ok(Some(text)) => match text.parse() {
            Ok(ip) => out.push(ip),
            Err(_) => sink.push(field.error(
                Code::InvalidAddress,
                format!("{} is no IP address", quote(text)),
            )),
        },
    };
    // "clusterIP must be the first entry of clusterIPs".
    let all = spec.key("clusterIPs");
    let list = all.items(sink).unwrap_or_default();
    if list.is_empty() {
        add(&spec.key("clusterIP"), sink);
    }
    for (_, field) in list {
        add(&field, sink);
    }
    out.into()
}

fn read_port(index: u16, port: &Field<'_, '_>, sink: &mut Sink) -> Read<Option<ServicePortSpec>> {
    port.required_object(sink)?;
    unknown::warn(port, &PORT, sink);
    let protocol = port.key("protocol").text(sink)?.unwrap_or("TCP");
    let target = port.key("targetPort");
    let target = match target.is_text() {
        true => target.text(sink)?,
        false => None,
    };
    let spec = ServicePortSpec {
        index,
        name: port.key("name").text(sink)?.unwrap_or_default().into(),
        port: port.key("port").required_port(sink)?,
        target: target.map(Into::into),
        protocol: read_app_protocol(&port.key("appProtocol"), sink)?,
    };
    Ok((protocol == "TCP").then_some(spec))
}

/// KEP-3726 and GEP-1911: `kubernetes.io/h2c` is HTTP/2 with prior knowledge, `kubernetes.io/ws` and
/// `wss` are WebSocket, which begins as HTTP/1.1.
fn read_app_protocol(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Option<AppProtocol>> {
    let Some(text) = field.text(sink)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    Ok(Some(match text {
        "kubernetes.io/h2c" => AppProtocol::Requests(UpstreamProtocol::H2c),
        "kubernetes.io/ws" => AppProtocol::WebSocket(UpstreamProtocol::Http),
        "kubernetes.io/wss" => AppProtocol::WebSocket(UpstreamProtocol::Https),
        "http" => AppProtocol::Requests(UpstreamProtocol::Http),
        "https" => AppProtocol::Requests(UpstreamProtocol::Https),
        "grpc" => AppProtocol::Requests(UpstreamProtocol::Grpc),
        "grpcs" => AppProtocol::Requests(UpstreamProtocol::Grpcs),
        other => {
            // "Other protocols should use implementation-defined prefixed names."
            let message = format!(
                "{} is not known; requests of an Ingress are sent as HTTP/1.1, those of a route \
                 are answered as if there was no backend",
                quote(other)
            );
            sink.push(field.warning(Code::UnsupportedField, message));
            AppProtocol::Unknown
        }
    }))
}

// === impl AppProtocol ===

impl AppProtocol {
    /// What is spoken: HTTP/1.1 if it is not known.
    pub(crate) fn upstream(self) -> UpstreamProtocol {
        match self {
            Self::Requests(protocol) | Self::WebSocket(protocol) => protocol,
            Self::Unknown => UpstreamProtocol::Http,
        }
    }
}

// === impl Service ===

impl Service {
    /// The first port of this number.
    pub(crate) fn by_number(&self, number: u16) -> Option<&ServicePortSpec> {
        self.ports.iter().find(|port| port.port == number)
    }

    /// The number of the first port of this name, else of the first whose `targetPort` has it.
    pub(crate) fn by_name(&self, name: &str) -> Option<u16> {
        let mut ports = self.ports.iter();
        let named = ports.find(|port| *port.name == *name);
        let target = |port: &&ServicePortSpec| port.target.as_deref() == Some(name);
        let found = named.or_else(|| self.ports.iter().find(target));
        found.map(|port| port.port)
    }

    /// Can requests go to this port? Behind an ExternalName to any.
    pub(crate) fn serves(&self, number: u16) -> bool {
        !matches!(self.source, Source::Slices) || self.by_number(number).is_some()
    }

    /// Gateway API `HTTPBackendRef`: "If a Route is not able to send traffic to the backend using the
    /// specified protocol then the backend is considered invalid." The annotation comes before the
    /// field.
    pub(crate) fn speaks(&self, number: u16, grpc: bool) -> bool {
        if self
            .annotations
            .as_ref()
            .is_some_and(|a| a.protocol.is_some())
        {
            return true;
        }
        match self.by_number(number).and_then(|port| port.protocol) {
            None | Some(AppProtocol::Requests(_)) => true,
            // Not over HTTP/2, in which gRPC is spoken.
            Some(AppProtocol::WebSocket(_)) => !grpc,
            Some(AppProtocol::Unknown) => false,
        }
    }

    /// An annotation that cannot be honoured must not be ignored: its requests are answered 500.
    pub(crate) fn refused(&self) -> bool {
        self.annotations.as_ref().is_some_and(|a| a.refused)
    }
}
