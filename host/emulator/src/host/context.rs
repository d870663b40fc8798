//! Log, time, ticks and streams.

use std::time::Duration;

use super::{Guest, Reply};
use crate::abi::{LogLevel, Phase, Status};
use crate::state::Timer;

const BAD_ARGUMENT: Reply = Reply::Status(Status::BadArgument);

pub(super) fn log(guest: &mut Guest<'_>, level: u32, text: u32, len: u32) -> Result<(), Reply> {
    let (text, state) = guest.bytes(text, len)?;
    let level = LogLevel::from_abi(level).ok_or(BAD_ARGUMENT)?;
    let text = String::from_utf8_lossy(text).into_owned();
    state.log(level, text);
    Ok(())
}

pub(super) fn get_log_level(guest: &mut Guest<'_>, out: u32) -> Result<(), Reply> {
    guest.not_in_kong()?;
    let level = guest.state().options.log.level();
    guest.write_u32(out, level as u32)
}

pub(super) fn get_current_time(guest: &mut Guest<'_>, out: u32) -> Result<(), Reply> {
    let now = guest.state().now();
    guest.write_u64(out, u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}

/// Only a root context has a tick, and only one period: a second set is a trap in
/// ngx_wasm_module unless it was set to 0 before.
pub(super) fn set_tick_period(guest: &mut Guest<'_>, period: u32) -> Result<(), Reply> {
    let strict = guest.strict();
    let state = guest.state();
    if strict && state.context.is_some() {
        return Err(Reply::Trap(
            "can only set tick_period in root context".to_owned(),
        ));
    }
    let (at, now) = (state.root, state.options.clock.now());
    let Some(root) = state.roots.get_mut(at) else {
        return Err(BAD_ARGUMENT);
    };
    if strict && period > 0 && root.tick_period > 0 {
        return Err(Reply::Trap("tick_period already set".to_owned()));
    }
    root.tick_period = period;
    if !strict {
        state.timers.retain(|timer| timer.root != at);
    }
    if period > 0 {
        state.timers.push(Timer {
            root: at,
            due: now + Duration::from_millis(period.into()),
        });
    }
    Ok(())
}

/// ngx_wasm_module takes it and does nothing: the context is that of the running callback.
pub(super) fn set_effective_context(_guest: &mut Guest<'_>, _id: u32) -> Result<(), Reply> {
    Ok(())
}

pub(super) fn done(guest: &mut Guest<'_>) -> Result<(), Reply> {
    guest.not_in_kong()
}

pub(super) fn clear_route_cache(guest: &mut Guest<'_>) -> Result<(), Reply> {
    guest.not_in_kong()
}

/// Stream types 0 and 1 are HTTP request and response; ngx_wasm_module resumes the request for both.
pub(super) fn continue_stream(guest: &mut Guest<'_>, stream: u32) -> Result<(), Reply> {
    let strict = guest.strict();
    let resumed = &mut guest.state().resumed;
    match stream {
        0 => resumed.request = true,
        1 if strict => resumed.request = true,
        1 => resumed.response = true,
        _ if strict => return Err(Reply::Status(Status::InternalFailure)),
        _ => return Err(Reply::Status(Status::Unimplemented)),
    }
    Ok(())
}

pub(super) fn continue_request(guest: &mut Guest<'_>) -> Result<(), Reply> {
    continue_stream(guest, 0)
}

pub(super) fn continue_response(guest: &mut Guest<'_>) -> Result<(), Reply> {
    guest.not_in_kong()?;
    continue_stream(guest, 1)
}

/// Resets a request or response: the embedder sees a 503 without headers, or a body cut short.
pub(super) fn close_stream(guest: &mut Guest<'_>, stream: u32) -> Result<(), Reply> {
    guest.not_in_kong()?;
    let state = guest.state();
    let phase = state.phase;
    let Some(exchange) = &mut state.exchange else {
        return Err(BAD_ARGUMENT);
    };
    match stream {
        0 if phase < Phase::ResponseHeaders => {
            exchange
                .local_response
                .get_or_insert_with(|| crate::LocalResponse {
                    status: 503,
                    ..Default::default()
                });
            Ok(())
        }
        0 | 1 => {
            exchange.response_body = None;
            Ok(())
        }
        _ => Err(BAD_ARGUMENT),
    }
}
