//! No malformed object changes the answer to a request that does not concern it.
//!
//! Every field of every kind is missing, null, of other types, empty, huge, doubled, or an unknown
//! word. The objects are for a host of their own; what they lose may make them less specific (a route
//! without hostnames is for all hosts), so that the requests that are watched have rules for their
//! exact hosts, or wildcards.

mod exemplars;
mod mutations;

use serde_json::{Value, json};
use silverback_core::object::ObjectKey;
use silverback_core::translate::{Applied, Translator};

use self::exemplars::{asks, base, exemplars};
use self::mutations::mutations;
use crate::generated::number;
use crate::oracle::Classes;
use crate::subject::{Seen, Subject, options};

const STEPS: u64 = 4000;

fn classes() -> Classes {
    Classes {
        all: false,
        ingress: "kong".to_owned(),
        controller: "silverback.rs/gateway-controller".to_owned(),
    }
}

fn answers(translator: &Translator) -> Vec<Seen> {
    let subject = Subject::of(translator);
    let spins = [0, 1];
    let all = asks();
    let answer = |ask| spins.map(|spin| subject.answer(ask, spin));
    all.iter().flat_map(answer).collect()
}

/// `Ingress bad a/b` -> what is stored.
fn stored(applied: Applied) -> Option<ObjectKey> {
    match applied {
        Applied::Stored(key) | Applied::Unchanged(key) => Some(key),
        Applied::Ignored { .. } | Applied::Refused(_) => None,
    }
}

#[test]
fn the_requests_that_are_watched_have_different_answers() {
    let mut translator = Translator::new(options(&classes()));
    for object in base() {
        assert!(stored(translator.apply(object.to_string().as_bytes())).is_some());
    }
    translator.commit();
    let subject = Subject::of(&translator);
    for (ask, wanted) in asks().iter().zip(exemplars::WANTED) {
        let seen = match subject.answer(ask, 0) {
            Seen::Proxy(plan, _) => String::from_utf8_lossy(&plan.route_name).into_owned(),
            Seen::Reply(status, _) => status.to_string(),
        };
        assert_eq!(seen, wanted, "{ask}\n{:#?}", subject.problems);
    }
}

#[test]
fn an_object_that_concerns_them_changes_the_answers() {
    let mut translator = Translator::new(options(&classes()));
    for object in base() {
        translator.apply(object.to_string().as_bytes());
    }
    translator.commit();
    let before = answers(&translator);
    for mut object in exemplars() {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let spec = &mut object["spec"];
        match kind.as_str() {
            "Ingress" => spec["rules"][0]["host"] = "http.example".into(),
            "HTTPRoute" => spec["hostnames"] = json!(["x.y.wild.example"]),
            "GRPCRoute" => {
                spec["hostnames"] = json!(["grpc.example"]);
                spec["rules"][0]["matches"][0] =
                    json!({"method": {"service": "foo.Bar", "method": "Get"}});
            }
            "ReferenceGrant" => spec["from"][0]["namespace"] = "a".into(),
            _ => continue,
        }
        if kind == "Ingress" {
            let entry = &mut object["spec"]["rules"][0]["http"]["paths"][0];
            entry["path"] = "/a".into();
            object["metadata"]["annotations"] = json!({});
        }
        if kind == "HTTPRoute" {
            object["spec"]["rules"] = json!([{"backendRefs": []}]);
        }
        let permits = object["spec"]["to"][0]["kind"] != "Secret";
        let key = stored(translator.apply(object.to_string().as_bytes())).expect("an object");
        translator.commit();
        assert_eq!(answers(&translator) != before, permits, "{object}");
        translator.delete(&key);
        translator.commit();
        assert_eq!(answers(&translator), before, "{object}");
    }
}

#[test]
fn no_malformed_object_changes_what_does_not_concern_it() {
    let mut translator = Translator::new(options(&classes()));
    for object in base() {
        translator.apply(object.to_string().as_bytes());
    }
    translator.commit();
    let before = answers(&translator);
    let all: Vec<(String, String)> = exemplars().iter().flat_map(mutations).collect();
    assert!(all.len() > 4000, "only {} malformed objects", all.len());
    // Every so many of them; `SILVERBACK_SEED` says where to begin.
    let steps = number("SILVERBACK_STEPS", STEPS);
    let stride = (all.len() as u64).div_ceil(steps.max(1)).max(1);
    let first = number("SILVERBACK_SEED", 0) % stride;
    eprintln!("{} malformed objects, one of {stride} is tried", all.len());
    let mut failures = Vec::new();
    for (what, text) in all.iter().skip(first as usize).step_by(stride as usize) {
        let key = stored(translator.apply(text.as_bytes()));
        translator.commit();
        for (index, (was, is)) in before.iter().zip(answers(&translator)).enumerate() {
            if *was != is {
                let ask = &asks()[index / 2];
                let short: String = text.chars().take(2000).collect();
                failures.push(format!("{what}\n{ask}\nwas {was:?}\nis  {is:?}\n{short}"));
                break;
            }
        }
        if let Some(key) = key {
            translator.delete(&key);
        }
    }
    translator.commit();
    assert_eq!(
        answers(&translator),
        before,
        "the answers after all are gone"
    );
    for failure in &failures {
        eprintln!("=== {failure}\n");
    }
    assert!(failures.is_empty(), "{} malformed objects", failures.len());
}

#[test]
fn no_text_that_is_no_object_changes_anything() {
    let mut translator = Translator::new(options(&classes()));
    for object in base() {
        translator.apply(object.to_string().as_bytes());
    }
    translator.commit();
    let before = answers(&translator);
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!(
        r#"{{"apiVersion":"v1","kind":"Service","spec":{}{}}}"#,
        r#"{"a":"#.repeat(10_000),
        "}".repeat(10_000)
    );
    let texts: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        b"\xff\xfe".to_vec(),
        b"{\"kind\": \"Ingress\"".to_vec(),
        br#"{"apiVersion": 1, "kind": []}"#.to_vec(),
        br#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "\ud800"}}"#.to_vec(),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"})
            .to_string()
            .into_bytes(),
        deep.into_bytes(),
        nested.into_bytes(),
    ];
    for text in &texts {
        translator.apply(text);
        translator.commit();
        assert_eq!(
            answers(&translator),
            before,
            "{}",
            String::from_utf8_lossy(text)
        );
    }
}

/// One field of an object.
pub(crate) type Pointer = Vec<Step>;

/// A step to a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// All fields below.
pub(crate) fn pointers(value: &Value) -> Vec<Pointer> {
    let below = |step: Step, value: &Value| {
        let mut out = vec![vec![step.clone()]];
        out.extend(pointers(value).into_iter().map(|rest| {
            let mut pointer = vec![step.clone()];
            pointer.extend(rest);
            pointer
        }));
        out
    };
    match value {
        Value::Array(list) => {
            let entries = list.iter().enumerate();
            entries
                .flat_map(|(index, entry)| below(Step::Index(index), entry))
                .collect()
        }
        Value::Object(map) => {
            let entries = map.iter();
            entries
                .flat_map(|(key, entry)| below(Step::Key(key.clone()), entry))
                .collect()
        }
        _ => Vec::new(),
    }
}
