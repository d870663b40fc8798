//! What `dev` uses, made of what was typed.

use std::io::{IsTerminal, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use crate::args::{self, AccessLog, DevArgs};
use crate::gateway::Limits;

/// A Service port that is served by something that runs already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) namespace: String,
    pub(super) service: String,
    /// Number or name of the Service's port.
    pub(super) port: String,
    pub(super) to: SocketAddr,
}

/// Everything that `dev` was told.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) paths: Vec<PathBuf>,
    pub(super) options: String,
    pub(super) bind: IpAddr,
    pub(super) ingress_port: u16,
    /// 0 = none.
    pub(super) ingress_tls_port: u16,
    pub(super) port_offset: u16,
    pub(super) echo: bool,
    pub(super) backends: Vec<Backend>,
    pub(super) workers: usize,
    pub(super) zone_bytes: usize,
    pub(super) strict: bool,
    pub(super) ignore_plugins: bool,
    pub(super) watch: bool,
    pub(super) filter_wasm: Option<PathBuf>,
    pub(super) translator_wasm: Option<PathBuf>,
    pub(super) rebuild: Option<String>,
    /// What it is built from.
    pub(super) sources: Vec<PathBuf>,
    pub(super) limits: Limits,
    /// How long requests in flight may take at the end.
    pub(super) drain: Duration,
    pub(super) access_log: AccessLog,
    /// Where the admin port is.
    pub(super) admin: Option<SocketAddr>,
    /// Where nodes ask for the table.
    pub(super) pull: Option<SocketAddr>,
    pub(super) verbose: u8,
}

/// What was typed cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConfigError {
    #[error("--backend {0}: not NS/SERVICE:PORT=HOST:PORT (hint: default/cart:80=localhost:3000)")]
    Backend(String),
    #[error("--backend {0}: cannot resolve {1}: {2}")]
    Resolve(String, String, String),
    #[error("--{0}-wasm: there is no file {1}")]
    Module(&'static str, String),
    #[error(
        "--ingress-port and --ingress-tls-port are both {0} (hint: give one another port, or --ingress-tls-port 0)"
    )]
    SamePort(u16),
    #[error("--rebuild-on {0}: there is no such file or directory")]
    Source(String),
    #[error("--zone-size {0}: not a size (hint: 64m)")]
    ZoneSize(String),
    #[error("--zone-size {0}: too small for any table (hint: 1m at least; 64m is the default)")]
    SmallZone(String),
}

/// The least zone that makes sense: an empty table with some room.
const MIN_ZONE: usize = 1 << 20;

// === impl Config ===

impl Config {
    pub(super) fn new(args: &DevArgs, verbose: u8) -> Result<Self, ConfigError> {
        let modules = [
            ("filter", &args.filter_wasm),
            ("translator", &args.translator_wasm),
        ];
        for (name, path) in modules {
            if let Some(path) = path.as_ref().filter(|path| !path.is_file()) {
                return Err(ConfigError::Module(name, path.display().to_string()));
            }
        }
        if let Some(path) = args.rebuild_on.iter().find(|path| !path.exists()) {
            return Err(ConfigError::Source(path.display().to_string()));
        }
        if args.ingress_port == args.ingress_tls_port {
            return Err(ConfigError::SamePort(args.ingress_port));
        }
        let backends = args.backend.iter().map(|text| backend(text));
        Ok(Self {
            paths: args.paths.clone(),
            options: args.classes.options(),
            bind: args.bind,
            ingress_port: args.ingress_port,
            ingress_tls_port: args.ingress_tls_port,
            port_offset: args.port_offset,
            echo: !args.no_echo,
            backends: backends.collect::<Result<_, _>>()?,
            workers: args.workers,
            zone_bytes: zone_bytes(&args.zone_size)?,
            strict: !args.no_strict,
            ignore_plugins: args.ignore_plugins,
            watch: !args.no_watch,
            filter_wasm: args.filter_wasm.clone(),
            translator_wasm: args.translator_wasm.clone(),
            rebuild: args.rebuild.clone(),
            sources: args.rebuild_on.clone(),
            limits: args.limits.limits(),
            drain: args.limits.drain_timeout,
            access_log: args.access_log.unwrap_or_else(|| access_log(verbose)),
            admin: None,
            pull: None,
            verbose,
        })
    }

    /// Where `dev` says what it has to say: the standard output, unless that is for a program.
    pub(super) fn out(&self) -> Box<dyn Write> {
        match self.access_log {
            AccessLog::Json => Box::new(anstream::stderr().lock()),
            AccessLog::Off | AccessLog::Text => Box::new(anstream::stdout().lock()),
        }
    }
}

/// Somebody who looks at a terminal wants to see what happens; a pipe gets what it asks for.
fn access_log(verbose: u8) -> AccessLog {
    if verbose > 0 || std::io::stdout().is_terminal() {
        AccessLog::Text
    } else {
        AccessLog::Off
    }
}

fn zone_bytes(text: &str) -> Result<usize, ConfigError> {
    match args::size(text) {
        None => Err(ConfigError::ZoneSize(text.to_owned())),
        Some(bytes) if bytes < MIN_ZONE => Err(ConfigError::SmallZone(text.to_owned())),
        Some(bytes) => Ok(bytes),
    }
}

fn backend(text: &str) -> Result<Backend, ConfigError> {
    let wrong = || ConfigError::Backend(text.to_owned());
    let (from, to) = text.split_once('=').ok_or_else(wrong)?;
    let (service, port) = from.rsplit_once(':').ok_or_else(wrong)?;
    let (namespace, service) = service.split_once('/').unwrap_or(("default", service));
    let (host, to_port) = to.rsplit_once(':').ok_or_else(wrong)?;
    let to_port: u16 = to_port.parse().map_err(|_| wrong())?;
    if [namespace, service, port, host].contains(&"") || to_port == 0 {
        return Err(wrong());
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let failed = |why: String| ConfigError::Resolve(text.to_owned(), host.to_owned(), why);
    let found = (host, to_port)
        .to_socket_addrs()
        .map_err(|error| failed(error.to_string()))?;
    // What listens at "localhost" listens at 127.0.0.1 more often than at ::1.
    let to = found
        .min_by_key(SocketAddr::is_ipv6)
        .ok_or_else(|| failed("no address".to_owned()))?;
    Ok(Backend {
        namespace: namespace.to_owned(),
        service: service.to_owned(),
        port: port.to_owned(),
        to,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends() {
        let one = backend("shop/cart:http=127.0.0.1:3000").expect("a backend");
        assert_eq!(
            (&*one.namespace, &*one.service, &*one.port),
            ("shop", "cart", "http")
        );
        assert_eq!(one.to.to_string(), "127.0.0.1:3000");
        let two = backend("cart:80=[::1]:3000").expect("a backend");
        assert_eq!(two.namespace, "default");
        assert_eq!(two.to.to_string(), "[::1]:3000");
        for wrong in [
            "",
            "a",
            "a/b=c:1",
            "a/b:80",
            "a/b:80=c",
            "a/b:80=c:x",
            "/b:80=c:1",
            "a/b:80=:1",
            "a/b:80=c:0",
        ] {
            assert_eq!(backend(wrong), Err(ConfigError::Backend(wrong.to_owned())));
        }
    }
}
