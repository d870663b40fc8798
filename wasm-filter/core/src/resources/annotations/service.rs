//! Annotations of Services.

mod tls;

pub(crate) use self::tls::TlsAnnotations;

use super::{Cost, PREFIX, PluginName, boolean, plugins, unsupported};
use crate::problem::Code;
use crate::resources::field::{Field, Sink, quote};
use crate::resources::path;
use crate::table::model::UpstreamProtocol;

/// What the annotations of a Service say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ServiceAnnotations {
    /// Something that cannot be honoured must not be ignored: its requests are answered 500.
    pub(crate) refused: bool,
    pub(crate) protocol: Option<UpstreamProtocol>,
    pub(crate) path: Option<Box<str>>,
    /// The first that was refused, with its value, for those who refer to the Service.
    pub(crate) culprit: Option<Box<str>>,
    pub(crate) host_header: Option<Box<str>>,
    pub(crate) connect_timeout: Option<u32>,
    pub(crate) write_timeout: Option<u32>,
    pub(crate) read_timeout: Option<u32>,
    pub(crate) retries: Option<u8>,
    /// Name of a KongUpstreamPolicy of the own namespace.
    pub(crate) policy: Option<Box<str>>,
    pub(crate) plugins: Box<[PluginName]>,
    /// The Service's own address is the endpoint.
    pub(crate) service_upstream: bool,
    /// Certificates towards the endpoints; few have any.
    pub(crate) tls: Option<Box<TlsAnnotations>>,
}

const SERVICE_UPSTREAM: &str = "ingress.kubernetes.io/service-upstream";
/// Kong's timeouts end here.
const MAX_TIMEOUT: u32 = i32::MAX as u32 - 1;
/// One try and these are at most 255.
const MAX_RETRIES: u8 = 254;
const MAX_HOST: usize = 255;

/// Reads them; `None`: there are none that say anything.
pub(crate) fn read(metadata: &Field<'_, '_>, sink: &mut Sink) -> Option<Box<ServiceAnnotations>> {
    let annotations = metadata.key("annotations");
    let mut out = ServiceAnnotations::default();
    for (key, _) in annotations.members(sink).unwrap_or_default() {
        let field = annotations.key(key);
        let name = match key.strip_prefix(PREFIX) {
            Some(name) => name,
            None if key == SERVICE_UPSTREAM => key,
            None => continue,
        };
        match field.text(sink) {
            Ok(value) => {
                let (before, value) = (out.refused, value.unwrap_or_default().trim());
                out.read(name, value, &field, sink);
                if out.refused && !before {
                    out.culprit = Some(format!("{key}: {}", quote(value)).into());
                }
            }
            // Told already.
            Err(_) => out.refused |= !tunes(name),
        }
    }
    (out != ServiceAnnotations::default()).then(|| Box::new(out))
}

/// Does the annotation only tune? Without another one requests would go elsewhere, in another way
/// or without what protects them.
fn tunes(name: &str) -> bool {
    match name {
        "protocol" | "path" | "host-header" | "plugins" | SERVICE_UPSTREAM => false,
        _ => !tls::KNOWN.contains(&name),
    }
}

// === impl ServiceAnnotations ===

impl ServiceAnnotations {
    fn read(&mut self, name: &str, value: &str, field: &Field<'_, '_>, sink: &mut Sink) {
        match name {
            "protocol" => match protocol(value) {
                Some(protocol) => self.protocol = protocol,
                None => {
                    let message = format!("{} is no protocol of HTTP requests", quote(value));
                    self.refuse(&message, field, sink);
                }
            },
            "path" if value.is_empty() => {}
            "path" => match path::value(value) {
                Ok(path) => self.path = Some(path.into()),
                Err(message) => self.refuse(&message, field, sink),
            },
            "host-header" if value.is_empty() => {}
            "host-header" if is_host(value) => self.host_header = Some(value.into()),
            "host-header" => {
                self.refuse(&format!("{} is no host", quote(value)), field, sink);
            }
            "connect-timeout" => self.connect_timeout = milliseconds(value, field, sink),
            "write-timeout" => self.write_timeout = milliseconds(value, field, sink),
            "read-timeout" => self.read_timeout = milliseconds(value, field, sink),
            "retries" => self.retries = retries(value, field, sink),
            "upstream-policy" if value.is_empty() => {}
            "upstream-policy" if crate::object::is_name(value) => self.policy = Some(value.into()),
            "upstream-policy" => no_effect(&format!("{} is no name", quote(value)), field, sink),
            "plugins" => match plugins(value, field, sink) {
                Some(plugins) => self.plugins = plugins,
                None => self.refused = true,
            },
            SERVICE_UPSTREAM => {
                self.service_upstream = boolean(value, field, sink).unwrap_or(false);
            }
            _ if tls::KNOWN.contains(&name) => {
                let mut tls = self.tls.take().map(|tls| *tls).unwrap_or_default();
                if let Err(message) = tls.read(name, value) {
                    self.refuse(&message, field, sink);
                }
                self.tls = (tls != TlsAnnotations::default()).then(|| Box::new(tls));
            }
            _ => unsupported(Cost::Warning, field, sink),
        }
    }

    /// What must not be ignored cannot be honoured.
    pub(crate) fn refuse(&mut self, message: &str, field: &Field<'_, '_>, sink: &mut Sink) {
        self.refused = true;
        sink.push(field.error(
            Code::InvalidAnnotation,
            format!("{message}; requests to the Service are answered 500"),
        ));
    }
}

/// Inner `None`: not given. WebSocket begins as HTTP/1.1.
#[allow(clippy::option_option, reason = "no value and no protocol differ")]
fn protocol(value: &str) -> Option<Option<UpstreamProtocol>> {
    Some(match value {
        "" => None,
        "http" | "ws" => Some(UpstreamProtocol::Http),
        "https" | "wss" => Some(UpstreamProtocol::Https),
        "grpc" => Some(UpstreamProtocol::Grpc),
        "grpcs" => Some(UpstreamProtocol::Grpcs),
        _ => return None,
    })
}

/// What a Host header may be; anything else could end the header.
fn is_host(value: &str) -> bool {
    value.len() <= MAX_HOST
        && value.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':' | b'[' | b']')
        })
}

fn milliseconds(value: &str, field: &Field<'_, '_>, sink: &mut Sink) -> Option<u32> {
    if value.is_empty() {
        return None;
    }
    let limit = value
        .parse()
        .ok()
        .filter(|ms| (1..=MAX_TIMEOUT).contains(ms));
    if limit.is_none() {
        let message = format!(
            "{} is no number of milliseconds from 1 to {MAX_TIMEOUT}",
            quote(value)
        );
        no_effect(&message, field, sink);
    }
    limit
}

fn retries(value: &str, field: &Field<'_, '_>, sink: &mut Sink) -> Option<u8> {
    if value.is_empty() {
        return None;
    }
    let retries = value.parse().ok().filter(|retries| *retries <= MAX_RETRIES);
    if retries.is_none() {
        let message = format!("{} is no number from 0 to {MAX_RETRIES}", quote(value));
        no_effect(&message, field, sink);
    }
    retries
}

fn no_effect(message: &str, field: &Field<'_, '_>, sink: &mut Sink) {
    sink.push(field.warning(
        Code::InvalidAnnotation,
        format!("{message}; it has no effect"),
    ));
}
