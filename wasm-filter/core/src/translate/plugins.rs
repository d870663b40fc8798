//! Names of plugins -> KongPlugins and KongClusterPlugins (kic-map.md 2.9), and the sets of them
//! that rules need.
//!
//! A plugin that cannot be had closes the rule: it may be the one that authenticates.

use std::collections::{BTreeMap, BTreeSet};

use super::deps::Reads;
use super::grants;
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::View;
use crate::resources::annotations::PluginName;
use crate::resources::service::Service;
use crate::table::model::{Backend, BackendTarget, PluginRef, PluginSet};

/// The plugins of a rule while they are gathered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plugins {
    found: BTreeSet<PluginRef>,
    /// One cannot be had: the rule must answer 500.
    pub(crate) missing: bool,
}

/// The sets that rules need, counted by objects.
#[derive(Debug, Default)]
pub(crate) struct PluginSets {
    sets: BTreeMap<u64, (PluginSet, u32)>,
    by_plugin: BTreeSet<(PluginRef, u64)>,
}

// === impl Plugins ===

impl Plugins {
    /// Adds the plugins that `referrer` names in `field`.
    pub(crate) fn add(
        &mut self,
        referrer: &Id,
        names: &[PluginName],
        field: impl Fn() -> String,
        reads: &mut Reads<'_>,
        findings: &mut Vec<Finding>,
    ) {
        for name in names {
            match resolve(referrer, name, reads) {
                Ok(found) => self.found.extend(found),
                Err((code, message)) => {
                    self.missing = true;
                    findings.push(Finding::error(
                        code,
                        field(),
                        format!("{message}; requests are answered 500 rather than without it"),
                    ));
                }
            }
        }
    }

    /// Adds the plugins of a Service that a rule sends requests to. `field` is that of the rule.
    pub(crate) fn add_service(
        &mut self,
        id: &Id,
        service: &Service,
        field: impl Fn() -> String,
        reads: &mut Reads<'_>,
        findings: &mut Vec<Finding>,
    ) {
        if let Some(annotations) = &service.annotations {
            self.add(id, &annotations.plugins, field, reads, findings);
        }
    }

    /// Adds the plugins of the Services behind the backends of a rule of a route.
    pub(crate) fn add_backends(
        &mut self,
        backends: &[Backend],
        rule: u16,
        reads: &mut Reads<'_>,
        findings: &mut Vec<Finding>,
    ) {
        for (index, backend) in backends.iter().enumerate() {
            let BackendTarget::Service(port) = &backend.target else {
                continue;
            };
            if let Some(service) = reads.service(&port.namespace, &port.name) {
                let id = Id::new(Kind::Service, &port.namespace, &port.name);
                let field = || format!("spec.rules[{rule}].backendRefs[{index}].name");
                self.add_service(&id, service, field, reads, findings);
            }
        }
    }

    /// The set; empty if one is missing, since the rule runs none then.
    pub(crate) fn into_set(self) -> PluginSet {
        if self.missing {
            return PluginSet::default();
        }
        PluginSet {
            plugins: self.found.into_iter().collect(),
        }
    }
}

/// The plugin of this name; `None`: it is there and disabled.
fn resolve(
    referrer: &Id,
    name: &PluginName,
    reads: &mut Reads<'_>,
) -> Result<Option<PluginRef>, (Code, String)> {
    let namespace = name.namespace.as_deref().unwrap_or(&referrer.namespace);
    let own = Id::new(Kind::KongPlugin, namespace, &name.name);
    if !grants::permits(reads, referrer, &own) {
        let message = format!(
            "no ReferenceGrant in {namespace} permits {} {} to refer to {own}",
            referrer.kind.as_str(),
            referrer.name
        );
        return Err((Code::RefNotPermitted, message));
    }
    let cluster = Id::new(Kind::KongClusterPlugin, "", &name.name);
    let (id, object) = match (reads.object(own.clone()), name.namespace.is_none()) {
        (Some(object), _) => (own, object),
        (None, true) => match reads.object(cluster.clone()) {
            Some(object) => (cluster, object),
            None => {
                let message = format!("{own} does not exist, nor does {cluster}");
                return Err((Code::PluginNotFound, message));
            }
        },
        (None, false) => {
            return Err((Code::PluginNotFound, format!("{own} does not exist")));
        }
    };
    match &object.view {
        View::KongPlugin(plugin) if plugin.plugin.is_none() => {
            Err((Code::PluginNotFound, format!("{id} cannot be read")))
        }
        View::KongPlugin(plugin) if plugin.disabled => Ok(None),
        _ => Ok(Some(PluginRef {
            namespace: (&*id.namespace).into(),
            name: (&*id.name).into(),
        })),
    }
}

// === impl PluginSets ===

impl PluginSets {
    /// Another object needs the set. Is it the first?
    pub(crate) fn add(&mut self, set: &PluginSet) -> bool {
        let id = set.id();
        let (_, count) = self.sets.entry(id).or_insert_with(|| (set.clone(), 0));
        *count += 1;
        let first = *count == 1;
        if first {
            let entries = set.plugins.iter().map(|plugin| (plugin.clone(), id));
            self.by_plugin.extend(entries);
        }
        first
    }

    /// An object needs the set no more. Was it the last?
    pub(crate) fn remove(&mut self, set: &PluginSet) -> bool {
        let id = set.id();
        let Some((_, count)) = self.sets.get_mut(&id) else {
            return false;
        };
        *count = count.saturating_sub(1);
        if *count > 0 {
            return false;
        }
        self.sets.remove(&id);
        for plugin in &set.plugins {
            self.by_plugin.remove(&(plugin.clone(), id));
        }
        true
    }

    pub(crate) fn get(&self, id: u64) -> Option<&PluginSet> {
        self.sets.get(&id).map(|(set, _)| set)
    }

    /// The sets that a plugin is in.
    pub(crate) fn with(&self, plugin: &PluginRef) -> impl Iterator<Item = u64> {
        let range = (plugin.clone(), 0)..=(plugin.clone(), u64::MAX);
        self.by_plugin.range(range).map(|(_, id)| *id)
    }
}
