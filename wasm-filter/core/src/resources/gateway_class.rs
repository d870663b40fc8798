//! `gateway.networking.k8s.io` GatewayClass: whose it is.

use super::field::{Field, Sink};
use super::unknown;

/// What is read of a GatewayClass.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GatewayClass {
    /// `spec.controllerName`; `None` if it cannot be read.
    pub(crate) controller: Option<Box<str>>,
    /// Does it refer to parameters?
    pub(crate) parameters: bool,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> GatewayClass {
    let spec = root.key("spec");
    if spec.required_object(sink).is_err() {
        return GatewayClass {
            controller: None,
            parameters: false,
        };
    }
    unknown::warn(
        &spec,
        &["controllerName", "parametersRef", "description"],
        sink,
    );
    let controller = spec.key("controllerName").required_text(sink);
    GatewayClass {
        controller: controller.ok().map(Into::into),
        parameters: !spec.key("parametersRef").is_absent(),
    }
}
