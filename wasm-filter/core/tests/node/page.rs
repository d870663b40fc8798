//! docs/node-protocol.md says what the code says.

use silverback_core::node::commit::{Commit, RootChange};
use silverback_core::node::error::{Code, NodeError};
use silverback_core::node::{CONTENT_TYPE, MAX_BODY, PREFIX, TABLE_FORMATS};
use silverback_core::table::layout::SEGMENTS;
use silverback_core::table::root::{ROOT_LEN, Root};
use silverback_core::table::segment::FORMAT;

const PAGE: &str = include_str!("../../../../docs/node-protocol.md");

fn grouped(number: usize) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}

#[test]
fn the_page_names_paths_limits_and_formats() {
    for path in ["commit", "segments/:digest", "status", "ready"] {
        assert!(PAGE.contains(&format!("{PREFIX}{path}")), "{path}");
    }
    assert!(PAGE.contains(&format!("{} bytes (256 KB)", grouped(MAX_BODY))));
    assert!(PAGE.contains(&format!("({} bytes)", grouped(ROOT_LEN))));
    assert!(PAGE.contains(&format!("below {SEGMENTS}")));
    assert!(PAGE.contains(CONTENT_TYPE));
    assert_eq!(TABLE_FORMATS, [FORMAT]);
    assert!(PAGE.contains(&format!("it is format {FORMAT} only")));
    assert!(PAGE.contains(&format!("\"tableFormats\":[{FORMAT}]")));
}

#[test]
fn the_page_s_codes_and_statuses_are_the_code_s() {
    let rows: Vec<(Code, u16)> = PAGE
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let code = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            let code = serde_json::from_value(code.into()).expect("a code");
            Some((code, cells.next()?.parse().ok()?))
        })
        .collect();
    assert_eq!(rows.len(), 12);
    for (at, (code, status)) in rows.iter().enumerate() {
        assert_ne!(*code, Code::Unknown, "row {at}");
        assert_eq!(code.status(), *status, "{code:?}");
        assert!(!rows[..at].iter().any(|(other, _)| other == code));
    }
}

#[test]
fn one_endpoint_s_change_is_within_the_budget() {
    let (base, mut new) = (Root::default(), Root::default());
    let segment = vec![7; 15_000];
    let id = silverback_core::table::root::SegmentId::of(&segment);
    new.set(300, id);
    let commit = Commit {
        adopt: false,
        publisher: 1,
        expected: (9, base.digest()),
        digest: new.digest(),
        root: RootChange::between(&base, &new),
        segments: vec![(id.digest, &segment)],
    };
    let body = commit.encode().expect("fits");
    assert_eq!(body.len() - segment.len(), 128, "bytes besides the segment");
    assert!(body.len() <= 16_384);
}

#[test]
fn an_error_of_a_later_release_is_read() {
    let json = r#"{"schemaVersion":2,"code":"too_hot","message":"m","new":{"a":1}}"#;
    let error: NodeError = serde_json::from_str(json).expect("an error");
    assert_eq!((error.code, error.message.as_str()), (Code::Unknown, "m"));
}
