//! How nodes get the table that ask for it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// Nodes that ask.
#[derive(Clone, Debug, Default, Args)]
pub struct PullArgs {
    /// Give the table to data planes that ask for it: Envoy, or Kong without the plugin. Plain HTTP,
    /// and who asks sees the whole table.
    #[arg(long, value_name = "ADDRESS:PORT", env = "SILVERBACK_PULL_LISTEN")]
    pub pull_listen: Option<SocketAddr>,

    /// File with the token that they must send, as `Authorization: Bearer TOKEN`. Needed unless
    /// the address is of the loopback.
    #[arg(
        long,
        value_name = "FILE",
        requires = "pull_listen",
        env = "SILVERBACK_PULL_TOKEN_FILE"
    )]
    pub pull_token_file: Option<PathBuf>,
}
