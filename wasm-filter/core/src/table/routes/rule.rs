//! One rule, as bytes.
//!
//! ```text
//! rule     u32 object | u16 index | varint backends | backend* | varint extra length | extra
//! backend  varint (weight << 2 | changes << 1 | invalid) | [u64 service id] | [text filters]
//! object   u8 kind | text namespace | text name
//! extra    (u8 tag | varint length | payload)*
//! ```
//! A tag of `extra` below 128 must not be passed over by a reader that does not know it; from 128
//! on it is for people.

use super::filters::{self, Changes};
use crate::table::bytes::{Cursor, offset, put_prefixed, put_varint};
use crate::table::model::{BackendTarget, Forwarding, RouteKind, RouteObject, Rule, Timeouts};
use crate::table::segment::Broken;

mod tag {
    pub(super) const FILTERS: u8 = 1;
    pub(super) const TIMEOUTS: u8 = 2;
    pub(super) const RETRY: u8 = 3;
    pub(super) const FORWARDING: u8 = 4;
    pub(super) const PLUGINS: u8 = 5;
    pub(super) const FIRST_HINT: u8 = 128;
    pub(super) const NAME: u8 = 128;
    pub(super) const TAGS: u8 = 129;
    pub(super) const PLUGIN_NAMES: u8 = 130;
}

/// A timeout that is not given.
const NONE: u32 = u32::MAX;

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct RuleEntry<'a> {
    /// Position in its object.
    pub index: u16,
    bytes: &'a [u8],
    object: u32,
    /// The number of backends and what follows.
    backends: Cursor<'a>,
}

/// The object that a rule belongs to.
#[derive(Debug, Clone, Copy)]
pub struct ObjectEntry<'a> {
    /// Its kind.
    pub kind: RouteKind,
    /// Its namespace, ASCII.
    pub namespace: &'a [u8],
    /// Its name, ASCII.
    pub name: &'a [u8],
}

/// One backend.
#[derive(Debug, Clone, Copy)]
pub struct BackendEntry<'a> {
    /// Its weight.
    pub weight: u32,
    /// Id of the Service port; `None` = invalid.
    pub service: Option<u64>,
    /// What is changed on the way to it.
    pub changes: Changes<'a>,
}

/// What a rule says beyond its backends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extra<'a> {
    /// What is changed on the way.
    pub changes: Changes<'a>,
    /// Time limits.
    pub timeouts: Timeouts,
    /// When a request is tried again.
    pub retry: Option<RetryEntry<'a>>,
    /// How it is forwarded.
    pub forwarding: Forwarding,
    /// Id of its plugin set; 0 = none.
    pub plugin_set: u64,
    /// Its own name.
    pub rule_name: Option<&'a str>,
    /// Tags, comma separated.
    pub tags: &'a [u8],
    /// Plugins as `namespace/name`, comma separated; `/name` is a KongClusterPlugin.
    pub plugins: &'a str,
}

/// A [`crate::table::model::Retry`].
#[derive(Debug, Clone, Copy)]
pub struct RetryEntry<'a> {
    /// Tries after the first.
    pub attempts: u8,
    /// Milliseconds.
    pub backoff: u32,
    codes: &'a [[u8; 2]],
}

/// Writes an object.
pub(super) fn put_object(out: &mut Vec<u8>, object: &RouteObject) {
    out.push(object.kind as u8);
    put_prefixed(out, object.namespace.as_bytes());
    put_prefixed(out, object.name.as_bytes());
}

/// Writes a rule, but for the offset of its object, which comes first.
pub(super) fn put(out: &mut Vec<u8>, rule: &Rule) {
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&rule.index.to_le_bytes());
    put_varint(out, offset(rule.backends.len()));
    for backend in &rule.backends {
        let changes = filters::encode(&backend.filters);
        let changed = u32::from(!changes.is_empty());
        let head = backend.weight << 2 | changed << 1;
        match &backend.target {
            BackendTarget::Service(service) => {
                put_varint(out, head);
                out.extend_from_slice(&service.id().to_le_bytes());
            }
            BackendTarget::Invalid => put_varint(out, head | 1),
        }
        if !changes.is_empty() {
            put_prefixed(out, &changes);
        }
    }
    put_prefixed(out, &extra(rule));
}

fn extra(rule: &Rule) -> Vec<u8> {
    let mut out = Vec::new();
    fn put(out: &mut Vec<u8>, tag: u8, payload: impl FnOnce(&mut Vec<u8>)) {
        filters::field(out, tag, payload);
    }
    let changes = filters::encode(&rule.filters);
    if !changes.is_empty() {
        put(&mut out, tag::FILTERS, |out| {
            out.extend_from_slice(&changes)
        });
    }
    if rule.timeouts != Timeouts::default() {
        put(&mut out, tag::TIMEOUTS, |out| {
            for limit in [rule.timeouts.request, rule.timeouts.backend_request] {
                out.extend_from_slice(&limit.unwrap_or(NONE).to_le_bytes());
            }
        });
    }
    if let Some(retry) = &rule.retry {
        put(&mut out, tag::RETRY, |out| {
            out.push(retry.attempts);
            out.extend_from_slice(&retry.backoff.to_le_bytes());
            out.extend(retry.codes.iter().flat_map(|code| code.to_le_bytes()));
        });
    }
    if rule.forwarding != Forwarding::default() {
        let Forwarding {
            strip_path,
            preserve_host,
            path_v1,
        } = rule.forwarding;
        let bits = u8::from(strip_path) | u8::from(preserve_host) << 1 | u8::from(path_v1) << 2;
        put(&mut out, tag::FORWARDING, |out| out.push(bits));
    }
    if !rule.plugins.plugins.is_empty() {
        put(&mut out, tag::PLUGINS, |out| {
            out.extend_from_slice(&rule.plugins.id().to_le_bytes());
        });
        let names: Vec<_> = (rule.plugins.plugins.iter())
            .map(|plugin| format!("{}/{}", plugin.namespace, plugin.name))
            .collect();
        put(&mut out, tag::PLUGIN_NAMES, |out| {
            out.extend_from_slice(names.join(",").as_bytes());
        });
    }
    if let Some(name) = &rule.name {
        put(&mut out, tag::NAME, |out| {
            out.extend_from_slice(name.as_bytes());
        });
    }
    if !rule.tags.is_empty() {
        put(&mut out, tag::TAGS, |out| {
            out.extend_from_slice(rule.tags.join(",").as_bytes());
        });
    }
    out
}

// === impl RuleEntry ===

impl<'a> RuleEntry<'a> {
    #[inline]
    pub(super) fn at(bytes: &'a [u8], at: u32) -> Option<Self> {
        let mut cursor = Cursor::at(bytes, at)?;
        let fixed = cursor.array::<6>()?;
        let (object, index) = fixed.split_first_chunk()?;
        Some(Self {
            index: u16::from_le_bytes(*index.first_chunk()?),
            bytes,
            object: u32::from_le_bytes(*object),
            backends: cursor,
        })
    }

    /// Its object. Not read with the rule: it lies elsewhere, and a lookup does not ask for it.
    ///
    /// # Errors
    /// [`Broken`].
    #[inline]
    pub fn object(&self) -> Result<ObjectEntry<'a>, Broken> {
        ObjectEntry::at(self.bytes, self.object).ok_or(Broken)
    }

    /// Its stable id: see [`RouteKind::rule_id`].
    ///
    /// # Errors
    /// [`Broken`].
    pub fn id(&self) -> Result<u64, Broken> {
        Ok(self.object()?.rule_id(self.index))
    }

    /// The weighted backends.
    pub fn backends(&self) -> impl Iterator<Item = Result<BackendEntry<'a>, Broken>> + use<'a> {
        let mut cursor = self.backends;
        // Without a number there is one, and it cannot be read.
        let count = cursor.varint().unwrap_or(1);
        (0..count).map(move |_| BackendEntry::read(&mut cursor).ok_or(Broken))
    }

    /// What it says beyond its backends.
    ///
    /// # Errors
    /// [`Broken`].
    #[inline]
    pub fn extra(&self) -> Result<Extra<'a>, Broken> {
        let mut cursor = self.backends;
        for _ in 0..cursor.varint().ok_or(Broken)? {
            BackendEntry::read(&mut cursor).ok_or(Broken)?;
        }
        let bytes = cursor.prefixed().ok_or(Broken)?;
        if bytes.is_empty() {
            return Ok(Extra::default());
        }
        Extra::read(bytes).ok_or(Broken)
    }
}

// === impl ObjectEntry ===

impl<'a> ObjectEntry<'a> {
    #[inline]
    fn at(bytes: &'a [u8], at: u32) -> Option<Self> {
        let mut cursor = Cursor::at(bytes, at)?;
        Some(Self {
            kind: RouteKind::from_byte(cursor.u8()?)?,
            namespace: cursor.prefixed()?,
            name: cursor.prefixed()?,
        })
    }

    /// The id of its rule at this position: see [`RouteKind::rule_id`].
    #[must_use]
    pub fn rule_id(&self, index: u16) -> u64 {
        self.kind.rule_id(self.namespace, self.name, index)
    }
}

// === impl BackendEntry ===

impl<'a> BackendEntry<'a> {
    #[inline]
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let head = cursor.varint()?;
        Some(Self {
            weight: head >> 2,
            service: if head & 1 == 0 {
                Some(cursor.u64()?)
            } else {
                None
            },
            changes: if head & 2 == 0 {
                Changes::default()
            } else {
                Changes::new(cursor.prefixed()?)
            },
        })
    }
}

// === impl Extra ===

impl<'a> Extra<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut extra = Self::default();
        let mut cursor = Cursor::new(bytes);
        while !cursor.is_empty() {
            let tag = cursor.u8()?;
            let payload = cursor.prefixed()?;
            let mut fields = Cursor::new(payload);
            let limit = |limit: u32| (limit != NONE).then_some(limit);
            match tag {
                tag::FILTERS => extra.changes = Changes::new(payload),
                tag::TIMEOUTS => {
                    extra.timeouts = Timeouts {
                        request: limit(fields.u32()?),
                        backend_request: limit(fields.u32()?),
                    };
                }
                tag::RETRY => {
                    extra.retry = Some(RetryEntry {
                        attempts: fields.u8()?,
                        backoff: fields.u32()?,
                        codes: fields.rest().as_chunks().0,
                    });
                }
                tag::FORWARDING => {
                    let bits = fields.u8()?;
                    if bits > 7 {
                        return None;
                    }
                    extra.forwarding = Forwarding {
                        strip_path: bits & 1 != 0,
                        preserve_host: bits & 2 != 0,
                        path_v1: bits & 4 != 0,
                    };
                }
                tag::PLUGINS => extra.plugin_set = fields.u64()?,
                tag::NAME => extra.rule_name = core::str::from_utf8(payload).ok(),
                tag::TAGS => extra.tags = payload,
                tag::PLUGIN_NAMES => {
                    extra.plugins = core::str::from_utf8(payload).unwrap_or_default();
                }
                hint if hint >= tag::FIRST_HINT => {}
                _ => return None,
            }
        }
        Some(extra)
    }
}

// === impl RetryEntry ===

impl RetryEntry<'_> {
    /// Status codes of a response that is tried again.
    pub fn codes(&self) -> impl Iterator<Item = u16> + '_ {
        self.codes.iter().map(|code| u16::from_le_bytes(*code))
    }
}
