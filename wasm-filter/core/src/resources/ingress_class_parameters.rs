//! `configuration.konghq.com/v1alpha1` IngressClassParameters.

use super::field::{Field, Sink};
use super::unknown;

/// What is read of an IngressClassParameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct IngressClassParameters {
    /// Services are their own endpoints.
    pub(crate) service_upstream: bool,
    /// `ImplementationSpecific` paths with characters of patterns are patterns without a mark.
    pub(crate) legacy_regex: bool,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> IngressClassParameters {
    let spec = root.key("spec");
    if spec.object(sink).is_err() {
        return IngressClassParameters::default();
    }
    unknown::warn(
        &spec,
        &["serviceUpstream", "enableLegacyRegexDetection"],
        sink,
    );
    let mut flag = |name| spec.key(name).boolean(sink).ok().flatten().unwrap_or(false);
    IngressClassParameters {
        service_upstream: flag("serviceUpstream"),
        legacy_regex: flag("enableLegacyRegexDetection"),
    }
}
