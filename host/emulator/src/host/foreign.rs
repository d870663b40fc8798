//! `proxy_call_foreign_function`.

use super::{Guest, Reply};
use crate::abi::Status;

pub(super) fn call(
    guest: &mut Guest<'_>,
    name: u32,
    name_len: u32,
    args: u32,
    args_len: u32,
    out: u32,
    out_len: u32,
) -> Result<(), Reply> {
    guest.check(out, 4)?;
    guest.check(out_len, 4)?;
    let args = guest.copy(args, args_len)?;
    let (name, state) = guest.bytes(name, name_len)?;
    let Some(function) = state.options.foreign.get(name) else {
        return Err(guest.trap_or(Status::NotFound, "unknown foreign function"));
    };
    let result = function(&args).map_err(Reply::Status)?;
    if result.is_empty() {
        guest.write_u32(out, 0)?;
        return guest.write_u32(out_len, 0);
    }
    guest.give(&result, out, out_len)
}
