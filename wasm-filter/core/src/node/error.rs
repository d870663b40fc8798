//! Errors of the protocol, as JSON.

use serde::{Deserialize, Serialize};

use super::TABLE_FORMATS;
use super::commit::CommitError;
use super::hex::{HexDigest, HexId};
use crate::table::hash::Digest;
use crate::table::root::Root;
use crate::table::store::StoreError;
use crate::table::store::publish::PublishError;

/// What kind of error, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request is not what the protocol says.
    Malformed,
    /// Another table is in effect than the one expected.
    Conflict,
    /// The node's table is of another publisher.
    OtherPublisher,
    /// The delta's base is neither the current nor the previous root.
    UnknownBase,
    /// Segments that the new root names are not here.
    MissingSegments,
    /// The body is longer than a body may be.
    TooLarge,
    /// A table format that the node does not know.
    UnsupportedFormat,
    /// Bytes have another digest than they should.
    DigestMismatch,
    /// What was written does not read back, or a bug.
    Internal,
    /// The shared-data zone is missing or of another release.
    NoZone,
    /// The table does not fit the zone.
    ZoneFull,
    /// No room for segments that no commit has used yet.
    StagingFull,
    /// A code of a later release; a node never sends it.
    #[serde(other)]
    Unknown,
}

/// An error as a node answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeError {
    /// 1.
    pub schema_version: u32,
    /// What kind.
    pub code: Code,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// What people can do.
    #[serde(default)]
    pub hint: String,
    /// What belongs to the code.
    #[serde(flatten)]
    pub details: Box<Details>,
}

/// What belongs to a code; empty where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// Digests that are missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<HexDigest>,
    /// The epoch in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Digest of the logical root in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<HexDigest>,
    /// The publisher of the table in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher: Option<HexId>,
    /// The digest that the bytes should have had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<HexDigest>,
    /// The table formats that the node takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub table_formats: Vec<u16>,
    /// Pages that the change needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<usize>,
    /// Pages that are free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<usize>,
    /// Pages in the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<usize>,
}

// === impl Code ===

impl Code {
    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Conflict | Self::OtherPublisher | Self::UnknownBase | Self::MissingSegments => {
                409
            }
            Self::TooLarge => 413,
            Self::UnsupportedFormat | Self::DigestMismatch => 422,
            Self::Internal | Self::Unknown => 500,
            Self::NoZone => 503,
            Self::ZoneFull | Self::StagingFull => 507,
        }
    }
}

// === impl NodeError ===

impl NodeError {
    /// An error without further fields.
    pub(crate) fn new(code: Code, message: impl Into<String>, hint: &str) -> Self {
        Self {
            schema_version: 1,
            code,
            message: message.into(),
            hint: hint.into(),
            details: Box::default(),
        }
    }

    pub(crate) fn malformed(what: &str) -> Self {
        Self::new(
            Code::Malformed,
            format!("`{what}` is missing or has a value that it cannot have"),
            "docs/node-protocol.md",
        )
    }

    pub(crate) fn too_large(len: usize) -> Self {
        Self::new(
            Code::TooLarge,
            format!("{len} bytes are more than a body may have"),
            "send segments in pieces with PUT",
        )
    }

    pub(crate) fn at(mut self, epoch: u64, root: Digest) -> Self {
        self.details.epoch = Some(epoch);
        self.details.root = Some(HexDigest(root));
        self
    }

    pub(crate) fn conflict(epoch: u64, root: Digest) -> Self {
        Self::new(
            Code::Conflict,
            "another table is in effect than the one expected",
            "read the status and decide anew",
        )
        .at(epoch, root)
    }

    pub(crate) fn unknown_base(epoch: u64, root: Digest) -> Self {
        Self::new(
            Code::UnknownBase,
            "the base of the delta is neither the current nor the previous root",
            "send the whole root",
        )
        .at(epoch, root)
    }

    pub(crate) fn other_publisher(publisher: u64) -> Self {
        let mut error = Self::new(
            Code::OtherPublisher,
            "the table in effect is of another publisher",
            "two installations push to this node; to take it over, adopt it",
        );
        error.details.publisher = Some(HexId(publisher));
        error
    }

    pub(crate) fn digest_mismatch(digest: Digest) -> Self {
        let mut error = Self::new(
            Code::DigestMismatch,
            "the bytes have another digest than they should",
            "damaged on the way: send them again",
        );
        error.details.digest = Some(HexDigest(digest));
        error
    }

    pub(crate) fn staging_full() -> Self {
        Self::new(
            Code::StagingFull,
            "no room for segments that no commit has used yet",
            "commit what is there, or put them again later",
        )
    }

    /// The error of a publication; `root` is what was to be published.
    pub(crate) fn publish(error: &PublishError, root: &Root) -> Self {
        match error {
            PublishError::Missing(segments) => {
                let mut missing: Vec<HexDigest> = segments
                    .iter()
                    .map(|segment| HexDigest(root.get(*segment).digest))
                    .collect();
                missing.sort_unstable();
                missing.dedup();
                let mut error = Self::new(
                    Code::MissingSegments,
                    format!("{} segments are missing", missing.len()),
                    "put them and repeat the commit",
                );
                error.details.missing = missing;
                error
            }
            PublishError::ZoneFull {
                needed,
                free,
                pages,
            } => {
                let mut error = Self::new(
                    Code::ZoneFull,
                    format!("{needed} pages are needed and {free} of {pages} are free"),
                    "a larger zone: nginx_wasm_shm_kv_silverback = 128m eviction=none",
                );
                error.details.needed = Some(*needed);
                error.details.free = Some(*free);
                error.details.total = Some(*pages);
                error
            }
            PublishError::Digest(segment) => Self::digest_mismatch(root.get(*segment).digest),
            PublishError::Verify(_) | PublishError::Raced => Self::new(
                Code::Internal,
                error.to_string(),
                "repeat the commit; if it stays, restart the node",
            ),
            PublishError::Store(StoreError::NoMemory) => Self::new(
                Code::ZoneFull,
                error.to_string(),
                "a larger zone: nginx_wasm_shm_kv_silverback = 128m eviction=none",
            ),
            PublishError::Store(_) | PublishError::Foreign(_) => Self::new(
                Code::NoZone,
                error.to_string(),
                "nginx_wasm_shm_kv_silverback = 64m eviction=none, then restart the node",
            ),
        }
    }
}

impl From<CommitError> for NodeError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Malformed(what) => Self::malformed(what),
            CommitError::TooLarge(len) => Self::too_large(len),
            CommitError::Format(format) => {
                let mut error = Self::new(
                    Code::UnsupportedFormat,
                    format!("table format {format} is not known here"),
                    "update the older of node and publisher",
                );
                error.details.table_formats = TABLE_FORMATS.to_vec();
                error
            }
        }
    }
}

impl core::fmt::Display for NodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (hint: {})", self.message, self.hint)
    }
}

impl core::error::Error for NodeError {}
