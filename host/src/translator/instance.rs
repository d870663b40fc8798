//! One running translator, and how its calls end.

use wasmtime::{Store, StoreLimits, StoreLimitsBuilder, Trap};

use super::bindings::{Translator, types};
use super::limits::Limits;
use super::module::{TICK, TranslatorModule};

/// What a store carries: only its limits.
pub(super) struct State {
    limits: StoreLimits,
}

/// How a call failed. Whichever it is, the instance is lost.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The guest trapped, or used up its fuel or memory: it would do so again.
    #[error("{0}")]
    Trapped(String),
    /// The watchdog stopped it: the machine may be to blame.
    #[error("took longer than the watchdog allows")]
    TimedOut,
    /// Not the guest's doing.
    #[error("{0:#}")]
    Host(wasmtime::Error),
}

/// An instance and what its next calls may cost.
pub(super) struct Instance {
    store: Store<State>,
    guest: Translator,
    limits: Limits,
    /// Bytes applied since the last commit.
    applied_bytes: u64,
    table_bytes: u64,
}

// === impl Instance ===

impl Instance {
    /// Starts a translator with these options.
    pub(super) fn new(
        module: &TranslatorModule,
        limits: &Limits,
        options: &str,
    ) -> Result<Result<Self, String>, CallError> {
        let state = State {
            limits: StoreLimitsBuilder::new()
                .memory_size(limits.memory_bytes)
                .memories(4)
                .instances(16)
                .tables(16)
                .table_elements(1 << 20)
                .trap_on_grow_failure(true)
                .build(),
        };
        let mut store = Store::new(module.engine.wasmtime(), state);
        store.limiter(|state| &mut state.limits);
        prepare(&mut store, limits, limits.base_fuel)?;
        let guest = module.pre.instantiate(&mut store).map_err(classify)?;
        let mut instance = Self {
            store,
            guest,
            limits: limits.clone(),
            applied_bytes: 0,
            table_bytes: 0,
        };
        prepare(
            &mut instance.store,
            limits,
            limits.apply_fuel(options.len()),
        )?;
        let configured = instance
            .guest
            .call_configure(&mut instance.store, options)
            .map_err(classify)?;
        Ok(configured.map(|()| instance))
    }

    pub(super) fn version(&mut self) -> Result<String, CallError> {
        self.prepare(self.limits.base_fuel)?;
        self.guest.call_version(&mut self.store).map_err(classify)
    }

    pub(super) fn apply(&mut self, json: &[u8]) -> Result<types::Applied, CallError> {
        self.prepare(self.limits.apply_fuel(json.len()))?;
        self.applied_bytes = self.applied_bytes.saturating_add(json.len() as u64);
        self.guest
            .call_apply(&mut self.store, json)
            .map_err(classify)
    }

    pub(super) fn delete(&mut self, key: &types::ObjectKey) -> Result<(), CallError> {
        self.prepare(self.limits.table_fuel(self.table_bytes))?;
        self.guest
            .call_delete(&mut self.store, key)
            .map_err(classify)
    }

    pub(super) fn commit(&mut self) -> Result<types::CommitSummary, CallError> {
        self.prepare(
            self.limits
                .commit_fuel(self.applied_bytes, self.table_bytes),
        )?;
        let summary = self.guest.call_commit(&mut self.store).map_err(classify)?;
        self.applied_bytes = 0;
        self.table_bytes = summary.table_bytes;
        Ok(summary)
    }

    pub(super) fn take_changes(&mut self) -> Result<types::Changes, CallError> {
        self.prepare(self.limits.table_fuel(self.table_bytes))?;
        self.guest
            .call_take_changes(&mut self.store, self.limits.piece_bytes)
            .map_err(classify)
    }

    pub(super) fn rewind(&mut self) -> Result<(), CallError> {
        self.prepare(self.limits.table_fuel(self.table_bytes))?;
        self.guest.call_rewind(&mut self.store).map_err(classify)
    }

    pub(super) fn explain(&mut self, request: &str) -> Result<Result<String, String>, CallError> {
        let fuel = self.limits.table_fuel(self.table_bytes);
        self.prepare(fuel.saturating_add(self.limits.apply_fuel(request.len())))?;
        self.guest
            .call_explain(&mut self.store, request)
            .map_err(classify)
    }

    pub(super) fn dump(&mut self) -> Result<String, CallError> {
        self.prepare(self.limits.table_fuel(self.table_bytes))?;
        self.guest.call_dump(&mut self.store).map_err(classify)
    }

    fn prepare(&mut self, fuel: u64) -> Result<(), CallError> {
        prepare(&mut self.store, &self.limits, fuel)
    }
}

/// Gives the next call its fuel and its time.
fn prepare(store: &mut Store<State>, limits: &Limits, fuel: u64) -> Result<(), CallError> {
    store.set_fuel(fuel).map_err(CallError::Host)?;
    let ticks = limits.watchdog.as_millis().div_ceil(TICK.as_millis());
    store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX >> 1).max(1));
    Ok(())
}

fn classify(error: wasmtime::Error) -> CallError {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => CallError::TimedOut,
        Some(Trap::OutOfFuel) => CallError::Trapped("it takes too much work".to_owned()),
        Some(trap) => CallError::Trapped(trap.to_string()),
        // Growing beyond the limit is an error of the limiter's, and a result that breaks the
        // canonical ABI one of wasmtime's: both are the guest's doing.
        None => CallError::Trapped(format!("{:#}", error.root_cause())),
    }
}
