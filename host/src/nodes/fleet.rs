//! All nodes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use silverback_core::node::hex::HexDigest;
use silverback_core::table::hash::Digest;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::backoff::{Backoff, jitter};
use super::client::{ClientOptions, NodeClient};
use super::peer::Peer;
use super::state::{NodeState, Phase};
use super::table::Table;
use super::url::NodeUrl;

/// How the fleet is run.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// How nodes are spoken to.
    pub client: ClientOptions,
    /// Names the installation to the nodes; 0 = does not say.
    pub publisher: u64,
    /// Take over nodes whose table is of another installation.
    pub adopt: bool,
    /// How often a node that has the newest table is asked whether it still has: one that was
    /// restarted heals after this time at most.
    pub verify: Duration,
    /// The first wait after a failure, and the longest.
    pub backoff: (Duration, Duration),
    /// Nodes that get a whole table at the same time. Changes are not limited.
    pub bulk: usize,
}

/// Keeps nodes at the newest table.
#[derive(Debug)]
pub struct Fleet {
    options: Arc<FleetOptions>,
    client: Arc<ClientOptions>,
    bulk: Arc<Semaphore>,
    newest: watch::Sender<Option<Newest>>,
    nodes: BTreeMap<NodeUrl, Node>,
    /// Counts changes of states, for whoever waits for one.
    changed: watch::Sender<u64>,
}

#[derive(Clone, Debug)]
struct Newest {
    table: Arc<Table>,
    since: Instant,
}

#[derive(Debug)]
struct Node {
    state: watch::Receiver<NodeState>,
    task: JoinHandle<()>,
}

/// What a node's task works with.
struct Work {
    peer: Peer,
    options: Arc<FleetOptions>,
    bulk: Arc<Semaphore>,
    newest: watch::Receiver<Option<Newest>>,
    state: watch::Sender<NodeState>,
    changed: watch::Sender<u64>,
}

// === impl FleetOptions ===

impl Default for FleetOptions {
    fn default() -> Self {
        Self {
            client: ClientOptions::default(),
            publisher: 0,
            adopt: false,
            verify: Duration::from_secs(5),
            backoff: (Duration::from_millis(100), Duration::from_secs(15)),
            bulk: 8,
        }
    }
}

// === impl Fleet ===

impl Fleet {
    /// Without nodes and without a table.
    pub fn new(options: FleetOptions) -> Self {
        Self {
            client: Arc::new(options.client.clone()),
            bulk: Arc::new(Semaphore::new(options.bulk.max(1))),
            options: Arc::new(options),
            newest: watch::Sender::new(None),
            nodes: BTreeMap::new(),
            changed: watch::Sender::new(0),
        }
    }

    /// These are the nodes from now on. Those that stay notice nothing. Must be called within a
    /// tokio runtime.
    pub fn set_nodes(&mut self, urls: impl IntoIterator<Item = NodeUrl>) {
        let mut gone = std::mem::take(&mut self.nodes);
        for url in urls {
            let node = gone.remove(&url).unwrap_or_else(|| self.start(&url));
            self.nodes.insert(url, node);
        }
        for node in gone.into_values() {
            node.task.abort();
        }
        self.changed.send_modify(|n| *n += 1);
    }

    fn start(&self, url: &NodeUrl) -> Node {
        let (state, states) = watch::channel(NodeState::new(url.to_string()));
        let client = NodeClient::new(url.clone(), Arc::clone(&self.client));
        let work = Work {
            peer: Peer::new(client, self.options.publisher, self.options.adopt),
            options: Arc::clone(&self.options),
            bulk: Arc::clone(&self.bulk),
            newest: self.newest.subscribe(),
            state,
            changed: self.changed.clone(),
        };
        Node {
            state: states,
            task: tokio::spawn(work.run()),
        }
    }

    /// Every node shall have this table.
    pub fn publish(&self, table: Arc<Table>) {
        let since = Instant::now();
        self.newest.send_replace(Some(Newest { table, since }));
    }

    /// What is known of the nodes, by URL.
    pub fn states(&self) -> Vec<NodeState> {
        let states = self.nodes.values().map(|node| node.state.borrow().clone());
        states.collect()
    }

    /// Whether every node has confirmed this table.
    pub fn is_confirmed(&self, digest: Digest) -> bool {
        self.nodes.values().all(|node| {
            let state = node.state.borrow();
            state.phase == Phase::Confirmed && state.root.0 == digest
        })
    }

    /// Waits until [`Self::states`] differ from what they were when this was called last.
    pub async fn changed(&self, seen: &mut watch::Receiver<u64>) {
        // The sender lives as long as this.
        let _ = seen.changed().await;
    }

    /// For [`Self::changed`].
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Waits until every node has confirmed this table.
    pub async fn confirmed(&self, digest: Digest) {
        let mut seen = self.watch();
        while !self.is_confirmed(digest) {
            self.changed(&mut seen).await;
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for node in self.nodes.values() {
            node.task.abort();
        }
    }
}

// === impl Work ===

impl Work {
    async fn run(mut self) {
        let (first, most) = self.options.backoff;
        let mut backoff = Backoff::new(first, most);
        loop {
            let newest = self.newest.borrow_and_update().clone();
            let failed = match newest {
                Some(newest) => !self.push(&newest, &mut backoff).await,
                None => false,
            };
            if failed {
                // New tables do not shorten the wait: a node that is away would be asked with
                // every change of the cluster.
                sleep(backoff.next()).await;
                continue;
            }
            tokio::select! {
                changed = self.newest.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = sleep(jitter(self.options.verify)) => self.peer.forget(),
            }
        }
    }

    /// `false`: it failed.
    async fn push(&mut self, newest: &Newest, backoff: &mut Backoff) -> bool {
        let table = &newest.table;
        let whole = self.state.borrow().root.0 == Digest::default();
        if self.state.borrow().root.0 != table.digest() {
            self.set(|state| state.phase = Phase::Pushing);
        }
        // Held for a node's first table only; a fleet that is never closed always has a permit.
        let permit = match whole {
            true => self.bulk.acquire().await.ok(),
            false => None,
        };
        let pushed = self.peer.sync(table).await;
        drop(permit);
        let sent = self.peer.sent();
        match pushed {
            Ok(pushed) => {
                backoff.reset();
                let lag = newest.since.elapsed();
                self.set(|state| {
                    if state.root.0 != table.digest() {
                        state.lag(lag);
                    }
                    if pushed.bytes > 0 {
                        state.commits += 1;
                        state.last_push_bytes = pushed.bytes;
                    }
                    *state = NodeState {
                        phase: Phase::Confirmed,
                        epoch: pushed.epoch,
                        root: HexDigest(table.digest()),
                        confirmed_at: Some(SystemTime::now()),
                        sent_bytes: sent,
                        failures: 0,
                        error: String::new(),
                        hint: String::new(),
                        ..std::mem::take(state)
                    };
                });
                true
            }
            Err(error) => {
                // What fails again and again for one reason is said once.
                let said = self.state.borrow().error == error.to_string();
                let node = self.state.borrow().url.clone();
                if said {
                    tracing::debug!(%node, %error, "push failed again");
                } else {
                    tracing::warn!(%node, %error, "push failed");
                }
                self.set(|state| {
                    state.phase = Phase::Failed;
                    state.sent_bytes = sent;
                    state.failures = backoff.failures() + 1;
                    state.error = error.to_string();
                    state.hint = error.hint();
                });
                false
            }
        }
    }

    fn set(&self, change: impl FnOnce(&mut NodeState)) {
        self.state.send_modify(change);
        self.changed.send_modify(|n| *n += 1);
    }
}
