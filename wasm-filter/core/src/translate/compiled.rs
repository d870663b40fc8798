//! What is made of one route object, and the bits that its compilers share.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::certificates::Claim;
use super::deps::Dep;
use super::status::RouteStatus;
use crate::object::Id;
use crate::problem::Finding;
use crate::resources::Object;
use crate::table::model::{
    BackendTarget, HostKey, PluginSet, RouteKind, RouteMatch, RouteObject, Rule, ServicePort,
};

/// The matches of an object for one host.
pub(crate) type HostMatches = (Arc<HostKey>, Arc<[RouteMatch]>);

/// What is made of one Ingress, HTTPRoute or GRPCRoute.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    /// Is the object of our class, or attached to one that is? Else it has no problems.
    pub(crate) ours: bool,
    /// Its matches by host, sorted by host. Hosts of a route share one list. (A map would take
    /// a node of eleven entries for the one host that most objects have.)
    pub(crate) hosts: Box<[HostMatches]>,
    /// Listeners that it is attached to: Gateway or ListenerSet, and section.
    pub(crate) attached: Box<[(Id, Box<str>)]>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) status: Option<RouteStatus>,
    /// Server names that it has certificates for.
    pub(crate) claims: Box<[Claim]>,
    pub(crate) deps: Box<[Dep]>,
}

// === impl Compiled ===

impl Compiled {
    /// Its matches for a host.
    pub(crate) fn of_host(&self, key: &HostKey) -> Option<&Arc<[RouteMatch]>> {
        let at = self.hosts.binary_search_by(|(other, _)| (**other).cmp(key));
        self.hosts.get(at.ok()?).map(|(_, matches)| matches)
    }

    /// The Service ports that its rules name, each once.
    pub(crate) fn services(&self) -> BTreeSet<&ServicePort> {
        let matches = self.hosts.iter().flat_map(|(_, matches)| matches.iter());
        matches.flat_map(|m| services_of(&m.rule)).collect()
    }

    /// The plugin sets that its rules need, each once.
    pub(crate) fn plugin_sets(&self) -> BTreeSet<&PluginSet> {
        self.hosts
            .iter()
            .flat_map(|(_, matches)| matches.iter())
            .map(|m| &m.rule.plugins)
            .filter(|set| !set.plugins.is_empty())
            .collect()
    }
}

/// The Service ports of backends and mirrors.
fn services_of(rule: &Rule) -> impl Iterator<Item = &ServicePort> {
    let backends = rule.backends.iter();
    let targets = backends
        .clone()
        .filter_map(|backend| match &backend.target {
            BackendTarget::Service(port) => Some(port),
            BackendTarget::Invalid => None,
        });
    let mirrors = backends
        .map(|backend| &backend.filters)
        .chain([&rule.filters])
        .flat_map(|filters| filters.mirrors.iter().map(|mirror| &mirror.service));
    targets.chain(mirrors)
}

/// The name of a route object in the table.
pub(crate) fn route_object(kind: RouteKind, id: &Id, object: &Object) -> Arc<RouteObject> {
    Arc::new(RouteObject {
        kind,
        namespace: (&*id.namespace).into(),
        name: (&*id.name).into(),
        created: object.created,
    })
}
