//! Why a pull failed.

use crate::node::commit::CommitError;
use crate::node::new_root::NoRoot;
use crate::node::staging::NotStaged;
use crate::table::store::publish::PublishError;
use crate::table::store::{MAX_PAGES, StoreError};

/// Why a pull failed. The table before stays in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The request could not be sent: the data plane does not know the upstream.
    Unsent,
    /// No answer.
    Unanswered,
    /// An answer with this status.
    Status(u16),
    /// The named part of the answer is not what it should be: damaged, or not from a publisher.
    Malformed(&'static str),
    /// A table format that this node does not know.
    Format(u16),
    /// Bytes have another digest than they should.
    Digest,
    /// The publisher does not bring what it names.
    Lacking,
    /// The table does not fit the pool: so many pages are needed, of so many.
    Full(usize, usize),
    /// Shared data cannot be used.
    Store,
    /// Somebody else published at the same time.
    Raced,
}

// === impl Failure ===

impl Failure {
    /// What to do about it.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::Unsent => "`pull.upstream` is a cluster's name in Envoy, HOST:PORT in Kong",
            Self::Unanswered => "does the publisher run?",
            Self::Status(401 | 403) => "`pull.token` is not the publisher's",
            Self::Status(404) => "is `pull.upstream` a publisher?",
            Self::Status(_) => "is the publisher up?",
            Self::Malformed(_) | Self::Digest | Self::Lacking => {
                "damaged on the way, or not from a publisher"
            }
            Self::Format(_) => "update the older of filter and publisher",
            Self::Full(..) => "a larger `pull.pages`, and in Kong a larger zone",
            Self::Store => "in Kong: nginx_wasm_shm_kv_silverback = 64m eviction=none",
            Self::Raced => "somebody else publishes to this node too",
        }
    }
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unsent => f.write_str("the request cannot be sent"),
            Self::Unanswered => f.write_str("no answer"),
            Self::Status(status) => write!(f, "the answer is {status}"),
            Self::Malformed(what) => write!(f, "`{what}` of the answer cannot be read"),
            Self::Format(format) => write!(f, "table format {format} is not known here"),
            Self::Digest => f.write_str("the answer has another digest than it should"),
            Self::Lacking => f.write_str("the answer lacks segments that the table has"),
            Self::Full(needed, pages) => {
                write!(f, "the table needs {needed} pages and the pool has {pages}")
            }
            Self::Store => f.write_str("shared data cannot be used"),
            Self::Raced => f.write_str("another table came into effect meanwhile"),
        }
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Malformed(what) => Self::Malformed(what),
            CommitError::TooLarge(_) => Self::Malformed("length"),
            CommitError::Format(format) => Self::Format(format),
        }
    }
}

impl From<NoRoot> for Failure {
    fn from(error: NoRoot) -> Self {
        match error {
            NoRoot::UnknownBase => Self::Malformed("base"),
            NoRoot::Digest(_) => Self::Digest,
            NoRoot::Malformed => Self::Malformed("root"),
        }
    }
}

impl From<NotStaged> for Failure {
    fn from(error: NotStaged) -> Self {
        match error {
            NotStaged::Length => Self::Malformed("length"),
            // As much as the largest pool holds.
            NotStaged::Full => Self::Full(usize::from(MAX_PAGES), usize::from(MAX_PAGES)),
            NotStaged::Digest => Self::Digest,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::CasMismatch => Self::Raced,
            StoreError::NoMemory | StoreError::Unavailable => Self::Store,
        }
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Store(error) => error.into(),
            PublishError::ZoneFull { needed, pages, .. } => Self::Full(needed, pages),
            PublishError::Missing(_) => Self::Lacking,
            PublishError::Digest(_) => Self::Digest,
            PublishError::Raced => Self::Raced,
            PublishError::Verify(_) | PublishError::Foreign(_) => Self::Store,
        }
    }
}
