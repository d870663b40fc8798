//! `spec.parentRefs` and `spec.hostnames` of routes.

use std::collections::BTreeMap;

use crate::object::{GATEWAY_GROUP, Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::field::{Field, Read, Sink};
use crate::resources::host;
use crate::resources::unknown;
use crate::table::model::HostPattern;

/// `ParentReference` of the Gateway API.
const PARENT: [&str; 6] = ["group", "kind", "namespace", "name", "sectionName", "port"];

/// What a route attaches to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ParentRef {
    /// Position in `spec.parentRefs`.
    pub(crate) index: u16,
    pub(crate) group: Box<str>,
    pub(crate) kind: Box<str>,
    /// `None`: the route's.
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) name: Box<str>,
    pub(crate) section: Option<Box<str>>,
    pub(crate) port: Option<u16>,
}

pub(crate) fn read(parents: &Field<'_, '_>, sink: &mut Sink) -> Box<[ParentRef]> {
    let mut out: Vec<ParentRef> = Vec::new();
    let mut seen: BTreeMap<ParentRef, u16> = BTreeMap::new();
    for (index, entry) in parents.items(sink).unwrap_or_default() {
        let Ok(parent) = read_parent(index, &entry, sink) else {
            continue;
        };
        // "ParentRefs must be distinct."
        let key = ParentRef {
            index: 0,
            ..parent.clone()
        };
        if let Some(first) = seen.get(&key) {
            sink.push(entry.error(
                Code::DuplicateName,
                format!("names the same as parentRefs[{first}]"),
            ));
        } else {
            seen.insert(key, index);
            out.push(parent);
        }
    }
    out.into()
}

fn read_parent(index: u16, parent: &Field<'_, '_>, sink: &mut Sink) -> Read<ParentRef> {
    parent.required_object(sink)?;
    unknown::warn(parent, &PARENT, sink);
    let group = parent.key("group").text(sink)?;
    Ok(ParentRef {
        index,
        // "" is the core group, for a Service as parent.
        group: group.unwrap_or(GATEWAY_GROUP).into(),
        kind: parent.key("kind").text(sink)?.unwrap_or("Gateway").into(),
        namespace: parent.key("namespace").name(sink)?.map(Into::into),
        name: parent.key("name").required_name(sink)?.into(),
        section: parent.key("sectionName").name(sink)?.map(Into::into),
        port: parent.key("port").port(sink)?,
    })
}

pub(crate) fn read_hostnames(hostnames: &Field<'_, '_>, sink: &mut Sink) -> Box<[HostPattern]> {
    let mut out = Vec::new();
    for (_, field) in hostnames.items(sink).unwrap_or_default() {
        let Ok(text) = field.required_text(sink) else {
            continue;
        };
        match host::parse(text) {
            Ok(host) => out.push(host),
            Err(message) => sink.push(field.error(Code::InvalidHost, message)),
        }
    }
    out.into()
}

// === impl ParentRef ===

impl ParentRef {
    /// The Gateway or ListenerSet that a route in `namespace` means; `None`: another kind.
    pub(crate) fn id(&self, namespace: &str) -> Option<Id> {
        let kind = Kind::named(&self.group, &self.kind)?;
        matches!(kind, Kind::Gateway | Kind::ListenerSet).then(|| {
            let namespace = self.namespace.as_deref().unwrap_or(namespace);
            Id::new(kind, namespace, &self.name)
        })
    }

    /// A finding about it.
    pub(crate) fn finding(&self, part: &str, code: Code, message: String) -> Finding {
        Finding::error(
            code,
            format!("spec.parentRefs[{}]{part}", self.index),
            message,
        )
    }
}
