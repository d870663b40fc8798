//! Header maps, with Kong's ways in strict mode (Kong facts 2).

use std::borrow::Cow;

use super::{Guest, Reply};
use crate::abi::{LogLevel, MapType, Phase, Status};
use crate::exchange::Exchange;
use crate::headers::{Headers, write_pairs};
use crate::state::State;
use crate::uri;
use crate::violation::Violation;

const NOT_FOUND: Reply = Reply::Status(Status::NotFound);
const BAD_ARGUMENT: Reply = Reply::Status(Status::BadArgument);

/// A whole map that ngx_wasm_module gives ends here, pseudo-headers first: a request with more
/// headers looks shorter than it is. Single headers are found all the same.
const MAX_PAIRS: usize = 100;

/// A pseudo-header and its value.
type Pseudo<'a> = (&'static [u8], Cow<'a, [u8]>);

pub(super) fn get_pairs(
    guest: &mut Guest<'_>,
    map: u32,
    out: u32,
    out_len: u32,
) -> Result<(), Reply> {
    let map = MapType::from(map);
    check_request(guest, map)?;
    let mut total = 0;
    guest.give_with(out, out_len, |state, bytes| {
        let headers = headers(state, map)?;
        let pseudo = pseudo(state, map);
        let pseudo = pseudo
            .iter()
            .filter(|(_, v)| !v.is_empty())
            .map(|(n, v)| (*n, v.as_ref()));
        let pairs = pseudo.chain(headers.iter());
        if state.options.strict {
            total = pairs.clone().count();
            write_pairs(pairs.take(MAX_PAIRS), bytes);
        } else {
            write_pairs(pairs, bytes);
        }
        Ok(())
    })?;
    if total > MAX_PAIRS {
        let message = format!("marshalled map truncated to {MAX_PAIRS} elements");
        guest.state().log(LogLevel::Warn, message);
    }
    Ok(())
}

pub(super) fn get(
    guest: &mut Guest<'_>,
    map: u32,
    name: u32,
    name_len: u32,
    out: u32,
    out_len: u32,
) -> Result<(), Reply> {
    let map = MapType::from(map);
    check_request(guest, map)?;
    let (name, state) = guest.bytes(name, name_len)?;
    let mut scratch = std::mem::take(&mut state.scratch);
    scratch.clear();
    let found = if name.first() == Some(&b':') {
        pseudo_value(state, map, name).map(|value| scratch.extend_from_slice(&value))
    } else {
        None
    };
    let found = match found {
        Some(()) => Ok(()),
        None => match headers(state, map) {
            Ok(headers) => headers
                .get(name)
                .map(|value| scratch.extend_from_slice(value))
                .ok_or(NOT_FOUND),
            // A map that ngx_wasm_module does not have has no values either.
            Err(_) => Err(NOT_FOUND),
        },
    };
    let given = found.and_then(|()| guest.give(&scratch, out, out_len));
    guest.state().scratch = scratch;
    given
}

pub(super) fn set_pairs(guest: &mut Guest<'_>, map: u32, data: u32, len: u32) -> Result<(), Reply> {
    let map = MapType::from(map);
    let (data, _) = guest.bytes(data, len)?;
    let pairs = Headers::from_pairs(data).map_err(|_| Reply::Status(Status::InternalFailure))?;
    check_settable(guest, map)?;
    let state = guest.state();
    if map == MapType::RequestHeaders {
        state.violation(Violation::RequestHeadersReplaced);
    }
    let strict = state.options.strict;
    let headers = headers_mut(state, map)?;
    headers.clear();
    for (name, value) in pairs.iter() {
        if name.first() == Some(&b':') {
            set_pseudo(state, map, name, value)?;
        } else if strict {
            // ngx_wasm_module sets one after the other: the last of a repeated name stays.
            headers_mut(state, map)?.set(name, value);
        } else {
            headers_mut(state, map)?.add(name, value);
        }
    }
    Ok(())
}

pub(super) fn add(
    guest: &mut Guest<'_>,
    map: u32,
    name: u32,
    name_len: u32,
    value: u32,
    value_len: u32,
) -> Result<(), Reply> {
    change(
        guest,
        map,
        (name, name_len),
        (value, value_len),
        |exchange, map, name, value| {
            map_of(exchange, map)?.add(name, value);
            Ok(())
        },
    )
}

pub(super) fn replace(
    guest: &mut Guest<'_>,
    map: u32,
    name: u32,
    name_len: u32,
    value: u32,
    value_len: u32,
) -> Result<(), Reply> {
    change(
        guest,
        map,
        (name, name_len),
        (value, value_len),
        |exchange, map, name, value| {
            let first_only = exchange.strict && map == MapType::RequestHeaders;
            let headers = map_of(exchange, map)?;
            // Of a repeated client header only the first is touched (Kong shim facts 4).
            if first_only {
                headers.set_first(name, value)
            } else {
                headers.set(name, value)
            }
            Ok(())
        },
    )
}

pub(super) fn remove(
    guest: &mut Guest<'_>,
    map: u32,
    name: u32,
    name_len: u32,
) -> Result<(), Reply> {
    change(
        guest,
        map,
        (name, name_len),
        (0, 0),
        |exchange, map, name, _| {
            if exchange.strict && map == MapType::RequestHeaders {
                // nginx ignores the mark that ngx_wasm_module leaves: upstream still gets the line.
                if let Some((name, value)) = exchange.request_headers.remove_first(name) {
                    exchange.kept.add(name, value);
                }
            } else {
                map_of(exchange, map)?.remove(name);
            }
            Ok(())
        },
    )
}

fn change(
    guest: &mut Guest<'_>,
    map: u32,
    name: (u32, u32),
    value: (u32, u32),
    change: impl FnOnce(&mut Exchange, MapType, &[u8], &[u8]) -> Result<(), Reply>,
) -> Result<(), Reply> {
    let map = MapType::from(map);
    guest.check(name.0, name.1)?;
    guest.check(value.0, value.1)?;
    check_settable(guest, map)?;
    let (name, value, state) = guest.bytes2(name, value)?;
    if name.first() == Some(&b':') {
        return set_pseudo(state, map, name, value);
    }
    let exchange = state.exchange.as_mut().ok_or(BAD_ARGUMENT)?;
    change(exchange, map, name, value)
}

/// Sets `:method`, `:path` and `:status`; the others are read-only, which is logged.
fn set_pseudo(state: &mut State, map: MapType, name: &[u8], value: &[u8]) -> Result<(), Reply> {
    let strict = state.options.strict;
    let exchange = state.exchange.as_mut().ok_or(BAD_ARGUMENT)?;
    match (map, name) {
        (MapType::RequestHeaders, b":method") => exchange.method = value.to_vec(),
        // Kong proxies to $upstream_uri: the filter reads its own path back and nobody else does.
        (MapType::RequestHeaders, b":path") if strict => exchange.seen_path = Some(value.to_vec()),
        (MapType::RequestHeaders, b":path") => exchange.path = value.to_vec(),
        (MapType::RequestHeaders, b":scheme") if !strict => exchange.scheme = value.to_vec(),
        (MapType::RequestHeaders, b":authority") if !strict => {
            exchange.request_headers.set("host", value)
        }
        (MapType::ResponseHeaders, b":status") => {
            let status = std::str::from_utf8(value)
                .ok()
                .and_then(|v| v.parse().ok())
                .filter(|s| (100..600).contains(s));
            match status {
                Some(status) => exchange.response_status = status,
                None => {
                    let message = "ignoring attempt to set invalid response status".to_owned();
                    state.log(LogLevel::Warn, message);
                }
            }
        }
        _ => {
            let message = format!("cannot set read-only \"{}\" header", name.escape_ascii());
            state.log(LogLevel::Error, message);
        }
    }
    Ok(())
}

fn pseudo_value<'a>(state: &'a State, map: MapType, name: &[u8]) -> Option<Cow<'a, [u8]>> {
    match (map, name) {
        (MapType::RequestHeaders, b":method") => {
            Some(Cow::Borrowed(&state.exchange.as_ref()?.method))
        }
        (MapType::RequestHeaders, b":path") => {
            let exchange = state.exchange.as_ref()?;
            match &exchange.seen_path {
                Some(path) => Some(Cow::Borrowed(path)),
                None if exchange.strict => Some(uri::decoded(&exchange.path)),
                None => Some(Cow::Borrowed(&exchange.path)),
            }
        }
        (MapType::RequestHeaders, b":scheme") => {
            Some(Cow::Borrowed(&state.exchange.as_ref()?.scheme))
        }
        (MapType::RequestHeaders, b":authority") => Some(state.exchange.as_ref()?.authority()),
        (MapType::ResponseHeaders, b":status") => {
            let status = state.exchange.as_ref()?.response_status;
            (status != 0).then(|| Cow::Owned(format!("{status:03}").into_bytes()))
        }
        (MapType::CallResponseHeaders, b":status") => {
            let status = state.call_response.as_ref()?.status;
            (status != 0).then(|| Cow::Owned(format!("{status:03}").into_bytes()))
        }
        (MapType::CallResponseHeaders, b":dispatch_status") => {
            let call = state.call_response.as_ref()?;
            call.failed.then_some(Cow::Borrowed(b"connection_error"))
        }
        _ => None,
    }
}

fn pseudo(state: &State, map: MapType) -> Vec<Pseudo<'_>> {
    let names: &[&'static [u8]] = match map {
        MapType::RequestHeaders => &[b":path", b":method", b":scheme", b":authority"],
        MapType::ResponseHeaders => &[b":status"],
        MapType::CallResponseHeaders => &[b":status", b":dispatch_status"],
        _ => &[],
    };
    names
        .iter()
        .filter_map(|&name| Some((name, pseudo_value(state, map, name)?)))
        .collect()
}

fn headers(state: &State, map: MapType) -> Result<&Headers, Reply> {
    let exchange = || state.exchange.as_ref().ok_or(BAD_ARGUMENT);
    let strict = state.options.strict;
    match map {
        MapType::RequestHeaders => Ok(&exchange()?.request_headers),
        MapType::ResponseHeaders => Ok(&exchange()?.response_headers),
        MapType::CallResponseHeaders => {
            Ok(&state.call_response.as_ref().ok_or(BAD_ARGUMENT)?.headers)
        }
        // ngx_wasm_module has no trailers.
        MapType::RequestTrailers if !strict => Ok(&exchange()?.request_trailers),
        MapType::ResponseTrailers if !strict => Ok(&exchange()?.response_trailers),
        MapType::CallResponseTrailers if !strict => {
            Ok(&state.call_response.as_ref().ok_or(BAD_ARGUMENT)?.trailers)
        }
        _ => Err(BAD_ARGUMENT),
    }
}

fn headers_mut(state: &mut State, map: MapType) -> Result<&mut Headers, Reply> {
    map_of(state.exchange.as_mut().ok_or(BAD_ARGUMENT)?, map)
}

fn map_of(exchange: &mut Exchange, map: MapType) -> Result<&mut Headers, Reply> {
    match map {
        MapType::RequestHeaders => Ok(&mut exchange.request_headers),
        MapType::ResponseHeaders => Ok(&mut exchange.response_headers),
        MapType::RequestTrailers if !exchange.strict => Ok(&mut exchange.request_trailers),
        MapType::ResponseTrailers if !exchange.strict => Ok(&mut exchange.response_trailers),
        _ => Err(BAD_ARGUMENT),
    }
}

/// A request part outside of a request: ngx_wasm_module reads a null pointer there.
fn check_request(guest: &mut Guest<'_>, map: MapType) -> Result<(), Reply> {
    let call = guest.call_name();
    let strict = guest.strict();
    let state = guest.state();
    let of_request = matches!(map, MapType::RequestHeaders | MapType::ResponseHeaders);
    if strict && of_request && state.exchange.is_none() {
        state.violation(Violation::OutsideRequest { call });
        return Err(Reply::Trap(
            "headers of a request, outside of a request".to_owned(),
        ));
    }
    Ok(())
}

/// When ngx_wasm_module lets a filter change headers; another time is a trap.
fn check_settable(guest: &mut Guest<'_>, map: MapType) -> Result<(), Reply> {
    check_request(guest, map)?;
    if !guest.strict() {
        return Ok(());
    }
    let phase = guest.state().phase;
    let request = matches!(
        phase,
        Phase::RequestHeaders | Phase::RequestBody | Phase::RequestTrailers | Phase::CallResponse
    );
    match map {
        MapType::RequestHeaders if request => Ok(()),
        MapType::RequestHeaders => Err(Reply::Trap(
            "can only set request headers before response is produced".to_owned(),
        )),
        MapType::ResponseHeaders if request || phase == Phase::ResponseHeaders => Ok(()),
        MapType::ResponseHeaders => Err(Reply::Trap(
            "can only set response headers before \"on_response_body\"".to_owned(),
        )),
        _ => Err(BAD_ARGUMENT),
    }
}
