//! Which Ingress and which Gateway objects are ours (kic-map.md 1.2).

use super::Options;
use super::deps::Reads;
use crate::object::{Id, Kind};
use crate::resources::gateway_class::GatewayClass;
use crate::resources::ingress::Ingress;
use crate::resources::ingress_class_parameters::IngressClassParameters;
use crate::resources::{Object, View};

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

/// The parameters of the class that is ours; `get` gives objects. Without any, those of KIC.
pub(crate) fn parameters<'s>(
    options: &Options,
    mut get: impl FnMut(Id) -> Option<&'s Object>,
) -> IngressClassParameters {
    let class = get(Id::new(Kind::IngressClass, "", &options.ingress_class));
    let Some(View::IngressClass(class)) = class.map(|object| &object.view) else {
        return IngressClassParameters::default();
    };
    let Some((namespace, name)) = &class.parameters else {
        return IngressClassParameters::default();
    };
    match get(Id::new(Kind::IngressClassParameters, namespace, name)).map(|o| &o.view) {
        Some(View::IngressClassParameters(parameters)) => *parameters,
        _ => IngressClassParameters::default(),
    }
}

/// Is a global KongClusterPlugin with this class annotation ours? Without one the class must be the
/// default one.
pub(crate) fn accepts_plugin<'s>(
    options: &Options,
    class: Option<&str>,
    get: impl FnOnce(Id) -> Option<&'s Object>,
) -> bool {
    if options.accept_all_classes {
        return true;
    }
    match class {
        Some(class) => class == options.ingress_class,
        None => {
            let id = Id::new(Kind::IngressClass, "", &options.ingress_class);
            get(id).is_some_and(
                |object| matches!(&object.view, View::IngressClass(class) if class.default),
            )
        }
    }
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
