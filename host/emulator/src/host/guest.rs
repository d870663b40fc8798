//! The guest as a host function sees it: its memory, checked, and its worker's state.

use std::ops::Range;

use wasmtime::{AsContextMut, Caller, Memory};

use crate::abi::Status;
use crate::call_faults::CallFault;
use crate::error::HostTrap;
use crate::host_calls::HostCall;
use crate::state::State;

/// Why a host function does not answer `Ok`.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The guest gets a status.
    Status(Status),
    /// The guest gets this number, on demand.
    Number(u32),
    /// The guest traps, as in ngx_wasm_module.
    Trap(String),
    /// The guest trapped while the host called it back.
    Error(wasmtime::Error),
}

/// The caller of a host function.
pub(crate) struct Guest<'a> {
    caller: Caller<'a, State>,
    call: HostCall,
}

const OUTSIDE: Reply = Reply::Status(Status::InvalidMemoryAccess);

impl<'a> Guest<'a> {
    pub(crate) fn enter(mut caller: Caller<'a, State>, call: HostCall) -> Self {
        caller.data_mut().counts.count(call);
        Self { caller, call }
    }

    /// Turns a reply into what the guest gets.
    pub(crate) fn answer(self, reply: Result<(), Reply>) -> wasmtime::Result<u32> {
        match reply {
            Ok(()) => Ok(Status::Ok as u32),
            Err(Reply::Status(status)) => Ok(status as u32),
            Err(Reply::Number(number)) => Ok(number),
            Err(Reply::Trap(message)) => Err(wasmtime::Error::new(HostTrap(format!(
                "{}: {message}",
                self.call.name()
            )))),
            Err(Reply::Error(error)) => Err(error),
        }
    }

    /// What this call is to do instead of its work, if somebody has asked for it.
    pub(crate) fn fault(&self) -> Option<Result<(), Reply>> {
        let fault = self.caller.data().options.call_faults.strikes(self.call)?;
        Some(match fault {
            CallFault::Status(0) | CallFault::Nothing => Ok(()),
            CallFault::Status(number) => Err(Reply::Number(number)),
            CallFault::Trap => Err(Reply::Trap("on demand".to_owned())),
        })
    }

    pub(crate) fn state(&mut self) -> &mut State {
        self.caller.data_mut()
    }

    pub(crate) fn strict(&self) -> bool {
        self.caller.data().options.strict
    }

    pub(crate) fn call_name(&self) -> &'static str {
        self.call.name()
    }

    /// A trap in strict mode, `status` else: the difference between ngx_wasm_module, which knows
    /// traps, and the ABI, which knows statuses.
    pub(crate) fn trap_or(&self, status: Status, message: impl Into<String>) -> Reply {
        if self.strict() {
            Reply::Trap(message.into())
        } else {
            Reply::Status(status)
        }
    }

    /// ngx_wasm_module has the function and it traps.
    pub(crate) fn not_in_kong(&self) -> Result<(), Reply> {
        if self.strict() {
            return Err(Reply::Trap(
                "host trap (function not yet implemented)".to_owned(),
            ));
        }
        Ok(())
    }

    fn memory(&self) -> Result<Memory, Reply> {
        // There is none while a module's own start function runs.
        self.caller.data().memory.ok_or(OUTSIDE)
    }

    /// Bytes of the guest, and the state beside them.
    pub(crate) fn bytes(&mut self, at: u32, len: u32) -> Result<(&[u8], &mut State), Reply> {
        let (memory, state) = self.memory()?.data_and_store_mut(&mut self.caller);
        Ok((memory.get(range(at, len)).ok_or(OUTSIDE)?, state))
    }

    /// Two pieces of the guest, and the state beside them.
    pub(crate) fn bytes2(
        &mut self,
        a: (u32, u32),
        b: (u32, u32),
    ) -> Result<(&[u8], &[u8], &mut State), Reply> {
        let (memory, state) = self.memory()?.data_and_store_mut(&mut self.caller);
        let a = memory.get(range(a.0, a.1)).ok_or(OUTSIDE)?;
        let b = memory.get(range(b.0, b.1)).ok_or(OUTSIDE)?;
        Ok((a, b, state))
    }

    /// A copy of bytes of the guest.
    pub(crate) fn copy(&mut self, at: u32, len: u32) -> Result<Vec<u8>, Reply> {
        Ok(self.bytes(at, len)?.0.to_vec())
    }

    /// Writes a 32-bit number.
    pub(crate) fn write_u32(&mut self, at: u32, number: u32) -> Result<(), Reply> {
        self.write(at, &number.to_le_bytes())
    }

    /// Writes a 64-bit number.
    pub(crate) fn write_u64(&mut self, at: u32, number: u64) -> Result<(), Reply> {
        self.write(at, &number.to_le_bytes())
    }

    /// Writes bytes.
    pub(crate) fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), Reply> {
        let len = u32::try_from(bytes.len()).map_err(|_| OUTSIDE)?;
        let memory = self.memory()?.data_mut(&mut self.caller);
        memory
            .get_mut(range(at, len))
            .ok_or(OUTSIDE)?
            .copy_from_slice(bytes);
        Ok(())
    }

    /// Whether a place of this length is in memory.
    pub(crate) fn check(&mut self, at: u32, len: u32) -> Result<(), Reply> {
        self.bytes(at, len).map(drop)
    }

    /// Gives bytes to the guest in memory that its own allocator hands out; where and how long
    /// goes to `out` and `out_len`.
    pub(crate) fn give(&mut self, bytes: &[u8], out: u32, out_len: u32) -> Result<(), Reply> {
        self.check(out, 4)?;
        self.check(out_len, 4)?;
        let len = u32::try_from(bytes.len()).map_err(|_| Reply::Status(Status::InternalFailure))?;
        let at = self.allocate(len)?;
        if at == 0 && (len > 0 || self.strict()) {
            return Err(Reply::Status(Status::InternalFailure));
        }
        self.write(at, bytes)?;
        self.write_u32(out, at)?;
        self.write_u32(out_len, len)
    }

    /// Gives what `fill` writes. The buffer is the worker's, so nothing is allocated in the host.
    pub(crate) fn give_with(
        &mut self,
        out: u32,
        out_len: u32,
        fill: impl FnOnce(&State, &mut Vec<u8>) -> Result<(), Reply>,
    ) -> Result<(), Reply> {
        let mut scratch = std::mem::take(&mut self.state().scratch);
        scratch.clear();
        let given =
            fill(self.caller.data(), &mut scratch).and_then(|()| self.give(&scratch, out, out_len));
        self.state().scratch = scratch;
        given
    }

    fn allocate(&mut self, len: u32) -> Result<u32, Reply> {
        // Taken out and put back: a clone would count references in every host call. An allocator
        // that asks the host for something that needs memory gets an error.
        let Some(allocate) = self.state().allocate.take() else {
            return Err(Reply::Status(Status::InternalFailure));
        };
        let at = allocate.call(self.caller.as_context_mut(), len);
        self.state().allocate = Some(allocate);
        at.map_err(Reply::Error)
    }
}

/// In 64 bits nothing can overflow.
fn range(at: u32, len: u32) -> Range<usize> {
    let (at, len) = (at as usize, len as usize);
    at..at.saturating_add(len)
}
