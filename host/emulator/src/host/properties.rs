//! `proxy_get_property` and `proxy_set_property`.

use super::{Guest, Reply};
use crate::abi::{LogLevel, Status};
use crate::property::PropertyError;
use crate::state::State;

const NOT_FOUND: Reply = Reply::Status(Status::NotFound);
const FAILURE: Reply = Reply::Status(Status::InternalFailure);

/// Longer than any name; it keeps a hostile guest from making the host copy megabytes.
const MAX_NAME: usize = 1024;
/// Longer than nearly any.
const USUAL_NAME: usize = 64;

/// Room for a name.
struct Name {
    short: [u8; USUAL_NAME],
    long: Vec<u8>,
}

pub(super) fn get(
    guest: &mut Guest<'_>,
    path: u32,
    len: u32,
    out: u32,
    out_len: u32,
) -> Result<(), Reply> {
    let mut buffer = Name::default();
    let (path, state) = guest.bytes(path, len)?;
    let name = buffer.dotted(path).ok_or(NOT_FOUND)?;
    if outside(state, name) {
        return Err(FAILURE);
    }
    guest.give_with(out, out_len, |state, bytes| {
        let own: Option<&[u8]> = match name {
            b"plugin_name" | b"plugin_root_id" => Some(state.options.root_id.as_bytes()),
            b"worker_id" => {
                bytes.extend_from_slice(state.options.worker.to_string().as_bytes());
                return Ok(());
            }
            _ => None,
        };
        match (own, &state.exchange) {
            (Some(own), _) => bytes.extend_from_slice(own),
            (None, Some(exchange)) => {
                bytes.extend_from_slice(&exchange.property(name).ok_or(NOT_FOUND)?)
            }
            (None, None) => return Err(NOT_FOUND),
        }
        Ok(())
    })
}

pub(super) fn set(
    guest: &mut Guest<'_>,
    path: u32,
    len: u32,
    value: u32,
    value_len: u32,
) -> Result<(), Reply> {
    let mut buffer = Name::default();
    let null = value == 0;
    let (path, value, state) = guest.bytes2((path, len), (value, value_len))?;
    let name = buffer.dotted(path).ok_or(NOT_FOUND)?;
    if outside(state, name) {
        return Err(FAILURE);
    }
    let strict = state.options.strict;
    let Some(exchange) = &mut state.exchange else {
        return Err(NOT_FOUND);
    };
    match exchange
        .properties
        .set_by_filter(name, (!null).then_some(value), strict)
    {
        Ok(()) => Ok(()),
        Err(refused @ PropertyError::Refused { .. }) => Err(Reply::Trap(refused.to_string())),
        Err(PropertyError::ReadOnly { .. }) => Err(FAILURE),
        Err(PropertyError::NotFound { .. }) => Err(NOT_FOUND),
    }
}

impl Default for Name {
    fn default() -> Self {
        Self {
            short: [0; USUAL_NAME],
            long: Vec::new(),
        }
    }
}

impl Name {
    /// The parts of a path are joined by NULs; Kong's names are dotted.
    fn dotted(&mut self, path: &[u8]) -> Option<&[u8]> {
        let path = path.strip_suffix(&[0]).unwrap_or(path);
        let name = match self.short.get_mut(..path.len()) {
            Some(short) => short,
            None if path.len() > MAX_NAME => return None,
            None => {
                self.long.resize(path.len(), 0);
                &mut self.long
            }
        };
        for (to, from) in name.iter_mut().zip(path) {
            *to = if *from == 0 { b'.' } else { *from };
        }
        Some(name)
    }
}

/// A dotted property belongs to a request; there is none in a tick or at start.
fn outside(state: &mut State, name: &[u8]) -> bool {
    let outside = state.exchange.is_none() && name.contains(&b'.');
    if outside {
        state.log(
            LogLevel::Error,
            "cannot get or set scoped properties outside of a request".to_owned(),
        );
    }
    outside
}
