use super::*;
use proptest::prelude::*;
use serde_json::json;

fn route(name: &str, rule: u32) -> Value {
    json!({"kind": "HTTPRoute", "namespace": "d", "name": name, "rule": rule, "match": 0})
}

fn backend(name: &str, weight: u32) -> Value {
    json!({"kind": "Service", "namespace": "d", "name": name, "port": 80, "weight": weight})
}

fn matched(path: &str, rule: u32, backends: Value) -> Value {
    json!({"path": {"type": "Prefix", "value": path}, "route": route("shop", rule), "backends": backends})
}

fn dump(matches: Value) -> Value {
    json!({"schemaVersion": 1, "digest": "x", "bytes": 1, "segments": [],
        "hosts": [{"scope": "ingress", "host": "a.com", "matches": matches}],
        "listeners": [],
        "services": [{"namespace": "d", "name": "web", "port": 80, "endpoints": ["10.0.0.1:80", "10.0.0.2:80"]}]})
}

/// Op, kind and fields, of inner changes too.
fn shown(old: &Value, new: &Value) -> Vec<String> {
    fn walk(change: &Change, out: &mut Vec<String>) {
        let op = serde_json::to_value(change.op).expect("a value");
        let fields: Vec<_> = change.fields.iter().map(|field| &*field.path).collect();
        let moved = if change.moved.is_some() { " moved" } else { "" };
        out.push(format!(
            "{} {}{moved} {}",
            op.as_str().expect("a name"),
            change.kind,
            fields.join(" ")
        ));
        for inner in &change.changes {
            walk(inner, out);
        }
    }
    let mut out = Vec::new();
    for change in diff(old, new) {
        walk(&change, &mut out);
    }
    out.iter().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn equal_tables_have_no_changes() {
    let a = dump(json!([matched("/", 0, json!([backend("web", 1)]))]));
    assert_eq!(diff(&a, &a), []);
}

#[test]
fn encoding_and_places_in_the_object_are_no_changes() {
    let a = dump(json!([matched("/", 0, json!([]))]));
    let mut b = dump(json!([matched("/", 3, json!([]))]));
    b["digest"] = "y".into();
    b["bytes"] = 2.into();
    b["hosts"][0]["matches"][0]["headers"] = json!([]);
    b["hosts"][0]["tls"] = Value::Null;
    assert_eq!(diff(&a, &b), []);
}

#[test]
fn match_is_the_same_by_what_it_matches() {
    let a = dump(json!([
        matched("/a", 0, json!([backend("web", 1)])),
        matched("/b", 1, json!([backend("web", 1)])),
    ]));
    let b = dump(json!([
        matched("/new", 0, json!([backend("web", 1)])),
        matched("/a", 1, json!([backend("web", 1)])),
        matched("/b", 2, json!([backend("web", 9), backend("next", 1)])),
    ]));
    assert_eq!(
        shown(&a, &b),
        [
            "change host",
            "add match",
            "change match backends[d/web:80].weight backends"
        ]
    );
}

#[test]
fn changed_condition_of_one_rule_is_a_change() {
    let a = dump(json!([matched("/a", 0, json!([]))]));
    let b = dump(json!([matched("/b", 0, json!([]))]));
    assert_eq!(shown(&a, &b), ["change host", "change match path.value"]);
}

#[test]
fn matches_that_change_places_are_a_change() {
    // Both fit the same requests: the first is in effect.
    let (a, b) = (
        matched("/a", 0, json!([backend("x", 1)])),
        matched("/a", 1, json!([backend("y", 1)])),
    );
    let changes = shown(&dump(json!([a, b])), &dump(json!([b, a])));
    assert_eq!(changes, ["change host", "change match moved"]);
}

#[test]
fn host_comes_and_goes_with_its_matches() {
    let a = dump(json!([matched("/a", 0, json!([]))]));
    let mut b = a.clone();
    b["hosts"][0]["host"] = "b.com".into();
    assert_eq!(
        shown(&a, &b),
        ["remove host", "remove match", "add host", "add match"]
    );
    let counts = counts(&diff(&a, &b))
        .into_iter()
        .map(|(kind, counts)| (kind.to_owned(), counts))
        .collect::<Vec<_>>();
    let one = Counts {
        added: 1,
        changed: 0,
        removed: 1,
    };
    assert_eq!(
        counts,
        [("host".to_owned(), one), ("match".to_owned(), one)]
    );
}

#[test]
fn endpoints_are_a_set() {
    let a = dump(json!([]));
    let mut b = a.clone();
    b["services"][0]["endpoints"] = json!(["10.0.0.2:80", "10.0.0.3:80"]);
    let changes = diff(&a, &b);
    let fields: Vec<_> = changes[0]
        .fields
        .iter()
        .map(|field| (field.op, field.old.clone(), field.new.clone()))
        .collect();
    assert_eq!(
        fields,
        [
            (Op::Remove, Some("10.0.0.1:80".into()), None),
            (Op::Add, None, Some("10.0.0.3:80".into()))
        ]
    );
}

#[test]
fn lists_and_fields_that_nobody_knows_are_compared() {
    let a = dump(json!([matched("/a", 0, json!([]))]));
    let mut b = a.clone();
    b["pluginSets"] = json!([{"id": 1, "plugins": []}]);
    b["upstreamPolicies"] = json!([{"namespace": "d", "name": "p", "tries": 3}]);
    b["mode"] = "early".into();
    b["hosts"][0]["matches"][0]["timeouts"] = json!({"request": "10s"});
    b["hosts"][0]["matches"][0]["filters"] = json!([{"type": "CORS"}]);
    assert_eq!(
        shown(&a, &b),
        [
            "change host",
            "change match timeouts filters",
            "add plugin set",
            "add upstream policy",
            "change table mode"
        ]
    );
    b["upstreamPolicies"][0]["tries"] = 4.into();
    let mut c = b.clone();
    c["upstreamPolicies"][0]["tries"] = 5.into();
    assert_eq!(shown(&b, &c), ["change upstream policy tries"]);
}

#[test]
fn order_of_filters_is_a_change() {
    let mut a = dump(json!([matched("/a", 0, json!([]))]));
    a["hosts"][0]["matches"][0]["filters"] = json!([{"type": "A"}, {"type": "B"}]);
    let mut b = a.clone();
    b["hosts"][0]["matches"][0]["filters"] = json!([{"type": "B"}, {"type": "A"}]);
    assert_eq!(shown(&a, &b), ["change host", "change match filters"]);
}

/// Any JSON.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0u8..4).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 60, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::btree_map(
                prop::sample::select(vec![
                    "hosts",
                    "matches",
                    "services",
                    "name",
                    "namespace",
                    "route",
                    "rule",
                    "x",
                    "id",
                    "path",
                ]),
                inner,
                0..5
            )
            .prop_map(|map| {
                Value::Object(
                    map.into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_two_dumps_can_be_compared(old in value(), new in value()) {
        let forth = Counts::total(counts(&diff(&old, &new)).iter().map(|(_, counts)| counts));
        let back = Counts::total(counts(&diff(&new, &old)).iter().map(|(_, counts)| counts));
        prop_assert_eq!((forth.added, forth.removed), (back.removed, back.added));
        prop_assert_eq!(diff(&old, &old), []);
        let mut out = Vec::new();
        crate::render::diff(&mut out, &diff(&old, &new)).expect("written");
    }
}
