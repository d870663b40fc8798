//! KongClusterPlugins with the label `global: "true"`: Kong runs them for every request.

use std::collections::BTreeMap;

use super::Options;
use super::classes;
use super::store::Store;
use crate::object::{Id, Kind};
use crate::problem::{Code, Finding};
use crate::resources::View;

/// Those of our class by name.
#[derive(Debug, Default)]
pub(crate) struct Globals {
    /// The one that is in effect instead, if there is one for the same plugin of Kong.
    plugins: BTreeMap<Box<str>, Option<Box<str>>>,
}

// === impl Globals ===

impl Globals {
    pub(crate) fn of(store: &Store, options: &Options) -> Self {
        let get = |id: Id| store.get(&id).map(|object| &**object);
        let mut all = Vec::new();
        for (id, object) in store.of_kind(Kind::KongClusterPlugin, "") {
            let View::KongPlugin(view) = &object.view else {
                continue;
            };
            let Some(plugin) = view
                .plugin
                .as_ref()
                .filter(|_| view.global && !view.disabled)
            else {
                continue;
            };
            if classes::accepts_plugin(options, view.class.as_deref(), get) {
                let created = (object.created.is_none(), object.created);
                all.push((created, Box::<str>::from(&*id.name), plugin));
            }
        }
        all.sort();
        let mut first: BTreeMap<&str, Box<str>> = BTreeMap::new();
        let mut plugins = BTreeMap::new();
        for (_, name, plugin) in all {
            let winner = first.get(&**plugin).cloned();
            if winner.is_none() {
                first.insert(plugin, name.clone());
            }
            plugins.insert(name, winner);
        }
        Self { plugins }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Box<str>> {
        self.plugins.keys()
    }

    /// Does Kong run it?
    pub(crate) fn in_effect(&self, name: &str) -> bool {
        matches!(self.plugins.get(name), Some(None))
    }

    /// That another one is in effect.
    pub(crate) fn lost_by(&self, name: &str) -> Option<Finding> {
        let winner = self.plugins.get(name)?.as_ref()?;
        Some(Finding::error(
            Code::ConflictingPlugin,
            "plugin",
            format!("KongClusterPlugin {winner} configures the same plugin of Kong and is older"),
        ))
    }
}
