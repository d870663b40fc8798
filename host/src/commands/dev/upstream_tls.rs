//! TLS towards upstreams: policies that Services ask for, with certificates from Secrets and ConfigMaps
//! of the files.
//!
//! What a policy is, the translator says; here its bytes are found. A policy that lacks one of them is
//! left out, so that its requests are answered 502 and nothing is sent unverified.

use std::collections::HashMap;

use serde::Deserialize;

use super::certificates::{key_pair, text, unusable};
use super::stubs::Objects;
use crate::gateway::{ClientIdentity, UpstreamTlsPolicy};
use crate::object::ObjectKey;
use crate::problem::{Problem, Severity};

/// Policies by id, as plans name them.
pub(super) type Policies = HashMap<u64, UpstreamTlsPolicy>;

/// Certificates of authorities: as Kong Ingress Controller has them, and as cert-manager has.
const CA_KEYS: [&str; 2] = ["cert", "ca.crt"];

/// Where systems keep the authorities that they trust, which Kong uses too where none are named.
const SYSTEM: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// An entity of the translator.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entity {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    policy: String,
    #[serde(default)]
    verify: bool,
    /// `namespace/name`.
    #[serde(default)]
    ca_secrets: Vec<String>,
    #[serde(default)]
    ca_config_maps: Vec<String>,
    client_certificate: Option<String>,
}

/// The policies among the entities, and what is wrong with the others.
pub(super) fn policies<'e>(
    objects: &Objects,
    entities: impl IntoIterator<Item = &'e String>,
) -> (Policies, Vec<Problem>) {
    let (mut policies, mut problems) = (Policies::new(), Vec::new());
    for json in entities {
        let Ok(entity) = serde_json::from_str::<Entity>(json) else {
            continue;
        };
        let id = u64::from_str_radix(&entity.policy, 16);
        let ("tlsPolicy", Ok(id)) = (entity.kind.as_str(), id) else {
            continue;
        };
        match policy(objects, &entity) {
            Ok(policy) => drop(policies.insert(id, policy)),
            Err(problem) if problems.contains(&*problem) => {}
            Err(problem) => problems.push(*problem),
        }
    }
    (policies, problems)
}

fn policy(objects: &Objects, entity: &Entity) -> Result<UpstreamTlsPolicy, Box<Problem>> {
    let roots = match entity.verify {
        true => Some(roots(objects, entity)?),
        false => None,
    };
    let client = entity.client_certificate.as_ref();
    let client = client
        .map(|name| client_identity(objects, name))
        .transpose()?;
    Ok(UpstreamTlsPolicy {
        roots,
        client,
        ..UpstreamTlsPolicy::default()
    })
}

/// The authorities, one PEM behind the other.
fn roots(objects: &Objects, entity: &Entity) -> Result<String, Box<Problem>> {
    let secrets = entity.ca_secrets.iter().map(|name| ("Secret", name));
    let config_maps = entity.ca_config_maps.iter().map(|name| ("ConfigMap", name));
    let mut all = String::new();
    for (kind, name) in secrets.chain(config_maps) {
        all += &authority(objects, kind, name)?;
        all.push('\n');
    }
    if !all.is_empty() {
        return Ok(all);
    }
    let mut bundles = SYSTEM
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok());
    bundles.next().ok_or_else(|| {
        let message =
            "tls-verify without ca-certificates, and this system has no bundle of authorities";
        Box::new(Problem::new(
            "UnusableCertificate",
            Severity::Error,
            message.to_owned(),
        ))
    })
}

fn authority(objects: &Objects, kind: &str, name: &str) -> Result<String, Box<Problem>> {
    let key = key(kind, name);
    let Some(json) = objects.get(&key) else {
        return Err(Box::new(missing(key)));
    };
    // It came from the manifests' own writer.
    let object: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
    let found = CA_KEYS.iter().find_map(|entry| match kind {
        "Secret" => text(&object, entry).ok(),
        _ => object["data"][entry].as_str().map(str::to_owned),
    });
    found.ok_or_else(|| {
        let message = format!("{key} has no certificate of an authority");
        let problem = Problem::new("UnusableCertificate", Severity::Error, message);
        let problem = problem.hint("it needs an entry `cert` or `ca.crt` in PEM");
        Box::new(problem.about(key))
    })
}

fn client_identity(objects: &Objects, name: &str) -> Result<ClientIdentity, Box<Problem>> {
    let key = key("Secret", name);
    let Some(json) = objects.get(&key) else {
        return Err(Box::new(missing(key)));
    };
    match key_pair(json) {
        Ok(pair) => Ok(ClientIdentity {
            chain: pair.chain,
            key: pair.key,
        }),
        Err((field, message)) => Err(Box::new(unusable(key, field, message))),
    }
}

fn missing(key: ObjectKey) -> Problem {
    let message =
        format!("there is no {key}, which a Service needs to speak TLS with its endpoints");
    Problem::new("UnusableCertificate", Severity::Error, message)
        .hint("until then its requests are answered 502")
        .about(key)
}

/// `namespace/name` of a core kind.
fn key(kind: &str, name: &str) -> ObjectKey {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    ObjectKey::new("v1", kind, namespace, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use std::sync::Arc;

    use serde_json::{Value, json};

    use crate::commands::dev::certificates::self_signed;

    fn objects(list: &[(&str, &str, Value)]) -> Objects {
        let object = |(kind, name, object): &(&str, &str, Value)| {
            let json: Arc<[u8]> = object.to_string().into_bytes().into();
            (ObjectKey::new("v1", kind, "shop", name), json)
        };
        list.iter().map(object).collect()
    }

    fn entity(changes: Value) -> String {
        let mut entity = json!({"type": "tlsPolicy", "id": "tls-policy/00000000000000ff",
            "policy": "00000000000000ff", "verify": true});
        for (name, value) in changes.as_object().expect("an object") {
            entity[name] = value.clone();
        }
        entity.to_string()
    }

    fn of(objects: &Objects, changes: Value) -> Result<UpstreamTlsPolicy, String> {
        let (policies, problems) = policies(objects, [&entity(changes)]);
        match problems.into_iter().next() {
            None => Ok(policies[&0xff].clone()),
            Some(problem) => {
                assert!(policies.is_empty());
                assert_eq!(problem.code, "UnusableCertificate");
                Err(problem.message)
            }
        }
    }

    #[test]
    fn a_policy_has_the_bytes_that_it_names_or_is_none() {
        let pair = self_signed(IpAddr::from([192, 0, 2, 1])).expect("a certificate");
        let objects = objects(&[
            ("Secret", "kong", json!({"stringData": {"cert": "one"}})),
            (
                "Secret",
                "manager",
                json!({"stringData": {"ca.crt": "two"}}),
            ),
            ("Secret", "empty", json!({"stringData": {"tls.crt": "x"}})),
            ("ConfigMap", "map", json!({"data": {"ca.crt": "three"}})),
            (
                "Secret",
                "client",
                json!({"stringData": {"tls.crt": pair.chain, "tls.key": pair.key}}),
            ),
        ]);
        let roots = |changes| of(&objects, changes).map(|policy| policy.roots);
        let some = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(roots(json!({"caSecrets": ["shop/kong"]})), some("one\n"));
        let all = json!({"caSecrets": ["shop/kong", "shop/manager"], "caConfigMaps": ["shop/map"]});
        assert_eq!(roots(all), some("one\ntwo\nthree\n"));
        assert_eq!(
            roots(json!({"verify": false, "caSecrets": ["shop/none"]})),
            Ok(None)
        );

        let client = of(
            &objects,
            json!({"verify": false, "clientCertificate": "shop/client"}),
        );
        let client = client.expect("a policy").client.expect("a certificate");
        assert_eq!((client.chain, client.key), (pair.chain, pair.key));

        for (changes, why) in [
            (
                json!({"caSecrets": ["shop/kong", "shop/none"]}),
                "there is no Secret shop/none",
            ),
            (
                json!({"caConfigMaps": ["shop/none"]}),
                "there is no ConfigMap shop/none",
            ),
            (
                json!({"caSecrets": ["shop/empty"]}),
                "Secret shop/empty has no certificate",
            ),
            (
                json!({"caSecrets": ["shop/kong"], "clientCertificate": "shop/none"}),
                "there is no Secret",
            ),
            (
                json!({"verify": false, "clientCertificate": "shop/kong"}),
                "it is missing",
            ),
        ] {
            let error = of(&objects, changes).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn other_entities_are_no_policies() {
        let name = r#"{"type":"name","id":"name/a","name":"a"}"#.to_owned();
        assert_eq!(
            policies(&Objects::new(), [&name]),
            (Policies::new(), Vec::new())
        );
    }
}
