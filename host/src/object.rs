//! Names of Kubernetes objects.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

/// Names one Kubernetes object. `group` is empty for the core group, `namespace` for a
/// cluster-scoped object.
///
/// The version is not part of it: `v1` and `v1beta1` of one object are the same object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ObjectKey {
    /// API group, without the version.
    pub group: String,
    /// Kind, in the singular.
    pub kind: String,
    /// Namespace, if the kind has one.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// The object that tells the translator which addresses a DNS name has, and its name.
pub(crate) fn resolved_name(name: &str, addresses: &[IpAddr]) -> (ObjectKey, Arc<[u8]>) {
    const VERSION: &str = "silverback.rs/v1";
    const KIND: &str = "ResolvedName";
    let object = json!({
        "apiVersion": VERSION,
        "kind": KIND,
        "metadata": {"name": name},
        "addresses": addresses,
    });
    let key = ObjectKey::new(VERSION, KIND, "", name);
    (key, object.to_string().into_bytes().into())
}

// === impl ObjectKey ===

impl ObjectKey {
    /// The key of an object of this apiVersion (`group/version`, or `version` in the core group).
    pub fn new(api_version: &str, kind: &str, namespace: &str, name: &str) -> Self {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl From<&silverback_core::object::ObjectKey> for ObjectKey {
    fn from(key: &silverback_core::object::ObjectKey) -> Self {
        Self {
            group: key.group.to_string(),
            kind: key.kind.to_string(),
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
            ..
        } = self;
        if namespace.is_empty() {
            write!(f, "{kind} {name}")
        } else {
            write!(f, "{kind} {namespace}/{name}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_has_the_group_but_not_the_version() {
        let key = ObjectKey::new("networking.k8s.io/v1", "Ingress", "a", "b");
        assert_eq!(key.group, "networking.k8s.io");
        assert_eq!(ObjectKey::new("v1", "Service", "a", "b").group, "");
        assert_eq!(key.to_string(), "Ingress a/b");
        assert_eq!(
            ObjectKey::new("v1", "Namespace", "", "b").to_string(),
            "Namespace b"
        );
    }
}
