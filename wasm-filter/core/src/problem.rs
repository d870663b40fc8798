//! Problems: what is wrong with an object, as values.
//!
//! Every field that is not honoured is a problem; nothing is ignored in silence. A problem costs
//! the part of the object that it names and nothing else. The codes are a closed list, documented
//! by [`Code::cause`] and [`Code::cure`] (docs/problems.md is made from them); they are the reasons
//! of conditions and events too.

use serde::{Serialize, Serializer};

use crate::object::ObjectKey;

/// How much a problem matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; everything is in effect.
    Info,
    /// Something that was written is not in effect; requests are served all the same.
    Warning,
    /// Some requests are not routed as the object says.
    Error,
}

/// One thing that is wrong with one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Problem {
    /// What kind of problem.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// The object that must be changed.
    pub object: ObjectKey,
    /// Path such as `spec.rules[0].backendRefs[1].port`; empty = the whole object.
    pub field: Box<str>,
    /// What is wrong: lower case, without full stop.
    pub message: Box<str>,
    /// What to do; may be empty.
    pub hint: Box<str>,
}

/// A [`Problem`] of an object that the context knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Finding {
    pub(crate) code: Code,
    pub(crate) severity: Severity,
    pub(crate) field: Box<str>,
    pub(crate) message: Box<str>,
    pub(crate) hint: Box<str>,
}

macro_rules! codes {
    ($($name:ident: $cause:literal, $cure:literal;)*) => {
        /// Kinds of problems.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $cause] $name,)*
        }

        impl Code {
            /// All codes, in the order of their names.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code's name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// Why it arises, for docs/problems.md.
            #[must_use]
            pub fn cause(self) -> &'static str {
                match self { $(Self::$name => $cause,)* }
            }

            /// What to do about it, for docs/problems.md.
            #[must_use]
            pub fn cure(self) -> &'static str {
                match self { $(Self::$name => $cure,)* }
            }
        }
    };
}

codes! {
    BackendNotFound: "A rule names a Service that does not exist, or a port that the Service does not have.",
        "Create the Service or correct the name or port. Until then Ingress paths answer 503 (500 for a port name), and a backendRef's share of the requests answers 500.";
    CertificateConflict: "An older Ingress has another certificate for the same host, or an Ingress has one for the hostname of a listener; that one is served.",
        "Use one Secret for the host, or remove the host from one of the objects.";
    ConflictingDefaultBackend: "Another Ingress provides the default backend: the oldest one does, and a rule for any host with path `/` comes before it.",
        "Remove one of them, or give this Ingress rules of its own.";
    ConflictingPath: "An older object has the same match for the same host; the older one serves the requests.",
        "Remove one of the two, or change host, path, method or headers.";
    ConflictingPlugin: "Two global KongClusterPlugins configure the same plugin of Kong; the older one is in effect (in KIC neither is).",
        "Remove one of them, or its label `global`.";
    DuplicateName: "Two parts of one object have a name that must be unique.",
        "Rename one; the first is in effect.";
    EndpointPortNotFound: "A Service has endpoints, but none of its EndpointSlices has a port with the name of the Service's port.",
        "Give the port in the EndpointSlice the name that the Service's port has, or none if that has none; until then requests to it are answered 503.";
    GatewayClassNotFound: "A Gateway names a GatewayClass that does not exist.",
        "Create the GatewayClass or correct `spec.gatewayClassName`.";
    HostnameConflict: "Two listeners of a Gateway and its ListenerSets have the same port and hostname.",
        "Change one of them. Of one object neither is in effect; else the Gateway comes before ListenerSets, an older ListenerSet before a younger one.";
    IncompatibleFilters: "Filters of one rule exclude each other: a redirect with a rewrite or with backendRefs, one sort repeated, or ReplacePrefixMatch without PathPrefix.",
        "Remove one of them; until then the rule answers 500.";
    InvalidAddress: "An endpoint's address is not an IP address of the slice's address type.",
        "Correct the EndpointSlice; the other endpoints are in use.";
    InvalidAnnotation: "An annotation has a value that cannot be read. One that only tunes has no effect; one that restricts or protects closes what it is on.",
        "Correct the value as the message says.";
    InvalidCaCertificateRef: "A Gateway asks clients for certificates of authorities that do not exist, are no ConfigMap, or have no certificate in PEM as `ca.crt`.",
        "Create or correct the ConfigMap or `caCertificateRefs`; until then an HTTPS listener without any authority is not programmed.";
    InvalidCertificateRef: "An HTTPS listener has no certificate, or it or an Ingress names one that does not exist, is no Secret of type kubernetes.io/tls, or has no certificate and key in PEM.",
        "Create or correct the Secret, `tls.certificateRefs` or `secretName`; until then a listener without any certificate is not programmed, and the hosts of an Ingress have no certificate.";
    InvalidDuration: "A duration is not written as the Gateway API demands, or longer than can be kept.",
        "Use one to four whole numbers with h, m, s or ms, such as 1m30s.";
    InvalidHeader: "A header name is not an HTTP token or belongs to the connection, or a value is empty or has control characters.",
        "Correct the header; until then the match is not programmed, and a rule with such a filter answers 500.";
    InvalidHost: "A host is not a DNS name with at most one leading `*.`: IP addresses, ports, spaces and other characters are not allowed.",
        "Use a DNS name of labels with letters, digits and `-`; write names in other scripts in punycode.";
    InvalidJson: "The object is no JSON, or nested deeper than 128 levels.",
        "Correct the manifest.";
    InvalidKind: "A reference names a kind that cannot be used there.",
        "Refer to a Service (group \"\") as backend, to a KongPlugin as filter, to a Gateway as parent of a ListenerSet.";
    InvalidMethod: "A method is none of those that the Gateway API lists.",
        "Use one of GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH; the match is not programmed.";
    InvalidName: "An object has no name, or one with characters that names cannot have.",
        "Give it a name of at most 253 letters, digits, `-` and `.`.";
    InvalidParameters: "A GatewayClass or Gateway refers to parameters, of which none are supported; or an IngressClass to something else than an existing IngressClassParameters.",
        "Remove `parametersRef`, or correct `parameters`.";
    InvalidPath: "A path does not start with `/`, has a `?`, `#` or control characters, or a broken percent-escape; or a gRPC service or method is no identifier.",
        "Correct the path; it is not programmed.";
    InvalidPort: "A port is not a number from 1 to 65535.",
        "Correct the port.";
    InvalidRegex: "A regular expression cannot be parsed, needs look-around or back-references, or is too large.",
        "Correct or simplify it; the match is not programmed.";
    InvalidRouteKinds: "A listener allows kinds of routes that it cannot serve.",
        "Remove them from `allowedRoutes.kinds`; HTTP and HTTPS listeners serve HTTPRoute and GRPCRoute.";
    InvalidValue: "A value is outside of what the field allows.",
        "Correct the value as the message says.";
    KicDiffers: "What the object says means something else to Kong Ingress Controller; here the specification holds.",
        "Nothing has to be done if the meaning is what you want.";
    ListenersShared: "Listeners of several Gateways have the same port and hostname, which one data plane cannot tell apart: routes of all of them are reachable there.",
        "Give the Gateways different ports or hostnames.";
    LocalAddress: "An endpoint's address is loopback, link-local, unspecified or multicast: it would lead to the gateway itself or its node, so it is not used.",
        "Use an address of the cluster, or allow local addresses (`silverback dev` does).";
    MissingField: "A required field is missing, null or empty.",
        "Add the field.";
    NoMatchingListenerHostname: "No hostname of the route fits the hostname of a listener that it attaches to.",
        "Change the hostnames of the route or of the listener.";
    NoMatchingParent: "The Gateway has no listener with the parentRef's sectionName and port.",
        "Correct `sectionName` or `port`, or add the listener.";
    NotAllowedByGateway: "A ListenerSet names a Gateway that does not allow ListenerSets of its namespace.",
        "Change `allowedListeners` of the Gateway; without it no ListenerSet attaches.";
    NotAllowedByListeners: "The listeners do not allow routes of this namespace or kind.",
        "Change `allowedRoutes` of the listener; without it only routes of the Gateway's namespace attach.";
    ParentNotFound: "A route or ListenerSet names a Gateway or ListenerSet that does not exist, or no parent at all.",
        "Create it or correct `spec.parentRefs`.";
    PluginNotFound: "A plugin that is named does not exist, is not of a readable form, or must not be used.",
        "Create the KongPlugin or KongClusterPlugin or correct the name; until then requests are answered 500, because the plugin might protect them.";
    ProblemsOmitted: "The object has more problems than are listed.",
        "Cure the listed ones first.";
    ProtocolConflict: "Two listeners of a Gateway and its ListenerSets have the same port and different protocols.",
        "Change the port of one. Of one object neither is in effect; else the Gateway comes before ListenerSets, an older ListenerSet before a younger one.";
    RefNotPermitted: "A reference into another namespace is not permitted by any ReferenceGrant there.",
        "Add a ReferenceGrant in the namespace that is referred to.";
    ServiceNotFound: "An EndpointSlice names a Service that does not exist, or none at all.",
        "Create the Service, or correct the slice's label `kubernetes.io/service-name`; until then its endpoints are not used.";
    TooMany: "A list is longer than can be represented, or a request would have more mirrors than a plan can carry.",
        "Split the object; the entries behind the limit are not in effect.";
    UnsupportedAddressType: "An EndpointSlice or a Gateway has addresses of a type that is not supported.",
        "Use address type IPv4 or IPv6 (EndpointSlice), IPAddress or Hostname (Gateway).";
    UnsupportedField: "A field, annotation or filter is not supported; the message says what happens instead.",
        "Remove it, or wait for a version that supports it.";
    UnsupportedPathType: "The path type is not supported; the path is not programmed.",
        "Use Exact, Prefix or ImplementationSpecific (Ingress), Exact, PathPrefix or RegularExpression (HTTPRoute), Exact or RegularExpression (GRPCRoute).";
    UnsupportedProtocol: "A listener has a protocol that is not served, or the `appProtocol` of a backend is not known or cannot carry the route's requests (WebSocket for a GRPCRoute).",
        "Use HTTP or HTTPS for the listener; correct or remove the Service port's `appProtocol`, until then the backend's share of the requests is answered 500.";
    UpstreamPolicyNotFound: "A Service names a KongUpstreamPolicy that does not exist in its namespace.",
        "Create it or correct the annotation; until then requests are spread evenly.";
    WrongType: "A field has another JSON type than it must have.",
        "Correct the manifest as the message says.";
}

// === impl Severity ===

impl Severity {
    /// `info`, `warning` or `error`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

// === impl Code ===

impl core::fmt::Display for Code {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

// === impl Problem ===

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{} {} {}",
            self.severity.as_str(),
            self.code,
            self.object
        )?;
        if !self.field.is_empty() {
            write!(f, " {}", self.field)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, " (hint: {})", self.hint)?;
        }
        Ok(())
    }
}

// === impl Finding ===

impl Finding {
    pub(crate) fn error(
        code: Code,
        field: impl Into<Box<str>>,
        message: impl Into<Box<str>>,
    ) -> Self {
        Self {
            code,
            severity: Severity::Error,
            field: field.into(),
            message: message.into(),
            hint: "".into(),
        }
    }

    pub(crate) fn warning(
        code: Code,
        field: impl Into<Box<str>>,
        message: impl Into<Box<str>>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, field, message)
        }
    }

    pub(crate) fn info(
        code: Code,
        field: impl Into<Box<str>>,
        message: impl Into<Box<str>>,
    ) -> Self {
        Self {
            severity: Severity::Info,
            ..Self::error(code, field, message)
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = hint.into();
        self
    }

    pub(crate) fn on(&self, object: &ObjectKey) -> Problem {
        Problem {
            code: self.code,
            severity: self.severity,
            object: object.clone(),
            field: self.field.clone(),
            message: self.message.clone(),
            hint: self.hint.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_in_order_of_their_names() {
        let names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
    }

    #[test]
    fn every_code_has_cause_and_cure() {
        for code in Code::ALL {
            assert!(code.cause().ends_with('.'), "{code}");
            assert!(code.cure().ends_with('.'), "{code}");
        }
    }
}
