//! Certificates of clients: `spec.tls.frontend` of Gateways (Gateway API `FrontendTLSValidation`).

use serde_json::{Value, json};
use silverback_core::table::dump::dump;

use crate::fixture::problems;
use crate::translate_support::{World, any_class, yaml};

const OBJECTS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: one, namespace: shop}
type: kubernetes.io/tls
---
apiVersion: v1
kind: ConfigMap
metadata: {name: ca, namespace: shop}
data: {ca.crt: \"-----BEGIN CERTIFICATE-----\\nAA==\\n-----END CERTIFICATE-----\\n\"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: far, namespace: other}
data: {ca.crt: \"-----BEGIN CERTIFICATE-----\\nAA==\\n-----END CERTIFICATE-----\\n\"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: empty, namespace: shop}
data: {other: x}
---
";

const GRANT: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: g, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: shop}]
  to: [{group: '', kind: ConfigMap}]
---
";

/// A Gateway with HTTPS listeners at 443 and 8443, and one without TLS.
fn gateway(frontend: &str) -> String {
    let https = "protocol: HTTPS, tls: {certificateRefs: [{name: one}]}";
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
         metadata: {{name: gw, namespace: shop}}\n\
         spec: {{gatewayClassName: kong, tls: {{frontend: {frontend}}}, listeners: [\
         {{name: a, port: 443, {https}}}, {{name: b, port: 8443, {https}}}, \
         {{name: c, port: 80, protocol: HTTP}}]}}\n---\n"
    )
}

fn world(objects: &str, frontend: &str) -> World {
    World::of(
        any_class(),
        &format!("{OBJECTS}{objects}{}", gateway(frontend)),
    )
}

/// Accepted, ResolvedRefs and Programmed of a listener.
fn of(world: &World, listener: usize) -> [String; 3] {
    let pointer = format!("/listeners/{listener}/conditions");
    let all = world.conditions("Gateway", "gw", &pointer);
    [0, 2, 3].map(|at: usize| all[at].clone())
}

/// The ports of what the Gateway asks of its clients.
fn asked(world: &World) -> Value {
    let json = world.published.entities.get("client-validation/shop/gw");
    let entity: Value = json.map_or(Value::Null, |json| {
        serde_json::from_str(json).expect("JSON")
    });
    assert!(json.is_none() || entity["gateway"] == "shop/gw");
    entity["ports"].clone()
}

/// What is asked at a port, by the listener that is there.
fn check(port: u16, mode: &str, authorities: &[&str]) -> Value {
    let listener = if port == 443 {
        "shop/gw/a"
    } else {
        "shop/gw/b"
    };
    json!({"port": port, "listeners": [listener], "mode": mode, "authorities": authorities})
}

#[test]
fn authorities_are_config_maps_that_may_be_referred_to() {
    let map = |name: &str| format!("{{group: '', kind: ConfigMap, name: {name}}}");
    let far = "{group: '', kind: ConfigMap, name: far, namespace: other}";
    let secret = "{group: '', kind: Secret, name: one}";
    for (objects, refs, fault, authorities) in [
        ("", map("ca"), None, vec!["shop/ca"]),
        ("", map("missing"), Some("InvalidCACertificateRef"), vec![]),
        ("", map("empty"), Some("InvalidCACertificateRef"), vec![]),
        (
            "",
            secret.to_owned(),
            Some("InvalidCACertificateKind"),
            vec![],
        ),
        ("", far.to_owned(), Some("RefNotPermitted"), vec![]),
        (GRANT, far.to_owned(), None, vec!["other/far"]),
        ("", String::new(), Some("InvalidCACertificateRef"), vec![]),
        // One that cannot be used costs its own clients only.
        (
            GRANT,
            format!("{far}, {}, {}", map("missing"), map("ca")),
            Some("InvalidCACertificateRef"),
            vec!["other/far", "shop/ca"],
        ),
    ] {
        let validation = format!("{{default: {{validation: {{caCertificateRefs: [{refs}]}}}}}}");
        let world = world(objects, &validation);
        let resolved = fault.map_or("True/ResolvedRefs".to_owned(), |fault| {
            format!("False/{fault}")
        });
        let (accepted, programmed) = match authorities.is_empty() {
            false => ("True/Accepted", "True/Programmed"),
            true => ("False/NoValidCACertificate", "False/Invalid"),
        };
        for listener in [0, 1] {
            let expected = [
                format!("Accepted={accepted}"),
                format!("ResolvedRefs={resolved}"),
                format!("Programmed={programmed}"),
            ];
            assert_eq!(of(&world, listener), expected, "{refs}");
        }
        // Without TLS there are no certificates.
        assert_eq!(of(&world, 2)[2], "Programmed=True/Programmed", "{refs}");
        let expected = match authorities.is_empty() {
            true => Value::Null,
            false => [443, 8443]
                .map(|port| check(port, "AllowValidOnly", &authorities))
                .as_slice()
                .into(),
        };
        assert_eq!(asked(&world), expected, "{refs}");
        // What is wrong is told once, however many listeners it is for.
        let told = problems(&world, "Gateway", "error");
        assert_eq!(told.len(), usize::from(fault.is_some()), "{told:?}");
        if let [told] = &told[..] {
            let field = "spec.tls.frontend.default.validation.caCertificateRefs";
            assert!(told.contains(field), "{told}");
        }
    }
}

#[test]
fn a_port_of_its_own_comes_before_the_default_and_a_fallback_is_told() {
    let refs = "caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]";
    let insecure = "InsecureFrontendValidationMode=True/ConfigurationChanged";
    let check = |port, mode: &str| check(port, mode, &["shop/ca"]);
    for (frontend, expected, fallback) in [
        (
            format!(
                "{{default: {{}}, perPort: [{{port: 8443, tls: {{validation: {{{refs}}}}}}}]}}"
            ),
            json!([check(8443, "AllowValidOnly")]),
            false,
        ),
        (
            format!("{{default: {{validation: {{{refs}}}}}, perPort: [{{port: 443, tls: {{}}}}]}}"),
            json!([check(8443, "AllowValidOnly")]),
            false,
        ),
        (
            format!(
                "{{default: {{validation: {{{refs}}}}}, \
                 perPort: [{{port: 443, tls: {{validation: {{{refs}, mode: AllowInsecureFallback}}}}}}]}}"
            ),
            json!([
                check(443, "AllowInsecureFallback"),
                check(8443, "AllowValidOnly")
            ]),
            true,
        ),
        ("{default: {}}".to_owned(), Value::Null, false),
    ] {
        let world = world("", &frontend);
        assert_eq!(asked(&world), expected, "{frontend}");
        let conditions = world.conditions("Gateway", "gw", "/conditions");
        assert_eq!(
            conditions.contains(&insecure.to_owned()),
            fallback,
            "{conditions:?}"
        );
        assert_eq!(of(&world, 0)[2], "Programmed=True/Programmed");
    }
}

#[test]
fn whom_nobody_can_check_does_not_pass() {
    for frontend in [
        "7",
        "{default: 7}",
        "{default: {validation: 7}}",
        "{default: {validation: {mode: Anything, caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]}}}",
        "{default: {validation: {mode: AllowInsecureFallback}}}",
        "{default: {validation: {caCertificateRefs: [{}]}}}",
        "{perPort: [{tls: {}}]}",
    ] {
        let world = world("", frontend);
        for listener in [0, 1] {
            let [accepted, resolved, programmed] = of(&world, listener);
            assert_eq!(
                accepted, "Accepted=False/NoValidCACertificate",
                "{frontend}"
            );
            assert!(resolved.starts_with("ResolvedRefs=False/"), "{frontend}");
            assert_eq!(programmed, "Programmed=False/Invalid", "{frontend}");
        }
        assert_eq!(of(&world, 2)[2], "Programmed=True/Programmed", "{frontend}");
        assert_eq!(asked(&world), Value::Null);
        assert!(
            !problems(&world, "Gateway", "error").is_empty(),
            "{frontend}"
        );
    }
}

#[test]
fn a_config_map_that_comes_and_goes_opens_and_closes_its_listeners() {
    let refs = "caCertificateRefs: [{group: '', kind: ConfigMap, name: late}]";
    let mut world = world("", &format!("{{default: {{validation: {{{refs}}}}}}}"));
    assert_eq!(of(&world, 0)[2], "Programmed=False/Invalid");
    let late = OBJECTS.replace("name: ca,", "name: late,");
    let late = &yaml(&late)[1];
    world.apply(late);
    world.publish();
    assert_eq!(of(&world, 0)[2], "Programmed=True/Programmed");
    assert_eq!(asked(&world)[0]["authorities"], json!(["shop/late"]));
    // Nothing of a ConfigMap is ever in table, entities or statuses.
    let all = format!("{:?}", world.published);
    assert!(!all.contains("BEGIN CERTIFICATE"), "{all}");

    world
        .translator
        .delete(&crate::translate_support::key(late));
    world.publish();
    assert_eq!(of(&world, 0)[2], "Programmed=False/Invalid");
    assert_eq!(asked(&world), Value::Null);
}

#[test]
fn listeners_of_a_listener_set_ask_what_its_gateway_asks_by_the_names_of_the_table() {
    let set = "
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more, namespace: shop}
spec:
  parentRef: {name: gw}
  listeners: [{name: d, port: 443, hostname: d.example.com, protocol: HTTPS, tls: {certificateRefs: [{name: one}]}}]
---
";
    let refs = "caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]";
    let open = gateway(&format!("{{default: {{validation: {{{refs}}}}}}}")).replacen(
        "gatewayClassName: kong,",
        "gatewayClassName: kong, allowedListeners: {namespaces: {from: Same}},",
        1,
    );
    let world = World::of(any_class(), &format!("{OBJECTS}{set}{open}"));
    let of_set = "shop/more/d (ListenerSet)";
    assert_eq!(asked(&world)[0]["listeners"], json!(["shop/gw/a", of_set]));
    // Whoever looks for a listener of the table finds what it asks.
    let dump = dump(world.translator.table()).expect("a table that can be read");
    let secured = dump
        .listeners
        .iter()
        .filter(|listener| listener.protocol == "HTTPS");
    let mut names = secured.flat_map(|listener| listener.gateways.clone());
    let asked = asked(&world).to_string();
    assert!(
        names.all(|name| asked.contains(&json!(name).to_string())),
        "{asked}"
    );
    assert!(asked.contains(of_set));
}
