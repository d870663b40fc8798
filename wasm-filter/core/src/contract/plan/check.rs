//! What encoder and decoder refuse alike.

use core::net::SocketAddr;

use super::{Deadlines, FIXED_HEADERS, MAX_ENDPOINTS, MAX_RETRY_CODES, Timeouts};
use crate::contract::wire::{WireError, check_line};

/// nginx keeps milliseconds in a signed 32-bit number.
fn is_ms(ms: u32) -> bool {
    i32::try_from(ms).is_ok()
}

pub(super) fn timeouts(timeouts: Timeouts) -> Result<(), WireError> {
    let Timeouts {
        connect,
        send,
        read,
    } = timeouts;
    require(
        [connect, send, read].iter().all(|ms| *ms > 0 && is_ms(*ms)),
        "timeouts",
    )
}

/// As a field: both 0 is what its absence says.
pub(super) fn deadlines(deadlines: Deadlines) -> Result<(), WireError> {
    let Deadlines { request, attempt } = deadlines;
    let some = request > 0 || attempt > 0;
    require(some && is_ms(request) && is_ms(attempt), "deadlines")
}

pub(super) fn tries(tries: u8) -> Result<(), WireError> {
    require(tries > 0, "tries")
}

pub(super) fn endpoints(endpoints: &[SocketAddr], field: &'static str) -> Result<(), WireError> {
    if endpoints.is_empty() || endpoints.len() > MAX_ENDPOINTS {
        return Err(WireError::Count(field));
    }
    require(endpoints.iter().all(|one| one.port() != 0), field)
}

pub(super) fn retry(backoff: u32, codes: &[u16]) -> Result<(), WireError> {
    if codes.len() > MAX_RETRY_CODES {
        return Err(WireError::Count("retry"));
    }
    let codes = codes.iter().all(|code| (400..=599).contains(code));
    require(codes && is_ms(backoff), "retry")
}

/// A header that the upstream shall see.
pub(super) fn header(name: &[u8], value: &[u8], field: &'static str) -> Result<(), WireError> {
    let token = !name.is_empty() && name.iter().all(|b| is_lower_token(*b));
    require(token && !FIXED_HEADERS.contains(&name), field)?;
    check_line(value, field)
}

/// RFC 9110 5.6.2: `tchar`, without upper case.
fn is_lower_token(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9') || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub(super) fn require(ok: bool, field: &'static str) -> Result<(), WireError> {
    if ok {
        Ok(())
    } else {
        Err(WireError::BadValue(field))
    }
}
