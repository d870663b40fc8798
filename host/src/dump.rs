//! The translator's dump of the table: the schema is that of `silverback_core`'s `table::dump`. What
//! is not known here by name is kept in `rest` and shown as it is.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Fields that have no name here.
pub type Rest = Map<String, Value>;

/// The table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Dump {
    /// Names the whole table.
    pub digest: String,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Gateway listeners.
    pub listeners: Vec<Listener>,
    /// Hosts with their routes, in the order in which they are tried.
    pub hosts: Vec<Host>,
    /// Services with their endpoints.
    pub services: Vec<Service>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A listener of one or more Gateways.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Listener {
    /// The Gateway's port.
    pub port: u16,
    /// Only for this host.
    pub hostname: Option<String>,
    /// HTTP or HTTPS.
    pub protocol: String,
    /// Who has it.
    pub gateways: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A host in one scope.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Host {
    /// `ingress`, or `port:80/hostname` of a listener.
    pub scope: String,
    /// Name or wildcard; none = every host.
    pub host: Option<String>,
    /// Rules by precedence.
    pub matches: Vec<Match>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// One rule's match.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Match {
    /// What of the path.
    pub path: PathMatch,
    /// Only these methods; none = any.
    pub methods: Vec<String>,
    /// Only with these headers.
    pub headers: Vec<ValueMatch>,
    /// Only with these query parameters.
    pub query: Vec<ValueMatch>,
    /// Only with one of these server names where there is TLS; none = any.
    pub snis: Vec<String>,
    /// Only `http` or `https`.
    pub scheme: Option<String>,
    /// Whose rule it is.
    pub route: RouteRef,
    /// Where to.
    pub backends: Vec<Backend>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A path match.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PathMatch {
    /// Exact, Prefix (by segments), Text (by characters), Regex.
    #[serde(rename = "type")]
    pub kind: String,
    /// The path.
    pub value: String,
}

/// What a header or query parameter must be: `value`, one of several, or what a pattern matches.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueMatch {
    /// Name.
    pub name: String,
    /// This value.
    pub value: Option<String>,
    /// One of these values.
    pub one_of: Vec<String>,
    /// A value that this matches.
    pub regex: Option<String>,
    /// The pattern may match anywhere in the value.
    pub anywhere: bool,
}

/// A rule of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(default)]
pub struct RouteRef {
    /// Kind of the route.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which rule.
    pub rule: u32,
    /// Which match of the rule.
    #[serde(rename = "match")]
    pub matched: u32,
}

/// A backend, or why there is none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Backend {
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Port of the Service.
    pub port: serde_json::Value,
    /// Its share.
    pub weight: u32,
    /// Requests that fall to it are answered with 500.
    pub invalid: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A Service's port with its endpoints.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Port.
    pub port: serde_json::Value,
    /// `ip:port`.
    pub endpoints: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Rest,
}

/// The dump is not what this host knows.
#[derive(Debug, thiserror::Error)]
#[error(
    "the translator's dump cannot be read: {0} (hint: rebuild host and translator.wasm together)"
)]
pub struct DumpError(#[from] serde_json::Error);

// === impl Dump ===

impl Dump {
    /// Reads a dump.
    pub fn parse(json: &str) -> Result<Self, DumpError> {
        Ok(serde_json::from_str(json)?)
    }

    /// Number of rows of the route table.
    pub fn match_count(&self) -> usize {
        self.hosts.iter().map(|host| host.matches.len()).sum()
    }
}

// === impl Service ===

impl Service {
    /// `name:port` whose addresses are the endpoints.
    pub fn external_name(&self) -> Option<&str> {
        self.rest.get("externalName")?.as_str()
    }
}

// === impl RouteRef ===

impl std::fmt::Display for RouteRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)?;
        write!(f, " #{}", self.rule)?;
        if self.matched > 0 {
            write!(f, ".{}", self.matched)?;
        }
        Ok(())
    }
}
