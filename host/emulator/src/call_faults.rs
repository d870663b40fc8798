//! Host calls that fail on demand.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::host_calls::HostCall;
use crate::sync::lock;

/// What a host call does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFault {
    /// It answers this status and does nothing else. Any number: the ABI's are [`crate::Status`], and a
    /// host may have others.
    Status(u32),
    /// It answers Ok and gives the guest nothing: pointers and numbers stay as they were.
    Nothing,
    /// It traps, as ngx_wasm_module does where no status fits.
    Trap,
}

/// Which host calls fail. A clone is the same. Nothing fails until it is asked for.
///
/// WASI's functions are left out: they are not the data plane's.
#[derive(Clone, Debug, Default)]
pub struct CallFaults(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    armed: AtomicBool,
    plan: Mutex<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    at: Option<(u64, CallFault)>,
    each: Option<(HostCall, CallFault)>,
    seen: u64,
    struck: Vec<HostCall>,
}

impl CallFaults {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// The call with this number fails, counted from 0 from now on.
    pub fn fail_nth(&self, number: u64, fault: CallFault) {
        *lock(&self.0.plan) = Plan {
            at: Some((number, fault)),
            ..Plan::default()
        };
        self.0.armed.store(true, Ordering::Release);
    }

    /// Every call of this function fails.
    pub fn fail_each(&self, call: HostCall, fault: CallFault) {
        *lock(&self.0.plan) = Plan {
            each: Some((call, fault)),
            ..Plan::default()
        };
        self.0.armed.store(true, Ordering::Release);
    }

    /// How many calls have failed since it was asked for.
    pub fn struck(&self) -> usize {
        lock(&self.0.plan).struck.len()
    }

    /// Nothing fails any more; gives the functions that failed since it was asked for.
    pub fn clear(&self) -> Vec<HostCall> {
        self.0.armed.store(false, Ordering::Release);
        std::mem::take(&mut *lock(&self.0.plan)).struck
    }

    /// Does this call fail? Without faults it costs one load.
    pub(crate) fn strikes(&self, call: HostCall) -> Option<CallFault> {
        if !self.0.armed.load(Ordering::Acquire) {
            return None;
        }
        let mut plan = lock(&self.0.plan);
        let number = plan.seen;
        plan.seen += 1;
        let nth = plan
            .at
            .filter(|(at, _)| *at == number)
            .map(|(_, fault)| fault);
        let each = plan
            .each
            .filter(|(of, _)| *of == call)
            .map(|(_, fault)| fault);
        let fault = nth.or(each)?;
        plan.struck.push(call);
        Some(fault)
    }
}
