//! `v1` Secret: that it exists and of which type. Its data is never kept.

use super::field::{Field, Sink};

/// What is read of a Secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Secret {
    /// Type `kubernetes.io/tls`.
    pub(crate) tls: bool,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> Secret {
    Secret {
        tls: root.key("type").text(sink) == Ok(Some("kubernetes.io/tls")),
    }
}
