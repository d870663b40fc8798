//! `timeouts` and `retry` of HTTPRoute rules.
//!
//! What cannot be read is left out: requests are then limited by the data plane's defaults, as if it
//! had not been written.

use crate::problem::Code;
use crate::resources::duration;
use crate::resources::field::{Field, Sink};
use crate::resources::unknown;
use crate::table::model::{Retry, Timeouts};

/// Kong's `retries`; "when this field is unspecified, the number of times to attempt to retry a
/// backend request is implementation-specific".
const DEFAULT_ATTEMPTS: u8 = 5;
const MAX_ATTEMPTS: u8 = 254;
const CODES: core::ops::RangeInclusive<u16> = 400..=599;

pub(crate) fn read(timeouts: &Field<'_, '_>, sink: &mut Sink) -> Timeouts {
    if timeouts.object(sink).is_err() {
        return Timeouts::default();
    }
    unknown::warn(timeouts, &["request", "backendRequest"], sink);
    let request = duration::read(&timeouts.key("request"), sink)
        .ok()
        .flatten();
    let field = timeouts.key("backendRequest");
    let backend = duration::read(&field, sink).ok().flatten();
    // "the value of BackendRequest must be no more than the value of the Request timeout"; 0 is none.
    let too_long = |backend: &u32| request.is_some_and(|request| request > 0 && *backend > request);
    if backend.as_ref().is_some_and(too_long) {
        sink.push(field.warning(
            Code::InvalidValue,
            "is longer than `request`, which ends it before, and has no effect",
        ));
    }
    Timeouts {
        request,
        backend_request: backend.filter(|backend| !too_long(backend)),
    }
}

pub(crate) fn read_retry(retry: &Field<'_, '_>, sink: &mut Sink) -> Option<Retry> {
    if retry.is_absent() || retry.object(sink).is_err() {
        return None;
    }
    unknown::warn(retry, &["codes", "attempts", "backoff"], sink);
    let backoff = duration::read(&retry.key("backoff"), sink).ok().flatten();
    Some(Retry {
        attempts: read_attempts(&retry.key("attempts"), sink),
        backoff: backoff.unwrap_or(0),
        codes: read_codes(&retry.key("codes"), sink),
    })
}

fn read_attempts(field: &Field<'_, '_>, sink: &mut Sink) -> u8 {
    let Ok(Some(number)) = field.integer(sink) else {
        return DEFAULT_ATTEMPTS;
    };
    let attempts = number.clamp(0, i64::from(MAX_ATTEMPTS));
    if attempts != number || number == 0 {
        sink.push(field.warning(
            Code::InvalidValue,
            format!("{number} is not from 1 to {MAX_ATTEMPTS}; {attempts} is in effect"),
        ));
    }
    u8::try_from(attempts).unwrap_or(DEFAULT_ATTEMPTS)
}

fn read_codes(field: &Field<'_, '_>, sink: &mut Sink) -> Vec<u16> {
    let mut codes = Vec::new();
    for (_, entry) in field.items(sink).unwrap_or_default() {
        let Ok(Some(number)) = entry.integer(sink) else {
            continue;
        };
        match u16::try_from(number) {
            Ok(code) if CODES.contains(&code) => codes.push(code),
            _ => sink.push(entry.error(
                Code::InvalidValue,
                format!("{number} is no status from 400 to 599; it is not retried"),
            )),
        }
    }
    codes.sort_unstable();
    codes.dedup();
    codes
}
