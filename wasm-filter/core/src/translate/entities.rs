//! What must be known outside of the table: what Kong must be given (plugins, certificates) and
//! which names must be resolved.
//!
//! Each is a small JSON object with a `type` and a stable `id`. No secret is ever in it, nor a
//! configuration: only where they are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::certificates::SecretName;
use super::clients::Checks;
use super::store::Store;
use super::tls_policies::TlsPolicy;
use crate::object::{Id, Kind};
use crate::resources::View;
use crate::resources::kong_plugin::{KongPlugin, SecretKey};
use crate::table::model::{HostPattern, PluginRef, PluginSet};

/// All entities as JSON by id.
#[derive(Debug, Default)]
pub(crate) struct Entities {
    json: BTreeMap<Box<str>, String>,
}

/// One entity.
#[derive(Serialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "type"
)]
enum EntityJson<'a> {
    /// A certificate, and the server names that it is given out for.
    #[serde(rename = "certificate")]
    Certificate {
        id: &'a str,
        secret: String,
        snis: Vec<String>,
    },
    /// The plugins that run for the rules of a set.
    #[serde(rename = "pluginSet")]
    PluginSet {
        id: &'a str,
        /// As rules name it.
        set: String,
        plugins: Vec<PluginJson<'a>>,
    },
    /// A plugin that runs for every request.
    #[serde(rename = "globalPlugin")]
    GlobalPlugin { id: &'a str, plugin: PluginJson<'a> },
    /// Which certificates clients must show at the ports of a Gateway.
    #[serde(rename = "clientValidation")]
    ClientValidation {
        id: &'a str,
        gateway: String,
        ports: Vec<CheckJson<'a>>,
    },
    /// A DNS name whose addresses are endpoints.
    #[serde(rename = "name")]
    Name { id: &'a str, name: &'a str },
    /// How TLS is spoken with endpoints.
    #[serde(rename = "tlsPolicy")]
    TlsPolicy {
        id: &'a str,
        /// As plans name it.
        policy: String,
        verify: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        depth: Option<u8>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        ca_secrets: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        ca_config_maps: Vec<String>,
        /// A Secret.
        #[serde(skip_serializing_if = "Option::is_none")]
        client_certificate: Option<String>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PluginJson<'a> {
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    name: &'a str,
    /// Kong's name of it.
    plugin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<i64>,
    /// Does the object itself hold the configuration?
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    inline: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_from: Option<KeyJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    config_patches: Vec<PatchJson<'a>>,
}

#[derive(Serialize)]
struct CheckJson<'a> {
    /// The listeners' own.
    port: u16,
    /// As the table names them.
    listeners: Vec<&'a str>,
    /// As the Gateway API calls it.
    mode: &'static str,
    /// ConfigMaps whose `ca.crt` has the authorities.
    authorities: &'a [Box<str>],
}

#[derive(Serialize)]
struct KeyJson<'a> {
    secret: String,
    key: &'a str,
}

#[derive(Serialize)]
struct PatchJson<'a> {
    path: &'a str,
    #[serde(flatten)]
    from: KeyJson<'a>,
}

// === impl Entities ===

impl Entities {
    /// Sets or removes one.
    pub(crate) fn set(&mut self, id: &str, json: Option<String>) {
        match json {
            Some(json) => self.json.insert(id.into(), json),
            None => self.json.remove(id),
        };
    }

    pub(crate) fn get(&self, id: &str) -> Option<&String> {
        self.json.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.json.iter().map(|(id, json)| (&**id, json.as_str()))
    }
}

/// Id of the entity of a Secret's certificate.
pub(crate) fn certificate_id((namespace, name): &SecretName) -> Box<str> {
    format!("certificate/{namespace}/{name}").into()
}

pub(crate) fn certificate(id: &str, secret: &SecretName, snis: &BTreeSet<HostPattern>) -> String {
    let mut snis: Vec<_> = snis.iter().map(HostPattern::to_string).collect();
    snis.sort();
    json(&EntityJson::Certificate {
        id,
        secret: format!("{}/{}", secret.0, secret.1),
        snis,
    })
}

/// Id of the entity of what a Gateway asks of its clients.
pub(crate) fn client_validation_id(gateway: &Id) -> Box<str> {
    format!("client-validation/{}/{}", gateway.namespace, gateway.name).into()
}

/// None if it asks nothing.
pub(crate) fn client_validation(id: &str, gateway: &Id, checks: &Checks) -> Option<String> {
    let ports = checks.iter().map(|(port, (check, listeners))| CheckJson {
        port: *port,
        listeners: listeners.iter().map(|name| &**name).collect(),
        mode: if check.fallback {
            "AllowInsecureFallback"
        } else {
            "AllowValidOnly"
        },
        authorities: &check.authorities,
    });
    (!checks.is_empty()).then(|| {
        json(&EntityJson::ClientValidation {
            id,
            gateway: format!("{}/{}", gateway.namespace, gateway.name),
            ports: ports.collect(),
        })
    })
}

/// Id of the entity of a DNS name.
pub(crate) fn name_id(name: &str) -> Box<str> {
    format!("name/{name}").into()
}

pub(crate) fn name(id: &str, name: &str) -> String {
    json(&EntityJson::Name { id, name })
}

/// Id of the entity of a TLS policy.
pub(crate) fn tls_policy_id(policy: u64) -> Box<str> {
    format!("tls-policy/{policy:016x}").into()
}

pub(crate) fn tls_policy(id: &str, policy: u64, known: &TlsPolicy) -> String {
    let TlsPolicy {
        namespace,
        settings,
    } = known;
    let full = |name: &str| format!("{namespace}/{name}");
    json(&EntityJson::TlsPolicy {
        id,
        policy: format!("{policy:016x}"),
        verify: settings.verify,
        depth: settings.depth,
        ca_secrets: settings.ca_secrets.iter().map(|name| full(name)).collect(),
        ca_config_maps: settings
            .ca_config_maps
            .iter()
            .map(|name| full(name))
            .collect(),
        client_certificate: settings.client.as_deref().map(full),
    })
}

/// Id of the entity of a plugin set.
pub(crate) fn plugin_set_id(set: u64) -> Box<str> {
    format!("plugin-set/{set:016x}").into()
}

pub(crate) fn plugin_set(id: &str, set: &PluginSet, store: &Store) -> String {
    json(&EntityJson::PluginSet {
        id,
        set: format!("{:016x}", set.id()),
        plugins: set
            .plugins
            .iter()
            .filter_map(|plugin| plugin_json(plugin, store))
            .collect(),
    })
}

/// Id of the entity of a global KongClusterPlugin.
pub(crate) fn global_plugin_id(name: &str) -> Box<str> {
    format!("global-plugin/{name}").into()
}

pub(crate) fn global_plugin(id: &str, name: &str, store: &Store) -> Option<String> {
    let plugin = PluginRef {
        namespace: "".into(),
        name: name.into(),
    };
    let plugin = plugin_json(&plugin, store)?;
    Some(json(&EntityJson::GlobalPlugin { id, plugin }))
}

/// Id of the object that a rule's plugin is.
pub(crate) fn plugin_object(plugin: &PluginRef) -> Id {
    let kind = if plugin.namespace.is_empty() {
        Kind::KongClusterPlugin
    } else {
        Kind::KongPlugin
    };
    Id::new(kind, &plugin.namespace, &plugin.name)
}

fn plugin_json<'a>(plugin: &PluginRef, store: &'a Store) -> Option<PluginJson<'a>> {
    let (id, object) = store.entry(&plugin_object(plugin))?;
    let View::KongPlugin(view) = &object.view else {
        return None;
    };
    Some(PluginJson::of(id, view, object.generation))
}

fn json(value: &EntityJson<'_>) -> String {
    // Structs of texts and numbers with text keys always can be written.
    serde_json::to_string(value).unwrap_or_default()
}

// === impl PluginJson ===

impl<'a> PluginJson<'a> {
    fn of(id: &'a Id, view: &'a KongPlugin, generation: Option<i64>) -> Self {
        Self {
            kind: id.kind.as_str(),
            namespace: &id.namespace,
            name: &id.name,
            plugin: view.plugin.as_deref().unwrap_or_default(),
            generation,
            inline: view.inline,
            config_from: view.from.as_ref().map(|key| KeyJson::of(id, key)),
            config_patches: view
                .patches
                .iter()
                .map(|patch| PatchJson {
                    path: &patch.path,
                    from: KeyJson::of(id, &patch.from),
                })
                .collect(),
        }
    }
}

// === impl KeyJson ===

impl<'a> KeyJson<'a> {
    fn of(plugin: &Id, key: &'a SecretKey) -> Self {
        let namespace = key.namespace.as_deref().unwrap_or(&plugin.namespace);
        Self {
            secret: format!("{namespace}/{}", key.name),
            key: &key.key,
        }
    }
}
