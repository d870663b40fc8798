//! Certificates of clients: which authorities a Gateway's port trusts, from ConfigMaps of the files.
//!
//! Which ConfigMaps those are is the translator's to say (entity `clientValidation`); here their
//! bytes are found. A port asks all of its clients the same, so Gateways that share one have to
//! agree.

use serde::Deserialize;
use serde_json::Value;

use super::ports::Port;
use super::stubs::Objects;
use crate::gateway::{ClientAuth, ClientAuthMode};
use crate::object::ObjectKey;
use crate::problem::{Problem, Severity};

/// The entity of a Gateway.
#[derive(Deserialize)]
struct Validation {
    ports: Vec<Asking>,
}

/// What it asks at one port.
#[derive(Deserialize)]
struct Asking {
    port: u16,
    /// The listeners that ask, as the table names them.
    listeners: Vec<String>,
    #[serde(flatten)]
    check: Check,
}

/// What is asked.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Check {
    mode: String,
    /// `namespace/name` of ConfigMaps.
    authorities: Vec<String>,
}

/// What the clients of a port must show. Where that is not clear, or cannot be read, it is what
/// nobody has.
pub(super) fn of_port<'a>(
    objects: &Objects,
    entities: impl Iterator<Item = &'a String>,
    port: &Port,
) -> (Option<ClientAuth>, Vec<Problem>) {
    let all: Vec<Asking> = entities
        .filter(|json| json.contains("\"clientValidation\""))
        .filter_map(|json| serde_json::from_str::<Validation>(json).ok())
        .flat_map(|validation| validation.ports)
        .filter(|asking| Some(asking.port) == port.listener)
        .collect();
    let asked = |listener: &String| {
        let asking = all
            .iter()
            .find(|asking| asking.listeners.contains(listener));
        asking.map(|asking| &asking.check)
    };
    // Ports name their listeners as the table does.
    let mut checks = port.gateways.iter().map(|name| (name, asked(name)));
    let Some((first, check)) = checks.next() else {
        return (None, Vec::new());
    };
    if let Some((other, _)) = checks.find(|(_, other)| *other != check) {
        let problem = conflict(other, first);
        return (Some(nobody()), vec![problem]);
    }
    let Some(check) = check else {
        return (None, Vec::new());
    };
    let (mut authorities, mut problems) = (String::new(), Vec::new());
    for name in &check.authorities {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let key = ObjectKey::new("v1", "ConfigMap", namespace, name);
        match objects.get(&key).and_then(|json| pem(json)) {
            Some(pem) => {
                authorities += pem.trim_end();
                authorities.push('\n');
            }
            None => problems.push(
                Problem::new("UnusableCertificate", Severity::Error, "it has no ca.crt").about(key),
            ),
        }
    }
    let mode = match &*check.mode {
        "AllowInsecureFallback" => ClientAuthMode::AllowInsecureFallback,
        _ => ClientAuthMode::AllowValidOnly,
    };
    let auth = ClientAuth { authorities, mode };
    if let Err(error) = auth.check() {
        let name = check.authorities.first().map_or("", String::as_str);
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        problems.push(
            Problem::new("UnusableCertificate", Severity::Error, error.to_string())
                .hint("clients of these authorities have no handshake until they can be read")
                .about(ObjectKey::new("v1", "ConfigMap", namespace, name)),
        );
    }
    (Some(auth), problems)
}

/// Two listeners of one port ask for different certificates.
fn conflict(listener: &str, first: &str) -> Problem {
    let (listener, kind) = match listener.strip_suffix(" (ListenerSet)") {
        Some(listener) => (listener, "ListenerSet"),
        None => (listener, "Gateway"),
    };
    let mut parts = listener.splitn(3, '/');
    let mut part = || parts.next().unwrap_or_default();
    let (namespace, name, listener) = (part(), part(), part());
    let key = ObjectKey::new("gateway.networking.k8s.io/v1", kind, namespace, name);
    Problem::new(
        "ClientValidationConflict",
        Severity::Error,
        format!("listener {listener} has a port with {first}, which asks clients for other certificates"),
    )
    .hint("one port asks all clients the same: give the Gateways the same spec.tls.frontend, or other ports")
    .about(key)
}

/// What nobody has a certificate for.
fn nobody() -> ClientAuth {
    ClientAuth {
        authorities: String::new(),
        mode: ClientAuthMode::AllowValidOnly,
    }
}

fn pem(json: &[u8]) -> Option<String> {
    // It came from the manifests' own writer.
    let map: Value = serde_json::from_slice(json).ok()?;
    map["data"]["ca.crt"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn port(gateways: &[&str]) -> Port {
        Port {
            listener: Some(443),
            gateways: gateways.iter().map(ToString::to_string).collect(),
            tls: true,
            ..Port::default()
        }
    }

    fn entity(listener: &str, port: u16, mode: &str) -> String {
        let check = json!({"port": port, "listeners": [listener], "mode": mode,
                           "authorities": ["shop/ca"]});
        json!({"type": "clientValidation", "id": "x", "gateway": "shop/x", "ports": [check]})
            .to_string()
    }

    fn objects(ca: &str) -> Objects {
        let map = json!({"data": {"ca.crt": ca}}).to_string().into_bytes();
        let key = ObjectKey::new("v1", "ConfigMap", "shop", "ca");
        Objects::from([(key, map.into())])
    }

    #[test]
    fn gateways_of_one_port_have_to_agree() {
        let ca = super::super::certificates::self_signed([127, 0, 0, 1].into());
        let objects = objects(&ca.expect("a certificate").chain);
        let (one, two) = ("shop/one/https", "shop/two/https (ListenerSet)");
        let (only, fallback) = ("AllowValidOnly", "AllowInsecureFallback");
        for (entities, gateways, asked) in [
            (vec![], &[one][..], None),
            (vec![entity(one, 443, only)], &[], None),
            (vec![entity(one, 443, only)], &[one], Some(true)),
            (vec![entity(one, 444, only)], &[one], None),
            (vec![entity(two, 443, only)], &[one], None),
            (
                vec![entity(one, 443, only), entity(two, 443, only)],
                &[one, two],
                Some(true),
            ),
            // One asks and the other does not; both ask, for something else.
            (vec![entity(one, 443, only)], &[one, two], Some(false)),
            (
                vec![entity(one, 443, only), entity(two, 443, fallback)],
                &[one, two],
                Some(false),
            ),
        ] {
            let (auth, problems) = of_port(&objects, entities.iter(), &port(gateways));
            let usable = auth.map(|auth| !auth.authorities.is_empty());
            assert_eq!(usable, asked, "{entities:?} {gateways:?}");
            assert_eq!(problems.is_empty(), asked != Some(false), "{problems:?}");
        }
    }

    #[test]
    fn authorities_that_cannot_be_read_are_told_and_let_nobody_in() {
        let objects = objects("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n");
        let entities = [entity("shop/one/https", 443, "AllowValidOnly")];
        let (auth, problems) = of_port(&objects, entities.iter(), &port(&["shop/one/https"]));
        assert!(auth.is_some_and(|auth| auth.check().is_err()));
        assert_eq!(problems.len(), 1);
        let key = problems[0].object.as_ref().map(ToString::to_string);
        assert_eq!(key.as_deref(), Some("ConfigMap shop/ca"));
    }
}
