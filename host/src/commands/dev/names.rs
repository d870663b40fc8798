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

use serde_json::Value;

use super::event::Event;
use super::stubs::Objects;
use crate::object::{self, ObjectKey};
use crate::problem::{Problem, Severity};

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
    /// Why the last look-up of a name failed.
    failed: BTreeMap<String, String>,
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
        state.failed.retain(|name, _| wanted.contains(name));
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
        let found = state.found.iter();
        found
            .map(|(name, addresses)| object::resolved_name(name, addresses))
            .collect()
    }

    /// Whether the last look-up of a name failed.
    pub(super) fn has_failed(&self, name: &str) -> bool {
        lock(&self.shared.state).failed.contains_key(name)
    }

    /// What is wrong with the Services whose names could not be looked up.
    pub(super) fn problems(&self, objects: &Objects) -> Vec<Problem> {
        let state = lock(&self.shared.state);
        if state.failed.is_empty() {
            return Vec::new();
        }
        let problem = |(key, json): (&ObjectKey, &Arc<[u8]>)| {
            let name = external_name(key, json)?;
            let why = state.failed.get(&name)?;
            let then = match state.found.contains_key(&name) {
                true => "the addresses that it had stay in use",
                false => "requests are answered 503",
            };
            let message = format!("{name} cannot be looked up: {why}; {then}");
            let problem = Problem::new("UnresolvedName", Severity::Warning, message)
                .hint("is the name right, and does it resolve on this machine? It is tried again");
            let mut problem = problem.about(key.clone());
            "spec.externalName".clone_into(&mut problem.field);
            Some(problem)
        };
        objects.iter().filter_map(problem).collect()
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

/// Looks one name up. Is there anything to tell: other addresses than before, or none any more?
fn look_up(shared: &Shared, name: &str) -> bool {
    let found = (name, 0).to_socket_addrs();
    let found = found.map(|found| found.map(|address| address.ip()).collect::<Vec<_>>());
    let mut state = lock(&shared.state);
    // It may have gone in the meantime.
    if !state.wanted.contains(name) {
        return false;
    }
    let why = match found {
        Ok(mut addresses) if !addresses.is_empty() => {
            addresses.sort_unstable();
            addresses.dedup();
            addresses.truncate(MAX_ADDRESSES);
            let again = state.failed.remove(name).is_some();
            let before = state.found.insert(name.to_owned(), addresses.clone());
            return again || before != Some(addresses);
        }
        Ok(_) => "it has no address".to_owned(),
        Err(error) => error.to_string(),
    };
    tracing::debug!(name, why, "an ExternalName cannot be looked up");
    // Resolvers say the same failure in several words; the first stays.
    let fresh = !state.failed.contains_key(name);
    state.failed.entry(name.to_owned()).or_insert(why);
    fresh
}

/// The name that a Service stands for, as the translator writes it.
fn external_name(key: &ObjectKey, json: &[u8]) -> Option<String> {
    if key.kind != "Service" || !key.group.is_empty() {
        return None;
    }
    let object: Value = serde_json::from_slice(json).ok()?;
    let spec = object.get("spec")?;
    if spec.get("type")? != "ExternalName" {
        return None;
    }
    let name = spec.get("externalName")?.as_str()?;
    Some(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
}

/// What is locked here is whole at each step.
fn lock(mutex: &Mutex<State>) -> MutexGuard<'_, State> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use serde_json::json;

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
        // One round tells of both.
        let service = |name: &str, external: &str| {
            let key = ObjectKey::new("v1", "Service", "d", name);
            let json = json!({"spec": {"type": "ExternalName", "externalName": external}});
            (key, json.to_string().into_bytes().into())
        };
        let problems = names.problems(&Objects::from([
            service("here", "localhost"),
            service("away", "No-Such-Name.invalid."),
        ]));
        let [problem] = &problems[..] else {
            panic!("{problems:?}");
        };
        let object = problem.object.as_ref().map(ToString::to_string);
        assert_eq!(object.as_deref(), Some("Service d/away"));
        assert!(
            problem.message.contains("cannot be looked up"),
            "{problem:?}"
        );
        names.set(BTreeSet::new());
        assert!(names.objects().is_empty());
    }
}
