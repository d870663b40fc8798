//! `spec.tls` and listeners: which certificate is given out for which name (kic-map 2.3).

use crate::world::World;

fn ingress(name: &str, year: u16, tls: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, creationTimestamp: '{year}-01-01T00:00:00Z'}}
spec: {{tls: {tls}}}
"
    )
}

fn secret(name: &str, kind: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Secret
metadata: {{name: {name}}}
type: {kind}
"
    )
}

fn tls(name: &str) -> String {
    secret(name, "kubernetes.io/tls")
}

/// `secret: names` of all certificates.
fn served(world: &World) -> Vec<String> {
    world
        .entities()
        .iter()
        .map(|json| {
            let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
            let names = json["snis"].as_array().expect("a list").iter();
            let names: Vec<_> = names.filter_map(serde_json::Value::as_str).collect();
            format!(
                "{}: {}",
                json["secret"].as_str().expect("a text"),
                names.join(" ")
            )
        })
        .collect()
}

#[test]
fn hosts_are_the_names_of_a_certificate() {
    let text = [
        ingress(
            "i",
            2020,
            "[{hosts: [b.com, A.com, a.com, '*.c.com'], secretName: s}]",
        ),
        tls("s"),
    ];
    let world = World::of(&text.concat());
    assert_eq!(served(&world), ["default/s: *.c.com a.com b.com"]);
    assert!(world.codes().is_empty());
}

#[test]
fn the_older_claim_wins_and_the_younger_is_told() {
    let old = ingress("old", 2020, "[{hosts: [a.com], secretName: s}]");
    let young = ingress("young", 2021, "[{hosts: [a.com, b.com], secretName: t}]");
    let mut world = World::of(&[young.clone(), old, tls("s"), tls("t")].concat());
    assert_eq!(served(&world), ["default/s: a.com", "default/t: b.com"]);
    assert_eq!(
        world.codes(),
        ["Ingress young CertificateConflict spec.tls[0].hosts[0]"]
    );
    // The claim goes away, and the younger one has the name.
    world.apply(&ingress("old", 2020, "[]"));
    assert_eq!(served(&world), ["default/t: a.com b.com"]);
    assert!(world.codes().is_empty());
    // And back, with one Secret for both: no conflict.
    world.apply(&ingress("old", 2020, "[{hosts: [a.com], secretName: t}]"));
    assert_eq!(served(&world), ["default/t: a.com b.com"]);
    assert!(world.codes().is_empty());
}

#[test]
fn what_is_missing_is_told() {
    for (spec, secrets, code) in [
        (
            "[{hosts: [a.com], secretName: s}]",
            "",
            "InvalidCertificateRef spec.tls[0].secretName",
        ),
        (
            "[{hosts: [a.com], secretName: s}]",
            "kubernetes.io/tls\nstringData: {tls.crt: none}",
            "InvalidCertificateRef spec.tls[0].secretName",
        ),
        (
            "[{hosts: [a.com], secretName: s}]",
            "Opaque",
            "InvalidCertificateRef spec.tls[0].secretName",
        ),
        (
            "[{hosts: [a.com]}]",
            "",
            "MissingField spec.tls[0].secretName",
        ),
        (
            "[{secretName: s}]",
            "kubernetes.io/tls",
            "MissingField spec.tls[0].hosts",
        ),
        (
            "[{hosts: ['a b'], secretName: s}]",
            "kubernetes.io/tls",
            "InvalidHost spec.tls[0].hosts[0]",
        ),
        ("[7]", "", "WrongType spec.tls[0]"),
        ("7", "", "WrongType spec.tls"),
    ] {
        let secret = match secrets {
            "" => String::new(),
            kind => secret("s", kind),
        };
        let world = World::of(&[ingress("i", 2020, spec), secret].concat());
        assert!(served(&world).is_empty(), "{spec}");
        assert_eq!(world.codes(), [format!("Ingress i {code}")], "{spec}");
    }
}

#[test]
fn a_claim_stands_while_its_secret_is_missing() {
    let text = [
        ingress("old", 2020, "[{hosts: [a.com], secretName: late}]"),
        ingress("young", 2021, "[{hosts: [a.com], secretName: t}]"),
        tls("t"),
    ];
    let mut world = World::of(&text.concat());
    assert!(served(&world).is_empty());
    world.apply(&tls("late"));
    assert_eq!(served(&world), ["default/late: a.com"]);
}

#[test]
fn listeners_have_what_no_ingress_claims() {
    let text = "---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  gatewayClassName: any
  listeners:
  - {name: a, port: 443, protocol: HTTPS, hostname: a.com, tls: {certificateRefs: [{name: s}]}}
  - {name: b, port: 443, protocol: HTTPS, hostname: b.com, tls: {certificateRefs: [{name: s}]}}
  - {name: any, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: s}]}}
";
    let mut world = World::of(&[text.to_owned(), tls("s"), tls("t")].concat());
    assert_eq!(served(&world), ["default/s: * a.com b.com"]);
    world.apply(&ingress("i", 2030, "[{hosts: [a.com], secretName: t}]"));
    assert_eq!(served(&world), ["default/s: * b.com", "default/t: a.com"]);
    assert_eq!(
        world.codes(),
        ["Gateway gw CertificateConflict spec.listeners"]
    );
}
