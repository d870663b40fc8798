//! Names of Kubernetes objects, as the host knows them and as the translator stores them.

use std::sync::Arc;

use serde::Serialize;

/// Names one Kubernetes object: `group` is empty for the core group, `namespace` for a
/// cluster-scoped object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ObjectKey {
    /// API group without version.
    pub group: Box<str>,
    /// Kind, as in manifests.
    pub kind: Box<str>,
    /// Namespace.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
}

/// The kinds that the translator reads.
///
/// The order is only that of listings; everything that is written out is sorted by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    IngressClass,
    Ingress,
    GatewayClass,
    Gateway,
    ListenerSet,
    HttpRoute,
    GrpcRoute,
    ReferenceGrant,
    Service,
    EndpointSlice,
    Namespace,
    Secret,
    ConfigMap,
    IngressClassParameters,
    KongPlugin,
    KongClusterPlugin,
    KongUpstreamPolicy,
    ResolvedName,
}

/// [`ObjectKey`] of a kind that is read: small, cheap to clone, quick to compare.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id {
    pub(crate) kind: Kind,
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
}

/// `gateway.networking.k8s.io`.
pub(crate) const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";
/// Objects of Kong Ingress Controller.
pub(crate) const KONG_GROUP: &str = "configuration.konghq.com";
/// Objects that only this project knows.
const OWN_GROUP: &str = "silverback.rs";
/// The namespace of namespaced objects that name none, as `kubectl` does it.
const DEFAULT_NAMESPACE: &str = "default";
/// The longest name of an object (RFC 1123 subdomain).
const MAX_NAME: usize = 253;

/// The kinds that are read: group and kind.
pub fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    Kind::ALL
        .into_iter()
        .filter(|kind| *kind != Kind::ResolvedName)
        .map(|kind| (kind.group(), kind.as_str()))
}

/// The versions in which objects of a kind are read, the best first; none if they are not read at all.
#[must_use]
pub fn versions(group: &str, kind: &str) -> &'static [&'static str] {
    Kind::named(group, kind).map_or(&[], Kind::versions)
}

// === impl ObjectKey ===

impl ObjectKey {
    /// A key of its four parts.
    #[must_use]
    pub fn new(group: &str, kind: &str, namespace: &str, name: &str) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl core::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
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

// === impl Kind ===

impl Kind {
    const ALL: [Self; 18] = [
        Self::IngressClass,
        Self::Ingress,
        Self::GatewayClass,
        Self::Gateway,
        Self::ListenerSet,
        Self::HttpRoute,
        Self::GrpcRoute,
        Self::ReferenceGrant,
        Self::Service,
        Self::EndpointSlice,
        Self::Namespace,
        Self::Secret,
        Self::ConfigMap,
        Self::IngressClassParameters,
        Self::KongPlugin,
        Self::KongClusterPlugin,
        Self::KongUpstreamPolicy,
        Self::ResolvedName,
    ];

    /// The kind that an `apiVersion` and a `kind` name, if it is read in this version.
    pub(crate) fn of(api_version: &str, kind: &str) -> Option<Self> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let found = Self::named(group, kind)?;
        found.versions().contains(&version).then_some(found)
    }

    /// The kind of this name in this group, in any version.
    pub(crate) fn named(group: &str, kind: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.as_str() == kind && known.group() == group)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::IngressClass => "IngressClass",
            Self::Ingress => "Ingress",
            Self::GatewayClass => "GatewayClass",
            Self::Gateway => "Gateway",
            Self::ListenerSet => "ListenerSet",
            Self::HttpRoute => "HTTPRoute",
            Self::GrpcRoute => "GRPCRoute",
            Self::ReferenceGrant => "ReferenceGrant",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Namespace => "Namespace",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::IngressClassParameters => "IngressClassParameters",
            Self::KongPlugin => "KongPlugin",
            Self::KongClusterPlugin => "KongClusterPlugin",
            Self::KongUpstreamPolicy => "KongUpstreamPolicy",
            Self::ResolvedName => "ResolvedName",
        }
    }

    pub(crate) fn group(self) -> &'static str {
        match self {
            Self::IngressClass | Self::Ingress => "networking.k8s.io",
            Self::GatewayClass
            | Self::Gateway
            | Self::ListenerSet
            | Self::HttpRoute
            | Self::GrpcRoute
            | Self::ReferenceGrant => GATEWAY_GROUP,
            Self::EndpointSlice => "discovery.k8s.io",
            Self::Service | Self::Namespace | Self::Secret | Self::ConfigMap => "",
            Self::IngressClassParameters
            | Self::KongPlugin
            | Self::KongClusterPlugin
            | Self::KongUpstreamPolicy => KONG_GROUP,
            Self::ResolvedName => OWN_GROUP,
        }
    }

    fn versions(self) -> &'static [&'static str] {
        match self {
            // The fields that are read are the same in both.
            Self::GatewayClass | Self::Gateway | Self::HttpRoute | Self::ReferenceGrant => {
                &["v1", "v1beta1"]
            }
            Self::IngressClassParameters => &["v1alpha1"],
            Self::KongUpstreamPolicy => &["v1beta1"],
            _ => &["v1"],
        }
    }

    pub(crate) fn namespaced(self) -> bool {
        !matches!(
            self,
            Self::IngressClass
                | Self::GatewayClass
                | Self::Namespace
                | Self::KongClusterPlugin
                | Self::ResolvedName
        )
    }
}

// === impl Id ===

impl Id {
    /// The id of an object of this kind; a namespaced object without namespace is in `default`.
    pub(crate) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        let namespace = match (kind.namespaced(), namespace) {
            (false, _) => "",
            (true, "") => DEFAULT_NAMESPACE,
            (true, given) => given,
        };
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The id that a key names, if its kind is read.
    pub(crate) fn of_key(key: &ObjectKey) -> Option<Self> {
        let kind = Kind::named(&key.group, &key.kind)?;
        Some(Self::new(kind, &key.namespace, &key.name))
    }

    pub(crate) fn key(&self) -> ObjectKey {
        ObjectKey::new(
            self.kind.group(),
            self.kind.as_str(),
            &self.namespace,
            &self.name,
        )
    }
}

impl core::fmt::Display for Id {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.key().fmt(f)
    }
}

/// Can this be the name or namespace of an object? Wider than any Kubernetes rule (RBAC names
/// hold colons), but without what separates names in ids, logs and listings.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_group_version_and_name() {
        for (api_version, kind, expected) in [
            ("v1", "Service", Some(Kind::Service)),
            ("networking.k8s.io/v1", "Ingress", Some(Kind::Ingress)),
            ("networking.k8s.io/v1beta1", "Ingress", None),
            ("extensions/v1beta1", "Ingress", None),
            (
                "gateway.networking.k8s.io/v1beta1",
                "HTTPRoute",
                Some(Kind::HttpRoute),
            ),
            ("gateway.networking.k8s.io/v1alpha2", "HTTPRoute", None),
            ("apps/v1", "Deployment", None),
            ("serving.knative.dev/v1", "Service", None),
            ("", "", None),
        ] {
            assert_eq!(
                Kind::of(api_version, kind),
                expected,
                "{api_version} {kind}"
            );
        }
    }

    #[test]
    fn a_namespaced_object_without_namespace_is_in_default() {
        assert_eq!(&*Id::new(Kind::Service, "", "a").namespace, "default");
        assert_eq!(&*Id::new(Kind::GatewayClass, "x", "a").namespace, "");
    }

    #[test]
    fn keys_are_shown_with_kind_and_namespace() {
        assert_eq!(
            Id::new(Kind::Ingress, "shop", "web").to_string(),
            "Ingress shop/web"
        );
        assert_eq!(
            Id::new(Kind::GatewayClass, "", "kong").to_string(),
            "GatewayClass kong"
        );
    }
}
