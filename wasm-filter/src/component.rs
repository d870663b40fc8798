//! `translator.wasm`: the exports of `wit/translator.wit`, each one call into the core.

#![allow(
    unsafe_code,
    unreachable_pub,
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::missing_safety_doc,
    clippy::indexing_slicing,
    reason = "the generated bindings lift and lower values at the component's border"
)]

use core::cell::RefCell;

use silverback_core::object::ObjectKey as CoreKey;
use silverback_core::problem::{Problem, Severity};
use silverback_core::table::segment::FORMAT;
use silverback_core::translate::{self, Options, Translator};

wit_bindgen::generate!({
    world: "translator",
    path: "../wit",
});

use silverback::translator::types as wit;

thread_local! {
    /// The component's state: one translator.
    static TRANSLATOR: RefCell<Translator> = RefCell::new(Translator::new(Options::default()));
}

struct Component;

export!(Component);

/// Runs `f` on the translator. Calls do not nest: the component imports nothing that could call
/// back.
fn with<T>(f: impl FnOnce(&mut Translator) -> T) -> T {
    TRANSLATOR.with(|translator| f(&mut translator.borrow_mut()))
}

impl Guest for Component {
    fn version() -> String {
        // The interface's version is that of the WIT package.
        format!("table/{FORMAT} interface/0.1")
    }

    fn configure(options_json: String) -> Result<(), String> {
        let options: Options = serde_json::from_str(&options_json)
            .map_err(|error| format!("options refused: {error}"))?;
        with(|translator| *translator = Translator::new(options));
        Ok(())
    }

    fn apply(object_json: Vec<u8>) -> wit::Applied {
        match with(|translator| translator.apply(&object_json)) {
            translate::Applied::Stored(key) => wit::Applied::Stored(to_key(&key)),
            translate::Applied::Unchanged(key) => wit::Applied::Unchanged(to_key(&key)),
            translate::Applied::Ignored { api_version, kind } => {
                wit::Applied::Ignored((api_version, kind))
            }
            translate::Applied::Refused(problem) => wit::Applied::Refused(to_problem(&problem)),
        }
    }

    fn delete(key: wit::ObjectKey) {
        let key = CoreKey::new(&key.group, &key.kind, &key.namespace, &key.name);
        with(|translator| translator.delete(&key));
    }

    fn commit() -> wit::CommitSummary {
        with(|translator| {
            let commit = translator.commit();
            let table = translator.table();
            wit::CommitSummary {
                objects: commit.objects,
                segments: commit.segments,
                root_digest: table.root_digest().to_vec(),
                table_bytes: table.root().table_bytes(),
            }
        })
    }

    fn take_changes(max_bytes: u32) -> wit::Changes {
        let changes = with(|translator| translator.take_changes(max_bytes as usize));
        wit::Changes {
            segments: changes
                .segments
                .into_iter()
                .map(|segment| wit::Segment {
                    index: segment.index,
                    digest: segment.digest.to_vec(),
                    bytes: segment.bytes,
                })
                .collect(),
            root: changes.root,
            problems: changes
                .problems
                .iter()
                .map(|(object, problems)| wit::ObjectProblems {
                    object: to_key(object),
                    problems: problems.iter().map(to_problem).collect(),
                })
                .collect(),
            statuses: changes
                .statuses
                .into_iter()
                .map(|(object, status_json)| wit::ObjectStatus {
                    object: to_key(&object),
                    status_json,
                })
                .collect(),
            entities: changes
                .entities
                .into_iter()
                .map(|(id, json)| wit::Entity {
                    id: id.into(),
                    json,
                })
                .collect(),
            more: changes.more,
        }
    }

    fn rewind() {
        with(Translator::rewind);
    }

    fn explain(request_json: String) -> Result<String, String> {
        with(|translator| translator.explain_json(&request_json))
    }

    fn dump() -> String {
        with(|translator| {
            translator.dump_json().unwrap_or_else(|error| {
                serde_json::json!({ "schemaVersion": 1, "error": error }).to_string()
            })
        })
    }
}

fn to_key(key: &CoreKey) -> wit::ObjectKey {
    wit::ObjectKey {
        group: key.group.to_string(),
        kind: key.kind.to_string(),
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
    }
}

fn to_problem(problem: &Problem) -> wit::Problem {
    wit::Problem {
        code: problem.code.as_str().to_owned(),
        severity: match problem.severity {
            Severity::Info => wit::Severity::Info,
            Severity::Warning => wit::Severity::Warning,
            Severity::Error => wit::Severity::Error,
        },
        object: to_key(&problem.object),
        field: problem.field.to_string(),
        message: problem.message.to_string(),
        hint: problem.hint.to_string(),
    }
}
