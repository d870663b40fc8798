//! What `GET /status` of the admin port says, and `silverback status` reads. docs/observability.md
//! describes the fields.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where `silverback dev` has its admin port unless it is told otherwise.
pub const DEFAULT_ADMIN_PORT: u16 = 9080;

/// The version of this format.
pub const SCHEMA_VERSION: u32 = 1;

/// All of it. A reader takes what is missing as empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Of the program.
    pub version: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// Seconds since then.
    pub uptime_seconds: u64,
    /// The table in effect.
    pub table: Table,
    /// silverback.wasm and translator.wasm.
    pub modules: Vec<Module>,
    /// Each worker.
    pub workers: Vec<Worker>,
    /// Where requests are taken.
    pub listeners: Vec<Listener>,
    /// Services with their endpoints.
    pub services: Vec<Service>,
    /// As `silverback validate -o json` has them.
    pub problems: Vec<Value>,
    /// What is not as usual since the start.
    pub notes: Vec<String>,
    /// Lines of the access log, and requests of the live tail, that were dropped because nobody took them
    /// in time.
    pub dropped: u64,
}

/// The table in effect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Table {
    /// How often a table came into effect.
    pub epoch: u64,
    /// Names its content.
    pub digest: String,
    /// Its size.
    pub bytes: u64,
    /// Matches in it.
    pub routes: u64,
}

/// A .wasm module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Module {
    /// `silverback.wasm` or `translator.wasm`.
    pub name: String,
    /// The first digits of its BLAKE3.
    pub digest: String,
    /// How often it was replaced.
    pub reloads: u64,
    /// How often another one was refused.
    pub refused: u64,
}

/// A worker of the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Worker {
    /// Its number.
    pub worker: u64,
    /// Requests whose headers it read.
    pub requests: u64,
    /// Client connections that it has open.
    pub connections: u64,
    /// Traps of its filter.
    pub traps: u64,
    /// Instances of the filter that were made anew.
    pub restarts: u64,
}

/// A socket of the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listener {
    /// The bound address.
    pub address: String,
    /// Speaks TLS.
    pub tls: bool,
    /// Serves Ingress objects.
    pub ingress: bool,
    /// The port of the Gateways' listeners that it stands for.
    pub gateway_port: Option<u16>,
    /// `namespace/gateway/listener` of each.
    pub gateways: Vec<String>,
}

/// A Service's port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Number or name of the port.
    pub port: String,
    /// `name:port` whose addresses are its endpoints (ExternalName).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_name: Option<String>,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// An endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// `ip:port`.
    pub address: String,
    /// It is the built-in echo.
    pub echo: bool,
    /// By its last try: `healthy` if it was answered, `failing`, or `untried`.
    pub health: String,
    /// `answered`, `failed` or `timedOut`.
    pub last_outcome: Option<String>,
    /// Status of the answer.
    pub last_status: Option<u16>,
    /// RFC 3339, UTC.
    pub last_at: Option<String>,
    /// Tries that were answered.
    pub answered: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Tries that timed out.
    pub timed_out: u64,
}
