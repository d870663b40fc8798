//! Where things lie, and by which hashes and keys they are found.

use std::collections::BTreeSet;

use silverback_core::table::build::TableBuilder;
use silverback_core::table::layout::{
    BASE, HostKind, ROUTE_SEGMENTS, SEGMENTS, endpoint_segment, host_hash, kind, route_segment,
};
use silverback_core::table::listeners::{ListenerEntry, PlainListener, encode};
use silverback_core::table::model::{
    HostKey, HostPattern, Listener, ListenerKey, RouteKind, Scope,
};
use silverback_core::table::routes::{PathKind, path_hash};
use silverback_core::table::segment::{
    self, Block, Blocks, Broken, Segment, SegmentKind, SegmentView,
};

use crate::sketch::matching;

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
    let no_host = [&7_u64.to_le_bytes()[..], &[2]].concat();
    let block = |payload: &[u8]| Block {
        flags: 0,
        payload: payload.into(),
    };
    let blocks = Blocks::from([
        ((5, key.into()), block(b"host")),
        ((5, no_host.into()), block(b"none")),
    ]);
    let bytes = segment::encode(SegmentKind::Routes, &blocks);
    let view = SegmentView::new(SegmentKind::Routes, &bytes).expect("a segment");
    let (exact, wildcard) = (HostKind::Exact as u8, HostKind::Wildcard as u8);
    for (name, hash, scope, kind, host, expected) in [
        ("the same", 5, 7, exact, "a.test", Some(&b"host"[..])),
        ("another hash", 6, 7, exact, "a.test", None),
        ("another scope", 5, 8, exact, "a.test", None),
        ("another kind", 5, 7, wildcard, "a.test", None),
        ("another host", 5, 7, exact, "b.test", None),
        ("a longer host", 5, 7, exact, "a.test2", None),
        ("a shorter host", 5, 7, exact, "a.tes", None),
        ("no host", 5, 7, exact, "", Some(b"none")),
    ] {
        let found = view.find_joined(hash, (scope, kind), host.as_bytes());
        assert_eq!(found, Ok(expected), "{name}");
    }
}

#[test]
fn a_key_without_kind_is_broken_where_hosts_are_looked_for() {
    let block = Block {
        flags: 0,
        payload: Box::default(),
    };
    let blocks = Blocks::from([((5, [7; 8].into()), block)]);
    let bytes = segment::encode(SegmentKind::Routes, &blocks);
    let view = SegmentView::new(SegmentKind::Routes, &bytes).expect("a segment");
    assert_eq!(view.find_joined(5, (7, 2), b""), Err(Broken));
    assert_eq!(view.find_joined(6, (7, 2), b""), Ok(None));
}

#[test]
fn listeners_without_hostname_are_kept_with_the_base_segment() {
    let mut table = TableBuilder::new();
    let listener = |tls| Listener {
        tls,
        sources: vec!["a/gw/l".into()],
        certificates: Vec::new(),
    };
    let exact = HostPattern::Exact("a.test".into());
    let keys = [(80, HostPattern::Any), (443, HostPattern::Any), (80, exact)];
    for (port, hostname) in keys {
        let key = ListenerKey { port, hostname };
        table.set_listener(&key, Some(&listener(port == 443)));
    }
    table.commit();
    let bytes = &table.segment(BASE).expect("listeners").bytes;
    let base = Segment::new(SegmentKind::Base, bytes[..].into()).expect("a segment");
    let mut kept = base.view().listeners().to_vec();
    kept.sort_by_key(|listener| listener.port);
    let plain = |port, tls| PlainListener {
        port,
        tls,
        scope: Scope::Listener {
            port,
            hostname: HostPattern::Any,
        }
        .id(),
    };
    assert_eq!(kept, [plain(80, false), plain(443, true)]);
}

/// Ids of the scopes of Ingress are as small as ports, and a route's bytes can be read as a listener's.
#[test]
fn routes_without_host_are_no_listeners() {
    let mut table = TableBuilder::new();
    let grpc = Scope::Grpc {
        port: 80,
        hostname: HostPattern::Any,
    };
    for (scope, kind) in [
        (Scope::Ingress, RouteKind::Ingress),
        (Scope::IngressDefault, RouteKind::Ingress),
        (grpc, RouteKind::GrpcRoute),
    ] {
        let host = HostPattern::Any;
        let key = HostKey { scope, host };
        table.set_host(&key, vec![matching(kind, "r", "/")]);
    }
    table.commit();
    let bytes = &table.segment(BASE).expect("routes").bytes;
    let base = Segment::new(SegmentKind::Base, bytes[..].into()).expect("a segment");
    assert_eq!(base.view().len(), 4, "with the mark of GRPCRoutes");
    assert_eq!(base.view().listeners(), []);
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
