//! Kubernetes manifests in files.
//!
//! ```text
//! paths -> files -> documents -> nodes (values with positions) -> objects -> ManifestSet
//! ```
//!
//! What cannot be read is a [`Problem`](crate::problem::Problem) with file, line and column, and
//! hurts nothing else: the other documents of the file and the other files still load. Whether an
//! object makes sense is not asked here; that is the translator's business.

mod document;
mod files;
mod json;
mod locate;
mod node;
mod object;
mod parse;
mod set;
mod source;

pub(crate) use files::read_file;
pub use files::{Listing, MAX_FILE_BYTES, STDIN, list};
pub use locate::Locator;
pub use object::{Object, prune};
pub use parse::{FileObjects, parse};
pub use set::{ManifestSet, load, load_again};
pub use source::{Format, Place, SourceFile};
