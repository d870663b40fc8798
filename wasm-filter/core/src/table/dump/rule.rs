//! What a rule says beyond its backends, for people.

use serde::Serialize;

use crate::explain::lossy;
use crate::route::balance;
use crate::table::endpoints;
use crate::table::model::Forwarding;
use crate::table::routes::{
    Change, Changes, CorsEntry, Extra, PathEntryEdit, PieceEntry, RedirectEntry, RewriteEntry,
    Texts,
};
use crate::table::segment::Broken;
use crate::table::store::view::{Segments, Unreadable};

/// What a rule says beyond its backends; what is the default is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleDump {
    /// The rule's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule_name: Option<String>,
    /// What is changed on the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filters: Option<FiltersDump>,
    /// Time limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsDump>,
    /// When a request is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryDump>,
    /// How it is forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarding: Option<ForwardingDump>,
    /// Kong plugins that must run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugins: Option<PluginsDump>,
    /// Tags for logs and metrics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Time limits in milliseconds; 0 = none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutsDump {
    /// All tries together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<u32>,
    /// One try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_request: Option<u32>,
}

/// When a request is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetryDump {
    /// Tries after the first.
    pub attempts: u8,
    /// Milliseconds.
    pub backoff: u32,
    /// Status codes.
    pub codes: Vec<u16>,
}

/// How a request is forwarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForwardingDump {
    /// The matched part of the path is removed.
    pub strip_path: bool,
    /// The upstream sees the client's Host.
    pub preserve_host: bool,
    /// `v0` or `v1`.
    pub path_handling: &'static str,
}

/// Kong plugins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginsDump {
    /// Id of the set, hexadecimal.
    pub id: String,
    /// `namespace/name` of a KongPlugin, `/name` of a KongClusterPlugin.
    pub names: Vec<String>,
}

/// What is changed on the way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FiltersDump {
    /// Of the request.
    #[serde(skip_serializing_if = "HeadersDump::is_empty")]
    pub request_headers: HeadersDump,
    /// Of the response.
    #[serde(skip_serializing_if = "HeadersDump::is_empty")]
    pub response_headers: HeadersDump,
    /// The answer is a redirect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect: Option<RedirectDump>,
    /// Another path or host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<RewriteDump>,
    /// Copies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<MirrorDump>,
    /// Cross-origin requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsDump>,
}

/// Changes of headers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct HeadersDump {
    /// Name and value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<(String, String)>,
    /// Name and value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<(String, String)>,
    /// Names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// A redirect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RedirectDump {
    /// Status.
    pub status: u16,
    /// `http` or `https`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<&'static str>,
    /// Host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathEditDump>,
}

/// Another path or host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RewriteDump {
    /// Host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathEditDump>,
}

/// Another path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PathEditDump {
    /// The whole path.
    Full(String),
    /// The matched prefix.
    Prefix(String),
    /// `$1` is a capture.
    Template(String),
}

/// A copy of some requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MirrorDump {
    /// `namespace/name:port`.
    pub service: String,
    /// How many of `denominator` requests.
    pub numerator: u32,
    /// 1 or more.
    pub denominator: u32,
}

/// Cross-origin requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CorsDump {
    /// Origins.
    pub allow_origins: Vec<String>,
    /// Methods.
    pub allow_methods: Vec<String>,
    /// Request headers.
    pub allow_headers: Vec<String>,
    /// Response headers.
    pub expose_headers: Vec<String>,
    /// Credentials.
    pub allow_credentials: bool,
    /// Seconds.
    pub max_age: u32,
}

// === impl RuleDump ===

impl RuleDump {
    /// Writes down what a rule says.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn of(segments: &dyn Segments, extra: &Extra<'_>) -> Result<Self, Unreadable> {
        let timeouts = &extra.timeouts;
        let Forwarding {
            strip_path,
            preserve_host,
            path_v1,
        } = extra.forwarding;
        let list = |text: &str| {
            let names = text.split(',').filter(|name| !name.is_empty());
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        Ok(Self {
            rule_name: extra.rule_name.map(str::to_owned),
            filters: FiltersDump::of(segments, &extra.changes)?,
            timeouts: (timeouts.request.is_some() || timeouts.backend_request.is_some()).then_some(
                TimeoutsDump {
                    request: timeouts.request,
                    backend_request: timeouts.backend_request,
                },
            ),
            retry: extra.retry.map(|retry| RetryDump {
                attempts: retry.attempts,
                backoff: retry.backoff,
                codes: retry.codes().collect(),
            }),
            forwarding: (extra.forwarding != Forwarding::default()).then_some(ForwardingDump {
                strip_path,
                preserve_host,
                path_handling: if path_v1 { "v1" } else { "v0" },
            }),
            plugins: (extra.plugin_set != 0).then(|| PluginsDump {
                id: format!("{:016x}", extra.plugin_set),
                names: list(extra.plugins),
            }),
            tags: list(&lossy(extra.tags)),
        })
    }
}

// === impl FiltersDump ===

impl FiltersDump {
    /// Writes down changes; `None` for none.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn of(segments: &dyn Segments, changes: &Changes<'_>) -> Result<Option<Self>, Unreadable> {
        if changes.is_empty() {
            return Ok(None);
        }
        let mut out = Self::default();
        let text = |name: &str, value: &[u8]| (name.to_owned(), lossy(value));
        for change in changes.iter() {
            match change? {
                Change::RequestSet(name, value) => {
                    out.request_headers.set.push((lossy(name), lossy(value)));
                }
                Change::RequestAdd(name, value) => {
                    out.request_headers.add.push((lossy(name), lossy(value)));
                }
                Change::RequestRemove(name) => out.request_headers.remove.push(lossy(name)),
                Change::ResponseSet(name, value) => {
                    out.response_headers.set.push(text(name, value));
                }
                Change::ResponseAdd(name, value) => {
                    out.response_headers.add.push(text(name, value));
                }
                Change::ResponseRemove(name) => out.response_headers.remove.push(name.to_owned()),
                Change::Redirect(entry) => out.redirect = Some(redirect(&entry)?),
                Change::Rewrite(entry) => out.rewrite = Some(rewrite(&entry)?),
                Change::Mirror(entry) => {
                    let service = match balance::service(segments, entry.service)? {
                        Some((key, _)) => {
                            let (namespace, name, port) = endpoints::names(key)?;
                            format!("{namespace}/{name}:{port}")
                        }
                        None => format!("{:016x}", entry.service),
                    };
                    out.mirrors.push(MirrorDump {
                        service,
                        numerator: entry.numerator,
                        denominator: entry.denominator,
                    });
                }
                Change::Cors(entry) => out.cors = Some(cors(&entry)),
            }
        }
        Ok(Some(out))
    }
}

fn redirect(entry: &RedirectEntry<'_>) -> Result<RedirectDump, Broken> {
    Ok(RedirectDump {
        status: entry.status,
        scheme: entry.tls.map(|tls| if tls { "https" } else { "http" }),
        hostname: entry.host.map(lossy),
        port: entry.port,
        path: path_edit(&entry.path)?,
    })
}

fn rewrite(entry: &RewriteEntry<'_>) -> Result<RewriteDump, Broken> {
    Ok(RewriteDump {
        hostname: entry.host.map(lossy),
        path: path_edit(&entry.path)?,
    })
}

fn path_edit(edit: &PathEntryEdit<'_>) -> Result<Option<PathEditDump>, Broken> {
    Ok(match edit {
        PathEntryEdit::None => None,
        PathEntryEdit::Full(path) => Some(PathEditDump::Full(lossy(path))),
        PathEntryEdit::Prefix(b"") => Some(PathEditDump::Prefix("/".to_owned())),
        PathEntryEdit::Prefix(path) => Some(PathEditDump::Prefix(lossy(path))),
        PathEntryEdit::Template(template) => {
            let mut text = String::new();
            for piece in template.pieces() {
                match piece? {
                    PieceEntry::Text(piece) => text.push_str(&lossy(piece).replace('$', "\\$")),
                    PieceEntry::Capture(number) => {
                        text.push('$');
                        text.push_str(&number.to_string());
                    }
                }
            }
            Some(PathEditDump::Template(text))
        }
    })
}

fn cors(entry: &CorsEntry<'_>) -> CorsDump {
    let list = |texts: &Texts<'_>| texts.iter().map(lossy).collect();
    CorsDump {
        allow_origins: list(&entry.origins),
        allow_methods: list(&entry.methods),
        allow_headers: list(&entry.headers),
        expose_headers: list(&entry.expose),
        allow_credentials: entry.credentials,
        max_age: entry.max_age,
    }
}

// === impl HeadersDump ===

impl HeadersDump {
    fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}
