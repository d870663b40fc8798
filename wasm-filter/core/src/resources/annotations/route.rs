//! Annotations of Ingress, HTTPRoute and GRPCRoute.

use super::{Cost, PREFIX, PluginName, boolean, headers, items, plugins, rewrite, unsupported};
use crate::problem::Code;
use crate::resources::field::{Field, Sink, quote};
use crate::resources::host;
use crate::table::model::{
    Forwarding, HeaderMatch, HostPattern, PathEdit, PathMatch, Piece, RouteMatch, Rule, SchemeMatch,
};

/// What the annotations of a route object say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RouteAnnotations {
    /// What those cost that cannot be honoured.
    pub(crate) cost: Cost,
    pub(crate) forwarding: Forwarding,
    /// Upper case, sorted; empty = any.
    pub(crate) methods: Box<[Box<str>]>,
    /// All of these, sorted.
    pub(crate) headers: Box<[HeaderMatch]>,
    /// One of these where there is TLS, sorted; empty = any.
    pub(crate) snis: Box<[HostPattern]>,
    /// Hosts beside those of the object, sorted.
    pub(crate) host_aliases: Box<[HostPattern]>,
    pub(crate) scheme: SchemeMatch,
    /// `konghq.com/rewrite`; not empty.
    pub(crate) rewrite: Option<Box<[Piece]>>,
    pub(crate) plugins: Box<[PluginName]>,
    /// Sorted.
    pub(crate) tags: Box<[Box<str>]>,
}

/// Whose annotations are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Ingress,
    /// HTTPRoute or GRPCRoute.
    Route,
}

/// What several annotations together say of TLS.
#[derive(Debug, Default)]
struct Scheme {
    /// `protocols`: without TLS, with TLS.
    protocols: Option<(bool, bool)>,
    force_ssl: bool,
    status: Option<u16>,
}

const FORCE_SSL: &str = "ingress.kubernetes.io/force-ssl-redirect";
const HEADERS: &str = "headers.";
const SEPARATOR: &str = "konghq.com/headers-separator";
/// Kong's `https_redirect_status_code`.
const STATUSES: [u16; 5] = [301, 302, 307, 308, 426];
const MAX_ALIASES: usize = 256;
const MAX_METHOD: usize = 64;
/// Annotations that belong on a Service.
const OF_SERVICES: [&str; 13] = [
    "protocol",
    "path",
    "host-header",
    "connect-timeout",
    "read-timeout",
    "write-timeout",
    "retries",
    "upstream-policy",
    "client-cert",
    "tls-verify",
    "tls-verify-depth",
    "ca-certificates-secrets",
    "ca-certificates-configmaps",
];

/// Reads them; `None`: there are none that say anything.
pub(crate) fn read(
    metadata: &Field<'_, '_>,
    owner: Owner,
    sink: &mut Sink,
) -> Option<Box<RouteAnnotations>> {
    let annotations = metadata.key("annotations");
    let separator = separator(&annotations);
    let mut out = RouteAnnotations::default();
    let mut scheme = Scheme::default();
    for (key, _) in annotations.members(sink).unwrap_or_default() {
        let field = annotations.key(key);
        let name = match key.strip_prefix(PREFIX) {
            Some(name) => name,
            None if key == FORCE_SSL => key,
            None => continue,
        };
        match field.text(sink) {
            Ok(value) => {
                let value = value.unwrap_or_default().trim();
                let cost = out.read(name, value, &mut scheme, owner, separator, &field, sink);
                out.cost = out.cost.max(cost);
            }
            // Told already.
            Err(_) => out.cost = out.cost.max(cost(name)),
        }
    }
    out.scheme = scheme.combine();
    out.headers.sort();
    (out != RouteAnnotations::default()).then(|| Box::new(out))
}

/// What it costs if the annotation cannot be read. One that restricts must not be left out, nor one
/// that the upstream's safety may hang on.
fn cost(name: &str) -> Cost {
    match name {
        "methods" | "snis" | "protocols" | "headers-separator" | FORCE_SSL => Cost::Drop,
        _ if name.starts_with(HEADERS) => Cost::Drop,
        "plugins" | "rewrite" => Cost::Refuse,
        _ => Cost::Warning,
    }
}

fn separator<'v>(annotations: &Field<'v, '_>) -> &'v str {
    // One that is no text is told with the other annotations.
    let mut told_there = Sink::default();
    let given = annotations.key(SEPARATOR).text(&mut told_there);
    let given = given.ok().flatten().filter(|text| !text.is_empty());
    given.unwrap_or(",")
}

// === impl RouteAnnotations ===

impl RouteAnnotations {
    #[allow(clippy::too_many_arguments, reason = "one step of a loop")]
    fn read(
        &mut self,
        name: &str,
        value: &str,
        scheme: &mut Scheme,
        owner: Owner,
        separator: &str,
        field: &Field<'_, '_>,
        sink: &mut Sink,
    ) -> Cost {
        let read = match name {
            "strip-path" => {
                self.forwarding.strip_path = boolean(value, field, sink).unwrap_or(false);
                Some(())
            }
            "preserve-host" => {
                self.forwarding.preserve_host = boolean(value, field, sink).unwrap_or(true);
                Some(())
            }
            "path-handling" => {
                self.forwarding.path_v1 = value == "v1";
                if !matches!(value, "v0" | "v1" | "") {
                    no_effect(value, "v0 or v1", field, sink);
                }
                Some(())
            }
            "methods" => methods(value, field, sink).map(|methods| self.methods = methods),
            "snis" => hosts(value, field, sink).map(|snis| self.snis = snis),
            "host-aliases" => {
                self.host_aliases = aliases(value, field, sink);
                Some(())
            }
            "protocols" => protocols(value, field, sink).map(|p| scheme.protocols = p),
            FORCE_SSL => {
                scheme.force_ssl = boolean(value, field, sink).unwrap_or(false);
                Some(())
            }
            "https-redirect-status-code" => {
                scheme.status = status(value, field, sink);
                Some(())
            }
            "tags" => {
                self.tags = tags(value, field, sink);
                Some(())
            }
            "plugins" => plugins(value, field, sink).map(|plugins| self.plugins = plugins),
            "rewrite" if owner == Owner::Ingress => match rewrite::parse(value) {
                Ok(pieces) => {
                    self.rewrite = Some(pieces);
                    Some(())
                }
                Err(message) => {
                    let message = format!("{message}; requests are answered 500");
                    sink.push(field.error(Code::InvalidAnnotation, message));
                    None
                }
            },
            "rewrite" => {
                unsupported(Cost::Refuse, field, sink);
                None
            }
            // Read by the paths.
            "regex-prefix" if owner == Owner::Ingress => Some(()),
            "headers-separator" => Some(()),
            _ => match name.strip_prefix(HEADERS) {
                Some(header) => {
                    headers::parse(header, value, separator, field, sink).map(|header| {
                        let mut all = core::mem::take(&mut self.headers).into_vec();
                        all.push(header);
                        self.headers = all.into();
                    })
                }
                None => {
                    others(name, value, field, sink);
                    Some(())
                }
            },
        };
        read.map_or_else(|| cost(name), |()| Cost::Warning)
    }

    /// The hosts of something that is written for `hosts`. (`None` = any: as in KIC, aliases
    /// then are the only hosts.)
    pub(crate) fn hosts(&self, hosts: Option<&[HostPattern]>) -> Option<Box<[HostPattern]>> {
        if self.host_aliases.is_empty() {
            return hosts.map(Into::into);
        }
        let mut all: Vec<_> = hosts.unwrap_or_default().to_vec();
        for alias in &self.host_aliases {
            if !all.contains(alias) {
                all.push(alias.clone());
            }
        }
        Some(all.into())
    }

    /// Adds the conditions of the annotations to a match; `false`: no request can fit both, so
    /// the match must be left out.
    pub(crate) fn restrict(&self, m: &mut RouteMatch) -> bool {
        if m.methods.is_empty() {
            m.methods = self.methods.to_vec();
        } else if !self.methods.is_empty() {
            m.methods.retain(|method| self.methods.contains(method));
            if m.methods.is_empty() {
                return false;
            }
        }
        if !self.headers.is_empty() {
            m.headers.extend(self.headers.iter().cloned());
            m.headers.sort();
            m.headers.dedup();
        }
        m.snis = self.snis.to_vec();
        m.scheme = self.scheme;
        true
    }

    /// Gives a rule what the annotations say of it; plugins and rewrite apart.
    pub(crate) fn decorate(&self, rule: &mut Rule) {
        rule.forwarding = self.forwarding;
        rule.tags = self.tags.to_vec();
    }

    /// What `konghq.com/rewrite` makes of the requests of this path.
    ///
    /// # Errors
    /// Why it cannot be done.
    pub(crate) fn rewrite_of(&self, path: &PathMatch) -> Result<Option<PathEdit>, String> {
        match &self.rewrite {
            Some(pieces) => rewrite::edit(pieces, path).map(Some),
            None => Ok(None),
        }
    }
}

// === impl Scheme ===

impl Scheme {
    fn combine(&self) -> SchemeMatch {
        if self.force_ssl {
            let status = self.status.unwrap_or(302);
            return SchemeMatch::Tls { status };
        }
        match self.protocols {
            Some((true, false)) => SchemeMatch::Plain,
            Some((false, true)) => SchemeMatch::Tls {
                status: self.status.unwrap_or(426),
            },
            _ => SchemeMatch::Any,
        }
    }
}

fn no_effect(value: &str, expected: &str, field: &Field<'_, '_>, sink: &mut Sink) {
    sink.push(field.warning(
        Code::InvalidAnnotation,
        format!("{} is not {expected}; it has no effect", quote(value)),
    ));
}

/// What closes the object, because KIC would leave the restriction out.
fn not_routed(message: &str, field: &Field<'_, '_>, sink: &mut Sink) {
    sink.push(field.error(
        Code::InvalidAnnotation,
        format!("{message}; nothing is routed rather than without this restriction"),
    ));
}

fn methods(value: &str, field: &Field<'_, '_>, sink: &mut Sink) -> Option<Box<[Box<str>]>> {
    let mut out: Vec<Box<str>> = Vec::new();
    for item in items(value, ",", field, sink)? {
        let method = item.to_ascii_uppercase();
        if method.len() > MAX_METHOD || !method.bytes().all(|b| b.is_ascii_uppercase()) {
            not_routed(&format!("{} is no method", quote(item)), field, sink);
            return None;
        }
        out.push(method.into());
    }
    out.sort();
    out.dedup();
    Some(out.into())
}

fn hosts(value: &str, field: &Field<'_, '_>, sink: &mut Sink) -> Option<Box<[HostPattern]>> {
    let mut out = Vec::new();
    for item in items(value, ",", field, sink)? {
        match host::parse(item) {
            Ok(host) => out.push(host),
            Err(message) => {
                not_routed(&message, field, sink);
                return None;
            }
        }
    }
    out.sort();
    out.dedup();
    Some(out.into())
}

/// A bad alias is left out: fewer hosts are served, never more.
fn aliases(value: &str, field: &Field<'_, '_>, sink: &mut Sink) -> Box<[HostPattern]> {
    let mut out = Vec::new();
    for item in items(value, ",", field, sink).unwrap_or_default() {
        match host::parse(item) {
            Ok(host) => out.push(host),
            Err(message) => sink.push(field.error(Code::InvalidHost, message)),
        }
    }
    out.sort();
    out.dedup();
    if out.len() > MAX_ALIASES {
        let message = format!("has {} hosts, at most {MAX_ALIASES} are served", out.len());
        sink.push(field.error(Code::TooMany, message));
        out.truncate(MAX_ALIASES);
    }
    out.into()
}

/// Without TLS, with TLS. gRPC and WebSocket are HTTP here: what is asked for is only TLS.
fn protocols(value: &str, field: &Field<'_, '_>, sink: &mut Sink) -> Option<Option<(bool, bool)>> {
    let mut found = None;
    for item in items(value, ",", field, sink)? {
        let (plain, tls) = found.unwrap_or((false, false));
        found = Some(match item {
            "http" | "grpc" | "ws" => (true, tls),
            "https" | "grpcs" | "wss" => (plain, true),
            other => {
                not_routed(
                    &format!("{} is no protocol of HTTP requests", quote(other)),
                    field,
                    sink,
                );
                return None;
            }
        });
    }
    Some(found)
}

fn status(value: &str, field: &Field<'_, '_>, sink: &mut Sink) -> Option<u16> {
    if value.is_empty() {
        return None;
    }
    let status = value.parse().ok().filter(|code| STATUSES.contains(code));
    if status.is_none() {
        no_effect(value, "301, 302, 307, 308 or 426", field, sink);
    }
    status
}

fn tags(value: &str, field: &Field<'_, '_>, sink: &mut Sink) -> Box<[Box<str>]> {
    let mut out: Vec<Box<str>> = Vec::new();
    for item in items(value, ",", field, sink).unwrap_or_default() {
        if item.chars().any(char::is_control) {
            no_effect(item, "a tag without control characters", field, sink);
        } else {
            out.push(item.into());
        }
    }
    out.sort();
    out.dedup();
    out.into()
}

/// Those that have no effect here.
fn others(name: &str, value: &str, field: &Field<'_, '_>, sink: &mut Sink) {
    let reason = match name {
        // Kong's defaults ask for nothing.
        "request-buffering" | "response-buffering" if value.eq_ignore_ascii_case("true") => return,
        "request-buffering" | "response-buffering" => "bodies are never buffered here",
        "regex-priority" => "the longer pattern comes first",
        "regex-prefix" => "it is for paths of Ingress",
        _ if OF_SERVICES.contains(&name) => "it belongs on a Service",
        _ => {
            unsupported(Cost::Warning, field, sink);
            return;
        }
    };
    sink.push(field.warning(
        Code::UnsupportedField,
        format!("is not supported and has no effect: {reason}"),
    ));
}
