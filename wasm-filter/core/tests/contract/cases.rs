//! Reads `testdata/contract/*.json`. A case is `{"name","hex"}` and either `fields`, what the bytes
//! say, or `error`, why they are refused. `"encode": false`: this build would write it otherwise.

use serde_json::Value;
use silverback_core::contract::WireError;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fields: Option<Value>,
    pub(crate) error: Option<String>,
    pub(crate) encodes: bool,
}

pub(crate) fn cases(json: &str) -> Vec<Case> {
    let all: Vec<Value> = serde_json::from_str(json).expect("a list");
    let cases: Vec<Case> = all
        .into_iter()
        .map(|case| Case {
            name: case["name"].as_str().expect("a name").to_owned(),
            bytes: from_hex(case["hex"].as_str().expect("hex")),
            fields: case.get("fields").cloned(),
            error: case
                .get("error")
                .map(|e| e.as_str().expect("text").to_owned()),
            encodes: case.get("encode").is_none(),
        })
        .collect();
    for case in &cases {
        assert_ne!(case.fields.is_some(), case.error.is_some(), "{}", case.name);
    }
    cases
}

/// Spaces are for people.
pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
    let pair = |pair: &[u8]| {
        let text = core::str::from_utf8(pair).expect("ASCII");
        u8::from_str_radix(text, 16).expect("hex")
    };
    digits.chunks(2).map(pair).collect()
}

/// Bytes in JSON: text, or `{"hex"}` where they are no UTF-8.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        other => from_hex(other["hex"].as_str().expect("text or hex")),
    }
}

/// The error as the cases write it: kind and argument.
pub(crate) fn error(error: WireError) -> String {
    match error {
        WireError::Truncated(field) => format!("truncated {field}"),
        WireError::Version(version) => format!("version {version}"),
        WireError::UnknownField(tag) => format!("unknown {tag}"),
        WireError::BadValue(field) => format!("bad {field}"),
        WireError::TooLong(field) => format!("long {field}"),
        WireError::Count(field) => format!("count {field}"),
    }
}
