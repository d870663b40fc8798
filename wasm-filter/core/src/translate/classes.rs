//! Which Ingress and which Gateway objects are ours (kic-map.md 1.2).

use super::Options;
use super::deps::Reads;
use crate::object::{Id, Kind};
use crate::resources::View;
use crate::resources::gateway_class::GatewayClass;
use crate::resources::ingress::Ingress;

/// Whose a Gateway is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Ours,
    /// Ours, with parameters, of which none are supported.
    OursInvalid,
    Others,
    /// The class does not exist, so it is nobody's.
    Missing,
}

/// Is the Ingress ours? The annotation decides, then `ingressClassName`; without both it must be
/// the default class that is ours.
pub(crate) fn accepts_ingress(reads: &mut Reads<'_>, options: &Options, ingress: &Ingress) -> bool {
    if options.accept_all_classes {
        return true;
    }
    let named = ingress
        .class_annotation
        .as_deref()
        .or(ingress.class_name.as_deref());
    if let Some(name) = named {
        return name == options.ingress_class;
    }
    let id = Id::new(Kind::IngressClass, "", &options.ingress_class);
    reads
        .object(id)
        .is_some_and(|object| matches!(&object.view, View::IngressClass(class) if class.default))
}

/// Whose is a Gateway of this class?
pub(crate) fn of_gateway(reads: &mut Reads<'_>, options: &Options, class: Option<&str>) -> Class {
    let object = class.and_then(|name| reads.object(Id::new(Kind::GatewayClass, "", name)));
    match object.map(|object| &object.view) {
        Some(View::GatewayClass(class)) if !is_ours(options, class) => Class::Others,
        Some(View::GatewayClass(class)) if class.parameters => Class::OursInvalid,
        Some(View::GatewayClass(_)) => Class::Ours,
        _ if options.accept_all_classes => Class::Ours,
        _ => Class::Missing,
    }
}

/// Does the class name this controller?
pub(crate) fn is_ours(options: &Options, class: &GatewayClass) -> bool {
    options.accept_all_classes || class.controller.as_deref() == Some(&*options.controller_name)
}
