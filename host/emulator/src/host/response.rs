//! Local responses and HTTP calls.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Guest, Reply};
use crate::abi::{Phase, Status};
use crate::exchange::LocalResponse;
use crate::headers::Headers;
use crate::http_call::{HttpCall, Outstanding};
use crate::worker::ContextId;

const FAILURE: Reply = Reply::Status(Status::InternalFailure);
const BAD_ARGUMENT: Reply = Reply::Status(Status::BadArgument);

#[allow(clippy::too_many_arguments, reason = "the ABI's")]
pub(super) fn send_local(
    guest: &mut Guest<'_>,
    status: u32,
    reason: u32,
    reason_len: u32,
    body: u32,
    body_len: u32,
    headers: u32,
    headers_len: u32,
    grpc_status: i32,
) -> Result<(), Reply> {
    let reason = guest.copy(reason, reason_len)?;
    let mut body = guest.copy(body, body_len)?;
    let sent = Headers::from_pairs(guest.bytes(headers, headers_len)?.0).map_err(|_| FAILURE)?;
    let strict = guest.strict();
    let phase = guest.state().phase;
    let late = phase > Phase::ResponseHeaders;
    let Some(exchange) = &mut guest.state().exchange else {
        return Err(guest.trap_or(
            Status::BadArgument,
            "a local response, outside of a request",
        ));
    };
    let taken = exchange.local_response.is_some();
    if late {
        return Err(guest.trap_or(Status::BadArgument, "response already sent"));
    }
    if taken && strict && phase != Phase::ResponseHeaders {
        return Err(Reply::Trap("local response already stashed".to_owned()));
    }
    let status = u16::try_from(status)
        .ok()
        .filter(|s| (100..=999).contains(s))
        .ok_or(BAD_ARGUMENT)?;
    let headers = if !strict {
        sent
    } else if phase == Phase::ResponseHeaders {
        // Only status and body of the response under way are replaced then.
        Headers::new()
    } else {
        // Of a repeated name only the last is sent (Kong facts 2).
        let mut last = Headers::new();
        for (name, value) in sent.iter() {
            last.set(name, value);
        }
        last
    };
    if strict && !body.is_empty() {
        // ngx_wasm_module ends every body that it produces with a line feed.
        body.push(b'\n');
    }
    // ngx_wasm_module takes no notice of a gRPC status: the client gets a plain response.
    let grpc_status = (grpc_status >= 0 && !strict).then_some(grpc_status);
    let response = LocalResponse {
        status,
        reason,
        headers,
        body,
        grpc_status,
    };
    let state = guest.state();
    let context = state.context;
    if let Some(exchange) = &mut state.exchange {
        exchange.local_response = Some(response);
    }
    if strict {
        // A local response cancels the calls of its request that are under way.
        state
            .calls
            .retain(|o| o.call.context.is_none() || o.call.context.map(ContextId::id) != context);
    }
    Ok(())
}

#[allow(clippy::too_many_arguments, reason = "the ABI's")]
pub(super) fn http_call(
    guest: &mut Guest<'_>,
    upstream: u32,
    upstream_len: u32,
    headers: u32,
    headers_len: u32,
    body: u32,
    body_len: u32,
    trailers: u32,
    trailers_len: u32,
    timeout: u32,
    out: u32,
) -> Result<(), Reply> {
    guest.check(out, 4)?;
    let phase = guest.state().phase;
    let allowed = matches!(
        phase,
        Phase::RequestHeaders | Phase::RequestBody | Phase::Tick | Phase::CallResponse
    );
    if !allowed && guest.strict() {
        let message = "can only send HTTP dispatch during \"on_request_headers\", \"on_request_body\", \
                       \"on_tick\", \"on_dispatch_response\", \"on_foreign_function\"";
        return Err(Reply::Trap(message.to_owned()));
    }
    let upstream = guest.copy(upstream, upstream_len)?;
    let headers =
        Headers::from_pairs(guest.bytes(headers, headers_len)?.0).map_err(|_| BAD_ARGUMENT)?;
    let trailers =
        Headers::from_pairs(guest.bytes(trailers, trailers_len)?.0).map_err(|_| BAD_ARGUMENT)?;
    let body = guest.copy(body, body_len)?;
    for name in [":method", ":path"] {
        if headers.get(name).is_none_or(<[u8]>::is_empty) {
            return Err(guest.trap_or(Status::BadArgument, format!("dispatch failed: no {name}")));
        }
    }
    if upstream.is_empty() {
        return Err(guest.trap_or(Status::BadArgument, "dispatch failed: no host"));
    }
    let state = guest.state();
    let token = state.next_token.fetch_add(1, Ordering::Relaxed);
    let context = state.context.map(|id| ContextId::new(id, state.generation));
    let timeout = Duration::from_millis(timeout.into());
    let call = HttpCall {
        token,
        context,
        upstream,
        headers,
        body,
        trailers,
        timeout,
    };
    state.calls.push(Outstanding {
        call,
        root: state.root,
        taken: false,
    });
    guest.write_u32(out, token)
}
