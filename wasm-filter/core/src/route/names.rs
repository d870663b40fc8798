//! The names that KIC gives to the Kong route and service of a rule (kic-map 2.2, 2.4), so that logs
//! and dashboards stay as they are.

use super::select::Selected;
use crate::table::endpoints;
use crate::table::layout::{HostKind, INGRESS_DEFAULT};
use crate::table::model::RouteKind;
use crate::table::routes::ObjectEntry;
use crate::table::store::view::Unreadable;

/// Writes the names; `service_key` is the key of the backend's Service port.
///
/// # Errors
/// [`Unreadable`].
pub fn write(
    selected: &Selected<'_, '_>,
    object: &ObjectEntry<'_>,
    service_key: &[u8],
    route: &mut Vec<u8>,
    service: &mut Vec<u8>,
) -> Result<(), Unreadable> {
    route.clear();
    service.clear();
    let (rule, index) = (object, selected.rule.index);
    let (namespace, name, port) = endpoints::names(service_key)?;
    match rule.kind {
        RouteKind::Ingress if selected.level.scope == INGRESS_DEFAULT => {
            join(service, &[namespace.as_bytes(), name.as_bytes()]);
            push_number(service, port);
            join(route, &[rule.namespace]);
            route.extend_from_slice(rule.name);
        }
        RouteKind::Ingress => {
            join(service, &[namespace.as_bytes(), name.as_bytes()]);
            push_number(service, port);
            join(route, &[rule.namespace, rule.name, name.as_bytes()]);
            match selected.level.kind {
                HostKind::Exact => join(route, &[selected.level.host]),
                HostKind::Wildcard => join(route, &[b"_", selected.level.host]),
                _ => join(route, &[b""]),
            }
            push_number(route, port);
        }
        RouteKind::HttpRoute | RouteKind::GrpcRoute => {
            let kind: &[u8] = if rule.kind == RouteKind::HttpRoute {
                b"httproute"
            } else {
                b"grpcroute"
            };
            let object = [kind, rule.namespace, rule.name];
            join(service, &object);
            push_number(service, index);
            join(route, &object);
            push_number(route, index);
            route.push(b'.');
            push_number(route, selected.matched.index);
        }
    }
    Ok(())
}

/// Appends each part and a dot.
fn join(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
        out.push(b'.');
    }
}

/// Appends a number; `core::fmt` would cost more than the whole lookup.
fn push_number(out: &mut Vec<u8>, number: u16) {
    let mut power = 10_000;
    while power > number.max(1) {
        power /= 10;
    }
    while power > 0 {
        // A digit.
        out.push(b'0' + (number / power % 10) as u8);
        power /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_fmt_writes_them() {
        for number in [0, 1, 9, 10, 99, 100, 1_234, 10_000, 65_535] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
