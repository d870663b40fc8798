//! How a Service is spoken to, for people.

use serde::Serialize;

use crate::explain::lossy;
use crate::table::endpoints::Settings;
use crate::table::model::{HashInput, UpstreamPolicy, UpstreamProtocol};

/// A Service's settings; what is the default is left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingsDump {
    /// `https`, `grpc`, `grpcs` or `h2c`; absent = http.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<&'static str>,
    /// Put before the request's path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Host header where the client's is not preserved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_header: Option<String>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<u32>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_timeout: Option<u32>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_timeout: Option<u32>,
    /// Tries after the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u8>,
    /// `name:port` that is resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_name: Option<String>,
    /// How an endpoint is chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyDump>,
    /// Id of the TLS policy, as its entity has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_policy: Option<String>,
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyDump {
    /// As KongUpstreamPolicy names it.
    pub algorithm: &'static str,
    /// `ip`, `header:NAME` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_on: Option<String>,
    /// The same, where the request has no such value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_on_fallback: Option<String>,
    /// Failures one after the other until an endpoint is taken out: tcp, timeouts, http.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passive: Option<[u8; 3]>,
}

// === impl SettingsDump ===

impl SettingsDump {
    /// Writes down settings.
    #[must_use]
    pub fn of(settings: &Settings<'_>) -> Self {
        let protocol = settings.protocol;
        Self {
            protocol: (protocol != UpstreamProtocol::Http).then(|| protocol.as_str()),
            path: settings.path.map(lossy),
            host_header: settings.host_header.map(lossy),
            connect_timeout: settings.connect_timeout,
            write_timeout: settings.write_timeout,
            read_timeout: settings.read_timeout,
            retries: settings.retries,
            external_name: settings
                .external
                .map(|(name, port)| format!("{name}:{port}")),
            policy: (settings.policy()).map(|policy| PolicyDump::of(&policy.to_model())),
            tls_policy: (settings.tls_policy != 0).then(|| format!("{:016x}", settings.tls_policy)),
        }
    }
}

// === impl PolicyDump ===

impl PolicyDump {
    fn of(policy: &UpstreamPolicy) -> Self {
        Self {
            algorithm: policy.algorithm.as_str(),
            hash_on: input(&policy.hash_on),
            hash_on_fallback: input(&policy.fallback),
            passive: policy
                .passive
                .as_ref()
                .map(|p| [p.tcp_failures, p.timeouts, p.http_failures]),
        }
    }
}

fn input(input: &HashInput) -> Option<String> {
    Some(match input {
        HashInput::None => return None,
        HashInput::Ip => "ip".to_owned(),
        HashInput::Path => "path".to_owned(),
        HashInput::Consumer => "consumer".to_owned(),
        HashInput::Header(name) => format!("header:{name}"),
        HashInput::Cookie(name, path) => format!("cookie:{name}:{path}"),
        HashInput::Query(name) => format!("query:{name}"),
        HashInput::Capture(name) => format!("capture:{name}"),
    })
}
