//! Commands about the program itself.

use clap::Args;
use clap_complete::Shell;

use super::TableOutput;

/// `silverback problems`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  silverback problems InvalidHost
  silverback problems -o json | jq -r '.codes[].code'

Exit status: 0, or 2 if there is no such code.")]
pub struct ProblemsArgs {
    /// The code, in any case; without one all are listed.
    #[arg(value_name = "CODE")]
    pub code: Option<String>,

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

/// `silverback completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  source <(silverback completions bash)
  silverback completions zsh > \"${fpath[1]}/_silverback\"
  silverback completions fish > ~/.config/fish/completions/silverback.fish")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}
