//! `networking.k8s.io/v1` IngressClass: whether it is the default class.

use super::field::{Field, Sink};

/// What is read of an IngressClass.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IngressClass {
    /// Annotation `ingressclass.kubernetes.io/is-default-class: "true"`.
    pub(crate) default: bool,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> IngressClass {
    let metadata = root.key("metadata");
    let annotations = metadata.key("annotations");
    let default = annotations
        .key("ingressclass.kubernetes.io/is-default-class")
        .text(sink);
    IngressClass {
        default: default == Ok(Some("true")),
    }
}
