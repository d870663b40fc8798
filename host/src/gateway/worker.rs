//! A worker: a thread with a runtime, a filter instance and a connection pool of its own, like
//! one of nginx's processes. Nothing in a request crosses threads.

use std::collections::HashMap;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use silverback_emulator::{Filter, StartError};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::access::AccessHook;
use super::dial::Dialer;
use super::errors::RequestIds;
use super::filter::FilterHost;
use super::limits::Limits;
use super::listener::ListenerSpec;
use super::mirror::Mirrors;
use super::outbox;
use super::pool::Pool;
use super::server;
use super::server_io::IoContext;
use super::stats::Counters;
use super::tls::TlsStore;

/// What one worker is told. Each answers when it is done.
pub(super) enum Command {
    /// With the count of the listener's connections, which all workers share.
    Listen(u64, ListenerSpec, TcpListener, Arc<AtomicUsize>),
    /// Stop accepting; connections finish the request they are in.
    Unlisten(u64, Sender<()>),
    Replace(Filter, Sender<(usize, Result<(), StartError>)>),
    Reconfigure(Vec<u8>, Sender<(usize, Result<(), StartError>)>),
    /// Drain until the deadline, then end; the answer is how many connections were cut.
    Shutdown(Instant, Sender<usize>),
}

/// What the tasks of a worker share.
pub(super) struct Shared {
    pub(super) index: usize,
    pub(super) filter: FilterHost,
    pub(super) pool: Pool,
    pub(super) dialer: Dialer,
    pub(super) limits: Arc<Limits>,
    pub(super) ids: Arc<RequestIds>,
    pub(super) tls: Arc<TlsStore>,
    pub(super) mirrors: Mirrors,
    /// Plans that need Kong plugins are carried out without them.
    pub(super) ignore_plugins: bool,
    pub(super) counters: Arc<Counters>,
    pub(super) on_access: Option<AccessHook>,
    /// Woken when the last connection closes.
    pub(super) idle: Notify,
    /// Woken when the filter's timers may have changed.
    retimed: Notify,
}

/// A listener of this worker.
struct Accepting {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What a worker's thread starts with.
pub(super) struct Setup {
    pub(super) index: usize,
    pub(super) filter: FilterHost,
    pub(super) dialer: Dialer,
    pub(super) limits: Arc<Limits>,
    pub(super) tls: Arc<TlsStore>,
    pub(super) ignore_plugins: bool,
    pub(super) counters: Arc<Counters>,
    pub(super) on_access: Option<AccessHook>,
}

// === impl Shared ===

impl Shared {
    /// What the streams of clients need of it.
    pub(super) fn io_context(&self) -> IoContext {
        IoContext {
            limits: Arc::clone(&self.limits),
            ids: Arc::clone(&self.ids),
            counters: Arc::clone(&self.counters),
        }
    }
}

/// The longest a worker sleeps before it looks at its timers again: a request can start one.
const TIMER_CHECK: Duration = Duration::from_millis(500);

/// Runs a worker until it is shut down.
pub(super) fn run(setup: Setup, commands: mpsc::UnboundedReceiver<Command>) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .on_thread_park(outbox::asleep)
        .build_local(LocalOptions::default())?;
    let shared = Rc::new(Shared {
        index: setup.index,
        filter: setup.filter,
        pool: Pool::new(&setup.limits),
        dialer: setup.dialer,
        mirrors: Mirrors::default(),
        ignore_plugins: setup.ignore_plugins,
        limits: setup.limits,
        ids: Arc::new(RequestIds::new(setup.index)),
        tls: setup.tls,
        counters: setup.counters,
        on_access: setup.on_access,
        idle: Notify::new(),
        retimed: Notify::new(),
    });
    let done = runtime.block_on(serve(Rc::clone(&shared), commands));
    // Cuts what is still open; each request in flight logs and closes its context on the way.
    drop(runtime);
    if let Some((done, cut)) = done {
        let _ = done.send(cut);
    }
    Ok(())
}

async fn serve(
    shared: Rc<Shared>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) -> Option<(Sender<usize>, usize)> {
    tokio::task::spawn_local(outbox::run());
    tokio::task::spawn_local(tick(Rc::clone(&shared)));
    tokio::task::spawn_local(reap(Rc::clone(&shared)));
    let mut listeners: HashMap<u64, Accepting> = HashMap::new();
    // A closed channel: the gateway was dropped.
    while let Some(command) = commands.recv().await {
        match command {
            Command::Listen(id, spec, socket, open) => {
                match tokio::net::TcpListener::from_std(socket) {
                    Ok(socket) => {
                        let (stop, stopped) = watch::channel(false);
                        let accept =
                            server::accept(Rc::clone(&shared), socket, spec, open, stopped);
                        let task = tokio::task::spawn_local(accept);
                        listeners.insert(id, Accepting { stop, task });
                    }
                    Err(error) => tracing::error!(%error, bind = %spec.bind, "cannot accept"),
                }
            }
            Command::Unlisten(id, done) => {
                let accepting = listeners.remove(&id);
                tokio::task::spawn_local(async move {
                    if let Some(accepting) = accepting {
                        accepting.stop().await;
                    }
                    let _ = done.send(());
                });
            }
            Command::Replace(filter, done) => {
                let replaced = shared.filter.replace(&filter);
                shared.retimed.notify_one();
                let _ = done.send((shared.index, replaced));
            }
            Command::Reconfigure(configuration, done) => {
                let configured = shared.filter.reconfigure(configuration);
                shared.retimed.notify_one();
                let _ = done.send((shared.index, configured));
            }
            Command::Shutdown(deadline, done) => {
                for (_, accepting) in listeners.drain() {
                    accepting.stop().await;
                }
                let open = || shared.counters.open_connections.get();
                let drained = async {
                    while open() > 0 {
                        shared.idle.notified().await;
                    }
                };
                let _ = tokio::time::timeout_at(deadline.into(), drained).await;
                shared.pool.clear();
                return Some((done, usize::try_from(open()).unwrap_or(usize::MAX)));
            }
        }
    }
    None
}

impl Accepting {
    /// Closes this worker's duplicate of the socket, and tells the connections that came in by
    /// it to finish.
    async fn stop(self) {
        let _ = self.stop.send(true);
        // It ends at once; it cannot have panicked.
        let _ = self.task.await;
    }
}

/// Fires the filter's tick timers.
async fn tick(shared: Rc<Shared>) {
    loop {
        let pause = shared.filter.until_tick().unwrap_or(TIMER_CHECK);
        if !pause.is_zero() {
            let retimed = shared.retimed.notified();
            let _ = tokio::time::timeout(pause.min(TIMER_CHECK), retimed).await;
        }
        if shared.filter.until_tick().is_some_and(|due| due.is_zero()) {
            if let Err(trap) = shared.filter.tick() {
                shared.filter.trapped(&trap, "on_tick");
            }
            // A timer that is always due must not starve requests.
            tokio::task::yield_now().await;
        }
    }
}

/// Closes upstream connections that nobody used for long, and those that the upstream has closed.
async fn reap(shared: Rc<Shared>) {
    let period = shared.limits.pool_idle_timeout / 2;
    let period = period.clamp(Duration::from_millis(100), Duration::from_secs(1));
    loop {
        tokio::time::sleep(period).await;
        shared.pool.reap(Instant::now());
    }
}
