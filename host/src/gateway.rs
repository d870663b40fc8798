//! The embedded gateway: a real HTTP proxy that asks the filter about each request.
//!
//! It stands where Kong's nginx stands, for `silverback dev` and for tests, and keeps to the same
//! contract (`silverback_core::contract`):
//!
//! ```text
//! client ─► listener ─► worker n ─► check ─► filter (its own instance) ─► plan ─► tries ─► endpoint
//!                       (thread)                    │                              │
//!                                                   └─► local response             └─► TCP or echo
//! ```
//!
//! As in Kong there are several workers, each with its own instance of the filter and its own
//! upstream connections, and one [`SharedStore`] for all.

mod access;
mod attempt;
mod body;
mod certificates;
mod client_auth;
mod client_body;
mod connection;
mod dial;
mod driver;
mod early;
mod echo;
mod errors;
mod filter;
mod handshake;
mod headers;
mod host_pattern;
mod latency;
mod limits;
mod listener;
mod mirror;
mod misdirected;
mod monitor;
mod node_api;
mod outbox;
mod outgoing;
mod plan_exec;
mod pool;
mod preface;
mod request;
mod response_framing;
mod server;
mod server_io;
mod stats;
mod streams;
mod timer;
mod tls;
mod transaction;
mod transport;
mod trap_log;
mod upgrade;
mod upstream_tls;
mod upstream_verify;
mod worker;

use std::collections::HashMap;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use silverback_emulator::{Filter, SharedStore, StartError, StoreOptions, WorkerOptions};
use tokio::sync::mpsc::UnboundedSender;

pub use access::{AccessEvent, AccessHook, Answer, Attempts};
pub use certificates::{
    CertificateDoubt, CertificateError, CertificateErrors, Certificates, ClientAuth,
    ClientAuthMode, KeyPair, PairError,
};
pub use echo::{ECHO_HEADER, EchoIdentity, EchoRegistry};
pub use host_pattern::HostPattern;
pub use latency::{LATENCY_BOUNDS, LatencyStats};
pub use limits::{Http2Limits, Limits};
pub use listener::{ListenError, ListenErrors, ListenerSpec, Listening};
pub use monitor::Monitor;
pub use node_api::NodeApi;
pub use stats::Stats;
pub use upstream_tls::{ClientIdentity, UpstreamName, UpstreamTlsErrors, UpstreamTlsPolicy};

use dial::Dialer;
use filter::FilterHost;
use listener::Bound;
use stats::Counters;
use tls::TlsStore;
use upstream_tls::UpstreamTlsStore;
use worker::{Command, Setup};

/// How long a worker may take to do what it is told; it does it between two requests.
const ANSWER: Duration = Duration::from_secs(30);

/// What a gateway is made with.
#[derive(Clone)]
pub struct GatewayOptions {
    /// Number of workers; 0 = as many as there are cores.
    pub workers: usize,
    /// Limits.
    pub limits: Limits,
    /// The node's shared data.
    pub store: SharedStore,
    /// What each filter instance is made with; number and seed are set for each worker.
    pub filter: WorkerOptions,
    /// Called for each request that is over.
    pub on_access: Option<AccessHook>,
    /// Carry out plans that need Kong plugins without them. They are refused with 500 otherwise:
    /// authentication may be among the plugins.
    pub ignore_plugins: bool,
}

/// A running gateway. Dropping it cuts everything; [`Gateway::shutdown`] does not.
///
/// The methods wait for the workers: a worker must not call them, so an [`AccessHook`] and a log
/// sink must not.
pub struct Gateway {
    workers: Vec<Worker>,
    sockets: Mutex<Sockets>,
    echo: Arc<ArcSwap<EchoRegistry>>,
    tls: Arc<TlsStore>,
    upstream_tls: Arc<UpstreamTlsStore>,
}

struct Worker {
    commands: UnboundedSender<Command>,
    counters: Arc<Counters>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Sockets {
    bound: Vec<Bound>,
    next_id: u64,
}

/// A gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The filter does not. Kong would go on without it; here nothing would be left.
    #[error("worker {worker}: {source}")]
    Filter {
        /// Number of the worker.
        worker: usize,
        /// Why.
        source: StartError,
    },
    /// There is no thread for a worker.
    #[error("worker {worker}: no thread: {source}")]
    Thread {
        /// Number of the worker.
        worker: usize,
        /// Why.
        source: io::Error,
    },
    /// A worker does not answer: it has ended, or the filter does not return.
    #[error("{missing} of {workers} workers do not answer (hint: does the filter loop for ever?)")]
    NoAnswer {
        /// How many do not.
        missing: usize,
        /// How many there are.
        workers: usize,
    },
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open at the deadline and were cut.
    pub cut: usize,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            workers: 0,
            limits: Limits::default(),
            store: SharedStore::new(StoreOptions::default()),
            filter: WorkerOptions::default(),
            on_access: None,
            ignore_plugins: false,
        }
    }
}

// === impl Gateway ===

impl Gateway {
    /// Starts the workers. They listen nowhere yet.
    ///
    /// # Errors
    /// [`GatewayError`] if the filter does not start in some worker.
    pub fn start(filter: &Filter, options: GatewayOptions) -> Result<Self, GatewayError> {
        let count = match options.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let echo = Arc::new(ArcSwap::from_pointee(EchoRegistry::new()));
        let (tls, limits) = (Arc::<TlsStore>::default(), Arc::new(options.limits));
        let upstream_tls = Arc::<UpstreamTlsStore>::default();
        let mut workers = Vec::with_capacity(count);
        for worker in 0..count {
            let mut settings = options.filter.clone();
            settings.worker = worker;
            settings.seed = settings.seed.wrapping_add(worker as u64);
            let counters = Arc::new(Counters::default());
            let counted = Arc::clone(&counters);
            let filter = FilterHost::start(filter, options.store.clone(), settings, counted)
                .map_err(|source| GatewayError::Filter { worker, source })?;
            let setup = Setup {
                index: worker,
                filter,
                limits: Arc::clone(&limits),
                tls: Arc::clone(&tls),
                dialer: Dialer::new(Arc::clone(&echo), Arc::clone(&upstream_tls), &limits),
                ignore_plugins: options.ignore_plugins,
                counters: Arc::clone(&counters),
                on_access: options.on_access.clone(),
            };
            let (commands, received) = tokio::sync::mpsc::unbounded_channel();
            let thread = std::thread::Builder::new()
                .name(format!("gateway-{worker}"))
                .spawn(move || {
                    if let Err(error) = worker::run(setup, received) {
                        tracing::error!(worker, %error, "no runtime");
                    }
                })
                .map_err(|source| GatewayError::Thread { worker, source })?;
            workers.push(Worker {
                commands,
                counters,
                thread: Mutex::new(Some(thread)),
            });
        }
        Ok(Self {
            workers,
            sockets: Mutex::default(),
            echo,
            tls,
            upstream_tls,
        })
    }

    /// Makes these the addresses to listen at. Those that are there already stay, others are
    /// closed; connections of a closed one finish the request they are in.
    ///
    /// # Errors
    /// The addresses that cannot be bound. All others are in effect.
    pub fn set_listeners(&self, specs: &[ListenerSpec]) -> Result<(), ListenErrors> {
        let mut sockets = lock(&self.sockets);
        let Sockets { bound, next_id } = &mut *sockets;
        let mut old = std::mem::take(bound);
        let (mut missing, mut errors) = (Vec::new(), Vec::new());
        for spec in specs {
            match old.iter().position(|bound| bound.spec.same_socket(spec)) {
                Some(at) if old.get(at).is_some_and(|bound| bound.spec == *spec) => {
                    bound.push(old.swap_remove(at));
                }
                Some(at) => {
                    // Another setting at the same address: the socket is never closed, so no
                    // client is refused in between.
                    let before = old.swap_remove(at);
                    *next_id += 1;
                    match before.renew(*next_id, *spec) {
                        Ok(renewed) => self.listen(renewed, bound, &mut errors),
                        Err(error) => errors.push(error),
                    }
                    self.unlisten(before);
                }
                None => missing.push(*spec),
            }
        }
        // Before new ones are bound: 0.0.0.0 and 127.0.0.1 exclude each other.
        for removed in old {
            self.unlisten(removed);
        }
        for spec in missing {
            *next_id += 1;
            match Bound::new(*next_id, spec) {
                Ok(new) => self.listen(new, bound, &mut errors),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(ListenErrors(errors))
        }
    }

    fn listen(&self, new: Bound, bound: &mut Vec<Bound>, errors: &mut Vec<ListenError>) {
        for worker in &self.workers {
            match new.socket.try_clone() {
                Ok(socket) => {
                    let open = Arc::clone(&new.open);
                    let listen = Command::Listen(new.id, new.spec, socket, open);
                    let _ = worker.commands.send(listen);
                }
                Err(source) => {
                    let addr = new.spec.bind;
                    errors.push(ListenError { addr, source });
                    self.unlisten(new);
                    return;
                }
            }
        }
        bound.push(new);
    }

    /// Returns when no worker holds the socket any more, so that its port is free.
    fn unlisten(&self, removed: Bound) {
        let id = removed.id;
        drop(removed);
        let done = self.tell(|done| Command::Unlisten(id, done));
        let _ = self.answers(&done);
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn listeners(&self) -> Vec<Listening> {
        let sockets = lock(&self.sockets);
        let listening = |bound: &Bound| Listening {
            spec: bound.spec,
            addr: bound.addr,
        };
        sockets.bound.iter().map(listening).collect()
    }

    /// Gives the TLS listeners of a proxy port these certificates and no others, from the next
    /// handshake on; connections that are open stay. A port may get them before it has a
    /// listener.
    ///
    /// # Errors
    /// What cannot be used. The hosts concerned have no handshake, as one without a certificate;
    /// everything else is in effect.
    pub fn set_certificates(
        &self,
        proxy_port: u16,
        certificates: &Certificates,
    ) -> Result<(), CertificateErrors> {
        self.tls.set(proxy_port, certificates)
    }

    /// Puts another filter in place in every worker, each between two of its requests. A worker
    /// where it does not start keeps the old one.
    ///
    /// # Errors
    /// The first worker where it does not start.
    pub fn replace_filter(&self, filter: &Filter) -> Result<(), GatewayError> {
        self.started(|done| Command::Replace(filter.clone(), done))
    }

    /// Gives the filter another configuration in every worker. A worker whose filter refuses it
    /// keeps the old one.
    ///
    /// # Errors
    /// The first worker whose filter refuses it.
    pub fn reconfigure(&self, configuration: &[u8]) -> Result<(), GatewayError> {
        self.started(|done| Command::Reconfigure(configuration.to_vec(), done))
    }

    fn started(
        &self,
        command: impl Fn(Sender<(usize, Result<(), StartError>)>) -> Command,
    ) -> Result<(), GatewayError> {
        let done = self.tell(command);
        let answers = self.answers(&done)?;
        let mut failed: Vec<(usize, StartError)> = answers
            .into_iter()
            .filter_map(|(worker, started)| started.err().map(|source| (worker, source)))
            .collect();
        failed.sort_by_key(|(worker, _)| *worker);
        match failed.into_iter().next() {
            None => Ok(()),
            Some((worker, source)) => Err(GatewayError::Filter { worker, source }),
        }
    }

    /// Makes these addresses echoes, and no others.
    pub fn set_echo(&self, registry: EchoRegistry) {
        self.echo.store(Arc::new(registry));
    }

    /// Makes these the TLS policies towards upstreams, by their ids in plans, and no others, from
    /// the next connection on. Id 0 is there without being given and verifies nothing.
    ///
    /// # Errors
    /// Those that cannot be used: requests that need one are answered with 502, as with an id that is
    /// not known. All others are in effect.
    pub fn set_upstream_tls(
        &self,
        policies: &HashMap<u64, UpstreamTlsPolicy>,
    ) -> Result<(), UpstreamTlsErrors> {
        self.upstream_tls.set(policies)
    }

    /// The counters, summed over the workers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.monitor().stats()
    }

    /// The counters for somebody else to read.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        let counters = |worker: &Worker| Arc::clone(&worker.counters);
        Monitor {
            workers: self.workers.iter().map(counters).collect(),
        }
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Stops accepting, lets requests in flight finish for at most this long, cuts what is left
    /// and ends the workers. The gateway serves nothing afterwards.
    pub fn shutdown(&self, deadline: Duration) -> Drained {
        let deadline = Instant::now() + deadline;
        lock(&self.sockets).bound.clear();
        let done = self.tell(|done| Command::Shutdown(deadline, done));
        let mut cut = 0;
        for worker in &self.workers {
            if let Some(thread) = lock(&worker.thread).take()
                && thread.join().is_err()
            {
                tracing::error!("a worker's thread panicked");
            }
        }
        while let Ok(one) = done.try_recv() {
            cut += one;
        }
        Drained { cut }
    }

    fn tell<T>(&self, command: impl Fn(Sender<T>) -> Command) -> Receiver<T> {
        let (done, answers) = mpsc::channel();
        for worker in &self.workers {
            // One that has ended does not answer.
            let _ = worker.commands.send(command(done.clone()));
        }
        answers
    }

    fn answers<T>(&self, done: &Receiver<T>) -> Result<Vec<T>, GatewayError> {
        let until = Instant::now() + ANSWER;
        let workers = self.workers.len();
        let mut answers = Vec::with_capacity(workers);
        while answers.len() < workers {
            match done.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(answer) => answers.push(answer),
                Err(_) => {
                    let missing = workers - answers.len();
                    return Err(GatewayError::NoAnswer { missing, workers });
                }
            }
        }
        Ok(answers)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown(Duration::ZERO);
    }
}

/// What is locked here is whole at each step, so a poisoned lock is taken as it is.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
