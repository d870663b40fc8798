//! Which listeners a route attaches to, and on which hosts (Gateway API `ParentReference`,
//! `AllowedRoutes`, `HTTPRouteSpec.hostnames`).

use std::collections::{BTreeMap, BTreeSet};

use super::deps::Reads;
use super::gateway::{GatewayState, Surface};
use super::hostname::intersect;
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::View;
use crate::resources::gateway::{From, Selector};
use crate::resources::http_route::ParentRef;
use crate::table::model::{HostKey, HostPattern, Scope};

/// What became of one parentRef.
#[derive(Debug)]
pub(crate) enum Attachment {
    /// Something of another controller.
    Others,
    /// No such Gateway: nobody's.
    Missing(Finding),
    /// A Gateway of ours, which does not take the route: reason and finding.
    Refused(&'static str, Finding),
    Attached,
}

/// Where a route is reachable.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    pub(crate) hosts: BTreeSet<HostKey>,
    /// Gateway and section.
    pub(crate) listeners: BTreeSet<(Id, Box<str>)>,
}

/// Attaches the route to one parent; adds to `reached` where it is reachable then.
pub(crate) fn attach(
    route: &Id,
    parent: &ParentRef,
    hostnames: Option<&[HostPattern]>,
    reads: &mut Reads<'_>,
    reached: &mut Reached,
) -> Attachment {
    if !parent.is_gateway() {
        return Attachment::Others;
    }
    let namespace = parent.namespace.as_deref().unwrap_or(&route.namespace);
    let id = Id::new(Kind::Gateway, namespace, &parent.name);
    let Some(gateway) = reads.gateway(id.clone()) else {
        let finding = parent.finding("", Code::ParentNotFound, format!("{id} does not exist"));
        return Attachment::Missing(finding);
    };
    if !gateway.ours {
        return Attachment::Others;
    }
    let refused = |reason, part: &str, code, message: String| {
        Attachment::Refused(reason, parent.finding(part, code, message))
    };
    let named: Vec<_> = listeners(gateway, parent).collect();
    if named.is_empty() {
        return refused(
            "NoMatchingParent",
            "",
            Code::NoMatchingParent,
            format!("{id} has no listener with this sectionName and port"),
        );
    }
    let allowed: Vec<_> = named
        .into_iter()
        .filter(|listener| allows(listener, &id, route, reads))
        .collect();
    if allowed.is_empty() {
        return refused(
            "NotAllowedByListeners",
            "",
            Code::NotAllowedByListeners,
            format!("no listener of {id} allows routes of this namespace and kind"),
        );
    }
    let mut any = false;
    for listener in allowed {
        let Some(own) = &listener.hostname else {
            continue;
        };
        let hosts: Vec<_> = match hostnames {
            None => vec![own.clone()],
            Some(hosts) => hosts
                .iter()
                .filter_map(|host| intersect(host, own))
                .collect(),
        };
        if hosts.is_empty() {
            continue;
        }
        any = true;
        reached
            .listeners
            .insert((id.clone(), listener.name.clone()));
        if let Some(key) = listener.key() {
            let scope = Scope::Listener {
                port: key.port,
                hostname: key.hostname,
            };
            reached.hosts.extend(hosts.into_iter().map(|host| HostKey {
                scope: scope.clone(),
                host,
            }));
        }
    }
    if any {
        Attachment::Attached
    } else {
        refused(
            "NoMatchingListenerHostname",
            "",
            Code::NoMatchingListenerHostname,
            format!("no hostname of the route fits a listener of {id}"),
        )
    }
}

fn listeners<'g>(
    gateway: &'g GatewayState,
    parent: &ParentRef,
) -> impl Iterator<Item = &'g Surface> {
    gateway
        .listeners
        .iter()
        .map(|listener| &listener.surface)
        .filter(|surface| {
            parent
                .section
                .as_ref()
                .is_none_or(|name| *name == surface.name)
                && parent.port.is_none_or(|port| surface.port == Some(port))
        })
}

fn allows(listener: &Surface, gateway: &Id, route: &Id, reads: &mut Reads<'_>) -> bool {
    let kind = listener
        .kinds
        .iter()
        .any(|kind| *kind.group == *route.kind.group() && *kind.kind == *route.kind.as_str());
    kind && match &listener.namespaces {
        From::Same => gateway.namespace == route.namespace,
        From::All => true,
        From::None => false,
        From::Selector(selector) => selects(selector, route, reads),
    }
}

fn selects(selector: &Selector, route: &Id, reads: &mut Reads<'_>) -> bool {
    /// Every namespace has this label, set by the API server.
    const NAME_LABEL: &str = "kubernetes.io/metadata.name";
    let namespace = reads.object(Id::new(Kind::Namespace, "", &route.namespace));
    let mut labels = match namespace.map(|object| &object.view) {
        Some(View::Namespace(namespace)) => namespace.labels.clone(),
        _ => BTreeMap::new(),
    };
    labels.insert(NAME_LABEL.into(), (&*route.namespace).into());
    selector.selects(&labels)
}
