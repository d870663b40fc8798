//! Fields that nobody knows: of a newer API, or misspelt.
//!
//! An API server takes such a field out of what it stores, so that a field is only found here that
//! never was in a cluster, or that the cluster knows and this version does not. It costs nothing but
//! a warning; what was meant is looked for among the fields that are known at this place. Fields that
//! Kubernetes has and nobody needs here are known, too.

use super::field::{Field, Sink};
use crate::problem::{Code, Finding};

/// `metav1.ObjectMeta`.
const METADATA: [&str; 16] = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
    // Removed in Kubernetes 1.24.
    "clusterName",
];
/// What every object has, or may have: nobody writes a status by hand.
const ROOT: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];
/// A longer name is not what anybody mistyped.
const LONGEST: usize = 64;
/// A name shorter than this is found in others by chance.
const SHORTEST_PART: usize = 4;
/// How much alike, in percent, are a name and its begin or end.
const PART: usize = 70;

/// Warns about the members of a field that are none of `known`.
pub(crate) fn warn(field: &Field<'_, '_>, known: &[&str], sink: &mut Sink) {
    for key in field.unknown_keys(known) {
        let message = "is not known and has no effect";
        let finding = field.key(key).warning(Code::UnsupportedField, message);
        sink.push(suggest(finding, key, known));
    }
}

/// A finding about an unknown name, with the one that was probably meant.
pub(crate) fn suggest(finding: Finding, name: &str, known: &[&str]) -> Finding {
    match nearest(name, known) {
        Some(likely) => finding.hint(format!("did you mean {likely}?")),
        None => finding,
    }
}

/// The same for an object as a whole: its metadata, and `known` beside that.
pub(crate) fn warn_object(root: &Field<'_, '_>, known: &[&str], sink: &mut Sink) {
    warn(root, &[&ROOT[..], known].concat(), sink);
    warn(&root.key("metadata"), &METADATA, sink);
}

/// The known name that looks most like this one.
pub(crate) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    if name.len() > LONGEST {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let likeness = |other: &&'k str| {
        let lower = other.to_ascii_lowercase();
        let longest = name.chars().count().max(lower.len());
        let same = longest.saturating_sub(strsim::osa_distance(&name, &lower));
        let share = same * 100 / longest.max(1);
        // More than half of it, or an end of it.
        let part =
            |a: &str, b: &str| a.len() >= SHORTEST_PART && (b.starts_with(a) || b.ends_with(a));
        let part = part(&name, &lower) || part(&lower, &name);
        let share = if part { share.max(PART) } else { share };
        (share > 50).then_some((share, *other))
    };
    let likely = known
        .iter()
        .filter_map(likeness)
        .max_by_key(|(same, _)| *same);
    likely.map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_if_it_is_near() {
        let ingress = &["ingressClassName", "defaultBackend", "tls", "rules"][..];
        let parent = &["group", "kind", "namespace", "name", "sectionName", "port"][..];
        let rule = &["host", "http"][..];
        for (name, known, expected) in [
            ("rule", ingress, Some("rules")),
            ("ingresClassName", ingress, Some("ingressClassName")),
            ("className", ingress, Some("ingressClassName")),
            ("backend", ingress, Some("defaultBackend")),
            ("TLS", ingress, Some("tls")),
            ("secionName", parent, Some("sectionName")),
            ("prot", parent, Some("port")),
            ("hots", rule, Some("host")),
            ("htpp", rule, Some("http")),
            ("form", &["from", "selector"][..], Some("from")),
            ("pathtype", &["path", "pathType"][..], Some("pathType")),
            ("serviceName", &["service", "resource"][..], Some("service")),
            (
                "address",
                &["addresses", "conditions"][..],
                Some("addresses"),
            ),
            ("weather", parent, None),
            ("x", parent, None),
            ("", parent, None),
            ("ä", &["x"][..], None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
        assert_eq!(nearest(&"port".repeat(1 << 20), parent), None);
    }
}
