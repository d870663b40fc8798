//! The table for people: JSON with stable order.

pub(crate) mod matches;
mod rule;
mod settings;

use std::collections::BTreeMap;

use serde::Serialize;

use super::build::TableBuilder;
use super::endpoints::{Endpoints, names};
use super::hash::Digest;
use super::layout::{BASE, GRPC_MARK, HostKind, INGRESS, INGRESS_DEFAULT, host_key, kind};
use super::listeners::ListenerEntry;
use super::model::grpc_scope;
use super::routes::HostRoutes;
use super::segment::{Broken, FORMAT, SegmentKind, SegmentView};
use super::store::view::{Segments, Unreadable};
use crate::explain::lossy;

pub use self::matches::{BackendDump, MatchDump, PathDump, ValueDump};
pub use self::rule::{FiltersDump, RuleDump};
pub use self::settings::SettingsDump;

/// A whole table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dump {
    /// 1.
    pub schema_version: u32,
    /// Version of the table's bytes.
    pub format: u16,
    /// Names the table.
    pub digest: String,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Segments that are not empty.
    pub segments: Vec<SegmentDump>,
    /// By port and hostname.
    pub listeners: Vec<ListenerDump>,
    /// By scope and host.
    pub hosts: Vec<HostDump>,
    /// By namespace, name and port.
    pub services: Vec<ServiceDump>,
    /// What Kong must be given beside the table, by id: plugin sets, certificates, names to resolve.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entities: Vec<serde_json::Value>,
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SegmentDump {
    /// Its index.
    pub index: u32,
    /// Its length.
    pub bytes: u32,
    /// Its digest.
    pub digest: String,
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ListenerDump {
    /// Its port.
    pub port: u16,
    /// Its hostname; `None` = any.
    pub hostname: Option<String>,
    /// `HTTP` or `HTTPS`.
    pub protocol: &'static str,
    /// `namespace/gateway/section` of each.
    pub gateways: Vec<String>,
    /// `namespace/name` of the Secrets whose certificates are served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostDump {
    /// `ingress`, `ingress default` or `port:PORT/HOSTNAME` of a listener.
    pub scope: String,
    /// `None` = any.
    pub host: Option<String>,
    /// Best first, as far as paths of one host can be compared without a request.
    pub matches: Vec<MatchDump>,
}

/// A Service's port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ServiceDump {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// `ip:port` of each endpoint.
    pub endpoints: Vec<String>,
    /// How they are spoken to.
    #[serde(flatten)]
    pub settings: SettingsDump,
}

impl Segments for TableBuilder {
    fn segment(&self, index: u32) -> Result<SegmentView<'_>, Unreadable> {
        let bytes = TableBuilder::segment(self, index).map_or(&[][..], |s| &s.bytes);
        SegmentView::new(kind(index), bytes).ok_or(Unreadable::Segment(index))
    }
}

/// Writes down a committed table.
///
/// # Errors
/// [`Unreadable`]: the builder wrote bytes that cannot be read, a bug.
pub fn dump(table: &TableBuilder) -> Result<Dump, Unreadable> {
    let mut dump = Dump {
        schema_version: 1,
        format: FORMAT,
        digest: hex(&table.root_digest()),
        bytes: table.root().table_bytes(),
        segments: Vec::new(),
        listeners: Vec::new(),
        hosts: Vec::new(),
        services: Vec::new(),
        entities: Vec::new(),
    };
    let mut scopes = BTreeMap::from([
        (INGRESS, "ingress".to_owned()),
        (INGRESS_DEFAULT, "ingress default".to_owned()),
    ]);
    for (index, id) in table.root().iter().filter(|(_, id)| id.len > 0) {
        dump.segments.push(SegmentDump {
            index,
            bytes: id.len,
            digest: hex(&id.digest),
        });
        let view = Segments::segment(table, index)?;
        for block in view.blocks() {
            let (_, key, payload) = block?;
            if kind(index) == SegmentKind::Endpoints {
                dump.services.push(service(key, payload)?);
            } else if index == BASE
                && let Some((port, hostname)) = listener_key(key)
            {
                let entry = ListenerEntry::new(payload)?;
                let name = hostname.as_deref().unwrap_or("*");
                scopes.insert(entry.scope, format!("port:{port}/{name}"));
                scopes.insert(grpc_scope(entry.scope), format!("grpc:{port}/{name}"));
                dump.listeners.push(ListenerDump {
                    port,
                    protocol: if entry.tls { "HTTPS" } else { "HTTP" },
                    gateways: entry
                        .sources()
                        .map(|source| source.map(str::to_owned))
                        .collect::<Result<_, _>>()?,
                    certificates: entry.certificates()?.into_iter().map(Into::into).collect(),
                    hostname,
                });
            }
        }
    }
    for (index, _) in table.root().iter().filter(|(_, id)| id.len > 0) {
        if kind(index) == SegmentKind::Endpoints {
            continue;
        }
        for block in Segments::segment(table, index)?.blocks() {
            let (_, key, payload) = block?;
            let mark = host_key(GRPC_MARK, HostKind::Any, "");
            if index == BASE && (listener_key(key).is_some() || *key == *mark) {
                continue;
            }
            dump.hosts.push(host(table, &scopes, key, payload)?);
        }
    }
    dump.listeners.sort();
    dump.services.sort();
    dump.hosts
        .sort_by(|a, b| (&a.scope, &a.host).cmp(&(&b.scope, &b.host)));
    Ok(dump)
}

fn service(key: &[u8], payload: &[u8]) -> Result<ServiceDump, Broken> {
    let (namespace, name, port) = names(key)?;
    let endpoints = Endpoints::new(payload)?;
    Ok(ServiceDump {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        port,
        endpoints: endpoints.iter().map(|e| e.to_string()).collect(),
        settings: SettingsDump::of(&endpoints.settings()?),
    })
}

fn host(
    table: &TableBuilder,
    scopes: &BTreeMap<u64, String>,
    key: &[u8],
    payload: &[u8],
) -> Result<HostDump, Unreadable> {
    let (scope, kind, text) = split_key(key).ok_or(Broken)?;
    let routes = HostRoutes::new(payload)?;
    let mut paths = routes.paths().collect::<Result<Vec<_>, _>>()?;
    // Patterns of one rank lie in their order; a hash has put the others where they are.
    paths.sort_by_key(|path| (path.rank(), path.regex().is_none().then_some(path.text)));
    let mut matches = Vec::new();
    for path in paths {
        for matched in path.matches() {
            matches.push(matches::dump(table, &path, &matched?)?);
        }
    }
    let host = match kind {
        k if k == HostKind::Exact as u8 => Some(lossy(text)),
        k if k == HostKind::Wildcard as u8 => Some(format!("*.{}", lossy(text))),
        _ => None,
    };
    Ok(HostDump {
        scope: scopes
            .get(&scope)
            .cloned()
            .unwrap_or_else(|| format!("{scope:016x}")),
        host,
        matches,
    })
}

/// Port and hostname of a listener's key.
fn listener_key(key: &[u8]) -> Option<(u16, Option<String>)> {
    let (port, kind, text) = split_key(key)?;
    let hostname = match kind {
        k if k == HostKind::ListenerAny as u8 => None,
        k if k == HostKind::ListenerWildcard as u8 => Some(format!("*.{}", lossy(text))),
        k if k == HostKind::ListenerExact as u8 => Some(lossy(text)),
        _ => return None,
    };
    Some((u16::try_from(port).ok()?, hostname))
}

fn split_key(key: &[u8]) -> Option<(u64, u8, &[u8])> {
    let (head, rest) = key.split_first_chunk::<8>()?;
    let (kind, text) = rest.split_first()?;
    Some((u64::from_le_bytes(*head), *kind, text))
}

fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
