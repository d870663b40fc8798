//! What a rule or backend changes on the way, as bytes.
//!
//! ```text
//! filters  (u8 tag | varint length | payload)*
//! edit     text name | text value                             (removals: text name)
//! redirect u16 status | u8 scheme | u16 port | text host | path     scheme 0 = request's, 1 http, 2 https
//! rewrite  u8 has host | text host | path
//! path     u8 0 | u8 1 text full | u8 2 text prefix | u8 3 (varint 0 | text, or varint capture)*
//! mirror   u64 service | u32 numerator | u32 denominator
//! cors     u8 credentials | u32 max age | 4 x (varint n | n x text): origins, methods, headers, expose
//! ```
//! A tag that a reader does not know makes the rule unreadable: "filters MUST NOT be skipped".

use super::condition::Texts;
use crate::table::bytes::{Cursor, offset, put_prefixed, put_varint};
use crate::table::model::{Cors, Filters, Header, PathEdit, Piece, Redirect, Rewrite};
use crate::table::segment::Broken;

mod tag {
    pub(super) const REQUEST_SET: u8 = 1;
    pub(super) const REQUEST_ADD: u8 = 2;
    pub(super) const REQUEST_REMOVE: u8 = 3;
    pub(super) const RESPONSE_SET: u8 = 4;
    pub(super) const RESPONSE_ADD: u8 = 5;
    pub(super) const RESPONSE_REMOVE: u8 = 6;
    pub(super) const REDIRECT: u8 = 7;
    pub(super) const REWRITE: u8 = 8;
    pub(super) const MIRROR: u8 = 9;
    pub(super) const CORS: u8 = 10;
}

/// One change.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// The request gets this header and no other of the name.
    RequestSet(&'a [u8], &'a [u8]),
    /// The request gets this header too.
    RequestAdd(&'a [u8], &'a [u8]),
    /// The request loses all headers of this name.
    RequestRemove(&'a [u8]),
    /// The response gets this header and no other of the name.
    ResponseSet(&'a str, &'a [u8]),
    /// The response gets this header too.
    ResponseAdd(&'a str, &'a [u8]),
    /// The response loses all headers of this name.
    ResponseRemove(&'a str),
    /// The request is redirected.
    Redirect(RedirectEntry<'a>),
    /// Host or path are others.
    Rewrite(RewriteEntry<'a>),
    /// A copy goes elsewhere.
    Mirror(MirrorEntry),
    /// Cross-origin requests are answered.
    Cors(CorsEntry<'a>),
}

/// A [`Redirect`].
#[derive(Debug, Clone, Copy)]
pub struct RedirectEntry<'a> {
    /// Status.
    pub status: u16,
    /// https or http; `None` = the request's.
    pub tls: Option<bool>,
    /// Port.
    pub port: Option<u16>,
    /// Host.
    pub host: Option<&'a [u8]>,
    /// Path.
    pub path: PathEntryEdit<'a>,
}

/// A [`Rewrite`].
#[derive(Debug, Clone, Copy)]
pub struct RewriteEntry<'a> {
    /// Host.
    pub host: Option<&'a [u8]>,
    /// Path.
    pub path: PathEntryEdit<'a>,
}

/// A [`PathEdit`], or none.
#[derive(Debug, Clone, Copy)]
pub enum PathEntryEdit<'a> {
    /// The path stays.
    None,
    /// The whole path becomes this.
    Full(&'a [u8]),
    /// The matched prefix becomes this.
    Prefix(&'a [u8]),
    /// Texts and captures.
    Template(Template<'a>),
}

/// Texts and captures, one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Template<'a> {
    pieces: Cursor<'a>,
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceEntry<'a> {
    /// A text.
    Text(&'a [u8]),
    /// A capture.
    Capture(u8),
}

/// A mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MirrorEntry {
    /// Id of the Service port.
    pub service: u64,
    /// How many of `denominator` requests are copied.
    pub numerator: u32,
    /// 1 or more.
    pub denominator: u32,
}

/// A [`Cors`].
#[derive(Debug, Clone, Copy)]
pub struct CorsEntry<'a> {
    /// May credentials be sent?
    pub credentials: bool,
    /// Seconds.
    pub max_age: u32,
    /// Origins.
    pub origins: Texts<'a>,
    /// Methods.
    pub methods: Texts<'a>,
    /// Request headers.
    pub headers: Texts<'a>,
    /// Response headers.
    pub expose: Texts<'a>,
}

/// The changes of a rule or backend.
#[derive(Debug, Clone, Copy, Default)]
pub struct Changes<'a> {
    bytes: &'a [u8],
}

/// Writes filters; nothing for none.
pub(super) fn encode(filters: &Filters) -> Vec<u8> {
    let mut out = Vec::new();
    let request = &filters.request_headers;
    let response = &filters.response_headers;
    for (tag, name) in (request.remove.iter().map(|n| (tag::REQUEST_REMOVE, n)))
        .chain(response.remove.iter().map(|n| (tag::RESPONSE_REMOVE, n)))
    {
        field(&mut out, tag, |out| put_prefixed(out, name.as_bytes()));
    }
    let edits = [
        (tag::REQUEST_SET, &request.set),
        (tag::REQUEST_ADD, &request.add),
        (tag::RESPONSE_SET, &response.set),
        (tag::RESPONSE_ADD, &response.add),
    ];
    for (tag, headers) in edits {
        for Header { name, value } in headers {
            field(&mut out, tag, |out| {
                put_prefixed(out, name.as_bytes());
                put_prefixed(out, value.as_bytes());
            });
        }
    }
    if let Some(redirect) = &filters.redirect {
        field(&mut out, tag::REDIRECT, |out| put_redirect(out, redirect));
    }
    if let Some(rewrite) = &filters.rewrite {
        field(&mut out, tag::REWRITE, |out| put_rewrite(out, rewrite));
    }
    for mirror in &filters.mirrors {
        field(&mut out, tag::MIRROR, |out| {
            out.extend_from_slice(&mirror.service.id().to_le_bytes());
            out.extend_from_slice(&mirror.numerator.to_le_bytes());
            out.extend_from_slice(&mirror.denominator.max(1).to_le_bytes());
        });
    }
    if let Some(cors) = &filters.cors {
        field(&mut out, tag::CORS, |out| put_cors(out, cors));
    }
    out
}

/// `tag | length | payload`.
pub(super) fn field(out: &mut Vec<u8>, tag: u8, payload: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = Vec::new();
    payload(&mut bytes);
    out.push(tag);
    put_prefixed(out, &bytes);
}

fn put_redirect(out: &mut Vec<u8>, redirect: &Redirect) {
    out.extend_from_slice(&redirect.status.to_le_bytes());
    out.push(match redirect.tls {
        None => 0,
        Some(false) => 1,
        Some(true) => 2,
    });
    out.extend_from_slice(&redirect.port.unwrap_or(0).to_le_bytes());
    put_prefixed(
        out,
        redirect.hostname.as_deref().unwrap_or_default().as_bytes(),
    );
    put_path(out, redirect.path.as_ref());
}

fn put_rewrite(out: &mut Vec<u8>, rewrite: &Rewrite) {
    out.push(u8::from(rewrite.hostname.is_some()));
    put_prefixed(
        out,
        rewrite.hostname.as_deref().unwrap_or_default().as_bytes(),
    );
    put_path(out, rewrite.path.as_ref());
}

fn put_path(out: &mut Vec<u8>, path: Option<&PathEdit>) {
    match path {
        None => out.push(0),
        Some(PathEdit::Full(text)) => {
            out.push(1);
            put_prefixed(out, text.as_bytes());
        }
        Some(PathEdit::Prefix(text)) => {
            out.push(2);
            put_prefixed(out, text.as_bytes());
        }
        Some(PathEdit::Template(pieces)) => {
            out.push(3);
            for piece in pieces {
                match piece {
                    Piece::Text(text) => {
                        put_varint(out, 0);
                        put_prefixed(out, text.as_bytes());
                    }
                    Piece::Capture(number) => put_varint(out, u32::from(*number).max(1)),
                }
            }
        }
    }
}

fn put_cors(out: &mut Vec<u8>, cors: &Cors) {
    out.push(u8::from(cors.credentials));
    out.extend_from_slice(&cors.max_age.to_le_bytes());
    for list in [&cors.origins, &cors.methods, &cors.headers, &cors.expose] {
        put_varint(out, offset(list.len()));
        for text in list {
            put_prefixed(out, text.as_bytes());
        }
    }
}

// === impl Changes ===

impl<'a> Changes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Is nothing changed?
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// All changes: removals first, then sets, then additions, then the others.
    pub fn iter(&self) -> impl Iterator<Item = Result<Change<'a>, Broken>> + use<'a> {
        let mut cursor = Cursor::new(self.bytes);
        core::iter::from_fn(move || {
            let tag = cursor.u8()?;
            let change = cursor.prefixed().and_then(|payload| read(tag, payload));
            if change.is_none() {
                cursor = Cursor::new(&[]);
            }
            Some(change.ok_or(Broken))
        })
    }

    /// The redirect, if there is one.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn redirect(&self) -> Result<Option<RedirectEntry<'a>>, Broken> {
        for change in self.iter() {
            if let Change::Redirect(redirect) = change? {
                return Ok(Some(redirect));
            }
        }
        Ok(None)
    }

    /// The rewrite, if there is one.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn rewrite(&self) -> Result<Option<RewriteEntry<'a>>, Broken> {
        for change in self.iter() {
            if let Change::Rewrite(rewrite) = change? {
                return Ok(Some(rewrite));
            }
        }
        Ok(None)
    }

    /// The rules of cross-origin requests, if there are any.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn cors(&self) -> Result<Option<CorsEntry<'a>>, Broken> {
        for change in self.iter() {
            if let Change::Cors(cors) = change? {
                return Ok(Some(cors));
            }
        }
        Ok(None)
    }
}

fn read(tag: u8, payload: &[u8]) -> Option<Change<'_>> {
    let mut cursor = Cursor::new(payload);
    Some(match tag {
        tag::REQUEST_SET => Change::RequestSet(cursor.prefixed()?, cursor.prefixed()?),
        tag::REQUEST_ADD => Change::RequestAdd(cursor.prefixed()?, cursor.prefixed()?),
        tag::REQUEST_REMOVE => Change::RequestRemove(cursor.prefixed()?),
        tag::RESPONSE_SET => Change::ResponseSet(cursor.text()?, cursor.prefixed()?),
        tag::RESPONSE_ADD => Change::ResponseAdd(cursor.text()?, cursor.prefixed()?),
        tag::RESPONSE_REMOVE => Change::ResponseRemove(cursor.text()?),
        tag::REDIRECT => Change::Redirect(RedirectEntry {
            status: cursor.u16()?,
            tls: match cursor.u8()? {
                0 => None,
                1 => Some(false),
                2 => Some(true),
                _ => return None,
            },
            port: Some(cursor.u16()?).filter(|port| *port != 0),
            host: Some(cursor.prefixed()?).filter(|host| !host.is_empty()),
            path: PathEntryEdit::read(&mut cursor)?,
        }),
        tag::REWRITE => {
            let has_host = cursor.u8()? == 1;
            Change::Rewrite(RewriteEntry {
                host: Some(cursor.prefixed()?).filter(|_| has_host),
                path: PathEntryEdit::read(&mut cursor)?,
            })
        }
        tag::MIRROR => Change::Mirror(MirrorEntry {
            service: cursor.u64()?,
            numerator: cursor.u32()?,
            denominator: cursor.u32()?.max(1),
        }),
        tag::CORS => Change::Cors(CorsEntry {
            credentials: cursor.u8()? == 1,
            max_age: cursor.u32()?,
            origins: Texts::read(&mut cursor)?,
            methods: Texts::read(&mut cursor)?,
            headers: Texts::read(&mut cursor)?,
            expose: Texts::read(&mut cursor)?,
        }),
        _ => return None,
    })
}

// === impl PathEntryEdit ===

impl<'a> PathEntryEdit<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        Some(match cursor.u8()? {
            0 => Self::None,
            1 => Self::Full(cursor.prefixed()?),
            2 => Self::Prefix(cursor.prefixed()?),
            3 => {
                let template = Template { pieces: *cursor };
                for piece in template.pieces() {
                    piece.ok()?;
                }
                Self::Template(template)
            }
            _ => return None,
        })
    }
}

// === impl Template ===

impl<'a> Template<'a> {
    /// The parts.
    pub fn pieces(&self) -> impl Iterator<Item = Result<PieceEntry<'a>, Broken>> + use<'a> {
        let mut cursor = self.pieces;
        core::iter::from_fn(move || {
            if cursor.is_empty() {
                return None;
            }
            let piece = (|| match cursor.varint()? {
                0 => Some(PieceEntry::Text(cursor.prefixed()?)),
                number => Some(PieceEntry::Capture(u8::try_from(number).ok()?)),
            })();
            if piece.is_none() {
                cursor = Cursor::new(&[]);
            }
            Some(piece.ok_or(Broken))
        })
    }
}
