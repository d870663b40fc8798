//! Where things lie, and by which hashes and keys they are found.

use std::collections::BTreeSet;

use silverback_core::table::layout::{
    BASE, HostKind, ROUTE_SEGMENTS, SEGMENTS, endpoint_segment, host_hash, is_host_key, kind,
    route_segment,
};
use silverback_core::table::listeners::{ListenerEntry, encode};
use silverback_core::table::model::{HostPattern, Listener, ListenerKey, Scope};
use silverback_core::table::routes::{PathKind, path_hash};
use silverback_core::table::segment::SegmentKind;

const KINDS: [HostKind; 6] = [
    HostKind::Any,
    HostKind::Wildcard,
    HostKind::Exact,
    HostKind::ListenerAny,
    HostKind::ListenerWildcard,
    HostKind::ListenerExact,
];

/// Hashes that differ in their high half alone, and others.
fn hashes() -> impl Iterator<Item = u64> {
    (0..4_096_u64).flat_map(|n| [n << 32, n.wrapping_mul(0x9e37_79b9_7f4a_7c15)])
}

#[test]
fn exact_hosts_use_each_route_segment_and_all_others_the_base() {
    let exact: BTreeSet<_> = hashes()
        .map(|hash| route_segment(HostKind::Exact, hash))
        .collect();
    assert!(exact.into_iter().eq(1..=ROUTE_SEGMENTS));
    for host in KINDS.into_iter().filter(|kind| *kind != HostKind::Exact) {
        assert!(hashes().all(|hash| route_segment(host, hash) == BASE));
    }
}

#[test]
fn service_ports_use_each_endpoint_segment() {
    let used: BTreeSet<_> = hashes().map(endpoint_segment).collect();
    assert!(used.into_iter().eq(1 + ROUTE_SEGMENTS..SEGMENTS));
}

#[test]
fn a_segment_has_blocks_of_one_kind() {
    assert_eq!(SEGMENTS, 769, "1 base, 256 of routes, 512 of endpoints");
    let kinds: Vec<_> = (0..SEGMENTS).map(kind).collect();
    let mut wanted = vec![SegmentKind::Base];
    wanted.resize(257, SegmentKind::Routes);
    wanted.resize(769, SegmentKind::Endpoints);
    assert_eq!(kinds, wanted);
}

#[test]
fn hashes_of_hosts_differ_by_scope_kind_and_text() {
    let mut seen = BTreeSet::new();
    for scope in [0, 1, 2, 0x8100_0000_0000_0000] {
        for kind in KINDS {
            for host in ["", "a", "b", "a.test"] {
                let hash = host_hash(scope, kind, host.as_bytes());
                assert!(seen.insert(hash), "{scope:#x} {kind:?} {host}");
            }
        }
    }
}

#[test]
fn a_key_is_the_scope_the_kind_and_the_text() {
    let key = [&7_u64.to_le_bytes()[..], &[2], b"a.test"].concat();
    for (name, key, scope, kind, host, expected) in [
        ("the same", &key[..], 7, HostKind::Exact, "a.test", true),
        ("another scope", &key, 8, HostKind::Exact, "a.test", false),
        ("another kind", &key, 7, HostKind::Wildcard, "a.test", false),
        ("another host", &key, 7, HostKind::Exact, "b.test", false),
        ("a longer host", &key, 7, HostKind::Exact, "a.test2", false),
        ("no host", &key[..9], 7, HostKind::Exact, "", true),
        ("no kind", &key[..8], 7, HostKind::Any, "", false),
    ] {
        let same = is_host_key(key, scope, kind, host.as_bytes());
        assert_eq!(same, expected, "{name}");
    }
}

#[test]
fn hashes_of_paths_differ_by_kind_and_by_each_bit() {
    let kinds = [PathKind::Prefix, PathKind::Exact, PathKind::Text];
    let mut seen = BTreeSet::new();
    for kind in kinds {
        for hash in (0..64).map(|bit| 1 << bit).chain([0]) {
            assert!(seen.insert(path_hash(kind, hash)), "{kind:?} {hash:#x}");
        }
    }
}

#[test]
fn a_listener_is_read_as_it_was_written() {
    let key = ListenerKey {
        port: 443,
        hostname: HostPattern::Any,
    };
    let scope = Scope::Listener {
        port: 443,
        hostname: HostPattern::Any,
    };
    for tls in [false, true] {
        let listener = Listener {
            tls,
            sources: vec!["a/gw/https".into(), "b/gw/https".into()],
            certificates: vec!["a/cert".into(), "b/cert".into()],
        };
        let bytes = encode(&key, &listener);
        let read = ListenerEntry::new(&bytes).expect("a listener");
        assert_eq!((read.scope, read.tls), (scope.id(), tls));
        let sources: Result<Vec<_>, _> = read.sources().collect();
        assert_eq!(sources, Ok(vec!["a/gw/https", "b/gw/https"]));
        assert_eq!(read.certificates(), Ok(vec!["a/cert", "b/cert"]));

        assert!(ListenerEntry::new(&bytes[..8]).is_err(), "no kind");
        let cut = ListenerEntry::new(&bytes[..9]).expect("a scope");
        assert!(cut.sources().any(|source| source.is_err()), "no sources");
        assert!(cut.certificates().is_err(), "no certificates");
    }
}
