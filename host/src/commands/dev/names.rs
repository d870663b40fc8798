//! ExternalName: DNS names whose addresses are endpoints.
//!
//! The translator says which names it needs; a thread looks them up, again and again, and each
//! change comes back as an object (`silverback.rs/v1` ResolvedName), so that the core stays without
//! I/O. A name that cannot be looked up keeps the addresses that it had.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;

use super::event::Event;
use crate::object::ObjectKey;

/// The system's resolver does not tell how long an answer is good for.
const AGAIN: Duration = Duration::from_secs(30);
/// More addresses of one name are not looked at.
const MAX_ADDRESSES: usize = 256;

/// Looks names up for as long as it lives.
pub(super) struct Names {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    events: Sender<Event>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    wanted: BTreeSet<String>,
    /// What was found, sorted.
    found: BTreeMap<String, Vec<IpAddr>>,
    closing: bool,
    /// Names were added since the last round.
    fresh: bool,
}

// === impl Names ===

impl Names {
    pub(super) fn new(events: Sender<Event>) -> Self {
        Self {
            shared: Arc::default(),
            thread: None,
            events,
        }
    }

    /// From now on these are looked up, and no others.
    pub(super) fn set(&mut self, wanted: BTreeSet<String>) {
        let mut state = lock(&self.shared.state);
        if state.wanted == wanted {
            return;
        }
        state.found.retain(|name, _| wanted.contains(name));
        state.wanted = wanted;
        state.fresh = true;
        drop(state);
        self.shared.changed.notify_one();
        if self.thread.is_none() {
            let shared = Arc::clone(&self.shared);
            let events = self.events.clone();
            let name = "names".to_owned();
            let thread = std::thread::Builder::new().name(name);
            match thread.spawn(move || follow(&shared, &events)) {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => tracing::error!(%error, "names of Services cannot be looked up"),
            }
        }
    }

    /// What was found so far, for the translator.
    pub(super) fn objects(&self) -> Vec<(ObjectKey, Arc<[u8]>)> {
        let state = lock(&self.shared.state);
        let object = |(name, addresses): (&String, &Vec<IpAddr>)| {
            let key = ObjectKey {
                group: "silverback.rs".to_owned(),
                kind: "ResolvedName".to_owned(),
                namespace: String::new(),
                name: name.clone(),
            };
            let json = json!({
                "apiVersion": "silverback.rs/v1",
                "kind": "ResolvedName",
                "metadata": {"name": name},
                "addresses": addresses,
            });
            (key, json.to_string().into_bytes().into())
        };
        state.found.iter().map(object).collect()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        lock(&self.shared.state).closing = true;
        self.shared.changed.notify_one();
        // The thread may wait for the system's resolver; nobody waits for it.
    }
}

fn follow(shared: &Shared, events: &Sender<Event>) {
    loop {
        let names = {
            let mut state = lock(&shared.state);
            state.fresh = false;
            state.wanted.clone()
        };
        let mut told = false;
        for name in names {
            told |= look_up(shared, &name);
        }
        // The receiver is gone when everything ends.
        if told && events.send(Event::Manifests(Instant::now())).is_err() {
            return;
        }
        let state = lock(&shared.state);
        let waited = shared
            .changed
            .wait_timeout_while(state, AGAIN, |state| !state.closing && !state.fresh);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closing {
            return;
        }
    }
}

/// Looks one name up. Are its addresses others than before?
fn look_up(shared: &Shared, name: &str) -> bool {
    let mut addresses: Vec<IpAddr> = match (name, 0).to_socket_addrs() {
        Ok(found) => found.map(|address| address.ip()).collect(),
        Err(error) => {
            tracing::warn!(name, %error, "an ExternalName cannot be looked up");
            return false;
        }
    };
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MAX_ADDRESSES);
    let mut state = lock(&shared.state);
    // It may have gone in the meantime.
    if addresses.is_empty() || !state.wanted.contains(name) {
        return false;
    }
    state.found.insert(name.to_owned(), addresses.clone()) != Some(addresses)
}

/// What is locked here is whole at each step.
fn lock(mutex: &Mutex<State>) -> MutexGuard<'_, State> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_name_s_addresses_come_back_as_an_object_and_go_with_the_name() {
        let (sender, events) = mpsc::channel();
        let mut names = Names::new(sender);
        assert!(names.objects().is_empty());
        names.set(BTreeSet::from([
            "localhost".to_owned(),
            "no-such-name.invalid".to_owned(),
        ]));
        let event = events.recv_timeout(Duration::from_secs(20));
        assert!(matches!(event, Ok(Event::Manifests(_))), "{event:?}");
        let objects = names.objects();
        let [(key, json)] = &objects[..] else {
            panic!("{objects:?}");
        };
        assert_eq!((&*key.kind, &*key.name), ("ResolvedName", "localhost"));
        assert!(String::from_utf8_lossy(json).contains("127.0.0.1"));
        names.set(BTreeSet::new());
        assert!(names.objects().is_empty());
    }
}
