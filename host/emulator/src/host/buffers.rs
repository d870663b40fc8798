//! Bodies and configurations.

use super::{Guest, Reply};
use crate::abi::{BufferType, LogLevel, Phase, Status};
use crate::state::State;

const NOT_FOUND: Reply = Reply::Status(Status::NotFound);
const BAD_ARGUMENT: Reply = Reply::Status(Status::BadArgument);

pub(super) fn get(
    guest: &mut Guest<'_>,
    buffer: u32,
    start: u32,
    max: u32,
    out: u32,
    out_len: u32,
) -> Result<(), Reply> {
    let buffer = BufferType::from(buffer);
    guest.check(out, 4)?;
    guest.check(out_len, 4)?;
    check_phase(guest, buffer, false)?;
    if buffer == BufferType::RequestBody {
        log_body_in_file(guest.state());
    }
    let strict = guest.strict();
    let mut empty = false;
    let given = guest.give_with(out, out_len, |state, bytes| {
        let whole = content(state, buffer)?;
        // ngx_wasm_module cuts to `max` and copies from the beginning, whatever `start` says.
        let start = if strict {
            0
        } else {
            (start as usize).min(whole.len())
        };
        let end = start.saturating_add(max as usize).min(whole.len());
        if start == end {
            empty = true;
            return Err(NOT_FOUND);
        }
        bytes.extend_from_slice(&whole[start..end]);
        Ok(())
    });
    // An empty piece is answered with Ok and nothing written.
    if empty { Ok(()) } else { given }
}

pub(super) fn get_configuration(
    guest: &mut Guest<'_>,
    out: u32,
    out_len: u32,
) -> Result<(), Reply> {
    get(guest, 7, 0, u32::MAX, out, out_len)
}

fn content(state: &State, buffer: BufferType) -> Result<&[u8], Reply> {
    match buffer {
        BufferType::VmConfiguration => Ok(&state.options.vm_configuration),
        BufferType::PluginConfiguration => Ok(state
            .roots
            .get(state.root)
            .map_or(&[][..], |root| &root.configuration)),
        BufferType::CallResponseBody => {
            let call = state.call_response.as_ref().ok_or(BAD_ARGUMENT)?;
            if call.body.is_empty() {
                Err(NOT_FOUND)
            } else {
                Ok(&call.body)
            }
        }
        BufferType::RequestBody => {
            let exchange = state.exchange.as_ref().ok_or(BAD_ARGUMENT)?;
            let body = exchange.request_body.as_deref().ok_or(NOT_FOUND)?;
            if in_file(state, body) {
                Err(NOT_FOUND)
            } else {
                Ok(body)
            }
        }
        BufferType::ResponseBody => {
            let exchange = state.exchange.as_ref().ok_or(BAD_ARGUMENT)?;
            exchange.response_body.as_deref().ok_or(NOT_FOUND)
        }
        BufferType::Other(_) => Err(BAD_ARGUMENT),
    }
}

/// A body larger than `client_body_buffer_size` is in a temporary file, which ngx_wasm_module
/// does not read (Kong facts 6).
fn in_file(state: &State, body: &[u8]) -> bool {
    state.options.strict && body.len() > state.options.client_body_buffer_size
}

fn log_body_in_file(state: &mut State) {
    let body = state
        .exchange
        .as_ref()
        .and_then(|exchange| exchange.request_body.as_deref());
    if body.is_some_and(|body| in_file(state, body)) {
        state.log(
            LogLevel::Error,
            "cannot read request body buffered to file".to_owned(),
        );
    }
}

pub(super) fn set(
    guest: &mut Guest<'_>,
    buffer: u32,
    start: u32,
    size: u32,
    data: u32,
    len: u32,
) -> Result<(), Reply> {
    let buffer = BufferType::from(buffer);
    guest.check(data, len)?;
    check_phase(guest, buffer, true)?;
    let (data, state) = guest.bytes(data, len)?;
    let exchange = state.exchange.as_mut().ok_or(BAD_ARGUMENT)?;
    let body = match buffer {
        BufferType::RequestBody => exchange.request_body.get_or_insert_default(),
        BufferType::ResponseBody => exchange.response_body.get_or_insert_default(),
        _ => return Err(BAD_ARGUMENT),
    };
    let (start, size) = (start as usize, size as usize);
    if state.options.strict {
        set_as_kong(body, start, size, data);
    } else {
        // A start at or after the end appends.
        let start = start.min(body.len());
        let end = start.saturating_add(size).min(body.len());
        body.splice(start..end, data.iter().copied());
    }
    Ok(())
}

/// ngx_wasm_module prepends when start and size are 0; else it cuts the body at `start`, whatever
/// comes after it, and appends at most `size` bytes (all of them when `size` is 0 and `start` is
/// not): a replacement longer than what it replaces is cut off.
fn set_as_kong(body: &mut Vec<u8>, start: usize, size: usize, data: &[u8]) {
    if start == 0 && size == 0 && !data.is_empty() {
        body.splice(0..0, data.iter().copied());
        return;
    }
    let max = if size == 0 && start > 0 {
        data.len()
    } else {
        size
    };
    body.truncate(start);
    body.extend_from_slice(&data[..data.len().min(max)]);
}

/// When ngx_wasm_module lets a filter have a body; another time is a trap.
fn check_phase(guest: &mut Guest<'_>, buffer: BufferType, set: bool) -> Result<(), Reply> {
    let phase = guest.state().phase;
    let (allowed, message) = match (buffer, set) {
        (BufferType::RequestBody, false) => (
            matches!(
                phase,
                Phase::RequestHeaders | Phase::RequestBody | Phase::Log
            ),
            "can only get request body during \"on_request_body\", \"on_log\"",
        ),
        (BufferType::RequestBody, true) => (
            matches!(phase, Phase::RequestHeaders | Phase::RequestBody),
            "can only set request body during \"on_request_body\"",
        ),
        (BufferType::ResponseBody, false) => (
            phase == Phase::ResponseBody,
            "can only get response body during \"on_response_body\"",
        ),
        (BufferType::ResponseBody, true) => (
            phase == Phase::ResponseBody,
            "can only set response body during \"on_response_body\"",
        ),
        (BufferType::CallResponseBody, false) => (
            matches!(phase, Phase::CallResponse | Phase::Log),
            "can only get dispatch response body during \"on_http_dispatch_response\"",
        ),
        _ => return Ok(()),
    };
    if allowed || !guest.strict() {
        return Ok(());
    }
    Err(Reply::Trap(message.to_owned()))
}
