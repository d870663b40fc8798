//! Host and target of a request in the form in which they are matched and passed on.

use std::borrow::Cow;

use super::host::HostName;
use super::path::{is_query, normalize_bytes};

/// A request's host, path and query.
#[derive(Debug, Clone)]
pub struct Target<'r> {
    /// Normal form of the host.
    pub host: HostName,
    /// Normal form of the path; borrowed if the client sent it so.
    pub path: Cow<'r, [u8]>,
    /// The query as sent, with its `?`; empty if there is none.
    pub query: &'r [u8],
}

impl<'r> Target<'r> {
    /// Reads a Host header and a path with query. `None`: the request is rejected with 400.
    #[must_use]
    pub fn parse(authority: &[u8], target: &'r [u8]) -> Option<Self> {
        let at = target
            .iter()
            .position(|b| *b == b'?')
            .unwrap_or(target.len());
        let (path, query) = target.split_at_checked(at)?;
        Some(Self {
            host: HostName::parse(authority)?,
            path: normalize_bytes(path)?,
            query: is_query(query).then_some(query)?,
        })
    }

    /// Is the path's normal form what the client sent?
    #[must_use]
    pub fn is_as_sent(&self) -> bool {
        matches!(self.path, Cow::Borrowed(_))
    }
}
