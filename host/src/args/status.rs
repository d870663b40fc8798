//! What can be typed after `silverback status`.

use clap::Args as ClapArgs;

use super::TableOutput;

/// `silverback status`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  silverback status
  silverback status -o json | jq .problems
  silverback status --admin-url http://127.0.0.1:9090

The JSON is that of GET /status at the admin port, with `schemaVersion`.

Exit status: 0 if there was an answer, 1 if not, 2 for a wrong command line.")]
pub struct StatusArgs {
    /// Where the admin port is; `silverback dev` says it at its start.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:9080",
        env = "SILVERBACK_ADMIN_URL"
    )]
    pub admin_url: String,

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
