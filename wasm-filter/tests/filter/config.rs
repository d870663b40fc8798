//! The configuration: what is taken, what is refused and how, and that Kong's schema says the same.

use silverback_filter::config::{Config, DataPlane};

use crate::harness::{at, scenario, usual, who};
use crate::support::runtime::Runtime;

const META: &str = include_str!("../../silverback.meta.json");

/// Kong's declarative configurations with filter chains.
const DECLARATIVE: [(&str, &str); 2] = [
    (
        "kong-chain.yaml",
        include_str!("../../../examples/kong/kong-chain.yaml"),
    ),
    (
        "kong-minimal.yaml",
        include_str!("../../../examples/kong/kong-minimal.yaml"),
    ),
];

/// Configurations that are taken.
const GOOD: [(&str, &str); 10] = [
    ("stock Kong", r#"{"dataPlane":"kong-minimal"}"#),
    ("Envoy", r#"{"dataPlane":"envoy"}"#),
    ("a publisher", r#"{"pull":{"upstream":"publisher"}}"#),
    (
        "everything about a publisher",
        r#"{"dataPlane":"kong","pull":{"upstream":"a:1","authority":"b","token":"t","pages":4096,"waitSeconds":0}}"#,
    ),
    ("no port at all", r#"{"ports":[]}"#),
    ("nothing said", "{}"),
    (
        "a port for Gateway listeners",
        r#"{"ports":[{"port":8000,"listener":80}]}"#,
    ),
    (
        "a port for Ingress",
        r#"{"ports":[{"port":8000,"ingress":true}]}"#,
    ),
    ("a port for nothing", r#"{"ports":[{"port":1}]}"#),
    (
        "the highest port",
        r#"{"ports":[{"port":65535,"ingress":false,"listener":65535}]}"#,
    ),
];

/// Configurations that are refused, by Kong's schema and by the filter.
const BAD: [(&str, &str); 26] = [
    ("another data plane", r#"{"dataPlane":"nginx"}"#),
    ("no publisher", r#"{"pull":{}}"#),
    ("a publisher without a name", r#"{"pull":{"upstream":""}}"#),
    (
        "a token without text",
        r#"{"pull":{"upstream":"a","token":""}}"#,
    ),
    ("no pages", r#"{"pull":{"upstream":"a","pages":0}}"#),
    (
        "too many pages",
        r#"{"pull":{"upstream":"a","pages":4097}}"#,
    ),
    (
        "too long a wait",
        r#"{"pull":{"upstream":"a","waitSeconds":61}}"#,
    ),
    ("pull null", r#"{"pull":null}"#),
    (
        "an unknown field of pull",
        r#"{"pull":{"upstream":"a","url":"b"}}"#,
    ),
    ("an unknown field", r#"{"port":1}"#),
    (
        "an unknown field of a port",
        r#"{"ports":[{"port":1,"tls":true}]}"#,
    ),
    ("port 0", r#"{"ports":[{"port":0}]}"#),
    ("a negative port", r#"{"ports":[{"port":-1}]}"#),
    ("a port too large", r#"{"ports":[{"port":65536}]}"#),
    ("a port with a fraction", r#"{"ports":[{"port":80.5}]}"#),
    ("a port as text", r#"{"ports":[{"port":"80"}]}"#),
    ("no port", r#"{"ports":[{"ingress":true}]}"#),
    ("listener 0", r#"{"ports":[{"port":1,"listener":0}]}"#),
    ("listener null", r#"{"ports":[{"port":1,"listener":null}]}"#),
    (
        "ingress as a number",
        r#"{"ports":[{"port":1,"ingress":1}]}"#,
    ),
    ("ingress null", r#"{"ports":[{"port":1,"ingress":null}]}"#),
    ("ports null", r#"{"ports":null}"#),
    ("ports as an object", r#"{"ports":{}}"#),
    ("a list", "[]"),
    ("a port as a list", r#"{"ports":[[8000,true,80]]}"#),
    ("a text", r#""ports""#),
];

/// What only the filter can see.
const BAD_BEYOND_THE_SCHEMA: [(&str, &str); 4] = [
    (
        "a token that no header can have",
        r#"{"pull":{"upstream":"a","token":"a\nb"}}"#,
    ),
    ("no JSON", "{"),
    ("a port twice", r#"{"ports":[{"port":1},{"port":1}]}"#),
    ("a field twice", r#"{"ports":[],"ports":[]}"#),
];

fn refused() -> impl Iterator<Item = (&'static str, &'static str)> {
    BAD.into_iter().chain(BAD_BEYOND_THE_SCHEMA)
}

#[test]
fn kong_s_schema_and_the_filter_say_the_same() {
    let meta: serde_json::Value = serde_json::from_str(META).expect("JSON");
    let schema = &meta["config_schema"];
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-04/schema#");
    assert!(jsonschema::draft4::meta::is_valid(schema), "valid draft 4");
    let validator = jsonschema::draft4::new(schema).expect("a schema");
    let many = |n: u32| {
        let ports: Vec<_> = (1..=n).map(|p| format!(r#"{{"port":{p}}}"#)).collect();
        format!(r#"{{"ports":[{}]}}"#, ports.join(","))
    };
    let (most, too_many) = (many(1_024), many(1_025));
    let good = GOOD.into_iter().chain([("the most ports", &*most)]);
    let bad = BAD.into_iter().chain([("too many ports", &*too_many)]);
    for (expected, cases) in [(true, good.collect::<Vec<_>>()), (false, bad.collect())] {
        for (name, json) in cases {
            let value = serde_json::from_str(json).expect("JSON");
            assert_eq!(validator.is_valid(&value), expected, "schema: {name}");
            let parsed = Config::parse(json.as_bytes());
            assert_eq!(parsed.is_ok(), expected, "filter: {name}");
        }
    }
}

#[test]
fn the_filters_of_the_examples_are_configured_as_schema_and_filter_say() {
    let meta: serde_json::Value = serde_json::from_str(META).expect("JSON");
    let validator = jsonschema::draft4::new(&meta["config_schema"]).expect("a schema");
    for (name, yaml) in DECLARATIVE {
        let kong: serde_json::Value = serde_saphyr::from_str(yaml).expect(name);
        let chains = kong["filter_chains"].as_array().expect(name);
        assert!(!chains.is_empty(), "{name}");
        for filter in chains.iter().map(|chain| &chain["filters"][0]) {
            assert_eq!(filter["name"], "silverback", "{name}");
            assert!(validator.is_valid(&filter["config"]), "schema: {name}");
            let config = Config::parse(filter["config"].to_string().as_bytes());
            let data_plane = config.expect(name).data_plane;
            let minimal = data_plane == DataPlane::KongMinimal;
            assert_eq!(minimal, name == "kong-minimal.yaml");
        }
    }
}

#[test]
fn what_is_refused_is_refused_with_a_line_in_the_log_and_without_a_trap() {
    for (name, json) in refused() {
        let native = Runtime::start(false, json, usual(), 0).err();
        let wasm = Runtime::start(true, json, usual(), 0).err();
        let (native, wasm) = (native.expect(name), wasm.expect(name));
        assert!(native.contains("hint"), "{name}: {native}");
        // The start's error carries the lines that the filter logged.
        assert!(wasm.contains(&native), "{name}: {wasm}");
        assert!(!wasm.contains("trap"), "{name}: {wasm}");
    }
}

#[test]
fn the_default_serves_kong_s_default_ports() {
    for configuration in ["", " \n", "{}"] {
        scenario(configuration, usual, |worker| {
            let rows = [("Kong's port", 8000, "any"), ("another port", 9000, "404")];
            let ask = |(name, port, expected)| {
                let output = worker.request(&at(port, "any.test", "/"));
                assert_eq!(who(&output), expected, "{name}");
                output
            };
            rows.into_iter().map(ask).collect()
        });
    }
}

#[test]
fn a_new_configuration_is_in_effect_and_a_refused_one_changes_nothing() {
    scenario("", usual, |worker| {
        let before = worker.request(&at(9000, "any.test", "/"));
        assert_eq!(who(&before), "404");
        let ports = r#"{"ports":[{"port":9000,"ingress":true}]}"#;
        worker.reconfigure(ports).expect("taken");
        let after = worker.request(&at(9000, "any.test", "/"));
        assert_eq!(who(&after), "any", "in effect at once");
        for (name, json) in refused() {
            assert!(worker.reconfigure(json).is_err(), "{name}");
        }
        let still = worker.request(&at(9000, "any.test", "/"));
        assert_eq!(who(&still), "any", "a refused one changes nothing");
        // A new configuration is a new root context in the .wasm: endpoints take turns from the
        // beginning again, so only what was answered before can be compared byte by byte.
        vec![before]
    });
}
