//! One nginx worker: an instance of the filter, its root contexts, its timers.

mod calls;
mod request;
mod retired;
mod roots;

use rustc_hash::FxHashSet;
use wasmtime::Store;

use crate::abi::{Action, Phase};
use crate::error::{StartError, Trap};
use crate::filter::Filter;
use crate::host_calls::HostCalls;
use crate::instance::{Callbacks, Instance, refill};
use crate::options::WorkerOptions;
use crate::state::State;
use crate::store::SharedStore;
use crate::violation::Violation;

/// One worker. It can be moved to another thread, and serves one callback at a time.
///
/// A trap drops the instance with every context in it; the next use of the worker makes a new
/// one (Kong facts 5). Requests in flight go on without the filter: a call with a context of an
/// instance that is gone does nothing and answers [`Action::Continue`].
pub struct Worker {
    filter: Filter,
    /// `None` only while a new instance is being made.
    instance: Option<Instance>,
    /// The state while no instance could be made.
    spare: Option<Box<State>>,
    root: usize,
    next_context: u32,
    restarts: u64,
    /// Contexts of the present instance that are open.
    open: FxHashSet<u32>,
    /// What was replaced and has requests in flight, oldest first.
    retired: Vec<Worker>,
}

/// A request's context, in the instance that it was opened in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContextId {
    id: u32,
    generation: u32,
}

impl ContextId {
    pub(crate) fn new(id: u32, generation: u32) -> Self {
        Self { id, generation }
    }

    /// The number that the filter knows it by.
    pub fn id(self) -> u32 {
        self.id
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("filter", &self.filter)
            .field("restarts", &self.restarts)
            .finish_non_exhaustive()
    }
}

impl Worker {
    /// Starts a filter: instantiates it, creates the root context, runs `on_vm_start` and
    /// `on_configure`. Kong goes on without a filter that does not start (fail-open, Kong
    /// facts 5); here the embedder decides.
    pub fn start(
        filter: &Filter,
        store: SharedStore,
        options: WorkerOptions,
    ) -> Result<Self, StartError> {
        Self::start_with(filter, State::new(options, store))
    }

    fn start_with(filter: &Filter, state: State) -> Result<Self, StartError> {
        let configuration = state.options.configuration.clone();
        let instance = Instance::new(filter, state).map_err(|(_, e)| e)?;
        let mut worker = Self {
            filter: filter.clone(),
            instance: Some(instance),
            spare: None,
            root: 0,
            next_context: 0,
            restarts: 0,
            open: Default::default(),
            retired: Vec::new(),
        };
        worker.root = worker.add_root(configuration);
        worker.start_root(worker.root, true)?;
        Ok(worker)
    }

    /// Starts a new root context with another configuration, in the same instance. When the
    /// filter refuses it, requests go on with the old one. The old root context keeps ticking
    /// (Kong facts 5).
    pub fn reconfigure(&mut self, configuration: Vec<u8>) -> Result<(), StartError> {
        self.ready()?;
        if self.state().is_some_and(|s| {
            s.roots
                .get(self.root)
                .is_some_and(|r| *r.configuration == *configuration)
        }) {
            // Kong knows a filter by name and configuration: the same is the same.
            return Ok(());
        }
        let root = self.add_root(configuration.clone());
        self.root = match self.same_root(root) {
            // Going back to a configuration that the instance has had: its root context is used
            // as it is, without another on_configure.
            Some(same) => same,
            None => {
                self.start_root(root, false)?;
                root
            }
        };
        if let Some(state) = self.state_mut() {
            state.options.configuration = configuration;
        }
        Ok(())
    }

    /// Puts another module in place of this one, as a reload does: a new instance with a root
    /// context of its own and no timers of the old. Requests in flight finish in the old one. When
    /// the new one does not start the old one goes on.
    pub fn replace_filter(&mut self, filter: &Filter) -> Result<(), StartError> {
        let Some(old) = self.state() else {
            return Err(StartError::Instantiate(
                "the worker has no state".to_owned(),
            ));
        };
        let mut state = State::new(old.options.clone(), old.store.clone());
        state.generation = old.generation;
        state.next_token = std::sync::Arc::clone(&old.next_token);
        state.counts = old.counts;
        state.violations = old.violations.clone();
        let mut new = Self::start_with(filter, state)?;
        new.next_context = self.next_context;
        new.restarts = self.restarts;
        let old = std::mem::replace(self, new);
        self.retire(old);
        Ok(())
    }

    /// How often the instance was made anew after a trap.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// How many instances there were, the present one included.
    pub fn instance_count(&self) -> u64 {
        self.restarts + 1
    }

    /// Whether the last callback trapped, so that the next use makes a new instance.
    pub fn trapped(&self) -> bool {
        self.instance
            .as_ref()
            .is_none_or(|instance| instance.trapped)
    }

    /// Host calls so far, by function.
    pub fn host_calls(&self) -> HostCalls {
        let (mut counts, _) = self.retired_work();
        if let Some(state) = self.state() {
            counts.add(&state.counts);
        }
        counts
    }

    /// Counts host calls from 0 again, and says how many there were.
    pub fn reset_host_calls(&mut self) -> HostCalls {
        let counts = self.host_calls();
        for instance in std::iter::once(&mut self.instance)
            .chain(self.retired.iter_mut().map(|old| &mut old.instance))
            .flatten()
        {
            instance.store.data_mut().counts = HostCalls::default();
        }
        if let Some(state) = &mut self.spare {
            state.counts = HostCalls::default();
        }
        counts
    }

    /// Bytes of linear memory. They never become fewer within an instance (Kong facts 5).
    pub fn memory_size(&self) -> usize {
        let Some(instance) = &self.instance else {
            return 0;
        };
        instance
            .store
            .data()
            .memory
            .map_or(0, |memory| memory.data_size(&instance.store))
    }

    /// What strict mode saw this worker do; [`SharedStore::violations`] has what it did to
    /// shared data.
    pub fn violations(&self) -> Vec<Violation> {
        let (_, mut violations) = self.retired_work();
        if let Some(state) = self.state() {
            violations.extend(state.violations.iter().cloned());
        }
        violations
    }

    /// The node's shared data.
    pub fn store(&self) -> Option<&SharedStore> {
        self.state().map(|state| &state.store)
    }

    fn state(&self) -> Option<&State> {
        match &self.instance {
            Some(instance) => Some(instance.store.data()),
            None => self.spare.as_deref(),
        }
    }

    fn state_mut(&mut self) -> Option<&mut State> {
        match &mut self.instance {
            Some(instance) => Some(instance.store.data_mut()),
            None => self.spare.as_deref_mut(),
        }
    }

    /// Makes a new instance if the last one trapped. Its root contexts start when they are needed.
    fn ready(&mut self) -> Result<(), Trap> {
        if !self.trapped() {
            return Ok(());
        }
        self.revive()?;
        self.ready_root(None).map(drop)
    }

    #[cold]
    fn revive(&mut self) -> Result<(), Trap> {
        let state = match (self.instance.take(), self.spare.take()) {
            (Some(instance), _) => instance.store.into_data(),
            (None, Some(state)) => *state,
            (None, None) => return Err(Trap::plain("the worker has no state", Vec::new())),
        };
        self.open.clear();
        self.restarts += 1;
        match Instance::new(&self.filter, state) {
            Ok(instance) => {
                self.instance = Some(instance);
                Ok(())
            }
            Err((state, error)) => {
                self.spare = Some(state);
                Err(match error {
                    StartError::Trapped(trap) => trap,
                    error => Trap::plain(error.to_string(), Vec::new()),
                })
            }
        }
    }

    /// Runs a piece of the guest: sets the scene, and drops the instance if it traps.
    fn run<R>(
        &mut self,
        phase: Phase,
        root: usize,
        context: Option<u32>,
        f: impl FnOnce(&Callbacks, &mut Store<State>) -> wasmtime::Result<R>,
    ) -> Result<R, Trap> {
        let Some(instance) = &mut self.instance else {
            return Err(Trap::plain("the worker has no instance", Vec::new()));
        };
        let state = instance.store.data_mut();
        state.phase = phase;
        state.root = root;
        state.context = context;
        state.lines.clear();
        let done = refill(&self.filter, &mut instance.store)
            .and_then(|()| f(&instance.callbacks, &mut instance.store));
        done.map_err(|error| {
            instance.trapped = true;
            let state = instance.store.data_mut();
            state.calls.clear();
            Trap::new(&error, std::mem::take(&mut state.lines))
        })
    }
}

/// An action of the ABI; anything but 0 waits.
fn action(number: u32) -> Action {
    if number == 0 {
        Action::Continue
    } else {
        Action::Pause
    }
}
