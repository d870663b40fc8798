//! What can be seen of a running `dev`: the access log, and what the admin port shows.
//!
//! ```text
//! worker -try_send-> observer -> endpoints, tail (status page)
//!                       └-try_send-> writer -> standard output
//! ```
//! A worker never waits: what does not fit into a queue is dropped and counted. The main loop puts a
//! snapshot of its state here after each event, so nobody else touches what it runs.

mod endpoints;
mod entry;
mod record;
mod rules;
mod tail;

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use silverback_emulator::Metrics;

use self::endpoints::Endpoints;
use self::record::Record;
use self::rules::Rules;
use self::tail::Tail;
use super::config::Config;
use super::ports::Ports;
use super::running::Running;
use super::show;
use crate::args::AccessLog;
use crate::dump::Dump;
use crate::gateway::{AccessHook, Listening, Monitor};
use crate::problem::Problem;

pub(super) use self::endpoints::Tried;
pub(super) use self::entry::{Entry, rfc3339};

/// Requests that wait for the observer, and lines that wait for the standard output.
const QUEUE: usize = 4096;
/// Things that did not work that are kept.
const FAILURES: usize = 5;
/// Lines that are written at a time.
const BATCH: usize = 64;
/// How long the last lines may take at the end: whoever reads them may have stopped to.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What the main loop has.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) epoch: u64,
    pub(super) dump: Arc<Dump>,
    pub(super) ports: Ports,
    pub(super) listening: Vec<Listening>,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<String>,
    /// Endpoints that are echoes.
    pub(super) echoes: BTreeSet<SocketAddr>,
}

/// A module and how often it was replaced.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// What it is called: the first 12 hexadecimal digits of its digest.
    pub(super) id: ArcSwap<String>,
    pub(super) replaced: AtomicU64,
    /// New ones that did not start.
    pub(super) refused: AtomicU64,
}

/// Everything that can be looked at, from any thread.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) state: ArcSwap<State>,
    pub(super) filter: Module,
    pub(super) translator: Module,
    pub(super) endpoints: Endpoints,
    pub(super) tail: Tail,
    /// Requests that the observer did not get.
    pub(super) missed: AtomicU64,
    /// Lines of the access log that were not written.
    pub(super) dropped: AtomicU64,
    pub(super) started: (Instant, SystemTime),
    /// The filter's own metrics.
    pub(super) metrics: Metrics,
    monitor: OnceLock<Monitor>,
    /// The last things that did not work.
    failures: Mutex<VecDeque<String>>,
    rules: Rules,
    changes: AtomicU64,
}

/// The observer at work. It ends when the gateway is gone.
pub(super) struct Observer {
    ended: Receiver<()>,
}

// === impl Module ===

impl Module {
    /// Counts what became of a new one, and takes over what it is called.
    pub(super) fn note<T, E>(&self, replaced: Result<T, E>, id: &str) -> Result<T, E> {
        match &replaced {
            Ok(_) => {
                self.id.store(Arc::new(id.to_owned()));
                self.replaced.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        replaced
    }
}

// === impl Observed ===

impl Observed {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: ArcSwap::default(),
            filter: Module::default(),
            translator: Module::default(),
            endpoints: Endpoints::default(),
            tail: Tail::default(),
            missed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            started: (Instant::now(), SystemTime::now()),
            metrics: Metrics::new(),
            monitor: OnceLock::new(),
            failures: Mutex::default(),
            rules: Rules::default(),
            changes: AtomicU64::new(0),
        })
    }

    /// Takes over what `dev` starts with.
    pub(super) fn start(&self, config: &Config) {
        let id = |file, builtin| Arc::new(show::module_id(file, builtin));
        let filter = id(&config.filter_wasm, silverback_guests::FILTER_ID);
        let translator = id(&config.translator_wasm, silverback_guests::TRANSLATOR_ID);
        self.filter.id.store(filter);
        self.translator.id.store(translator);
    }

    /// Keeps what did not work, for the next snapshot.
    pub(super) fn failed(&self, why: &str) {
        let at = rfc3339(SystemTime::now());
        let mut failures = lock(&self.failures);
        if failures.len() == FAILURES {
            failures.pop_front();
        }
        failures.push_back(format!("{at}: {why}"));
    }

    /// Takes over what the main loop has now.
    pub(super) fn update(&self, running: &Running) {
        let _ = self.monitor.set(running.monitor());
        let epoch = running.epoch;
        if epoch != self.state.load().epoch {
            let names = self.rules.set(epoch, &running.dump);
            self.endpoints.keep(&names);
        }
        self.state.store(Arc::new(State {
            epoch,
            dump: Arc::clone(&running.dump),
            ports: running.ports.clone(),
            listening: running.listening(),
            problems: running.problems.clone(),
            notes: running
                .notes
                .iter()
                .chain(&running.conflicts)
                .chain(&*lock(&self.failures))
                .cloned()
                .collect(),
            echoes: running.echoes.addresses().copied().collect(),
        }));
        let change = self.changes.fetch_add(1, Ordering::Relaxed) + 1;
        self.tail.tell("change", &change.to_string());
    }

    /// The gateway's counters, as soon as there is one.
    pub(super) fn monitor(&self) -> Option<&Monitor> {
        self.monitor.get()
    }

    /// Starts to observe: the hook is for the gateway.
    pub(super) fn observe(self: &Arc<Self>, log: AccessLog) -> io::Result<(AccessHook, Observer)> {
        let (records, received) = sync_channel::<Record>(QUEUE);
        let (lines, written) = sync_channel::<String>(QUEUE);
        let (end, ended) = sync_channel(0);
        let observed = Arc::clone(self);
        let lines = (log != AccessLog::Off).then_some((log, lines));
        spawn("observer", move || {
            for record in received {
                observed.note(record, lines.as_ref());
            }
        })?;
        let observed = Arc::clone(self);
        spawn("access-log", move || {
            let _end = end;
            write(&observed, &written);
        })?;
        let observed = Arc::clone(self);
        let hook: AccessHook = Arc::new(move |event| {
            if records.try_send(Record::of(event)).is_err() {
                observed.missed.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok((hook, Observer { ended }))
    }

    fn note(&self, record: Record, lines: Option<&(AccessLog, SyncSender<String>)>) {
        self.endpoints.note(&record);
        let names = match record.rule {
            0 => None,
            _ => self.rules.at(record.epoch),
        };
        let entry = Arc::new(Entry::new(record, names.as_deref()));
        if let Some((log, lines)) = lines {
            let line = match log {
                AccessLog::Json => entry.json(),
                AccessLog::Text | AccessLog::Off => entry.text(),
            };
            match lines.try_send(line) {
                Ok(()) => {}
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        self.tail.push(entry);
    }
}

// === impl Observer ===

impl Observer {
    /// Waits until all lines are written, but not for ever. If nobody takes them it is `false`, and the
    /// standard output still locked.
    pub(super) fn finish(self) -> bool {
        let ended = self.ended.recv_timeout(LAST_WORDS);
        let written = ended != Err(RecvTimeoutError::Timeout);
        if !written {
            tracing::warn!("the last lines of the access log are lost: nobody reads them");
        }
        written
    }
}

/// Writes lines until there are no more, or nobody who reads them.
fn write(observed: &Observed, lines: &Receiver<String>) {
    while let Ok(first) = lines.recv() {
        let mut written = 0;
        let mut result = Ok(());
        let mut out = anstream::stdout().lock();
        for line in std::iter::once(first).chain(lines.try_iter().take(BATCH)) {
            result = writeln!(out, "{line}");
            if result.is_err() {
                break;
            }
            written += 1;
        }
        let flushed = result.and_then(|()| out.flush());
        if let Err(error) = flushed {
            tracing::debug!(%error, written, "the access log ends");
            observed.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }
}

/// What is locked here is whole at each step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map(drop)
}
