//! What `dev` says.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use silverback_core::table::store::publish::Published;

use super::config::Config;
use super::modules::{self, Kind};
use super::ports::{self, Ports};
use super::rebuild::Rebuild;
use super::running::{Effect, Running};
use super::stubs::Substitution;
use crate::dump::{Backend, Host, Match, Service, ValueMatch};
use crate::object::ObjectKey;
use crate::problem::Problem;
use crate::render::{self, Grid, plural, style};

/// Rows of the route table.
const ROWS: usize = 20;
/// Problems that are shown at the start; the others are counted.
const PROBLEMS: usize = 20;
/// Substitutions that are named one by one.
const SUBSTITUTIONS: usize = 20;
/// Objects that a line of change names.
const NAMED: usize = 3;

/// What there is to know at the start.
pub(super) fn banner(out: &mut dyn Write, running: &Running, took: Duration) -> io::Result<()> {
    let (bold, dim) = (style::BOLD, style::DIM);
    let config = &running.config;
    writeln!(
        out,
        "{bold}silverback {}{bold:#}  {dim}silverback.wasm {}, translator.wasm {}, {}, {}{dim:#}\n",
        env!("CARGO_PKG_VERSION"),
        module_id(&config.filter_wasm, silverback_guests::FILTER_ID),
        module_id(&config.translator_wasm, silverback_guests::TRANSLATOR_ID),
        plural(running.workers(), "worker"),
        if config.strict {
            "strict"
        } else {
            "not strict"
        },
    )?;
    heading(out, "Listening")?;
    listeners(out, config, &running.ports, (config.admin, config.pull))?;
    for note in running.notes.iter().chain(&running.conflicts) {
        let warning = style::WARNING;
        writeln!(out, "{warning}note{warning:#}: {note}")?;
    }
    writeln!(out)?;
    heading(out, "Routes")?;
    render::routes(out, &running.dump, ROWS)?;
    if !running.substitutions.is_empty() {
        writeln!(out)?;
        heading(out, "Substituted")?;
        for substitution in running.substitutions.iter().take(SUBSTITUTIONS) {
            self::substitution(out, substitution)?;
        }
        let more = running.substitutions.len().saturating_sub(SUBSTITUTIONS);
        if more > 0 {
            writeln!(out, "{dim}+{more} more{dim:#}")?;
        }
    }
    if !running.problems.is_empty() {
        writeln!(out)?;
        heading(out, "Problems")?;
        problems(out, &running.problems)?;
    }
    if config.verbose > 0 {
        render::skipped(out, &running.skipped())?;
    } else if !running.ignored.is_empty() {
        writeln!(
            out,
            "{dim}{} of kinds that are not read (-v lists them){dim:#}",
            plural(running.ignored.len(), "object")
        )?;
    }
    if let Some((curl, explain)) = commands(config, running) {
        let command = style::COMMAND;
        writeln!(out)?;
        heading(out, "Try")?;
        writeln!(out, "{command}{curl}{command:#}")?;
        writeln!(out, "{command}{explain}{command:#}")?;
    }
    writeln!(
        out,
        "\n{dim}ready after {} ms; {}Ctrl-C ends{dim:#}",
        took.as_millis(),
        if config.watch {
            "watching the files; "
        } else {
            ""
        },
    )?;
    out.flush()
}

/// One line for a change; problems and errors below it.
pub(super) fn effect(out: &mut dyn Write, config: &Config, effect: &Effect) -> io::Result<()> {
    let dim = style::DIM;
    if !effect.objects.is_empty() {
        write!(out, "{}", named(&effect.objects))?;
        match &effect.published {
            Some(published) => {
                let published = published_text(published);
                let (latency, work) = (effect.latency.as_millis(), effect.work.as_millis());
                writeln!(
                    out,
                    "  in effect after {latency} ms {dim}({work} ms of work; {published}){dim:#}"
                )?;
            }
            None => writeln!(out, "  {dim}nothing in the table changes{dim:#}")?,
        }
    }
    for substitution in effect.substitutions.iter().take(SUBSTITUTIONS) {
        self::substitution(out, substitution)?;
    }
    for port in &effect.closed {
        writeln!(out, "port {port} is closed")?;
    }
    listeners(out, config, &effect.ports, (None, None))?;
    problems(out, &effect.problems)?;
    match effect.solved {
        (0, _) => {}
        (solved, 0) => {
            let good = style::GOOD;
            writeln!(
                out,
                "{good}{} solved{good:#}, none left",
                plural(solved, "problem")
            )?;
        }
        (solved, left) => writeln!(out, "{} solved, {left} left", plural(solved, "problem"))?,
    }
    for error in &effect.errors {
        self::error(out, error)?;
    }
    out.flush()
}

/// A module was replaced.
pub(super) fn replaced(
    out: &mut dyn Write,
    kind: Kind,
    id: &str,
    published: Option<&Published>,
    took: Duration,
    compiling: Duration,
) -> io::Result<()> {
    let (good, dim) = (style::GOOD, style::DIM);
    let changed = match published {
        Some(published) => format!("; {}", published_text(published)),
        None => String::new(),
    };
    let file = kind.file();
    let (took, compiling) = (took.as_millis(), compiling.as_millis());
    writeln!(
        out,
        "{good}{file} {id}{good:#} in effect after {took} ms {dim}({compiling} ms of compiling{changed}){dim:#}"
    )
}

/// The command that builds the modules began, or ended.
pub(super) fn rebuild(out: &mut dyn Write, command: &str, rebuild: &Rebuild) -> io::Result<()> {
    let dim = style::DIM;
    match rebuild {
        Rebuild::Began => writeln!(out, "{dim}a source changed: {command}{dim:#}"),
        Rebuild::Succeeded(took) => {
            writeln!(out, "{dim}built in {:.1} s{dim:#}", took.as_secs_f64())
        }
        Rebuild::Failed(why) => error(
            out,
            &format!("`{command}` failed ({why}); what was built last goes on"),
        ),
    }
}

/// Something did not work, and everything else goes on.
pub(super) fn error(out: &mut dyn Write, error: &str) -> io::Result<()> {
    let style = style::ERROR;
    writeln!(out, "{style}error{style:#}: {error}")
}

fn listeners(
    out: &mut dyn Write,
    config: &Config,
    ports: &Ports,
    (admin, pull): (Option<SocketAddr>, Option<SocketAddr>),
) -> io::Result<()> {
    let mut grid = Grid::new(&["", ""]);
    for (number, port) in ports {
        let mut serves = Vec::new();
        if port.ingress {
            serves.push("Ingress".to_owned());
        }
        if let Some(listener) = port.listener {
            let gateways = port.gateways.join(", ");
            serves.push(format!("Gateway port {listener}: {gateways}"));
        }
        let scheme = if port.tls { "https" } else { "http" };
        let url = format!("{scheme}://{}:{number}", ip(config));
        grid.row([url, serves.join("; ")]);
    }
    if let Some(admin) = admin {
        let what = "status page, /metrics; silverback status";
        grid.row([format!("http://{admin}"), what.to_owned()]);
    }
    if let Some(pull) = pull {
        let what = "the table, for data planes that ask";
        grid.row([format!("http://{pull}"), what.to_owned()]);
    }
    grid.write(out)
}

fn heading(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let head = style::HEAD;
    writeln!(out, "{head}{text}{head:#}")
}

fn substitution(out: &mut dyn Write, substitution: &Substitution) -> io::Result<()> {
    let warning = style::WARNING;
    match substitution {
        Substitution::Echo { service } => {
            writeln!(out, "{service} has no endpoints: an echo answers")
        }
        Substitution::Backend { service, to } => writeln!(out, "{service} is {to}"),
        Substitution::Unused { service } => writeln!(
            out,
            "{warning}--backend {service}{warning:#}: no such Service port in the files"
        ),
    }
}

fn problems(out: &mut dyn Write, problems: &[Problem]) -> io::Result<()> {
    render::problems(out, &problems[..problems.len().min(PROBLEMS)])?;
    let more = problems.len().saturating_sub(PROBLEMS);
    if more > 0 {
        let dim = style::DIM;
        writeln!(
            out,
            "{dim}+{more} more (silverback validate shows all){dim:#}"
        )?;
    }
    Ok(())
}

fn named(objects: &[(char, ObjectKey)]) -> String {
    let shown: Vec<_> = objects
        .iter()
        .take(NAMED)
        .map(|(sign, key)| format!("{sign} {key}"))
        .collect();
    let mut text = shown.join(", ");
    let more = objects.len().saturating_sub(NAMED);
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

fn published_text(published: &Published) -> String {
    format!(
        "epoch {}, {}, {}",
        published.epoch,
        plural(published.segments, "segment"),
        plural(published.pages, "page")
    )
}

pub(super) fn module_id(file: &Option<PathBuf>, builtin: &str) -> String {
    let bytes = file.as_ref().and_then(|file| std::fs::read(file).ok());
    bytes.map_or_else(|| builtin.to_owned(), |bytes| modules::id(&bytes))
}

/// A request for the first route that goes somewhere, as `curl` and as `explain` have it.
fn commands(config: &Config, running: &Running) -> Option<(String, String)> {
    let mut all = running
        .dump
        .hosts
        .iter()
        .flat_map(|host| host.matches.iter().map(move |matched| (host, matched)));
    let alive = Alive::of(running);
    let usable = |host: &Host, matched: &Match| {
        matched.path.value.starts_with('/')
            && matches!(&*matched.path.kind, "Exact" | "Prefix" | "PathPrefix")
            && alive.serves(matched)
            && (host.scope.starts_with("port:") || host.scope.starts_with("ingress"))
            // What a value must be to fit a pattern is not for us to say.
            && matched.headers.iter().all(|header| example(header).is_some())
            && matched.query.is_empty()
            && matched.scheme.as_deref() != Some("https")
    };
    let (host, matched) = all.find(|(host, matched)| usable(host, matched))?;
    let listener: Option<u16> = host
        .scope
        .strip_prefix("port:")
        .and_then(|scope| scope.split('/').next()?.parse().ok());
    let here = listener.map_or(config.ingress_port, |port| ports::local(config, port));
    let path = &matched.path.value;

    let name = host.host.as_ref().map(|host| host.replacen('*', "www", 1));
    let mut options = String::new();
    let get = matched.methods.iter().any(|method| method == "GET");
    if let Some(method) = matched.methods.first().filter(|_| !get) {
        options += &format!(" -X {}", quote(method));
    }
    for header in &matched.headers {
        let value = example(header).unwrap_or_default();
        options += &format!(" -H {}", quote(&format!("{}: {value}", header.name)));
    }
    let tls = running.ports.get(&here).is_some_and(|port| port.tls);
    let curl = match (&name, tls) {
        // The name must be in the handshake too.
        (_, true) => {
            let name = name.as_deref().unwrap_or("localhost");
            let ip = match ip(config) {
                ip if ip == "localhost" => "127.0.0.1".to_owned(),
                ip => ip,
            };
            let resolve = format!("{name}:{here}:{ip}");
            let url = format!("https://{name}:{here}{path}");
            format!(
                "curl -ik --resolve {}{options} {}",
                quote(&resolve),
                quote(&url)
            )
        }
        (Some(name), false) => {
            let host = quote(&format!("Host: {name}"));
            format!(
                "curl -i -H {host}{options} {}",
                quote(&url(config, here, path))
            )
        }
        (None, false) => format!("curl -i{options} {}", quote(&url(config, here, path))),
    };

    let port = listener
        .filter(|port| *port != if tls { 443 } else { 80 })
        .map(|port| format!(":{port}"));
    let name = name.unwrap_or_else(|| "example.com".to_owned());
    let scheme = if tls { "https" } else { "http" };
    let asked = format!("{scheme}://{name}{}{path}", port.unwrap_or_default());
    let mut explain = "silverback explain".to_owned();
    for path in &config.paths {
        explain += &format!(" -f {}", quote(&path.display().to_string()));
    }
    let echo = |substitution: &Substitution| matches!(substitution, Substitution::Echo { .. });
    if running.substitutions.iter().any(echo) {
        explain += " --echo";
    }
    explain += &format!("{options} {}", quote(&asked));
    Some((curl, explain))
}

/// Services that can answer.
struct Alive<'a> {
    services: BTreeSet<(&'a str, &'a str, String)>,
    plugins: bool,
}

impl<'a> Alive<'a> {
    fn of(running: &'a Running) -> Self {
        let can = |service: &&Service| {
            let name = service.external_name();
            // A name that was not looked up yet may well have addresses.
            !service.endpoints.is_empty() || name.is_some_and(|name| !running.is_unresolved(name))
        };
        let services = running.dump.services.iter().filter(can).map(|service| {
            let port = render::port(&service.port);
            (&*service.namespace, &*service.name, port)
        });
        Self {
            services: services.collect(),
            plugins: running.config.ignore_plugins,
        }
    }

    /// Whether all shares of a match are answered by a Service, and without plugins that are missing.
    fn serves(&self, matched: &Match) -> bool {
        let plugins = matched
            .rest
            .get("plugins")
            .is_some_and(|set| !set.is_null());
        let named = |backend: &Backend| {
            let port = render::port(&backend.port);
            let key = (&*backend.namespace, &*backend.name, port);
            backend.weight == 0 || (backend.invalid.is_none() && self.services.contains(&key))
        };
        let backends = &matched.backends;
        (self.plugins || !plugins)
            && backends.iter().any(|backend| backend.weight > 0)
            && backends.iter().all(named)
    }
}

/// A value that fits, if that is plain.
fn example(wanted: &ValueMatch) -> Option<&str> {
    let value = wanted.value.as_ref().or_else(|| wanted.one_of.first());
    value.map(String::as_str)
}

fn url(config: &Config, port: u16, path: &str) -> String {
    format!("http://{}:{port}{path}", ip(config))
}

fn ip(config: &Config) -> String {
    match config.bind {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        ip => ip.to_string(),
    }
}

/// The word as a shell takes it.
fn quote(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=@%+,~".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quote("a/b.yaml"), "a/b.yaml");
        assert_eq!(quote("Host: a"), "'Host: a'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
    }
}
