//! `proxy_get_shared_data` and `proxy_set_shared_data` (Kong facts 4).

use super::{Guest, Reply};
use crate::abi::Status;
use crate::store::StoreError;

pub(super) fn get(
    guest: &mut Guest<'_>,
    key: u32,
    len: u32,
    out: u32,
    out_len: u32,
    cas_out: u32,
) -> Result<(), Reply> {
    guest.check(out, 4)?;
    guest.check(out_len, 4)?;
    guest.check(cas_out, 4)?;
    let (key, state) = guest.bytes(key, len)?;
    let read = state.store.read(key, state.reader);
    let (value, cas) = read.map_err(|e| refuse(guest, e, "failed getting value from shm"))?;
    // As in ngx_wasm_module the cas is out before the guest is asked for memory.
    guest.write_u32(cas_out, cas)?;
    match guest.give(&value, out, out_len) {
        Err(Reply::Status(Status::InternalFailure)) => Err(guest.trap_or(
            Status::InternalFailure,
            "failed getting value from shm (no memory)",
        )),
        given => given,
    }
}

/// A null pointer deletes; an empty value has a pointer.
pub(super) fn set(
    guest: &mut Guest<'_>,
    key: u32,
    len: u32,
    value: u32,
    value_len: u32,
    cas: u32,
) -> Result<(), Reply> {
    let delete = value == 0;
    let (key, value, state) = guest.bytes2((key, len), (value, value_len))?;
    let done = if delete {
        state.store.delete(key, cas)
    } else {
        state.store.set(key, value, cas)
    };
    match done {
        // Deleting what is not there is "not written".
        Err(StoreError::NotFound) => Err(Reply::Status(Status::CasMismatch)),
        done => done.map_err(|e| refuse(guest, e, "failed setting value to shm")),
    }
}

fn refuse(guest: &Guest<'_>, error: StoreError, what: &str) -> Reply {
    match error {
        StoreError::NotFound => Reply::Status(Status::NotFound),
        StoreError::CasMismatch { .. } => Reply::Status(Status::CasMismatch),
        // Both are traps in either mode: no status of the ABI says so, and the SDK panics on others.
        StoreError::NoZone => Reply::Trap(format!("{what} (could not resolve namespace): {error}")),
        StoreError::NoMemory { .. } => guest.trap_or(
            Status::InternalFailure,
            format!("{what} (could not write to slab): {error}"),
        ),
    }
}
