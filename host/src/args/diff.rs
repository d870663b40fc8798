//! `silverback diff`.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use super::{ClassArgs, TableOutput};

/// `silverback diff`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  silverback diff -f released/ -f manifests/
  git show HEAD:shop.yaml | silverback diff -f - -f shop.yaml
  silverback diff -f old.yaml -f new.yaml --exit-code -o json

What is compared are the routing tables, not the texts: hosts, matches, backends, listeners,
Services with endpoints, whatever else the tables hold, and the contents of what they refer to:
plugins, certificates, authorities. Of a content only a digest is shown, and it is keyed anew for
each run. Other names of files, another order of objects and other places of rules in their object
are no differences.

JSON: {\"schemaVersion\":1,\"equal\",\"summary\":{\"added\",\"changed\",\"removed\"},\"changes\":[{\"op\",\"kind\",
\"id\",\"old\",\"new\",\"fields\":[{\"op\",\"path\",\"old\",\"new\"}],\"changes\":[...]}]}

Exit status: 0; with --exit-code 1 if the tables differ; 2 if they could not be compared. If not all
manifests could be read, what could be is compared, and the status is 1 (2 with --exit-code).")]
pub struct DiffArgs {
    /// Twice: the old manifests, then the new ones; each a file, a directory with all below it, or
    /// `-` for the standard input.
    #[arg(
        short = 'f',
        long = "filename",
        visible_alias = "manifests",
        value_name = "PATH",
        required = true,
        action = ArgAction::Append
    )]
    pub tables: Vec<PathBuf>,

    /// Which classes.
    #[command(flatten)]
    pub classes: ClassArgs,

    /// How to show it.
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "table",
        env = "SILVERBACK_OUTPUT"
    )]
    pub output: TableOutput,

    /// Exit with 1 if the tables differ.
    #[arg(long, env = "SILVERBACK_EXIT_CODE")]
    pub exit_code: bool,
}
