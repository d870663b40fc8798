//! Gateways and their listeners.

use crate::fixture::problems;
use crate::translate_support::{World, any_class};

const SECRETS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: one, namespace: shop}
type: kubernetes.io/tls
---
apiVersion: v1
kind: Secret
metadata: {name: two, namespace: shop}
type: kubernetes.io/tls
---
apiVersion: v1
kind: Secret
metadata: {name: far, namespace: other}
type: kubernetes.io/tls
---
apiVersion: v1
kind: Secret
metadata: {name: opaque, namespace: shop}
type: Opaque
---
apiVersion: v1
kind: Secret
metadata: {name: malformed, namespace: shop}
type: kubernetes.io/tls
data: {tls.crt: SGVsbG8gd29ybGQK, tls.key: SGVsbG8gd29ybGQK}
---
";

fn gateway(spec: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
         metadata: {{name: gw, namespace: shop, generation: 5}}\n\
         spec: {{gatewayClassName: kong, {spec}}}\n---\n"
    )
}

fn listeners(list: &str) -> World {
    World::of(
        any_class(),
        &format!("{SECRETS}{}", gateway(&format!("listeners: [{list}]"))),
    )
}

/// The conditions of a listener: Accepted, Conflicted, ResolvedRefs, Programmed.
fn of(world: &World, listener: usize) -> Vec<String> {
    world.conditions(
        "Gateway",
        "gw",
        &format!("/listeners/{listener}/conditions"),
    )
}

/// The listeners in the table, without Services.
fn served(world: &World) -> Vec<String> {
    world.rest()
}

#[test]
fn a_listener_without_fault_is_programmed() {
    let world = listeners("{name: a, port: 80, protocol: HTTP}");
    assert_eq!(
        of(&world, 0),
        [
            "Accepted=True/Accepted",
            "Conflicted=False/NoConflicts",
            "ResolvedRefs=True/ResolvedRefs",
            "Programmed=True/Programmed"
        ]
    );
    let status = world.status("Gateway", "gw");
    let kinds: Vec<_> = status["listeners"][0]["supportedKinds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["kind"].clone())
        .collect();
    assert_eq!(kinds, ["HTTPRoute", "GRPCRoute"]);
    assert_eq!(status["conditions"][0]["observedGeneration"], 5);
    assert_eq!(
        status["listeners"][0]["conditions"][0]["observedGeneration"],
        5
    );
    assert_eq!(
        world.conditions("Gateway", "gw", "/conditions"),
        ["Accepted=True/Accepted", "Programmed=True/Programmed"]
    );
}

#[test]
fn a_listener_that_cannot_be_served_says_why() {
    for (listener, condition) in [
        (
            "port: 81, protocol: TCP",
            "Accepted=False/UnsupportedProtocol",
        ),
        (
            "port: 81, protocol: UDP",
            "Accepted=False/UnsupportedProtocol",
        ),
        (
            "port: 81, protocol: TLS, tls: {mode: Passthrough}",
            "Accepted=False/UnsupportedProtocol",
        ),
        (
            "port: 81, protocol: example.com/x",
            "Accepted=False/UnsupportedProtocol",
        ),
        ("port: 81", "Accepted=False/Invalid"),
        ("protocol: HTTP", "Accepted=False/Invalid"),
        ("port: 0, protocol: HTTP", "Accepted=False/Invalid"),
        ("port: 65536, protocol: HTTP", "Accepted=False/Invalid"),
        (
            "port: 81, protocol: HTTP, hostname: 'a b'",
            "Accepted=False/Invalid",
        ),
        (
            "port: 81, protocol: HTTP, hostname: 10.0.0.1",
            "Accepted=False/Invalid",
        ),
        (
            "port: 443, protocol: HTTPS, tls: {mode: Passthrough, certificateRefs: [{name: one}]}",
            "Accepted=False/Invalid",
        ),
        (
            "port: 443, protocol: HTTPS",
            "ResolvedRefs=False/InvalidCertificateRef",
        ),
        (
            "port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: gone}]}",
            "ResolvedRefs=False/InvalidCertificateRef",
        ),
        (
            "port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: opaque}]}",
            "ResolvedRefs=False/InvalidCertificateRef",
        ),
        (
            "port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: malformed}]}",
            "ResolvedRefs=False/InvalidCertificateRef",
        ),
        (
            "port: 443, protocol: HTTPS, tls: {certificateRefs: [{kind: ConfigMap, name: one}]}",
            "ResolvedRefs=False/InvalidCertificateRef",
        ),
        (
            "port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: far, namespace: other}]}",
            "ResolvedRefs=False/RefNotPermitted",
        ),
        (
            "port: 443, protocol: HTTPS, tls: {certificateRefs: [7]}",
            "ResolvedRefs=False/InvalidCertificateRef",
        ),
        (
            "port: 81, protocol: HTTP, allowedRoutes: {kinds: [{kind: TCPRoute}]}",
            "ResolvedRefs=False/InvalidRouteKinds",
        ),
    ] {
        let world = listeners(&format!(
            "{{name: a, {listener}}}, {{name: good, port: 80, protocol: HTTP}}"
        ));
        let conditions = of(&world, 0);
        assert!(
            conditions.iter().any(|c| c == condition),
            "{listener}: {conditions:?}"
        );
        assert!(conditions[3].starts_with("Programmed=False"), "{listener}");
        assert_eq!(
            served(&world),
            ["listener 80 * HTTP : shop/gw/good"],
            "{listener}"
        );
        assert_eq!(
            world.conditions("Gateway", "gw", "/conditions"),
            [
                "Accepted=True/ListenersNotValid",
                "Programmed=True/Programmed"
            ]
        );
        assert!(
            !problems(&world, "Gateway", "error").is_empty(),
            "{listener}"
        );
        let alone = listeners(&format!("{{name: a, {listener}}}"));
        assert_eq!(
            alone.conditions("Gateway", "gw", "/conditions"),
            [
                "Accepted=False/ListenersNotValid",
                "Programmed=False/Invalid"
            ],
            "{listener}"
        );
    }
}

#[test]
fn kinds_that_cannot_be_served_are_left_out() {
    let world = listeners(
        "{name: a, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: HTTPRoute}, {kind: Foo}]}}",
    );
    assert_eq!(
        of(&world, 0)[2..],
        [
            "ResolvedRefs=False/InvalidRouteKinds",
            "Programmed=True/Programmed"
        ]
    );
    let kinds = world.status("Gateway", "gw")["listeners"][0]["supportedKinds"].clone();
    assert_eq!(kinds.as_array().map(Vec::len), Some(1));
}

/// "The implementation MUST NOT pick one conflicting Listener as the winner."
#[test]
fn listeners_of_one_gateway_that_conflict_are_all_out() {
    let world = listeners(
        "{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}, \
         {name: c, port: 81, protocol: HTTP}, {name: d, port: 81, protocol: HTTPS, hostname: x.com, \
         tls: {certificateRefs: [{name: one}]}}, {name: e, port: 80, protocol: HTTP, hostname: x.com}, \
         {name: f, port: 80, protocol: TCP}",
    );
    for (listener, reason) in [
        (0, "HostnameConflict"),
        (1, "HostnameConflict"),
        (2, "ProtocolConflict"),
        (3, "ProtocolConflict"),
    ] {
        let conditions = of(&world, listener);
        assert_eq!(conditions[0], format!("Accepted=False/{reason}"));
        assert_eq!(conditions[1], format!("Conflicted=True/{reason}"));
        assert_eq!(conditions[3], format!("Programmed=False/{reason}"));
    }
    assert_eq!(of(&world, 4)[1], "Conflicted=False/NoConflicts");
    assert_eq!(of(&world, 5)[0], "Accepted=False/UnsupportedProtocol");
    assert_eq!(served(&world), ["listener 80 x.com HTTP : shop/gw/e"]);
}

#[test]
fn an_https_listener_serves_all_certificates_that_it_can() {
    let grant = "apiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\n\
        metadata: {name: g, namespace: other}\nspec: {from: [{group: gateway.networking.k8s.io, \
        kind: Gateway, namespace: shop}], to: [{group: '', kind: Secret, name: far}]}\n";
    let text = format!(
        "{SECRETS}{}{grant}",
        gateway(
            "listeners: [{name: a, port: 443, protocol: HTTPS, hostname: a.com, tls: {certificateRefs: \
             [{name: two}, {name: one}, {name: gone}, {name: far, namespace: other}]}}]"
        )
    );
    let world = World::of(any_class(), &text);
    let dump = silverback_core::table::dump::dump(world.translator.table()).unwrap();
    assert_eq!(
        dump.listeners[0].certificates,
        ["other/far", "shop/one", "shop/two"]
    );
    assert_eq!(dump.listeners[0].protocol, "HTTPS");
    assert_eq!(
        of(&world, 0)[2..],
        [
            "ResolvedRefs=False/InvalidCertificateRef",
            "Programmed=True/Programmed"
        ]
    );
}

#[test]
fn what_a_gateway_asks_for_and_does_not_get_is_told() {
    let listener = "listeners: [{name: a, port: 80, protocol: HTTP}]";
    for (member, problem, accepted) in [
        (
            "addresses: [{value: 10.0.0.1}]",
            "UnsupportedField spec.addresses",
            "Accepted=True/Accepted",
        ),
        (
            "addresses: [{type: NamedAddress, value: a}]",
            "UnsupportedAddressType spec.addresses[0].type",
            "Accepted=False/UnsupportedAddress",
        ),
        (
            "tls: {backend: {clientCertificateRef: {name: one}}}",
            "UnsupportedField spec.tls.backend",
            "Accepted=True/Accepted",
        ),
        (
            "infrastructure: {labels: {a: b}}",
            "UnsupportedField spec.infrastructure.labels",
            "Accepted=True/Accepted",
        ),
        (
            "infrastructure: {parametersRef: {group: x, kind: Y, name: z}}",
            "InvalidParameters spec.infrastructure.parametersRef",
            "Accepted=False/InvalidParameters",
        ),
        (
            "defaultScope: All",
            "UnsupportedField spec.defaultScope",
            "Accepted=True/Accepted",
        ),
        (
            "somethingNew: 1",
            "UnsupportedField spec.somethingNew",
            "Accepted=True/Accepted",
        ),
    ] {
        let world = World::of(any_class(), &gateway(&format!("{listener}, {member}")));
        assert_eq!(problems(&world, "Gateway", "warning")[0], problem);
        assert_eq!(
            world.conditions("Gateway", "gw", "/conditions")[0],
            accepted,
            "{member}"
        );
    }
}

#[test]
fn gateways_that_share_a_port_are_told_so() {
    let other = |listener: &str| {
        gateway(&format!("listeners: [{listener}]")).replace("name: gw,", "name: gw2,")
    };
    let own = gateway("listeners: [{name: a, port: 80, protocol: HTTP}]");
    let https = "{name: b, port: 80, protocol: HTTPS, tls: {certificateRefs: [{name: one}]}}";
    for (listener, severity) in [
        ("{name: b, port: 80, protocol: HTTP}", Some("info")),
        (https, Some("error")),
        ("{name: b, port: 80, protocol: HTTP, hostname: a.com}", None),
        ("{name: b, port: 81, protocol: HTTP}", None),
    ] {
        let world = World::of(any_class(), &format!("{SECRETS}{own}{}", other(listener)));
        let told: Vec<_> = world
            .problems()
            .iter()
            .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect();
        let expected: Vec<_> = severity
            .map(|severity| format!("{severity} ListenersShared"))
            .into_iter()
            .collect();
        // Both Gateways say it.
        assert_eq!(told, [expected.clone(), expected].concat(), "{listener}");
    }
}
