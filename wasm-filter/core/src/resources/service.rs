//! `v1` Service: its ports.

use super::annotations::{self, Cost};
use super::field::{Field, Read, Sink};
use crate::problem::Code;

/// What is read of a Service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// TCP ports; requests cannot go to others.
    pub(crate) ports: Box<[ServicePortSpec]>,
    /// Resolved by name instead of by EndpointSlices: no endpoints yet.
    pub(crate) external_name: bool,
    /// An annotation that is not supported must not be ignored: its requests are answered 500.
    pub(crate) refused: bool,
}

/// One port of a Service.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ServicePortSpec {
    /// Empty if it has none; EndpointSlices name it so too.
    pub(crate) name: Box<str>,
    pub(crate) port: u16,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> Service {
    let metadata = root.key("metadata");
    let refused = annotations::of_service(&metadata, sink) != Cost::Warning;
    let spec = root.key("spec");
    let _ = spec.required_object(sink);
    let external_name = spec.key("type").text(sink) == Ok(Some("ExternalName"));
    if external_name {
        sink.push(spec.key("type").warning(
            Code::UnsupportedField,
            "ExternalName is not supported; requests are answered 503",
        ));
    }
    let ports = spec.key("ports");
    let ports = ports
        .items(sink)
        .unwrap_or_default()
        .iter()
        .filter_map(|(_, port)| read_port(port, sink).ok().flatten())
        .collect();
    Service {
        ports,
        external_name,
        refused,
    }
}

fn read_port(port: &Field<'_, '_>, sink: &mut Sink) -> Read<Option<ServicePortSpec>> {
    port.required_object(sink)?;
    let protocol = port.key("protocol").text(sink)?.unwrap_or("TCP");
    let spec = ServicePortSpec {
        name: port.key("name").text(sink)?.unwrap_or_default().into(),
        port: port.key("port").required_port(sink)?,
    };
    Ok((protocol == "TCP").then_some(spec))
}

// === impl Service ===

impl Service {
    /// The first port of this number.
    pub(crate) fn by_number(&self, number: u16) -> Option<&ServicePortSpec> {
        self.ports.iter().find(|port| port.port == number)
    }

    /// The first port of this name.
    pub(crate) fn by_name(&self, name: &str) -> Option<&ServicePortSpec> {
        self.ports.iter().find(|port| *port.name == *name)
    }
}
