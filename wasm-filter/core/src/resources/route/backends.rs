//! References to backends: `backendRefs` of rules and `backendRef` of mirrors.

use super::Fault;
use super::filters::{self, Context, FilterSpec};
use crate::problem::Code;
use crate::resources::field::{Field, Read, Reported, Sink};
use crate::resources::unknown;

/// One backend of a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BackendRef {
    /// Position in the rule's `backendRefs`.
    pub(crate) index: u16,
    pub(crate) weight: u32,
    pub(crate) target: RefTarget,
    /// Most backends have none, and this is large.
    pub(crate) filters: Option<Box<FilterSpec>>,
}

/// What a backendRef names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RefTarget {
    Service {
        /// `None`: the route's.
        namespace: Option<Box<str>>,
        name: Box<str>,
        port: u16,
    },
    /// No core Service.
    OtherKind { group: Box<str>, kind: Box<str> },
    /// Could not be read, which has been told.
    Broken,
}

/// Gateway API `BackendRef.weight`.
const MAX_WEIGHT: u32 = 1_000_000;
/// Members of a reference that every one has.
pub(super) const KNOWN: [&str; 5] = ["group", "kind", "namespace", "name", "port"];

/// One backend of a rule. What cannot be read keeps its weight.
pub(crate) fn read(
    index: u16,
    entry: &Field<'_, '_>,
    context: Context,
    sink: &mut Sink,
) -> BackendRef {
    let weight = read_weight(&entry.key("weight"), sink);
    let target = read_target(entry, sink).unwrap_or(RefTarget::Broken);
    let context = Context {
        backend: true,
        ..context
    };
    let filters = filters::read(&entry.key("filters"), context, sink);
    unknown::warn(entry, &[&KNOWN[..], &["weight", "filters"]].concat(), sink);
    BackendRef {
        index,
        weight: weight.unwrap_or(1),
        target: if weight.is_err() {
            RefTarget::Broken
        } else {
            target
        },
        filters,
    }
}

fn read_weight(field: &Field<'_, '_>, sink: &mut Sink) -> Read<u32> {
    let Some(number) = field.integer(sink)? else {
        return Ok(1);
    };
    match u32::try_from(number) {
        Ok(weight) if weight <= MAX_WEIGHT => Ok(weight),
        _ => {
            sink.push(field.error(
                Code::InvalidValue,
                format!("{number} is no weight from 0 to {MAX_WEIGHT}"),
            ));
            Err(Reported)
        }
    }
}

/// What a reference names (Gateway API `BackendObjectReference`).
pub(crate) fn read_target(entry: &Field<'_, '_>, sink: &mut Sink) -> Read<RefTarget> {
    entry.required_object(sink)?;
    let group = entry.key("group").text(sink)?.unwrap_or_default();
    let kind = entry.key("kind").text(sink)?.unwrap_or("Service");
    if !group.is_empty() || kind != "Service" {
        return Ok(RefTarget::OtherKind {
            group: group.into(),
            kind: kind.into(),
        });
    }
    Ok(RefTarget::Service {
        namespace: entry.key("namespace").name(sink)?.map(Into::into),
        name: entry.key("name").required_name(sink)?.into(),
        port: entry.key("port").required_port(sink)?,
    })
}

// === impl BackendRef ===

impl BackendRef {
    /// Why its share is answered 500, whatever it names.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.filters.as_ref().and_then(|spec| spec.fault)
    }
}
