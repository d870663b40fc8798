//! Commit bodies: what is written is read, and hostile bytes are refused by name.

use proptest::prelude::*;
use silverback_core::node::MAX_BODY;
use silverback_core::node::commit::{Commit, CommitError, RootChange};
use silverback_core::table::hash::digest128;
use silverback_core::table::layout::SEGMENTS;
use silverback_core::table::root::{Root, SegmentId};

fn change(root: &Root, segments: &[(u32, &[u8])]) -> Root {
    let mut root = root.clone();
    for (index, bytes) in segments {
        root.set(*index, SegmentId::of(bytes));
    }
    root
}

fn delta() -> Vec<u8> {
    let base = Root::default();
    let new = change(&base, &[(1, b"one"), (300, b"three hundred")]);
    let commit = Commit {
        adopt: false,
        publisher: 0xab,
        expected: (3, base.digest()),
        digest: new.digest(),
        root: RootChange::between(&base, &new),
        segments: vec![
            (digest128(b"one"), b"one"),
            (digest128(b"three hundred"), b"three hundred"),
        ],
    };
    commit.encode().expect("short")
}

#[test]
fn the_shorter_of_delta_and_whole_root_is_chosen() {
    let base = Root::default();
    let one = change(&base, &[(7, b"seven")]);
    assert!(matches!(
        RootChange::between(&base, &one),
        RootChange::Delta { .. }
    ));
    let all: Vec<(u32, &[u8])> = (0..SEGMENTS).map(|n| (n, &b"x"[..])).collect();
    let all = change(&base, &all);
    assert_eq!(RootChange::between(&base, &all), RootChange::Whole(all));
}

#[test]
fn every_field_with_a_value_that_it_cannot_have_is_named() {
    let good = delta();
    assert!(Commit::decode(&good).is_ok());
    // Where each field begins; entries of the delta from 80, the segments from 128.
    for (at, value, field) in [
        (0, 0u8, "magic"),
        (4, 2, "version"),
        (8, 2, "flags"),
        (9, 2, "root kind"),
        (10, 1, "reserved"),
        (26, 0x20, "expected epoch"),
        (76 + 3, 1, "delta"),
        (80 + 2, 1, "delta"),
        (80 + 1, 2, "delta"),
        (128 + 2, 1, "segments"),
        (148, 200, "segments"),
    ] {
        let mut bad = good.clone();
        bad[at] = value;
        let got = Commit::decode(&bad);
        assert_eq!(got, Err(CommitError::Malformed(field)), "byte {at}");
    }
    let mut other = good.clone();
    other[6] = 9;
    assert_eq!(Commit::decode(&other), Err(CommitError::Format(9)));
    let mut longer = good;
    longer.push(0);
    let got = Commit::decode(&longer);
    assert_eq!(got, Err(CommitError::Malformed("end")));
}

#[test]
fn a_commit_cut_short_anywhere_is_refused() {
    let good = delta();
    for end in 0..good.len() {
        let got = Commit::decode(&good[..end]);
        assert!(matches!(got, Err(CommitError::Malformed(_))), "{end}");
    }
}

#[test]
fn more_than_a_body_may_have_is_refused_on_both_sides() {
    let big = vec![0; MAX_BODY];
    let root = change(&Root::default(), &[(1, &big)]);
    let commit = Commit {
        adopt: false,
        publisher: 0,
        expected: (0, [0; 16]),
        digest: root.digest(),
        root: RootChange::Whole(root),
        segments: vec![(digest128(&big), &big)],
    };
    assert!(matches!(commit.encode(), Err(CommitError::TooLarge(_))));
    let body = vec![0; MAX_BODY + 1];
    let got = Commit::decode(&body);
    assert_eq!(got, Err(CommitError::TooLarge(MAX_BODY + 1)));
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        adopt in any::<bool>(),
        publisher in any::<u64>(),
        epoch in 0..1u64 << 53,
        segments in proptest::collection::btree_map(0..SEGMENTS, proptest::collection::vec(any::<u8>(), 1..50), 0..9),
        whole in any::<bool>(),
    ) {
        let base = Root::default();
        let list: Vec<(u32, &[u8])> = segments.iter().map(|(n, b)| (*n, &b[..])).collect();
        let new = change(&base, &list);
        let commit = Commit {
            adopt,
            publisher,
            expected: (epoch, base.digest()),
            digest: new.digest(),
            root: if whole { RootChange::Whole(new) } else { RootChange::between(&base, &new) },
            segments: list.iter().map(|(_, bytes)| (digest128(bytes), *bytes)).collect(),
        };
        let body = commit.encode().expect("short");
        prop_assert_eq!(body.len(), commit.encoded_len());
        prop_assert_eq!(Commit::decode(&body), Ok(commit));
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        flips in proptest::collection::vec((0usize..200, any::<u8>()), 1..8),
        tail in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut body = delta();
        for (at, byte) in flips {
            if let Some(slot) = body.get_mut(at) {
                *slot = byte;
            }
        }
        body.extend(tail);
        if let Ok(commit) = Commit::decode(&body) {
            prop_assert_eq!(commit.encode(), Ok(body.clone()));
        }
    }
}
