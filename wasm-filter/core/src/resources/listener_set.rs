//! `gateway.networking.k8s.io` ListenerSet: more listeners of a Gateway.

use super::field::{Field, Read, Sink, quote};
use super::listener::{self, ListenerSpec};
use super::unknown;
use crate::object::{GATEWAY_GROUP, Id, Kind};
use crate::problem::Code;

/// What is read of a ListenerSet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ListenerSet {
    /// The Gateway that its listeners are added to; `None`: cannot be read.
    pub(crate) gateway: Option<ParentGateway>,
    pub(crate) listeners: Box<[ListenerSpec]>,
}

/// A Gateway by name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParentGateway {
    /// `None`: the ListenerSet's.
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) name: Box<str>,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> ListenerSet {
    let spec = root.key("spec");
    let _ = spec.required_object(sink);
    unknown::warn(&spec, &["parentRef", "listeners"], sink);
    ListenerSet {
        gateway: read_parent(&spec.key("parentRef"), sink).ok().flatten(),
        listeners: listener::read(&spec.key("listeners"), sink),
    }
}

fn read_parent(parent: &Field<'_, '_>, sink: &mut Sink) -> Read<Option<ParentGateway>> {
    parent.required_object(sink)?;
    unknown::warn(parent, &["group", "kind", "namespace", "name"], sink);
    let group = parent.key("group").text(sink)?.unwrap_or(GATEWAY_GROUP);
    let kind = parent.key("kind");
    let kind_text = kind.text(sink)?.unwrap_or("Gateway");
    if group != GATEWAY_GROUP || kind_text != "Gateway" {
        sink.push(kind.error(
            Code::InvalidKind,
            format!("{} cannot have a ListenerSet", quote(kind_text)),
        ));
        return Ok(None);
    }
    Ok(Some(ParentGateway {
        namespace: parent.key("namespace").name(sink)?.map(Into::into),
        name: parent.key("name").required_name(sink)?.into(),
    }))
}

// === impl ListenerSet ===

impl ListenerSet {
    /// The Gateway that a ListenerSet in `namespace` means.
    pub(crate) fn parent(&self, namespace: &str) -> Option<Id> {
        let gateway = self.gateway.as_ref()?;
        let namespace = gateway.namespace.as_deref().unwrap_or(namespace);
        Some(Id::new(Kind::Gateway, namespace, &gateway.name))
    }
}
