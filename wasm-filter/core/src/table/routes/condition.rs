//! What a match asks of a request beyond the path.
//!
//! ```text
//! condition  u8 tag | ...
//! method 1   varint n | n x text                      one of these
//! scheme 2   u16 status, 0 = without TLS only          else: TLS, or this answer
//! sni    3   varint n | n x (u8 kind | text)           one of these, if there is TLS
//! header 4   text | value
//! query  5   text | value
//! value      varint n << 1 | n x text                  one of these
//!            varint 1 | u32 regex                      the pattern at this offset matches
//! text       varint length | bytes
//! ```
//! The cheap ones come first. A tag that a reader does not know makes the match unreadable: it
//! must never be passed over.

use super::regex::RegexEntry;
use crate::table::bytes::{Cursor, offset, put_prefixed, put_varint};
use crate::table::layout::{HostKind, host_parts};
use crate::table::model::{RouteMatch, SchemeMatch, ValueMatch};
use crate::table::segment::Broken;

mod tag {
    pub(super) const METHOD: u8 = 1;
    pub(super) const SCHEME: u8 = 2;
    pub(super) const SNI: u8 = 3;
    pub(super) const HEADER: u8 = 4;
    pub(super) const QUERY: u8 = 5;
}

/// One condition.
#[derive(Debug, Clone, Copy)]
pub enum Condition<'a> {
    /// The method is one of these.
    Method(Texts<'a>),
    /// Came in without TLS; or, with a status, with TLS, and without it is answered so.
    Scheme(Option<u16>),
    /// The server name is one of these, if there is TLS.
    Sni(Names<'a>),
    /// A header by lower-case name.
    Header(&'a str, Value<'a>),
    /// A query parameter by its decoded name.
    Query(&'a [u8], Value<'a>),
}

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// One of these.
    OneOf(Texts<'a>),
    /// Matched by this pattern.
    Regex(RegexEntry<'a>),
}

/// Some texts.
#[derive(Debug, Clone, Copy)]
pub struct Texts<'a> {
    count: u32,
    cursor: Cursor<'a>,
}

/// Some host patterns.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    count: u32,
    cursor: Cursor<'a>,
}

/// The conditions of one match.
#[derive(Debug, Clone, Copy)]
pub struct Conditions<'a> {
    /// The payload, in which offsets count.
    bytes: &'a [u8],
    rest: Cursor<'a>,
}

/// Writes the conditions of a match; `regex` gives the offset of a pattern.
pub(super) fn put(out: &mut Vec<u8>, m: &RouteMatch, regex: impl Fn(&ValueMatch) -> u32) {
    if !m.methods.is_empty() {
        out.push(tag::METHOD);
        put_texts(out, &m.methods);
    }
    match m.scheme {
        SchemeMatch::Any => {}
        SchemeMatch::Plain => out.extend_from_slice(&[tag::SCHEME, 0, 0]),
        SchemeMatch::Tls { status } => {
            out.push(tag::SCHEME);
            out.extend_from_slice(&status.max(1).to_le_bytes());
        }
    }
    if !m.snis.is_empty() {
        out.push(tag::SNI);
        put_varint(out, offset(m.snis.len()));
        for name in &m.snis {
            let (kind, text) = host_parts(name);
            out.push(kind as u8);
            put_prefixed(out, text.as_bytes());
        }
    }
    let headers = m.headers.iter().map(|h| (tag::HEADER, &h.name, &h.value));
    let queries = m.queries.iter().map(|q| (tag::QUERY, &q.name, &q.value));
    for (tag, name, value) in headers.chain(queries) {
        out.push(tag);
        put_prefixed(out, name.as_bytes());
        match value {
            ValueMatch::OneOf(values) => {
                put_varint(out, offset(values.len()) << 1);
                for value in values {
                    put_prefixed(out, value.as_bytes());
                }
            }
            ValueMatch::Regex(_) => {
                put_varint(out, 1);
                out.extend_from_slice(&regex(value).to_le_bytes());
            }
        }
    }
}

fn put_texts(out: &mut Vec<u8>, texts: &[Box<str>]) {
    put_varint(out, offset(texts.len()));
    for text in texts {
        put_prefixed(out, text.as_bytes());
    }
}

// === impl Conditions ===

impl<'a> Conditions<'a> {
    pub(super) fn new(bytes: &'a [u8], conditions: &'a [u8]) -> Self {
        Self {
            bytes,
            rest: Cursor::new(conditions),
        }
    }

    fn read(&mut self, tag: u8) -> Option<Condition<'a>> {
        let rest = &mut self.rest;
        Some(match tag {
            tag::METHOD => Condition::Method(Texts::read(rest)?),
            tag::SCHEME => Condition::Scheme(Some(rest.u16()?).filter(|status| *status != 0)),
            tag::SNI => Condition::Sni(Names::read(rest)?),
            tag::HEADER => Condition::Header(rest.text()?, self.value()?),
            tag::QUERY => Condition::Query(rest.prefixed()?, self.value()?),
            _ => return None,
        })
    }

    fn value(&mut self) -> Option<Value<'a>> {
        let head = self.rest.varint()?;
        if head & 1 == 1 {
            let regex = RegexEntry::at(self.bytes, self.rest.u32()?)?;
            return Some(Value::Regex(regex));
        }
        Some(Value::OneOf(Texts::counted(head >> 1, &mut self.rest)?))
    }
}

impl<'a> Iterator for Conditions<'a> {
    type Item = Result<Condition<'a>, Broken>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.rest.u8()?;
        let condition = self.read(tag);
        if condition.is_none() {
            // The rest cannot be read.
            self.rest = Cursor::new(&[]);
        }
        Some(condition.ok_or(Broken))
    }
}

// === impl Texts ===

impl<'a> Texts<'a> {
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let count = cursor.varint()?;
        Self::counted(count, cursor)
    }

    fn counted(count: u32, cursor: &mut Cursor<'a>) -> Option<Self> {
        let texts = Self {
            count,
            cursor: *cursor,
        };
        for _ in 0..count {
            cursor.prefixed()?;
        }
        Some(texts)
    }

    /// Is one of them `text`?
    #[must_use]
    pub fn contains(&self, text: &[u8]) -> bool {
        self.iter().any(|one| one == text)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut cursor = self.cursor;
        (0..self.count).map_while(move |_| cursor.prefixed())
    }
}

// === impl Names ===

impl<'a> Names<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let count = cursor.varint()?;
        let names = Self {
            count,
            cursor: *cursor,
        };
        for _ in 0..count {
            cursor.u8()?;
            cursor.prefixed()?;
        }
        Some(names)
    }

    /// Does one of them stand for `name` (lower case)? A wildcard stands for one label or more.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.iter().any(|(kind, text)| match kind {
            HostKind::Exact => text == name,
            HostKind::Wildcard => {
                let head = name
                    .strip_suffix(text)
                    .and_then(|head| head.strip_suffix(b"."));
                head.is_some_and(|head| !head.is_empty())
            }
            _ => true,
        })
    }

    /// All of them: exact, or wildcard and what follows `*.`.
    pub fn iter(&self) -> impl Iterator<Item = (HostKind, &'a [u8])> + use<'a> {
        let mut cursor = self.cursor;
        (0..self.count).map_while(move |_| {
            let kind = match cursor.u8()? {
                0 => HostKind::Any,
                1 => HostKind::Wildcard,
                _ => HostKind::Exact,
            };
            Some((kind, cursor.prefixed()?))
        })
    }
}
