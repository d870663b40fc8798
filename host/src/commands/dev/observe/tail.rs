//! The last requests, and those who watch them come.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::entry::Entry;

/// Requests that are kept.
const KEPT: usize = 50;
/// Messages that wait for a slow watcher; more are lost to it.
const WAITING: usize = 256;
/// Watchers at a time.
const WATCHERS: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::commands::dev) struct Tail {
    last: Mutex<VecDeque<Arc<Entry>>>,
    watchers: Mutex<Vec<Sender<Bytes>>>,
}

// === impl Tail ===

impl Tail {
    pub(super) fn push(&self, entry: Arc<Entry>) {
        if !lock(&self.watchers).is_empty() {
            self.tell("request", &entry.json());
        }
        let mut last = lock(&self.last);
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(entry);
    }

    /// Sends a server-sent event; `data` is one line.
    pub(super) fn tell(&self, event: &str, data: &str) {
        let message = Bytes::from(format!("event: {event}\ndata: {data}\n\n"));
        lock(&self.watchers).retain(|watcher| {
            let sent = watcher.try_send(message.clone());
            !matches!(sent, Err(TrySendError::Closed(_)))
        });
    }

    /// Everything that comes from now on; `None` if too many watch already.
    pub(in crate::commands::dev) fn watch(&self) -> Option<Receiver<Bytes>> {
        let mut watchers = lock(&self.watchers);
        watchers.retain(|watcher| !watcher.is_closed());
        if watchers.len() >= WATCHERS {
            return None;
        }
        let (sender, receiver) = channel(WAITING);
        // Something at once: the watcher knows that it misses nothing more.
        let _ = sender.try_send(Bytes::from_static(b": watching\n\n"));
        watchers.push(sender);
        Some(receiver)
    }

    /// The last ones, the newest first.
    pub(in crate::commands::dev) fn last(&self) -> Vec<Arc<Entry>> {
        lock(&self.last).iter().rev().cloned().collect()
    }
}

/// What is locked here is whole at each step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
