//! Uses of the data plane that work by luck, or not at all, in Kong.

use std::fmt;

/// How many are kept, of a worker and of a store: the first ones tell, and a gateway that runs for
/// days must not grow by them.
pub(crate) const MAX_VIOLATIONS: usize = 1024;

/// Something that strict mode saw and that must not happen in Kong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A live value changed its length: a get in another worker that has left the lock copies
    /// with the wrong length, or from freed memory (Kong facts 4.3).
    Resized {
        /// The key that was set.
        key: Vec<u8>,
        /// Length before.
        from: usize,
        /// Length after.
        to: usize,
    },
    /// A live value was deleted: a get that has left the lock copies freed memory (Kong facts 4.3).
    Deleted {
        /// The key.
        key: Vec<u8>,
    },
    /// Two keys have one CRC-32 and so are one key (Kong facts 4.2).
    Aliased {
        /// The key that was asked for.
        key: Vec<u8>,
        /// The key whose value it got.
        stored: Vec<u8>,
    },
    /// A value grew while the zone had no room for another one of its size: with lru or slru
    /// this has crashed workers (Kong facts 4.5).
    GrewInFullZone {
        /// The key.
        key: Vec<u8>,
    },
    /// A key fell out of a full zone with lru or slru eviction, without any error.
    Evicted {
        /// The key.
        key: Vec<u8>,
    },
    /// The filter set the whole map of request headers: broken in Kong (Kong facts 2).
    RequestHeadersReplaced,
    /// The filter used a part of the request where there is none; ngx_wasm_module does not check
    /// and reads a null pointer.
    OutsideRequest {
        /// The host function.
        call: &'static str,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |key: &[u8]| key.escape_ascii().to_string();
        match self {
            Self::Resized { key, from, to } => write!(
                f,
                "value of {} went from {from} to {to} bytes while workers may be copying it \
                 (hint: create values once with their final length)",
                text(key)
            ),
            Self::Deleted { key } => {
                write!(
                    f,
                    "{} was deleted while workers may be copying it (hint: never delete)",
                    text(key)
                )
            }
            Self::Aliased { key, stored } => write!(
                f,
                "{} and {} have one CRC-32, so they are one key (hint: rename one)",
                text(key),
                text(stored)
            ),
            Self::GrewInFullZone { key } => {
                write!(
                    f,
                    "{} grew in a full zone (hint: a larger zone, eviction=none)",
                    text(key)
                )
            }
            Self::Evicted { key } => {
                write!(
                    f,
                    "{} was evicted from a full zone (hint: a larger zone, eviction=none)",
                    text(key)
                )
            }
            Self::RequestHeadersReplaced => f.write_str(
                "set_http_request_headers is broken in Kong (hint: set headers one by one)",
            ),
            Self::OutsideRequest { call } => {
                write!(
                    f,
                    "{call} for a request part outside of a request crashes the worker in Kong"
                )
            }
        }
    }
}
