//! Certificates of TLS ports: from Secrets of the files, and one of our own for Ingress.
//!
//! Which Secret serves which host is the translator's to say; here its bytes are found.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DnType};
use serde_json::Value;

use super::stubs::{self, Objects};
use super::{ports, upstream_tls};
use crate::dump::Dump;
use crate::gateway::{CertificateDoubt, HostPattern, KeyPair, PairError};
use crate::manifests::ManifestSet;
use crate::object::ObjectKey;
use crate::offline::Offline;
use crate::problem::{Problem, Severity};

/// A Secret and the hosts for which its certificate is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) hosts: Vec<HostPattern>,
    /// Without it they have no handshake at all (a Gateway's listener); otherwise they have what
    /// hosts without a certificate of their own have (Ingress, as in Kong).
    pub(super) required: bool,
}

/// Certificates by host, as [`crate::gateway::Certificates`] has them.
pub(super) type ByHost = BTreeMap<HostPattern, Vec<KeyPair>>;

/// The certificates that these Secrets have. One that is missing or has none that can be used is a
/// problem. A host that must have one and has none is there, with none.
pub(super) fn certificates(objects: &Objects, served: &[Served]) -> (ByHost, Vec<Problem>) {
    let mut by_host = ByHost::new();
    let mut problems = Vec::new();
    for Served {
        namespace,
        name,
        hosts,
        required,
    } in served
    {
        if *required {
            for host in hosts {
                by_host.entry(host.clone()).or_default();
            }
        }
        let key = ObjectKey::new("v1", "Secret", namespace, name);
        let pair = match objects.get(&key) {
            None => Err(("", "there is no such Secret".to_owned())),
            Some(json) => key_pair(json),
        };
        let pair = match pair {
            Ok(pair) => pair,
            Err((field, message)) => {
                problems.push(unusable(key, field, message));
                continue;
            }
        };
        for doubt in pair.doubts(hosts, SystemTime::now()) {
            problems.push(doubtful(key.clone(), &doubt));
        }
        for host in hosts {
            let pairs = by_host.entry(host.clone()).or_default();
            if !pairs.contains(&pair) {
                pairs.push(pair.clone());
            }
        }
    }
    (by_host, problems)
}

/// The certificates of a table as `dev` would serve them and show them to upstreams, for their problems
/// only.
pub(super) fn problems(set: &ManifestSet, offline: &Offline) -> Vec<Problem> {
    let Some(dump) = offline.dump().ok().and_then(|json| Dump::parse(&json).ok()) else {
        return Vec::new();
    };
    let objects = stubs::of(set);
    let (_, mut problems) = certificates(&objects, &ports::served(&dump));
    let entities: Vec<_> = offline.entities().map(str::to_owned).collect();
    let towards_upstreams = upstream_tls::policies(&objects, &entities).1;
    // What this system lacks is no problem of the files.
    problems.extend(
        towards_upstreams
            .into_iter()
            .filter(|problem| problem.object.is_some()),
    );
    // A Secret may be of a listener and of an Ingress.
    let mut told: Vec<Problem> = Vec::new();
    for problem in problems {
        if !told.contains(&problem) {
            told.push(problem);
        }
    }
    told
}

/// A problem of a Secret. The message never has anything of its data.
pub(super) fn unusable(secret: ObjectKey, field: &str, message: String) -> Problem {
    let mut problem = Problem::new("UnusableCertificate", Severity::Error, message)
        .hint(
            "it needs a certificate in PEM as tls.crt, before those of its authorities, and its own \
             key as tls.key: `kubectl create secret tls` checks both",
        )
        .about(secret);
    problem.field = field.to_owned();
    problem
}

/// A certificate that is served, and that clients may refuse.
fn doubtful(secret: ObjectKey, doubt: &CertificateDoubt) -> Problem {
    // The place is the Secret as a whole: around its data a snippet would show the key.
    Problem::new("DoubtfulCertificate", Severity::Warning, doubt.to_string())
        .hint("it is served, and clients that check certificates refuse it")
        .about(secret)
}

/// The certificate in a Secret; or the field that is wrong, and why.
pub(super) fn key_pair(json: &[u8]) -> Result<KeyPair, (&'static str, String)> {
    // It came from the manifests' own writer.
    let secret: Value = serde_json::from_slice(json).unwrap_or_default();
    let pair = KeyPair {
        chain: text(&secret, "tls.crt").map_err(|why| ("data[tls.crt]", why))?,
        key: text(&secret, "tls.key").map_err(|why| ("data[tls.key]", why))?,
    };
    // The place is the Secret as a whole: around its data a snippet would show the key.
    match pair.check() {
        Ok(()) => Ok(pair),
        Err(PairError::Strangers) => Err((
            "",
            "tls.key belongs to another certificate than tls.crt".to_owned(),
        )),
        Err(PairError::Unreadable(why)) => Err(("", why)),
    }
}

pub(super) fn text(secret: &Value, name: &str) -> Result<String, String> {
    // "stringData overwrites data" (Secret v1).
    if let Some(text) = secret["stringData"][name].as_str() {
        return Ok(text.to_owned());
    }
    let coded = secret["data"][name].as_str().ok_or("it is missing")?;
    // A folded block of YAML has line breaks in it.
    let coded: String = coded.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(coded).map_err(|_| "it is no base64")?;
    String::from_utf8(bytes).map_err(|_| "it is no text".to_owned())
}

/// A certificate that nobody has signed, for names of this machine.
pub(super) fn self_signed(bind: IpAddr) -> Result<KeyPair, rcgen::Error> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    names.push("::1".to_owned());
    if !bind.is_unspecified() && !bind.is_loopback() {
        names.push(bind.to_string());
    }
    let mut params = CertificateParams::new(names)?;
    let subject = &mut params.distinguished_name;
    subject.push(DnType::CommonName, "silverback dev");
    let key = rcgen::KeyPair::generate()?;
    Ok(KeyPair {
        chain: params.self_signed(&key)?.pem(),
        key: key.serialize_pem(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    fn objects(secrets: &[(&str, Value)]) -> Objects {
        let object = |(name, secret): &(&str, Value)| {
            let key = ObjectKey::new("v1", "Secret", "shop", name);
            let json: Arc<[u8]> = secret.to_string().into_bytes().into();
            (key, json)
        };
        secrets.iter().map(object).collect()
    }

    fn served(name: &str, hosts: &[&str]) -> Served {
        Served {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            hosts: hosts.iter().map(|host| HostPattern::parse(host)).collect(),
            required: false,
        }
    }

    /// A certificate for all hosts of the tests.
    fn pair() -> KeyPair {
        let names = ["a", "b", "a.example"].map(str::to_owned);
        let params = CertificateParams::new(names).expect("names");
        let key = rcgen::KeyPair::generate().expect("a key");
        KeyPair {
            chain: params.self_signed(&key).expect("a certificate").pem(),
            key: key.serialize_pem(),
        }
    }

    #[test]
    fn a_certificate_for_other_hosts_is_told_and_served() {
        let pair = pair();
        let plain = json!({"stringData": {"tls.crt": pair.chain, "tls.key": pair.key}});
        let objects = objects(&[("cert", plain)]);
        for (hosts, expected) in [
            (&["a.example", "*.example", ""][..], &[][..]),
            (&["b.example"], &["b.example"]),
            (&["b.example", "a", "c"], &["b.example", "c"]),
        ] {
            let (by_host, problems) = certificates(&objects, &[served("cert", hosts)]);
            assert_eq!(by_host.len(), hosts.len());
            let told: Vec<_> = problems.iter().map(|problem| &*problem.message).collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|host| format!("it is not for {host}, for which it is served"))
                .collect();
            assert_eq!(told, expected, "{hosts:?}");
            for problem in problems {
                let found = (&*problem.code, problem.severity, &*problem.field);
                assert_eq!(found, ("DoubtfulCertificate", Severity::Warning, ""));
            }
        }
    }

    #[test]
    fn secrets_give_their_certificates_to_their_hosts() {
        let (first, second) = (pair(), pair());
        let coded = |text: &str| STANDARD.encode(text);
        // As a folded block of YAML has it.
        let folded = |text: &str| coded(text).replace("A", "A\n ");
        let objects = objects(&[
            (
                "data",
                json!({"data": {"tls.crt": coded(&first.chain), "tls.key": coded(&first.key)}}),
            ),
            (
                "folded",
                json!({"data": {"tls.crt": folded(&first.chain), "tls.key": folded(&first.key)}}),
            ),
            (
                "text",
                json!({"stringData": {"tls.crt": second.chain, "tls.key": second.key}}),
            ),
        ]);
        let (by_host, problems) = certificates(
            &objects,
            &[
                served("data", &["a.example", "*.example"]),
                served("folded", &["a.example"]),
                served("text", &["a.example"]),
            ],
        );
        // It is one for names of this machine.
        for problem in problems {
            assert_eq!(problem.code, "DoubtfulCertificate", "{problem:?}");
        }
        // The same certificate once, however many Secrets have it.
        let expected = ByHost::from([
            (HostPattern::parse("a.example"), vec![first.clone(), second]),
            (HostPattern::parse("*.example"), vec![first]),
        ]);
        assert_eq!(by_host, expected);
    }

    #[test]
    fn a_secret_without_a_certificate_is_a_problem_and_costs_its_hosts_only() {
        let (good, other) = (pair(), pair());
        let objects = objects(&[
            ("empty", json!({})),
            ("no-key", json!({"stringData": {"tls.crt": good.chain}})),
            (
                "no-base64",
                json!({"data": {"tls.crt": "%", "tls.key": ""}}),
            ),
            (
                "no-text",
                json!({"data": {"tls.crt": STANDARD.encode(b"\xff"), "tls.key": ""}}),
            ),
            (
                "other-key",
                json!({"stringData": {"tls.crt": good.chain, "tls.key": other.key}}),
            ),
            (
                "good",
                json!({"stringData": {"tls.crt": good.chain, "tls.key": good.key}}),
            ),
        ]);
        for (name, field) in [
            ("missing", ""),
            ("empty", "data[tls.crt]"),
            ("no-key", "data[tls.key]"),
            ("no-base64", "data[tls.crt]"),
            ("no-text", "data[tls.crt]"),
            ("other-key", ""),
        ] {
            let optional = [served(name, &["a"]), served("good", &["b"])];
            let (by_host, problems) = certificates(&objects, &optional);
            assert!(by_host.keys().eq([&HostPattern::parse("b")]), "{name}");
            let errors = problems
                .iter()
                .filter(|problem| problem.severity == Severity::Error);
            let errors: Vec<_> = errors.collect();
            let [problem] = &*errors else {
                panic!("{name}: {problems:?}");
            };
            assert_eq!(problem.field, field, "{name}");
            let about = problem.object.as_ref().map(ToString::to_string);
            assert_eq!(about, Some(format!("Secret shop/{name}")));

            let required = optional.map(|served| Served {
                required: true,
                ..served
            });
            let (by_host, _) = certificates(&objects, &required);
            assert_eq!(by_host[&HostPattern::parse("a")], [], "{name}");
            let b = &by_host[&HostPattern::parse("b")];
            assert_eq!(**b, *std::slice::from_ref(&good), "{name}");
        }
    }
}
