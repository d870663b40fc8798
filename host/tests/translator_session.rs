//! The session with the real translator.wasm: limits, blame, replay, replacement.

use std::sync::LazyLock;

use serde_json::{Value, json};
use silverback::object::ObjectKey;
use silverback::translator::{
    Applied, Changes, Compiler, Limits, Session, SessionError, TranslatorEngine, TranslatorModule,
};

/// Compiling takes most of the time of these tests.
static MODULE: LazyLock<TranslatorModule> = LazyLock::new(|| {
    let engine = TranslatorEngine::new(Compiler::Optimizing).expect("an engine");
    engine
        .compile(silverback_guests::TRANSLATOR_WASM)
        .expect("a translator")
});

const OPTIONS: &str = r#"{"acceptAllClasses":true}"#;

/// Fuel for any small object, and by far too little for a big one.
const LITTLE: u64 = 5_000_000;

fn session(limits: Limits) -> Session {
    Session::start(MODULE.clone(), limits, OPTIONS).expect("a session")
}

fn key(json: &Value) -> ObjectKey {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ObjectKey::new(
        &text(&json["apiVersion"]),
        &text(&json["kind"]),
        &text(&json["metadata"]["namespace"]),
        &text(&json["metadata"]["name"]),
    )
}

fn ingress(name: &str, paths: usize) -> Value {
    let paths: Vec<_> = (0..paths)
        .map(|path| {
            json!({"path": format!("/{path}"), "pathType": "Prefix",
                   "backend": {"service": {"name": "web", "port": {"number": 80}}}})
        })
        .collect();
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
           "metadata": {"name": name, "namespace": "d"},
           "spec": {"rules": [{"host": format!("{name}.com"), "http": {"paths": paths}}]}})
}

fn service() -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "d"},
           "spec": {"ports": [{"port": 80}]}})
}

fn apply(session: &mut Session, json: &Value) -> Applied {
    let bytes = json.to_string();
    session
        .apply(&key(json), bytes.as_bytes())
        .expect("applied")
}

fn commit(session: &mut Session) -> Changes {
    session.commit().expect("committed");
    session.take_changes().expect("changes")
}

fn route(session: &mut Session, host: &str, path: &str) -> Value {
    let request = json!({"host": host, "path": path}).to_string();
    let answer = session.explain(&request).expect("an answer");
    serde_json::from_str::<Value>(&answer).expect("JSON")["route"]["name"].clone()
}

fn codes(changes: &Changes, name: &str) -> Option<Vec<String>> {
    let (_, problems) = changes.problems.iter().find(|(key, _)| key.name == name)?;
    Some(
        problems
            .iter()
            .map(|problem| problem.code.to_string())
            .collect(),
    )
}

#[test]
fn objects_become_a_table() {
    let mut session = session(Limits::default());
    assert!(session.version().expect("a version").contains("table/"));
    assert_eq!(apply(&mut session, &service()), Applied::Stored);
    assert_eq!(apply(&mut session, &ingress("a", 2)), Applied::Stored);
    assert_eq!(apply(&mut session, &ingress("a", 2)), Applied::Unchanged);
    let other = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}});
    assert_eq!(apply(&mut session, &other), Applied::Ignored);

    let changes = commit(&mut session);
    assert!(!changes.segments.is_empty() && changes.root.is_some());
    assert_eq!(route(&mut session, "a.com", "/1"), "a");
    assert!(session.take_changes().expect("changes").is_empty());

    session.delete(&key(&ingress("a", 2))).expect("deleted");
    commit(&mut session);
    assert_eq!(route(&mut session, "a.com", "/1"), Value::Null);
}

#[test]
fn what_is_no_object_is_refused_and_takes_its_old_version_along() {
    let mut session = session(Limits::default());
    apply(&mut session, &service());
    apply(&mut session, &ingress("a", 1));
    let of = key(&ingress("a", 1));
    let refused = session.apply(&of, b"{").expect("an answer");
    assert!(matches!(refused, Applied::Refused(_)), "{refused:?}");
    commit(&mut session);
    assert_eq!(route(&mut session, "a.com", "/0"), Value::Null);
}

#[test]
fn object_that_traps_in_apply_is_set_aside_until_it_changes() {
    let mut session = session(Limits {
        base_fuel: LITTLE,
        apply_fuel_per_byte: 0,
        ..Limits::default()
    });
    apply(&mut session, &service());
    apply(&mut session, &ingress("a", 1));
    let set_aside = apply(&mut session, &ingress("big", 20_000));
    assert!(matches!(set_aside, Applied::SetAside(_)), "{set_aside:?}");
    apply(&mut session, &ingress("b", 1));
    let changes = commit(&mut session);
    assert_eq!(
        codes(&changes, "big"),
        Some(vec!["ObjectTrappedTranslator".to_owned()])
    );
    for (host, name) in [("a.com", "a"), ("b.com", "b")] {
        assert_eq!(route(&mut session, host, "/0"), name);
    }

    // The same again is not tried again.
    let again = apply(&mut session, &ingress("big", 20_000));
    assert!(matches!(again, Applied::SetAside(_)));
    assert_eq!(apply(&mut session, &ingress("big", 1)), Applied::Stored);
    let changes = commit(&mut session);
    assert_eq!(codes(&changes, "big"), Some(Vec::new()));
    assert_eq!(route(&mut session, "big.com", "/0"), "big");
}

#[test]
fn objects_that_trap_in_a_commit_are_found_and_all_others_are_published() {
    let mut session = session(Limits {
        base_fuel: LITTLE,
        commit_fuel_per_byte: 0,
        fuel_per_table_byte: 20_000,
        ..Limits::default()
    });
    apply(&mut session, &service());
    for name in ["a", "b", "c", "d"] {
        apply(&mut session, &ingress(name, 1));
    }
    commit(&mut session);

    for name in ["e", "f", "big1", "g", "big2", "h"] {
        let paths = if name.starts_with("big") { 20_000 } else { 1 };
        assert_eq!(apply(&mut session, &ingress(name, paths)), Applied::Stored);
    }
    let summary = session.commit().expect("committed");
    let set_aside: Vec<_> = summary
        .set_aside
        .iter()
        .filter_map(|problem| Some(problem.object.as_ref()?.name.as_str()))
        .collect();
    assert_eq!(set_aside, ["big1", "big2"]);
    let changes = session.take_changes().expect("changes");
    assert_eq!(
        codes(&changes, "big1"),
        Some(vec!["ObjectTrappedTranslator".to_owned()])
    );
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        assert_eq!(route(&mut session, &format!("{name}.com"), "/0"), name);
    }
}

#[test]
fn segments_do_not_depend_on_history() {
    let mut straight = session(Limits::default());
    apply(&mut straight, &ingress("a", 3));
    apply(&mut straight, &service());
    let straight = commit(&mut straight);

    let mut winding = session(Limits {
        base_fuel: LITTLE,
        apply_fuel_per_byte: 0,
        ..Limits::default()
    });
    apply(&mut winding, &ingress("z", 2));
    commit(&mut winding);
    apply(&mut winding, &service());
    apply(&mut winding, &ingress("big", 20_000));
    winding.delete(&key(&ingress("z", 2))).expect("deleted");
    winding.delete(&key(&ingress("big", 1))).expect("deleted");
    apply(&mut winding, &ingress("a", 3));
    commit(&mut winding);
    winding.rewind().expect("rewound");
    let winding = winding.take_changes().expect("changes");
    assert_eq!(winding.root, straight.root);
    let used = |changes: &Changes| -> Vec<_> {
        let mut segments = changes.segments.clone();
        segments.retain(|segment| !segment.bytes.is_empty());
        segments.sort_by_key(|segment| segment.index);
        segments
    };
    assert_eq!(used(&winding), used(&straight));
}

#[test]
fn another_translator_takes_over_and_hands_on_only_what_is_different() {
    let mut session = session(Limits::default());
    apply(&mut session, &service());
    apply(&mut session, &ingress("a", 1));
    commit(&mut session);
    session.replace(MODULE.clone()).expect("replaced");
    let changes = session.take_changes().expect("changes");
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(route(&mut session, "a.com", "/0"), "a");
    // It has all objects.
    apply(&mut session, &ingress("b", 1));
    commit(&mut session);
    assert_eq!(route(&mut session, "a.com", "/0"), "a");
}

#[test]
fn code_of_either_compiler_makes_the_same_table() {
    let mut session = session(Limits::default());
    apply(&mut session, &service());
    for name in ["a", "b", "c"] {
        apply(&mut session, &ingress(name, 20));
    }
    commit(&mut session);
    let quick = TranslatorEngine::new(Compiler::Quick).expect("an engine");
    let quick = quick.compile(silverback_guests::TRANSLATOR_WASM);
    session
        .replace(quick.expect("a translator"))
        .expect("replaced");
    let changes = session.take_changes().expect("changes");
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn what_is_no_translator_is_refused_with_a_hint() {
    let engine = TranslatorEngine::new(Compiler::Optimizing).expect("an engine");
    for (name, wasm) in [
        ("no wasm", &b"hello"[..]),
        ("a core module", silverback_guests::FILTER_WASM),
        ("an empty component", b"\0asm\x0d\0\x01\0"),
    ] {
        let error = engine.compile(wasm).err().expect(name).to_string();
        assert!(error.contains("translator.wasm"), "{name}: {error}");
    }
}

#[test]
fn wrong_options_and_requests_are_errors() {
    let options = Session::start(MODULE.clone(), Limits::default(), r#"{"nothing":1}"#);
    assert!(matches!(options, Err(SessionError::Options(_))));
    let mut session = session(Limits::default());
    for request in ["", "7", r#"{"nothing":1}"#, r#"{"scheme":"ftp"}"#] {
        let error = session.explain(request).expect_err(request);
        assert!(matches!(error, SessionError::Request(_)), "{error}");
    }
}

#[test]
fn memory_is_limited_too() {
    let mut session = session(Limits {
        memory_bytes: 8 << 20,
        ..Limits::default()
    });
    apply(&mut session, &service());
    let big = apply(&mut session, &ingress("big", 100_000));
    assert!(matches!(big, Applied::SetAside(_)), "{big:?}");
    apply(&mut session, &ingress("a", 1));
    commit(&mut session);
    assert_eq!(route(&mut session, "a.com", "/0"), "a");
}

/// `explain`, `translate` and `validate` run the core natively, `dev` as translator.wasm.
#[test]
fn the_core_says_the_same_natively_and_as_a_module() {
    let quickstart = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart");
    let set = silverback::manifests::load(&[quickstart.into()]);
    let offline = silverback::offline::Offline::new(&set, OPTIONS).expect("a table");
    let mut session = session(Limits::default());
    for (key, object) in &set.objects() {
        session.apply(key, &object.json).expect("applied");
    }
    session.commit().expect("committed");
    let dump = session.dump().expect("a dump");
    assert!(dump.contains("shop.example.com"), "{dump}");
    assert_eq!(offline.dump().expect("a dump"), dump);
    let request = r#"{"host":"shop.example.com","path":"/cart/7"}"#;
    assert_eq!(
        offline.explain(request).expect("an answer"),
        session.explain(request).expect("an answer")
    );
}
