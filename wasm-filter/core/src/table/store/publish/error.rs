//! Why a table was not published.

use crate::table::store::StoreError;
use crate::table::store::page::PAGE_LEN;

/// Why a table was not published. The table before stays in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishError {
    /// Shared data could not be read or written.
    Store(StoreError),
    /// The zone is too small for the pool or for this table.
    ZoneFull {
        /// Pages that the change needs.
        needed: usize,
        /// Pages that are free.
        free: usize,
        /// Pages in the pool.
        pages: usize,
    },
    /// These segments are new, and their bytes were not given.
    Missing(Vec<u32>),
    /// The bytes given for this segment are not what the root says.
    Digest(u32),
    /// What was written does not read back.
    Verify(u32),
    /// Another publisher was faster.
    Raced,
    /// A value in the zone has another size or format: written by another release.
    Foreign(&'static str),
}

impl core::fmt::Display for PublishError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{error}"),
            Self::ZoneFull {
                needed,
                free,
                pages,
            } => write!(
                f,
                "the table does not fit the shared-data zone: {needed} pages of {PAGE_LEN} bytes \
                 are needed and {free} of {pages} are free (hint: a larger zone, \
                 `--zone-size` here, nginx_wasm_shm_kv_silverback in Kong)"
            ),
            Self::Missing(segments) => {
                write!(f, "bytes of {} segments are missing", segments.len())
            }
            Self::Digest(segment) => write!(f, "bytes of segment {segment} have another digest"),
            Self::Verify(segment) => write!(f, "segment {segment} did not read back as written"),
            Self::Raced => f.write_str("another publisher was faster"),
            Self::Foreign(what) => write!(
                f,
                "{what} in the zone is of another release (hint: restart or reload the data plane)"
            ),
        }
    }
}

impl core::error::Error for PublishError {}

impl From<StoreError> for PublishError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
