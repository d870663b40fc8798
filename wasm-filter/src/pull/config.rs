//! The part of the configuration that says whom to ask for the table.

use crate::json::{JsonError, Reader};

/// Whom to ask for the table, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct PullConfig {
    /// The publisher: a cluster's name in Envoy, `HOST:PORT` in Kong.
    pub upstream: String,
    /// Host header of the requests; `upstream` unless said.
    pub authority: String,
    /// Sent as `Authorization: Bearer TOKEN`; empty: not sent.
    pub token: String,
    /// Pages of shared data to create, 16 KB each, 1..=4096.
    pub pages: u16,
    /// How long the publisher may hold an answer until there is something new, seconds, 0..=60.
    pub wait_seconds: u32,
}

/// Room for about 16 MB of table: two tables of 7,000 routes and 700 Services, with pages to spare.
const DEFAULT_PAGES: u16 = 1024;
/// Proxies on the way drop a connection on which nothing happens, 30 s being the least that is usual.
const DEFAULT_WAIT_SECONDS: u32 = 20;
/// The longest text of a field.
const MAX_TEXT: usize = 4096;

// === impl PullConfig ===

impl core::fmt::Debug for PullConfig {
    /// Without the token.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PullConfig")
            .field("upstream", &self.upstream)
            .finish_non_exhaustive()
    }
}

impl PullConfig {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, JsonError> {
        let (mut upstream, mut authority, mut token) = (None, None, None);
        let (mut pages, mut wait_seconds) = (None, None);
        reader.object(&mut |reader, name| {
            match name {
                "upstream" if upstream.is_none() => upstream = Some(text(reader)?),
                "authority" if authority.is_none() => authority = Some(text(reader)?),
                "token" if token.is_none() => token = Some(text(reader)?),
                "pages" if pages.is_none() => pages = u16::try_from(reader.number(1, 4096)?).ok(),
                "waitSeconds" if wait_seconds.is_none() => {
                    wait_seconds = Some(reader.number(0, 60)?);
                }
                name => return Err(reader.unexpected(name)),
            }
            Ok(())
        })?;
        let upstream = upstream.ok_or_else(|| reader.error("no field `upstream`"))?;
        Ok(Self {
            authority: authority.unwrap_or_else(|| upstream.clone()),
            upstream,
            token: token.unwrap_or_default(),
            pages: pages.unwrap_or(DEFAULT_PAGES),
            wait_seconds: wait_seconds.unwrap_or(DEFAULT_WAIT_SECONDS),
        })
    }
}

/// A text that a header can have: visible ASCII and spaces between.
fn text(reader: &mut Reader<'_>) -> Result<String, JsonError> {
    let text = reader.string()?;
    let visible = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if text.is_empty() || text.len() > MAX_TEXT || !visible || text.trim() != text {
        return Err(reader.error("a text that no header can have"));
    }
    Ok(text)
}
