//! Which listeners a route attaches to, and on which hosts (Gateway API `ParentReference`,
//! `AllowedRoutes`, `HTTPRouteSpec.hostnames`).

use std::collections::BTreeSet;

use super::deps::{Parent, Reads};
use super::hostname::intersect;
use super::listener::{ListenerState, Surface};
use super::namespaces;
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::route::parents::ParentRef;
use crate::table::model::{HostKey, HostPattern, Scope};

/// What became of one parentRef.
#[derive(Debug)]
pub(crate) enum Attachment {
    /// Something of another controller.
    Others,
    /// No such Gateway or ListenerSet: nobody's.
    Missing(Finding),
    /// One of ours, which does not take the route: reason and finding.
    Refused(&'static str, Finding),
    Attached,
}

/// Where a route is reachable.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    pub(crate) hosts: BTreeSet<HostKey>,
    /// Gateway or ListenerSet, and section.
    pub(crate) listeners: BTreeSet<(Id, Box<str>)>,
}

/// Attaches the route to one parent; adds to `reached` where it is reachable then. A route that names
/// a Gateway does not attach to the listeners of its ListenerSets.
pub(crate) fn attach(
    route: &Id,
    parent: &ParentRef,
    hostnames: Option<&[HostPattern]>,
    reads: &mut Reads<'_>,
    reached: &mut Reached,
) -> Attachment {
    let Some(id) = parent.id(&route.namespace) else {
        return Attachment::Others;
    };
    let listeners = match reads.parent(&id) {
        Parent::Others => return Attachment::Others,
        Parent::Missing(what) => {
            let finding = parent.finding("", Code::ParentNotFound, format!("{id} {what}"));
            return Attachment::Missing(finding);
        }
        Parent::Ours(listeners) => listeners,
    };
    let refused = |reason, part: &str, code, message: String| {
        Attachment::Refused(reason, parent.finding(part, code, message))
    };
    let mut named = named(listeners, parent).peekable();
    if named.peek().is_none() {
        let message = if listeners.is_empty() {
            format!("{id} has no listeners, or is not accepted")
        } else {
            format!("{id} has no listener with this sectionName and port")
        };
        return refused("NoMatchingParent", "", Code::NoMatchingParent, message);
    }
    let mut allowed = named
        .filter(|listener| allows(listener, &id, route, reads))
        .peekable();
    if allowed.peek().is_none() {
        return refused(
            "NotAllowedByListeners",
            "",
            Code::NotAllowedByListeners,
            format!("no listener of {id} allows routes of this namespace and kind"),
        );
    }
    let mut any = false;
    for listener in allowed {
        any |= reach(route, &id, listener, hostnames, reached);
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

/// Adds the hosts that route and listener have in common; are there any?
fn reach(
    route: &Id,
    parent: &Id,
    listener: &Surface,
    hostnames: Option<&[HostPattern]>,
    reached: &mut Reached,
) -> bool {
    let Some(own) = &listener.hostname else {
        return false;
    };
    let hosts: Vec<_> = match hostnames {
        None => vec![own.clone()],
        Some(hosts) => hosts
            .iter()
            .filter_map(|host| intersect(host, own))
            .collect(),
    };
    if hosts.is_empty() {
        return false;
    }
    reached
        .listeners
        .insert((parent.clone(), listener.name.clone()));
    if let Some(key) = listener.key() {
        let (port, hostname) = (key.port, key.hostname);
        let scope = if route.kind == Kind::GrpcRoute {
            Scope::Grpc { port, hostname }
        } else {
            Scope::Listener { port, hostname }
        };
        reached.hosts.extend(hosts.into_iter().map(|host| HostKey {
            scope: scope.clone(),
            host,
        }));
    }
    true
}

/// "When the Parent resource is a Gateway, this targets all listeners listening on the specified
/// port"; "both name and port of the selected listener must match both specified values".
fn named<'g>(
    listeners: &'g [ListenerState],
    parent: &ParentRef,
) -> impl Iterator<Item = &'g Surface> {
    listeners
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

fn allows(listener: &Surface, parent: &Id, route: &Id, reads: &mut Reads<'_>) -> bool {
    let kind = listener
        .kinds
        .iter()
        .any(|kind| *kind.group == *route.kind.group() && *kind.kind == *route.kind.as_str());
    kind && namespaces::allows(
        &listener.namespaces,
        &parent.namespace,
        &route.namespace,
        reads,
    )
}
