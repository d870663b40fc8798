//! `discovery.k8s.io/v1` EndpointSlice: the ready addresses behind a Service.

use core::net::IpAddr;

use super::field::{Field, Read, Reported, Sink, quote};
use super::unknown;
use crate::problem::Code;

/// What is read of an EndpointSlice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EndpointSlice {
    /// The Service, from the label `kubernetes.io/service-name`; none: not of a Service.
    pub(crate) service: Option<Box<str>>,
    /// TCP ports with a number.
    pub(crate) ports: Box<[SlicePort]>,
    /// All addresses of endpoints that are ready.
    pub(crate) ready: Box<[IpAddr]>,
    /// All addresses of endpoints that still serve while they terminate: for Services of which
    /// nothing is ready (KEP-1669).
    pub(crate) terminating: Box<[IpAddr]>,
}

/// One port of a slice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SlicePort {
    /// The Service port's name; empty if it has none.
    pub(crate) name: Box<str>,
    pub(crate) port: u16,
}

/// `Endpoint` of Kubernetes.
const ENDPOINT: [&str; 8] = [
    "addresses",
    "conditions",
    "hostname",
    "targetRef",
    "deprecatedTopology",
    "nodeName",
    "zone",
    "hints",
];

#[derive(Debug, Default)]
struct Addresses {
    ready: Vec<IpAddr>,
    terminating: Vec<IpAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> EndpointSlice {
    let metadata = root.key("metadata");
    let labels = metadata.key("labels");
    let service = labels.key("kubernetes.io/service-name").name(sink);
    let service = service.ok().flatten().map(Into::into);
    let ports = root.key("ports");
    let ports = ports
        .items(sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|(_, port)| read_port(port, sink).ok().flatten())
        .collect();
    let mut addresses = Addresses::default();
    if let Ok(family) = read_family(root, sink) {
        let endpoints = root.key("endpoints");
        for (_, endpoint) in endpoints.items(sink).unwrap_or_default() {
            let _ = read_endpoint(&endpoint, family, &mut addresses, sink);
        }
    }
    EndpointSlice {
        service,
        ports,
        ready: addresses.ready.into(),
        terminating: addresses.terminating.into(),
    }
}

fn read_family(root: &Field<'_, '_>, sink: &mut Sink) -> Read<Family> {
    let field = root.key("addressType");
    match field.required_text(sink)? {
        "IPv4" => Ok(Family::V4),
        "IPv6" => Ok(Family::V6),
        other => {
            sink.push(field.error(
                Code::UnsupportedAddressType,
                format!("{} is not supported; the slice is not used", quote(other)),
            ));
            Err(Reported)
        }
    }
}

fn read_port(port: &Field<'_, '_>, sink: &mut Sink) -> Read<Option<SlicePort>> {
    port.required_object(sink)?;
    unknown::warn(port, &["name", "protocol", "port", "appProtocol"], sink);
    let protocol = port.key("protocol").text(sink)?.unwrap_or("TCP");
    let slice_port = SlicePort {
        name: port.key("name").text(sink)?.unwrap_or_default().into(),
        // "If this is not specified, ports are not restricted and must be interpreted in the
        // context of the specific consumer": there is nothing to interpret it with here.
        port: port.key("port").required_port(sink)?,
    };
    Ok((protocol == "TCP").then_some(slice_port))
}

/// `ready`: "a nil value should be interpreted as true"; a terminating endpoint is not ready.
/// `serving` "should be interpreted as ready" if it is nil, `terminating` as false.
fn read_endpoint(
    endpoint: &Field<'_, '_>,
    family: Family,
    out: &mut Addresses,
    sink: &mut Sink,
) -> Read<()> {
    endpoint.required_object(sink)?;
    unknown::warn(endpoint, &ENDPOINT, sink);
    let conditions = endpoint.key("conditions");
    conditions.object(sink)?;
    unknown::warn(&conditions, &["ready", "serving", "terminating"], sink);
    let ready = conditions.key("ready").boolean(sink)?.unwrap_or(true);
    let serving = conditions.key("serving").boolean(sink)?.unwrap_or(ready);
    let terminating = conditions.key("terminating").boolean(sink)?;
    let out = match (ready, serving && terminating == Some(true)) {
        (true, _) => &mut out.ready,
        (false, true) => &mut out.terminating,
        (false, false) => return Ok(()),
    };
    let addresses = endpoint.key("addresses");
    for (_, address) in addresses.items(sink)? {
        let Ok(text) = address.required_text(sink) else {
            continue;
        };
        match text.parse::<IpAddr>() {
            Ok(ip) if ip.is_ipv4() == (family == Family::V4) => out.push(ip),
            _ => sink.push(address.error(
                Code::InvalidAddress,
                format!("{} is no address of the slice's address type", quote(text)),
            )),
        }
    }
    Ok(())
}
