//! What can be typed. The comments are the help texts.

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, ColorChoice, Parser, Subcommand, ValueEnum};

mod about;
#[cfg(feature = "dev")]
mod dev;
mod diff;
#[cfg(feature = "dev")]
mod limits;
mod pull;
mod push;
mod status;

pub use about::{CompletionsArgs, ProblemsArgs};
#[cfg(feature = "dev")]
pub use dev::{AccessLog, AdminPort};
pub use diff::DiffArgs;
#[cfg(feature = "dev")]
pub use limits::LimitArgs;
#[cfg(feature = "dev")]
pub(crate) use limits::size;
pub use pull::PullArgs;
pub use push::{AdminArgs, PushArgs};
pub use status::StatusArgs;

/// Kong ingress whose routing logic is WebAssembly.
///
/// Silverback turns Ingress, Gateway API and Service objects into a routing table that a filter in
/// Kong's workers reads. Everything can be tried without a cluster and without Kong.
#[derive(Debug, Parser)]
#[command(
    name = "silverback",
    version,
    long_version = crate::LONG_VERSION.as_str(),
    disable_help_subcommand = true,
    propagate_version = true,
    after_help = "Examples:
  silverback dev examples/quickstart
  silverback explain -f examples/quickstart --echo http://shop.example.com/cart
  silverback validate -f manifests/
  silverback diff -f released/ -f manifests/

Exit status: 0 if done, 1 if it failed or found something wrong, 2 for a wrong command line."
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Use colours; `auto` on a terminal, as NO_COLOR and CLICOLOR_FORCE say.
    #[arg(
        long,
        global = true,
        display_order = 900,
        value_name = "WHEN",
        default_value = "auto",
        env = "SILVERBACK_COLOR"
    )]
    pub color: ColorChoice,

    /// Say more: objects that are skipped, then the log. Twice for debugging.
    #[arg(
        short,
        long,
        global = true,
        display_order = 901,
        action = ArgAction::Count,
        env = "SILVERBACK_VERBOSE"
    )]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an HTTP gateway with the manifests, and follow their changes.
    #[cfg(feature = "dev")]
    Dev(DevArgs),
    /// Show how a running `silverback dev` is doing.
    Status(StatusArgs),
    /// Say what the gateway does with a request, and why.
    Explain(ExplainArgs),
    /// Show the routing table that comes of the manifests.
    Translate(TranslateArgs),
    /// Check the manifests; exit with 1 if something is wrong.
    Validate(ValidateArgs),
    /// Show what new manifests change in the routing table.
    Diff(DiffArgs),
    /// Put the manifests' routing table into effect on Kong nodes.
    Push(PushArgs),
    /// Say what the code of a problem means and what to do about it.
    Problems(ProblemsArgs),
    /// Write completions for a shell.
    Completions(CompletionsArgs),
}

/// Which manifests.
#[derive(Debug, ClapArgs)]
pub struct ManifestArgs {
    /// File, directory with all below it, or `-` for the standard input; may be repeated.
    #[arg(
        short = 'f',
        long = "filename",
        visible_alias = "manifests",
        value_name = "PATH",
        required = true,
        action = ArgAction::Append,
        env = "SILVERBACK_FILENAME"
    )]
    pub filename: Vec<PathBuf>,

    /// Which classes.
    #[command(flatten)]
    pub classes: ClassArgs,
}

/// Whose Ingress and Gateway objects count.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct ClassArgs {
    /// Only Ingress objects of this class; without it and the next one, all classes are taken.
    #[arg(long, value_name = "NAME", env = "SILVERBACK_INGRESS_CLASS")]
    pub ingress_class: Option<String>,

    /// Only Gateways whose class has this controller.
    #[arg(
        long,
        value_name = "NAME",
        env = "SILVERBACK_GATEWAY_API_CONTROLLER_NAME"
    )]
    pub gateway_api_controller_name: Option<String>,
}

/// `silverback dev`.
#[cfg(feature = "dev")]
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  silverback dev examples/quickstart
  silverback dev manifests/ --backend default/cart:80=localhost:3000
  silverback dev manifests/ --ingress-port 9000 --port-offset 10000
  silverback dev manifests/ --filter-wasm my.wasm --rebuild 'make my.wasm' --rebuild-on src
  silverback dev manifests/ --pull-listen 127.0.0.1:9090
  silverback dev manifests/ --access-log json | jq 'select(.status >= 500)'

The admin port has a status page for the browser, /metrics for Prometheus and /status as JSON.

Services of the files that have no endpoints are answered by an echo, each of them named at the
start (--no-echo: they answer 503, as in a cluster).")]
pub struct DevArgs {
    /// Files and directories with manifests.
    #[arg(value_name = "PATH", required = true, env = "SILVERBACK_PATH")]
    pub paths: Vec<PathBuf>,

    /// Which classes.
    #[command(flatten)]
    pub classes: ClassArgs,

    /// Address to listen at.
    #[arg(
        long,
        value_name = "IP",
        default_value = "127.0.0.1",
        env = "SILVERBACK_BIND"
    )]
    pub bind: std::net::IpAddr,

    /// Port for Ingress objects.
    #[arg(
        long,
        value_name = "PORT",
        value_parser = clap::value_parser!(u16).range(1..),
        default_value_t = 8000,
        env = "SILVERBACK_INGRESS_PORT"
    )]
    pub ingress_port: u16,

    /// Port for Ingress objects over TLS, with a certificate of our own for hosts that have none;
    /// 0 = none.
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 8443,
        env = "SILVERBACK_INGRESS_TLS_PORT"
    )]
    pub ingress_tls_port: u16,

    /// Gateway listeners with a port below 1024 listen this much higher.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8000,
        env = "SILVERBACK_PORT_OFFSET"
    )]
    pub port_offset: u16,

    /// No echo for Services without endpoints.
    #[arg(long, env = "SILVERBACK_NO_ECHO")]
    pub no_echo: bool,

    /// Send what is for a Service's port to something that is running; may be repeated.
    #[arg(
        long,
        value_name = "NS/SERVICE:PORT=HOST:PORT",
        action = ArgAction::Append,
        env = "SILVERBACK_BACKEND",
        value_delimiter = ','
    )]
    pub backend: Vec<String>,

    /// Workers, each with its own instance of the filter, 256 at most; 0 = one for each core.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(0..=256),
        env = "SILVERBACK_WORKERS"
    )]
    pub workers: usize,

    /// Size of the shared-data zone: `nginx_wasm_shm_kv_silverback` in Kong.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64m",
        env = "SILVERBACK_ZONE_SIZE"
    )]
    pub zone_size: String,

    /// Behave like Kong's Wasm runtime in every quirk (the default).
    #[arg(long, overrides_with = "no_strict")]
    pub strict: bool,

    /// Behave as proxy-wasm is written down.
    #[arg(long, env = "SILVERBACK_NO_STRICT")]
    pub no_strict: bool,

    /// Proxy without the Kong plugins that a rule asks for: `dev` runs none, and answers 500
    /// otherwise.
    #[arg(long, env = "SILVERBACK_IGNORE_PLUGINS")]
    pub ignore_plugins: bool,

    /// One line for each request: `text` is the default on a terminal and with -v, else `off`. With
    /// `json` the standard output has nothing but these lines; what else there is to say goes to the
    /// standard error.
    #[arg(
        long,
        value_name = "FORMAT",
        hide_possible_values = true,
        env = "SILVERBACK_ACCESS_LOG"
    )]
    pub access_log: Option<AccessLog>,

    /// Port of 127.0.0.1 for status page and metrics; 0 = any free one, `off` = none. The default is
    /// 9080, or a free one if that is in use.
    #[arg(long, value_name = "PORT", env = "SILVERBACK_ADMIN_PORT")]
    pub admin_port: Option<AdminPort>,

    /// Nodes that ask for the table.
    #[command(flatten)]
    pub pull: PullArgs,

    /// Do not watch the files.
    #[arg(long, env = "SILVERBACK_NO_WATCH")]
    pub no_watch: bool,

    /// Another silverback.wasm than the built-in one; replaced while running when it changes.
    #[arg(long, value_name = "FILE", env = "SILVERBACK_FILTER_WASM")]
    pub filter_wasm: Option<PathBuf>,

    /// Another translator.wasm than the built-in one; replaced while running when it changes.
    #[arg(long, value_name = "FILE", env = "SILVERBACK_TRANSLATOR_WASM")]
    pub translator_wasm: Option<PathBuf>,

    /// Run this in a shell when a source changes (--rebuild-on): it builds the modules, which are
    /// then replaced. If it fails, what was built last goes on.
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "rebuild_on",
        env = "SILVERBACK_REBUILD"
    )]
    pub rebuild: Option<String>,

    /// File, or directory with all below it, that --rebuild builds from; may be repeated.
    #[arg(
        long,
        value_name = "PATH",
        requires = "rebuild",
        action = ArgAction::Append,
        value_delimiter = ',',
        env = "SILVERBACK_REBUILD_ON"
    )]
    pub rebuild_on: Vec<PathBuf>,

    /// What clients may do.
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// `silverback explain`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  silverback explain -f manifests/ http://shop.example.com/cart
  silverback explain -f manifests/ -X POST -H 'x-canary: 1' https://shop.example.com/cart -o json
  silverback explain -f manifests/ --requests requests.jsonl -o jsonl

A line of the requests file:
  {\"method\":\"GET\",\"scheme\":\"http\",\"host\":\"shop.example.com\",\"path\":\"/cart\",\"headers\":{}}

Exit status: 0 if every request was answered (a 404 is an answer), 1 if the answers were made without
manifests that could not be read, 2 if a request could not be asked.")]
pub struct ExplainArgs {
    /// Which manifests.
    #[command(flatten)]
    pub manifests: ManifestArgs,

    /// The URL; without a scheme it is http.
    #[arg(value_name = "URL", required_unless_present = "requests")]
    pub url: Option<String>,

    /// Method.
    #[arg(
        short = 'X',
        long = "method",
        visible_alias = "request",
        value_name = "METHOD",
        default_value = "GET",
        conflicts_with = "requests"
    )]
    pub method: String,

    /// A header, as curl takes it; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE",
          action = ArgAction::Append, conflicts_with = "requests")]
    pub header: Vec<String>,

    /// Answer as `silverback dev` would: an echo for Services of the files without endpoints.
    #[cfg(feature = "dev")]
    #[arg(long, env = "SILVERBACK_ECHO")]
    pub echo: bool,

    /// Many requests, one a line as JSON; `-` for the standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub requests: Option<PathBuf>,

    /// How to answer.
    #[arg(short, long, value_name = "FORMAT", env = "SILVERBACK_OUTPUT")]
    pub output: Option<ExplainOutput>,
}

/// `silverback translate`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  silverback translate -f manifests/
  silverback translate -f manifests/ -o json | jq .hosts
  helm template my-chart | silverback translate -f -

The JSON has the same order whatever the order of the files, and `schemaVersion`.

Exit status: 0 if all is well, 1 if not all manifests could be read (the table is without them), 2
for a wrong command line.")]
pub struct TranslateArgs {
    /// Which manifests.
    #[command(flatten)]
    pub manifests: ManifestArgs,

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

/// `silverback validate`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  silverback validate -f manifests/
  helm template my-chart | silverback validate -f - --deny-warnings
  silverback validate -f manifests/ -o json

JSON: {\"schemaVersion\":1,\"problems\":[{\"code\",\"severity\",\"object\",\"field\",\"message\",\"hint\",\"source\"}]}
with file, line and column in `source` (null for an object that is in no file).

Exit status: 0 if all is well, 1 if there are errors (or warnings with --deny-warnings), 2 for a
wrong command line.")]
pub struct ValidateArgs {
    /// Which manifests.
    #[command(flatten)]
    pub manifests: ManifestArgs,

    /// How to show it.
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        default_value = "table",
        env = "SILVERBACK_OUTPUT"
    )]
    pub output: TableOutput,

    /// Warnings count as errors.
    #[arg(long, env = "SILVERBACK_DENY_WARNINGS")]
    pub deny_warnings: bool,
}

/// Formats of `explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExplainOutput {
    /// For people.
    Table,
    /// One JSON value.
    Json,
    /// One JSON value a line.
    Jsonl,
}

/// Formats of the commands with one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableOutput {
    /// For people.
    #[value(alias = "text")]
    Table,
    /// One JSON value.
    Json,
}

// === impl ClassArgs ===

impl ClassArgs {
    /// The options of the translator that say the same (`translate::Options` in the core), for
    /// commands that serve their user's own machine, where pods may well be on 127.0.0.1.
    pub fn options(&self) -> String {
        self.options_with(true)
    }

    /// The same for a cluster, where such an address would be the data plane itself.
    pub fn cluster_options(&self) -> String {
        self.options_with(false)
    }

    fn options_with(&self, local: bool) -> String {
        let mut options = serde_json::Map::new();
        if let Some(class) = &self.ingress_class {
            options.insert("ingressClass".to_owned(), class.as_str().into());
        }
        if let Some(name) = &self.gateway_api_controller_name {
            options.insert("controllerName".to_owned(), name.as_str().into());
        }
        options.insert("acceptAllClasses".to_owned(), options.is_empty().into());
        options.insert("allowLocalAddresses".to_owned(), local.into());
        serde_json::Value::Object(options).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_flag_has_a_variable() {
        for command in Args::command().get_subcommands() {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                // What is asked belongs to one call, not to an environment.
                let asked = [
                    "url", "method", "header", "requests", "help", "version", "strict", "tables",
                    "code", "shell",
                ];
                if asked.contains(&name) {
                    continue;
                }
                let variable = argument.get_env().and_then(|name| name.to_str());
                assert!(
                    variable.is_some_and(|name| name.starts_with("SILVERBACK_")),
                    "{name}"
                );
            }
        }
    }
}
