//! The part of WASI preview 1 that a filter's standard library needs. There are no files, no
//! environment and no arguments; what is written to the standard streams is logged.

use wasmtime::{Caller, Linker};

use super::{Guest, Reply};
use crate::abi::LogLevel;
use crate::error::HostTrap;
use crate::host_calls::HostCall;
use crate::random;
use crate::state::State;

const SUCCESS: u32 = 0;
const EBADF: u32 = 8;
const EFAULT: u32 = 21;
const EINVAL: u32 = 28;
/// "Function not supported".
pub(super) const ENOSYS: u32 = 52;

/// What is linked; every other function of WASI answers `ENOSYS`.
pub(super) const NAMES: [&str; 13] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_prestat_get",
    "fd_write",
    "proc_exit",
    "random_get",
    "sched_yield",
];

/// Longest text of one write that is logged, so that a filter cannot fill the host's memory.
const MAX_WRITE: usize = 64 * 1024;

pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        link_module(linker, module)?;
    }
    Ok(())
}

fn link_module(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    let nothing = |caller: Caller<'_, State>, _: u32, _: u32| -> u32 {
        Guest::enter(caller, HostCall::Wasi);
        SUCCESS
    };
    let sizes = |caller: Caller<'_, State>, count: u32, size: u32| -> u32 {
        let mut guest = Guest::enter(caller, HostCall::Wasi);
        errno(
            guest
                .write_u32(count, 0)
                .and_then(|()| guest.write_u32(size, 0)),
        )
    };
    let no_file = |caller: Caller<'_, State>, _: u32, _: u32| -> u32 {
        Guest::enter(caller, HostCall::Wasi);
        EBADF
    };
    linker.func_wrap(module, "environ_get", nothing)?;
    linker.func_wrap(module, "args_get", nothing)?;
    linker.func_wrap(module, "environ_sizes_get", sizes)?;
    linker.func_wrap(module, "args_sizes_get", sizes)?;
    linker.func_wrap(module, "fd_prestat_get", no_file)?;
    linker.func_wrap(module, "fd_fdstat_get", no_file)?;
    linker.func_wrap(module, "fd_close", |_: Caller<'_, State>, _: u32| EBADF)?;
    linker.func_wrap(module, "sched_yield", |_: Caller<'_, State>| SUCCESS)?;
    linker.func_wrap(
        module,
        "fd_write",
        |caller: Caller<'_, State>, fd: u32, iovs: u32, count: u32, out: u32| {
            fd_write(
                &mut Guest::enter(caller, HostCall::Wasi),
                fd,
                iovs,
                count,
                out,
            )
        },
    )?;
    linker.func_wrap(
        module,
        "clock_time_get",
        |caller: Caller<'_, State>, clock: u32, _: u64, out: u32| {
            let mut guest = Guest::enter(caller, HostCall::Wasi);
            if clock > 3 {
                return EINVAL;
            }
            let now = u64::try_from(guest.state().now().as_nanos()).unwrap_or(u64::MAX);
            errno(guest.write_u64(out, now))
        },
    )?;
    linker.func_wrap(
        module,
        "clock_res_get",
        |caller: Caller<'_, State>, clock: u32, out: u32| {
            let mut guest = Guest::enter(caller, HostCall::Wasi);
            if clock > 3 {
                EINVAL
            } else {
                errno(guest.write_u64(out, 1_000_000))
            }
        },
    )?;
    linker.func_wrap(
        module,
        "random_get",
        |caller: Caller<'_, State>, out: u32, len: u32| {
            let mut guest = Guest::enter(caller, HostCall::Wasi);
            errno(random_get(&mut guest, out, len))
        },
    )?;
    linker.func_wrap(
        module,
        "proc_exit",
        |caller: Caller<'_, State>, code: u32| -> wasmtime::Result<()> {
            Guest::enter(caller, HostCall::Wasi);
            Err(wasmtime::Error::new(HostTrap(format!(
                "proc_exit: the filter exited with code {code}"
            ))))
        },
    )?;
    Ok(())
}

fn fd_write(guest: &mut Guest<'_>, fd: u32, iovs: u32, count: u32, out: u32) -> u32 {
    let level = match fd {
        1 => LogLevel::Info,
        2 => LogLevel::Error,
        _ => return EBADF,
    };
    let mut text = Vec::new();
    let mut written = 0u32;
    for n in 0..count {
        let Some(at) = n.checked_mul(8).and_then(|offset| iovs.checked_add(offset)) else {
            return EFAULT;
        };
        let Ok((iov, _)) = guest.bytes(at, 8) else {
            return EFAULT;
        };
        let word = |at: usize| {
            iov.get(at..at + 4)
                .and_then(|b| b.try_into().ok())
                .map_or(0, u32::from_le_bytes)
        };
        let (data, len) = (word(0), word(4));
        let Ok((data, _)) = guest.bytes(data, len) else {
            return EFAULT;
        };
        let room = MAX_WRITE.saturating_sub(text.len());
        text.extend_from_slice(&data[..data.len().min(room)]);
        written = written.saturating_add(len);
        if text.len() == MAX_WRITE {
            break;
        }
    }
    let message = String::from_utf8_lossy(&text).trim_end().to_owned();
    if !message.is_empty() {
        guest.state().log(level, message);
    }
    errno(guest.write_u32(out, written))
}

fn random_get(guest: &mut Guest<'_>, out: u32, len: u32) -> Result<(), Reply> {
    guest.check(out, len)?;
    let mut at = out;
    let mut left = len;
    while left > 0 {
        // Seeded by the options: the same run gives the same numbers.
        let bytes = random::next(&mut guest.state().random).to_le_bytes();
        let n = left.min(8);
        guest.write(at, &bytes[..n as usize])?;
        at = at.wrapping_add(n);
        left -= n;
    }
    Ok(())
}

fn errno(done: Result<(), Reply>) -> u32 {
    if done.is_ok() { SUCCESS } else { EFAULT }
}
