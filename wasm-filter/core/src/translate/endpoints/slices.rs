//! EndpointSlices that do not fit their Service: what is written down is there, and no request goes to
//! it.
//!
//! In a cluster a controller makes the slices of a Service, so that this is seen for a moment at most;
//! by hand it is a mistake that nothing else shows. A Service is told when a slice of it changes, and
//! a slice when its Service comes or goes: both look at the slices of one Service only.

use std::collections::BTreeSet;

use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::endpoint_slice::EndpointSlice;
use crate::resources::field::{Sink, quote};
use crate::resources::service::Service;
use crate::table::model::ServicePort;
use crate::translate::store::Store;

/// So many names of other ports are told.
const MAX_NAMES: usize = 3;

/// Tells the ports of a Service that are `named` and that no slice has, though there are endpoints.
pub(crate) fn unserved<'p>(
    store: &Store,
    id: &Id,
    service: &Service,
    named: impl Iterator<Item = &'p ServicePort>,
    sink: &mut Sink,
) {
    let (mut endpoints, mut found) = (false, BTreeSet::new());
    for (_, slice) in store.slices(&id.namespace, &id.name) {
        // One without endpoints may have no ports, and often has none.
        if !slice.ready.is_empty() || !slice.terminating.is_empty() {
            endpoints = true;
            found.extend(slice.ports.iter().map(|port| &*port.name));
        }
    }
    if !endpoints {
        return;
    }
    let specs = named.filter_map(|port| service.by_number(port.port));
    for spec in specs.filter(|spec| !found.contains(&*spec.name)) {
        let what = match &*spec.name {
            "" => "without a name".to_owned(),
            name => format!("called {}", quote(name)),
        };
        let message = format!(
            "the Service has endpoints, but no EndpointSlice has a port {what}: requests to port \
             {} are answered 503",
            spec.port
        );
        let field = format!("spec.ports[{}].name", spec.index);
        let finding = Finding::warning(Code::EndpointPortNotFound, field, message);
        sink.push(finding.hint(hint(&found)));
    }
}

/// Which ports there are.
fn hint(found: &BTreeSet<&str>) -> String {
    let names = found.iter().filter(|name| !name.is_empty());
    let names: Vec<_> = names.take(MAX_NAMES).map(|name| quote(name)).collect();
    match names.len() {
        0 if found.is_empty() => "the EndpointSlice has no TCP port".to_owned(),
        0 => "the port of the EndpointSlice has no name".to_owned(),
        1 => format!("the port of the EndpointSlice is called {}", names.concat()),
        _ => format!(
            "ports of the EndpointSlices are called {}",
            names.join(", ")
        ),
    }
}

/// What is wrong with a slice that no Service has.
pub(crate) fn astray(store: &Store, namespace: &str, slice: &EndpointSlice) -> Option<Finding> {
    const LABEL: &str = "metadata.labels[\"kubernetes.io/service-name\"]";
    let Some(service) = &slice.service else {
        // It may be for others: "in most use cases", not in all, a slice belongs to a Service.
        let message = "is missing: the slice belongs to no Service, and its endpoints are not used";
        let finding = Finding::info(Code::ServiceNotFound, LABEL, message);
        return Some(finding.hint("give it this label with the name of its Service"));
    };
    let id = Id::new(Kind::Service, namespace, service);
    store.get(&id).is_none().then(|| {
        let message = format!("{id} does not exist; the endpoints are not used");
        Finding::warning(Code::ServiceNotFound, LABEL, message)
    })
}
