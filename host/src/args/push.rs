//! `silverback push`, and how Kong's Admin APIs are reached.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::{ManifestArgs, TableOutput};
use crate::nodes::NodeUrl;

/// `silverback push`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  silverback push -f manifests/ --kong-admin-url http://localhost:8001
  silverback push -f manifests/ --kong-admin-url https://10.0.0.7:8444 \\
      --kong-admin-ca-cert-file ca.pem --kong-admin-token-file token
  silverback push -f manifests/ --kong-admin-url http://a:8001,http://b:8001 -o json

Each node needs Kong's plugin `silverback` (wasm-filter/kong/README.md). Only what a node does not
have is sent, and it is in effect, whole, before the node says so. What is wrong with an object is
reported and concerns only that object; if a file cannot be read or parsed, or no route is left,
nothing is pushed (--force). Names of ExternalName Services are not resolved.

JSON: {\"schemaVersion\":1,\"root\",\"bytes\",\"confirmed\",\"nodes\":[{\"url\",\"phase\",\"epoch\",\"root\",
\"lagMs\",\"commits\",\"sentBytes\",\"failures\",\"error\",\"hint\"}],\"problems\":[as validate has them]}

Exit status: 0 if every node has confirmed the table, 1 if one has not in time or nothing was
pushed, 2 for a wrong command line.")]
pub struct PushArgs {
    /// Which manifests.
    #[command(flatten)]
    pub manifests: ManifestArgs,

    /// Which nodes, and how they are reached.
    #[command(flatten)]
    pub admin: AdminArgs,

    /// Name of this installation: a node does not take tables of two in turns.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "silverback",
        env = "SILVERBACK_PUBLISHER"
    )]
    pub publisher: String,

    /// Take over nodes whose table is of another installation.
    #[arg(long, env = "SILVERBACK_ADOPT")]
    pub adopt: bool,

    /// Push although files could not be read, or no route is left: what is missing is removed from
    /// the nodes.
    #[arg(long, env = "SILVERBACK_FORCE")]
    pub force: bool,

    /// How long to try, in seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=86_400),
        env = "SILVERBACK_TIMEOUT"
    )]
    pub timeout: u64,

    /// How to show it.
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "table",
        env = "SILVERBACK_OUTPUT"
    )]
    pub output: TableOutput,
}

/// Kong nodes. Names as Kong Ingress Controller has them.
#[derive(Debug, Args)]
pub struct AdminArgs {
    /// URL of a node's Admin API; may be repeated or hold several with commas between them.
    #[arg(
        long,
        value_name = "URL",
        required = true,
        value_delimiter = ',',
        action = ArgAction::Append,
        env = "SILVERBACK_KONG_ADMIN_URL"
    )]
    pub kong_admin_url: Vec<NodeUrl>,

    /// Sent as `Kong-Admin-Token`. Other users of the machine can see a command line: the file or
    /// the variable is better.
    #[arg(
        long,
        value_name = "TOKEN",
        conflicts_with = "kong_admin_token_file",
        hide_env_values = true,
        env = "SILVERBACK_KONG_ADMIN_TOKEN"
    )]
    pub kong_admin_token: Option<String>,

    /// File with that token.
    #[arg(long, value_name = "FILE", env = "SILVERBACK_KONG_ADMIN_TOKEN_FILE")]
    pub kong_admin_token_file: Option<PathBuf>,

    /// Certificates (PEM) by which nodes are verified; needed for https.
    #[arg(long, value_name = "FILE", env = "SILVERBACK_KONG_ADMIN_CA_CERT_FILE")]
    pub kong_admin_ca_cert_file: Option<PathBuf>,

    /// Our certificate (PEM) for nodes that ask for one.
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["kong_admin_tls_client_key_file", "kong_admin_ca_cert_file"],
        env = "SILVERBACK_KONG_ADMIN_TLS_CLIENT_CERT_FILE"
    )]
    pub kong_admin_tls_client_cert_file: Option<PathBuf>,

    /// Its private key (PEM).
    #[arg(
        long,
        value_name = "FILE",
        requires = "kong_admin_tls_client_cert_file",
        env = "SILVERBACK_KONG_ADMIN_TLS_CLIENT_KEY_FILE"
    )]
    pub kong_admin_tls_client_key_file: Option<PathBuf>,

    /// Name that must be in a node's certificate, instead of the URL's host.
    #[arg(
        long,
        value_name = "NAME",
        requires = "kong_admin_ca_cert_file",
        env = "SILVERBACK_KONG_ADMIN_TLS_SERVER_NAME"
    )]
    pub kong_admin_tls_server_name: Option<String>,
}
