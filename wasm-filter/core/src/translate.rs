//! The incremental compiler: Kubernetes objects -> routing table, problems, statuses.
//!
//! ```text
//! apply, delete -> store -> commit (gateways -> routes -> hosts, endpoints, listeners) -> table
//!                                      \_ deps: who must be compiled again _/      \_ take_changes
//! ```
//! The cost of a commit follows the size of the change. The same set of objects gives the same
//! bytes, problems and statuses in any order and with any commits in between: everything is
//! derived from the store, nothing from history.
//!
//! ```
//! use silverback_core::translate::{Applied, Options, Translator};
//!
//! let mut translator = Translator::new(Options { accept_all_classes: true, ..Options::default() });
//! let applied = translator.apply(br#"{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
//!     "metadata": {"name": "web", "namespace": "shop"}, "spec": {"rules": [{"http": {"paths": [
//!     {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web",
//!     "port": {"number": 80}}}}]}}]}}"#);
//! assert!(matches!(applied, Applied::Stored(key) if key.to_string() == "Ingress shop/web"));
//! assert_eq!(translator.commit().objects, 1);
//! let changes = translator.take_changes(1 << 20);
//! assert_eq!(changes.problems[0].1[0].code.as_str(), "BackendNotFound");
//! ```

mod attach;
mod backends;
mod certificates;
mod changes;
mod classes;
mod clients;
mod commit;
mod compiled;
mod conflicts;
mod deps;
mod describe;
mod endpoints;
mod entities;
mod features;
mod gateway;
mod globals;
mod grants;
mod hostname;
mod hosts;
mod ingress;
mod listener;
mod listener_set;
mod listeners;
mod namespaces;
mod plugins;
mod problems;
mod routes;
mod status;
mod store;
mod tls_policies;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::certificates::Certificates;
use self::changes::Outbox;
pub use self::changes::{Changes, SegmentChange};
use self::compiled::Compiled;
use self::deps::Deps;
use self::endpoints::{Named, Names};
use self::entities::Entities;
use self::gateway::GatewayState;
use self::globals::Globals;
use self::hosts::Hosts;
use self::listeners::Listeners;
use self::plugins::PluginSets;
use self::store::Store;
use self::tls_policies::TlsPolicies;
use crate::object::{Id, ObjectKey};
use crate::problem::Problem;
use crate::resources::{self, Object, Parsed};
use crate::table::build::TableBuilder;

/// What the translator must know beyond the objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Options {
    /// Take every Ingress and Gateway, whatever its class: for offline commands.
    pub accept_all_classes: bool,
    /// The class of Ingress objects that are ours.
    pub ingress_class: String,
    /// The controller name of GatewayClasses that are ours.
    pub controller_name: String,
    /// Take loopback, link-local and such addresses as endpoints: for data planes on the machine
    /// of their user. In a cluster they lead to the gateway's own node.
    pub allow_local_addresses: bool,
}

/// What became of an object that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// Stored; in effect after the next commit.
    Stored(ObjectKey),
    /// Nothing that is read differs from what is stored.
    Unchanged(ObjectKey),
    /// A kind that is not read.
    Ignored {
        /// Its `apiVersion`.
        api_version: String,
        /// Its `kind`.
        kind: String,
    },
    /// Not an object that can be stored.
    Refused(Problem),
}

/// Size of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Commit {
    /// Objects applied or deleted since the last one.
    pub objects: u32,
    /// Segments whose bytes changed.
    pub segments: u32,
}

/// The compiler and all that it knows.
#[derive(Debug, Default)]
pub struct Translator {
    options: Options,
    store: Store,
    /// Objects touched since the last commit, as they were then.
    touched: BTreeMap<Id, Option<Arc<Object>>>,
    deps: Deps,
    gateways: BTreeMap<Id, GatewayState>,
    routes: BTreeMap<Id, Compiled>,
    hosts: Hosts,
    named: Named,
    names: Names,
    tls_policies: TlsPolicies,
    /// `serviceUpstream` of the class's parameters.
    service_upstream: bool,
    certificates: Certificates,
    plugin_sets: PluginSets,
    globals: Globals,
    listeners: Listeners,
    /// Number of routes by Gateway or ListenerSet, and listener.
    attached: BTreeMap<(Id, Box<str>), u32>,
    /// Of Gateways, ListenerSets, GatewayClasses and KongUpstreamPolicies; those of routes are written
    /// when they are taken.
    statuses: BTreeMap<Id, String>,
    problems: BTreeMap<ObjectKey, Vec<Problem>>,
    entities: Entities,
    table: TableBuilder,
    outbox: Outbox,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            accept_all_classes: false,
            ingress_class: "kong".to_owned(),
            controller_name: "silverback.rs/gateway-controller".to_owned(),
            allow_local_addresses: false,
        }
    }
}

// === impl Translator ===

impl Translator {
    /// A translator without objects.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// One object was added or changed: JSON as the API server gives it.
    pub fn apply(&mut self, json: &[u8]) -> Applied {
        let (id, object) = match resources::parse(json) {
            Parsed::Object(id, object) => (id, object),
            Parsed::Ignored(api_version, kind) => return Applied::Ignored { api_version, kind },
            Parsed::Refused(key, finding) => return Applied::Refused(finding.on(&key)),
        };
        let key = id.key();
        if self.store.get(&id).is_some_and(|old| **old == object) {
            return Applied::Unchanged(key);
        }
        let old = self.store.insert(&id, object);
        self.touched.entry(id).or_insert(old);
        Applied::Stored(key)
    }

    /// One object is gone. Unknown objects are no error.
    pub fn delete(&mut self, key: &ObjectKey) {
        let Some(id) = Id::of_key(key) else {
            return;
        };
        if let Some(old) = self.store.remove(&id) {
            self.touched.entry(id).or_insert(Some(old));
        }
    }

    /// Takes what the commits changed, in pieces of about `max_bytes` (at least one segment,
    /// list of problems or status each). Call until `more` is false.
    pub fn take_changes(&mut self, max_bytes: usize) -> Changes {
        let (routes, statuses) = (&self.routes, &self.statuses);
        let controller_name = &self.options.controller_name;
        self.outbox.take(
            max_bytes,
            &self.table,
            &self.problems,
            &self.entities,
            |id| {
                let route = routes.get(id).and_then(|c| c.status.as_ref());
                match route {
                    Some(status) => status.to_json(controller_name),
                    None => statuses.get(id).cloned().unwrap_or_default(),
                }
            },
        )
    }

    /// Everything as if nothing had been taken yet.
    pub fn rewind(&mut self) {
        self.outbox.rewind();
        for (index, segment) in self.table.root().iter() {
            if segment.len > 0 {
                self.outbox.segment(index);
            }
        }
        for key in self.problems.keys() {
            self.outbox.problems(key.clone());
        }
        for (id, compiled) in &self.routes {
            if compiled.status.is_some() {
                self.outbox.status(id.clone());
            }
        }
        for id in self.statuses.keys() {
            self.outbox.status(id.clone());
        }
        for (id, _) in self.entities.iter() {
            self.outbox.entity(id.into());
        }
    }

    /// The table as of the last commit.
    #[must_use]
    pub fn table(&self) -> &TableBuilder {
        &self.table
    }

    /// All problems as of the last commit, by object.
    pub fn problems(&self) -> impl Iterator<Item = (&ObjectKey, &[Problem])> {
        self.problems
            .iter()
            .map(|(key, problems)| (key, problems.as_slice()))
    }

    /// The statuses as of the last commit, as JSON by object.
    pub fn statuses(&self) -> impl Iterator<Item = (ObjectKey, String)> {
        let name = &self.options.controller_name;
        let routes = self.routes.iter().filter_map(move |(id, compiled)| {
            Some((id.key(), compiled.status.as_ref()?.to_json(name)))
        });
        let others = self.statuses.iter();
        others
            .map(|(id, json)| (id.key(), json.clone()))
            .chain(routes)
    }

    /// What must be known outside of the table, as of the last commit, as JSON by id: what Kong
    /// must be given (`pluginSet`, `globalPlugin`, `certificate`) and which names must be resolved
    /// (`name`; the answer is a `silverback.rs/v1` ResolvedName).
    pub fn entities(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entities.iter()
    }
}
