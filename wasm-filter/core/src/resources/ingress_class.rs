//! `networking.k8s.io/v1` IngressClass: whether it is the default class, and its parameters.

use super::field::{Field, Read, Reported, Sink};
use super::unknown;
use crate::object::KONG_GROUP;
use crate::problem::Code;

/// What is read of an IngressClass.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IngressClass {
    /// Annotation `ingressclass.kubernetes.io/is-default-class: "true"`.
    pub(crate) default: bool,
    /// Namespace and name of its IngressClassParameters.
    pub(crate) parameters: Option<(Box<str>, Box<str>)>,
}

pub(crate) fn read(root: &Field<'_, '_>, sink: &mut Sink) -> IngressClass {
    let metadata = root.key("metadata");
    let annotations = metadata.key("annotations");
    let default = annotations
        .key("ingressclass.kubernetes.io/is-default-class")
        .text(sink);
    let spec = root.key("spec");
    let parameters = spec.object(sink).and_then(|()| {
        unknown::warn(&spec, &["controller", "parameters"], sink);
        let parameters = spec.key("parameters");
        read_parameters(&parameters, sink)
    });
    IngressClass {
        default: default == Ok(Some("true")),
        parameters: parameters.ok().flatten(),
    }
}

/// "Parameters is a link to a custom resource containing additional configuration": one of Kong's,
/// which is namespaced.
#[allow(clippy::type_complexity, reason = "namespace and name")]
fn read_parameters(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Option<(Box<str>, Box<str>)>> {
    if field.is_absent() {
        return Ok(None);
    }
    field.object(sink)?;
    unknown::warn(
        field,
        &["apiGroup", "kind", "name", "namespace", "scope"],
        sink,
    );
    let group = field.key("apiGroup").text(sink)?.unwrap_or_default();
    let kind = field.key("kind").required_text(sink)?;
    if group != KONG_GROUP || kind != "IngressClassParameters" {
        sink.push(field.error(
            Code::InvalidParameters,
            format!("must refer to an IngressClassParameters of {KONG_GROUP}; they have no effect"),
        ));
        return Err(Reported);
    }
    if field.key("scope").text(sink)?.unwrap_or("Cluster") != "Namespace" {
        sink.push(field.key("scope").error(
            Code::InvalidParameters,
            "must be Namespace; the parameters have no effect",
        ));
        return Err(Reported);
    }
    let namespace = field.key("namespace").required_name(sink)?;
    let name = field.key("name").required_name(sink)?;
    Ok(Some((namespace.into(), name.into())))
}
