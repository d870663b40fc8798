//! Shared queues. In strict mode a queue must be declared, and none can be resolved.

use super::{Guest, Reply};
use crate::abi::Status;
use crate::store::QueueError;

pub(super) fn register(guest: &mut Guest<'_>, name: u32, len: u32, out: u32) -> Result<(), Reply> {
    guest.check(out, 4)?;
    let (name, state) = guest.bytes(name, len)?;
    let name = String::from_utf8_lossy(name).into_owned();
    let registered = state.store.queues().register(&name);
    let id = registered.map_err(|e| refuse(guest, e))?;
    let state = guest.state();
    if !state.queues.contains(&id) {
        state.queues.push(id);
    }
    guest.write_u32(out, id)
}

pub(super) fn resolve(
    guest: &mut Guest<'_>,
    vm: u32,
    vm_len: u32,
    name: u32,
    len: u32,
    out: u32,
) -> Result<(), Reply> {
    guest.not_in_kong()?;
    let (_, name, state) = guest.bytes2((vm, vm_len), (name, len))?;
    let name = String::from_utf8_lossy(name).into_owned();
    let id = state
        .store
        .queues()
        .resolve(&name)
        .map_err(|_| Reply::Status(Status::NotFound))?;
    guest.write_u32(out, id)
}

pub(super) fn enqueue(
    guest: &mut Guest<'_>,
    queue: u32,
    value: u32,
    len: u32,
) -> Result<(), Reply> {
    let (value, state) = guest.bytes(value, len)?;
    let pushed = state.store.queues().push(queue, value);
    pushed.map_err(|e| refuse(guest, e))
}

pub(super) fn dequeue(
    guest: &mut Guest<'_>,
    queue: u32,
    out: u32,
    out_len: u32,
) -> Result<(), Reply> {
    guest.check(out, 4)?;
    guest.check(out_len, 4)?;
    let popped = guest.state().store.queues().pop(queue);
    let item = popped.map_err(|e| refuse(guest, e))?;
    guest.give(&item, out, out_len)
}

fn refuse(guest: &Guest<'_>, error: QueueError) -> Reply {
    match error {
        QueueError::Empty => Reply::Status(Status::Empty),
        QueueError::NotFound => guest.trap_or(Status::NotFound, error.to_string()),
        QueueError::Full => guest.trap_or(Status::InternalFailure, error.to_string()),
    }
}
