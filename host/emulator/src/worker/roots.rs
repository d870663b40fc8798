//! Root contexts and their tick timers, with ngx_wasm_module's ways (Kong facts 5).

use std::time::Duration;

use super::Worker;
use crate::abi::Phase;
use crate::error::{StartError, Trap};
use crate::instance::call;
use crate::state::{Root, Timer};

impl Worker {
    /// Fires every tick timer that is due. Timers are not one for each root context: each
    /// re-creation of the instance adds one, and the root context of an old configuration keeps
    /// its own.
    pub fn tick(&mut self) -> Result<(), Trap> {
        let Some(state) = self.state() else {
            return Ok(());
        };
        let now = state.options.clock.now();
        let due: Vec<Timer> = state
            .timers
            .iter()
            .copied()
            .filter(|timer| timer.due <= now)
            .collect();
        let mut first_trap = Ok(());
        for timer in due {
            let fired = self.fire(timer);
            if first_trap.is_ok() {
                first_trap = fired;
            }
        }
        first_trap
    }

    /// The period of the present root context's tick, if it has one.
    pub fn tick_period(&self) -> Option<Duration> {
        let period = self.state()?.roots.get(self.root)?.tick_period;
        (period > 0).then(|| Duration::from_millis(period.into()))
    }

    /// When the next timer is due, by the worker's clock.
    pub fn next_tick(&self) -> Option<Duration> {
        self.state()?.timers.iter().map(|timer| timer.due).min()
    }

    /// How many tick timers run.
    pub fn tick_timers(&self) -> usize {
        self.state().map_or(0, |state| state.timers.len())
    }

    /// Tells the filter of each of its queues that has items. ngx_wasm_module never does, so in
    /// strict mode nothing happens; the filter must look on its ticks.
    pub fn notify_queues(&mut self) -> Result<(), Trap> {
        self.ready()?;
        let Some(state) = self.state() else {
            return Ok(());
        };
        if state.options.strict {
            return Ok(());
        }
        let ready: Vec<u32> = state
            .queues
            .iter()
            .copied()
            .filter(|&id| !state.store.queues().is_empty(id))
            .collect();
        let root = self.root;
        let Some(id) = self.root_id(root) else {
            return Ok(());
        };
        for queue in ready {
            self.run(Phase::QueueReady, root, None, |callbacks, store| {
                call(&callbacks.queue_ready, store, (id, queue))
            })?;
        }
        Ok(())
    }

    fn fire(&mut self, timer: Timer) -> Result<(), Trap> {
        let Some(state) = self.state_mut() else {
            return Ok(());
        };
        let Some(at) = state
            .timers
            .iter()
            .position(|t| t.root == timer.root && t.due == timer.due)
        else {
            return Ok(());
        };
        state.timers.remove(at);
        let ticked = self.tick_root(timer.root);
        // The timer goes on while its root context has a period, whether the tick trapped or not,
        // and though another root context may have ticked in its place.
        let Some(state) = self.state_mut() else {
            return ticked;
        };
        let period = state
            .roots
            .get(timer.root)
            .map_or(0, |root| root.tick_period);
        let again = state.options.strict || !state.timers.iter().any(|t| t.root == timer.root);
        if period > 0 && again {
            let due = state.options.clock.now() + Duration::from_millis(period.into());
            state.timers.push(Timer {
                root: timer.root,
                due,
            });
        }
        ticked
    }

    fn tick_root(&mut self, root: usize) -> Result<(), Trap> {
        if self.trapped() {
            self.revive()?;
        }
        let root = self.ready_root(Some(root))?;
        let Some(id) = self.root_id(root) else {
            return Ok(());
        };
        self.run(Phase::Tick, root, None, |callbacks, store| {
            call(&callbacks.tick, store, id)
        })
    }

    /// The root context to use, started in the present instance. `ticking` is the one whose timer
    /// fires; else it is for a request.
    ///
    /// As in ngx_wasm_module: if the instance has a root context of the same configuration, that
    /// is used, and the old one stays as it is, its timer with it. If not, a request makes a new
    /// root context, while a tick starts its own again; either way `on_configure` sets the tick
    /// period once more and so adds a timer.
    pub(super) fn ready_root(&mut self, ticking: Option<usize>) -> Result<usize, Trap> {
        let generation = self.generation();
        let wanted = ticking.unwrap_or(self.root);
        let Some(root) = self.state().and_then(|state| state.roots.get(wanted)) else {
            return Ok(wanted);
        };
        if root.generation == generation {
            return Ok(wanted);
        }
        let configuration = root.configuration.to_vec();
        let same = self.same_root(wanted);
        if let Some(same) = same {
            if ticking.is_none() {
                self.root = same;
            }
            return Ok(same);
        }
        let present = self.root;
        let present_id = self.root_id(present);
        let at = match ticking {
            Some(at) => {
                if let Some(root) = self.state_mut().and_then(|state| state.roots.get_mut(at)) {
                    root.tick_period = 0;
                }
                at
            }
            None => self.add_root(configuration),
        };
        let vm_start = !self.strict();
        self.start_root(at, vm_start).map_err(|error| match error {
            StartError::Trapped(trap) => trap,
            error => Trap::plain(error.to_string(), Vec::new()),
        })?;
        if ticking.is_none() || self.root_id(at) == present_id {
            self.root = at;
        }
        Ok(at)
    }

    /// A root context that is not started yet.
    pub(super) fn add_root(&mut self, configuration: Vec<u8>) -> usize {
        let Some(state) = self.state_mut() else {
            return 0;
        };
        // Kong knows a root context by filter and configuration; elsewhere each has its own number.
        let hash = if state.options.strict {
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(state.options.root_id.as_bytes());
            hasher.update(&configuration);
            hasher.finalize()
        } else {
            u32::try_from(state.roots.len()).unwrap_or(u32::MAX)
        };
        // Request contexts count from 1; the highest bit keeps the two apart.
        let id = hash | 1 << 31;
        // Started in no instance yet: instances are counted from 1.
        state.roots.push(Root {
            id,
            configuration: configuration.into(),
            tick_period: 0,
            generation: 0,
        });
        state.roots.len() - 1
    }

    /// Creates the root context in the guest and configures it, after `on_vm_start` at the worker's
    /// start: ngx_wasm_module does not call that for an instance that it makes anew.
    pub(super) fn start_root(&mut self, root: usize, vm_start: bool) -> Result<(), StartError> {
        let Some(state) = self.state() else {
            return Ok(());
        };
        let sizes = (
            state.options.vm_configuration.len(),
            state.roots.get(root).map_or(0, |r| r.configuration.len()),
        );
        let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (vm_size, size) = (size(sizes.0), size(sizes.1));
        let Some(id) = self.root_id(root) else {
            return Ok(());
        };
        let (vm_ok, configured) = self.run(Phase::Start, root, None, |callbacks, store| {
            call(&callbacks.context_create, store, (id, 0))?;
            // A callback that is left out agrees.
            if vm_start
                && callbacks.vm_start.is_some()
                && call(&callbacks.vm_start, store, (id, vm_size))? == 0
            {
                return Ok((false, false));
            }
            let refused = callbacks.configure.is_some()
                && call(&callbacks.configure, store, (id, size))? == 0;
            Ok((true, !refused))
        })?;
        let generation = self.generation();
        let Some(state) = self.state_mut() else {
            return Ok(());
        };
        let log = || state.lines.clone();
        if !vm_ok {
            return Err(StartError::VmStartRefused { log: log() });
        }
        if !configured {
            return Err(StartError::ConfigurationRefused { log: log() });
        }
        if !state.options.strict {
            // Only the present root context ticks; in ngx_wasm_module the old ones go on.
            state.timers.retain(|timer| timer.root == root);
        }
        if let Some(root) = state.roots.get_mut(root) {
            root.generation = generation;
        }
        Ok(())
    }

    /// A root context with the id of this one that is started in the present instance.
    pub(super) fn same_root(&self, root: usize) -> Option<usize> {
        let (id, generation) = (self.root_id(root)?, self.generation());
        self.state()?
            .roots
            .iter()
            .position(|r| r.id == id && r.generation == generation)
    }

    pub(super) fn root_id(&self, root: usize) -> Option<u32> {
        self.state()?.roots.get(root).map(|root| root.id)
    }

    pub(super) fn generation(&self) -> u32 {
        self.state().map_or(0, |state| state.generation)
    }
}
