//! The table for people: JSON with stable order.

use std::collections::BTreeMap;

use serde::Serialize;

use super::build::TableBuilder;
use super::endpoints::{Endpoints, names};
use super::hash::Digest;
use super::layout::{BASE, HostKind, INGRESS, INGRESS_DEFAULT, kind};
use super::listeners::ListenerEntry;
use super::routes::HostRoutes;
use super::segment::{Broken, FORMAT, SegmentKind, SegmentView};
use super::store::view::{Segments, Unreadable};
use crate::explain::{BackendTrace, RouteRef, backends, lossy, path_text, path_type};

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

/// A match.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatchDump {
    /// The path.
    pub path: PathDump,
    /// The method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderDump>,
    /// The rule.
    pub route: RouteRef,
    /// Its backends; the endpoints are under `services`.
    pub backends: Vec<BackendDump>,
}

/// A path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathDump {
    /// `Exact` or `Prefix`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The path.
    pub value: String,
}

/// A header.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeaderDump {
    /// Lower case.
    pub name: String,
    /// The exact value.
    pub value: String,
}

/// A backend.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum BackendDump {
    /// A Service's port.
    Service {
        /// `Service`.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
        /// Its weight.
        weight: u32,
    },
    /// A share that is answered 500.
    Invalid {
        /// Why.
        invalid: &'static str,
        /// Its weight.
        weight: u32,
    },
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
                dump.listeners.push(ListenerDump {
                    port,
                    protocol: if entry.tls { "HTTPS" } else { "HTTP" },
                    gateways: entry
                        .sources()
                        .map(|source| source.map(str::to_owned))
                        .collect::<Result<_, _>>()?,
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
            if index == BASE && listener_key(key).is_some() {
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

/// Writes down a committed table as JSON.
///
/// # Errors
/// A sentence; a bug.
pub fn dump_json(table: &TableBuilder) -> Result<String, String> {
    let dump = dump(table).map_err(|_| "the table cannot be read".to_owned())?;
    serde_json::to_string(&dump).map_err(|error| error.to_string())
}

fn service(key: &[u8], payload: &[u8]) -> Result<ServiceDump, Broken> {
    let (namespace, name, port) = names(key)?;
    Ok(ServiceDump {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        port,
        endpoints: Endpoints::new(payload)?
            .iter()
            .map(|endpoint| endpoint.to_string())
            .collect(),
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
    paths.sort_by_key(|path| (!path.exact, core::cmp::Reverse(path.text.len()), path.text));
    let mut matches = Vec::new();
    for path in paths {
        for matched in path.matches() {
            let matched = matched?;
            let rule = matched.rule()?;
            let headers = matched
                .headers()
                .map(|header| {
                    header.map(|(name, value)| HeaderDump {
                        name: name.to_owned(),
                        value: lossy(value),
                    })
                })
                .collect::<Result<_, _>>()?;
            matches.push(MatchDump {
                path: PathDump {
                    kind: path_type(&path),
                    value: path_text(&path),
                },
                method: matched.method.map(lossy),
                headers,
                route: RouteRef::of(&rule, &matched),
                backends: backends(table, &rule)?.into_iter().map(backend).collect(),
            });
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

fn backend(trace: BackendTrace) -> BackendDump {
    match (trace.namespace, trace.name, trace.port) {
        (Some(namespace), Some(name), Some(port)) => BackendDump::Service {
            kind: "Service",
            namespace,
            name,
            port,
            weight: trace.weight,
        },
        _ => BackendDump::Invalid {
            invalid: "the backend cannot be resolved",
            weight: trace.weight,
        },
    }
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
