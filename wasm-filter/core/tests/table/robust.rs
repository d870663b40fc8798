//! Bytes that are cut, flipped or arbitrary never make a reader panic or run away.

use proptest::prelude::*;
use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_core::contract::result::PlanResult;
use silverback_core::regex::Cache;
use silverback_core::table::build::TableBuilder;
use silverback_core::table::endpoints::{Endpoints, names};
use silverback_core::table::listeners::ListenerEntry;
use silverback_core::table::root::Root;
use silverback_core::table::routes::{Condition, HostRoutes, PathEntry, Value};
use silverback_core::table::segment::{Broken, SegmentKind, SegmentView};
use silverback_core::table::store::epoch::EpochRecord;
use silverback_core::table::store::page;
use silverback_core::table::store::physical::PhysicalRoot;

use crate::support::built::{Built, edit};
use crate::support::oracle::Model;
use crate::support::random::Gen;

/// A reader, and bytes that it can read.
type Reader = (&'static str, Vec<u8>, fn(&[u8]));

fn routes(bytes: &[u8]) {
    let Ok(routes) = HostRoutes::new(bytes) else {
        return;
    };
    let cache = Cache::new();
    let mut search = routes.search(b"/foo/a/b/foobar/x");
    while let Ok(Some(path)) = search.next(&cache) {
        let _ = matches(&path, &cache);
    }
    for path in routes.paths().take(100) {
        let _ = path.map(|path| path.matches().take_while(Result::is_ok).count());
    }
}

fn matches(path: &PathEntry<'_>, cache: &Cache) -> Result<(), Broken> {
    for matched in path.matches() {
        let matched = matched?;
        for condition in matched.conditions() {
            match condition? {
                Condition::Header(_, Value::Regex(regex))
                | Condition::Query(_, Value::Regex(regex)) => {
                    let _ = regex.is_match(cache, b"12");
                }
                _ => {}
            }
        }
        let rule = matched.rule()?;
        for backend in rule.backends() {
            for change in backend?.changes.iter() {
                change?;
            }
        }
        for change in rule.extra()?.changes.iter() {
            change?;
        }
        if let Ok(object) = rule.object() {
            let _ = object.rule_id(rule.index);
        }
    }
    Ok(())
}

fn segment(kind: SegmentKind, bytes: &[u8]) {
    if let Some(view) = SegmentView::new(kind, bytes) {
        let _ = view.find(1, |key| key == b"a");
        let _ = view.find_with_key(7);
        let whole = view.blocks().map_while(Result::ok);
        for (hash, key, payload) in whole.take(1_000) {
            let _ = view.find(hash, |known| known == key);
            if let Some(([head @ .., kind], tail)) = key.split_first_chunk::<9>() {
                let _ = view.find_joined(hash, (u64::from_le_bytes(*head), *kind), tail);
            }
            routes(payload);
            endpoints(payload);
            listener(payload);
            let _ = names(key);
        }
    }
}

fn endpoints(bytes: &[u8]) {
    if let Ok(endpoints) = Endpoints::new(bytes) {
        assert_eq!(endpoints.iter().count(), endpoints.len());
    }
}

fn listener(bytes: &[u8]) {
    if let Ok(listener) = ListenerEntry::new(bytes) {
        let _ = listener.sources().take_while(Result::is_ok).count();
    }
}

/// Small samples of everything that is read.
fn samples() -> Vec<Reader> {
    let mut table = TableBuilder::new();
    let mut random = Gen(3);
    let model = loop {
        let model = random.model();
        if model.listeners.len() > 2 && model.hosts.len() > 4 {
            break model;
        }
    };
    edit(&mut table, &Model::default(), &model);
    table.commit();
    let built = Built::of(&model);
    let first = |from: usize, to: usize| {
        let mut segments = built.segments[from..to].iter();
        segments.find(|s| !s.is_empty()).expect("one").clone()
    };
    let block = |bytes: &[u8], kind| {
        let view = SegmentView::new(kind, bytes).expect("a segment");
        let block = view.blocks().next().expect("a block").expect("whole");
        block.2.to_vec()
    };
    let (base, exact, services) = (first(0, 1), first(1, 257), first(257, 769));
    let physical = PhysicalRoot::new(1, Root::default(), Vec::new()).expect("empty");
    let epoch = EpochRecord {
        epoch: 9,
        slot: 1,
        page_len: 1,
        pages: 2,
        root: [7; 16],
        writers: 2,
        claim: 1,
    };
    let header = page::PageHeader {
        page: 1,
        segment: 2,
        part: 0,
        epoch: 3,
    };
    let hex = "010700000000000000887766554433221101070004 0a000001901f0301000205010068";
    let plan: Vec<u8> = hex
        .replace(' ', "")
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let mut request = Vec::new();
    let info = RequestInfo {
        host: b"a",
        path: b"/",
        ..RequestInfo::default()
    };
    info.encode(&mut request).expect("short");
    vec![
        ("routes", block(&exact, SegmentKind::Routes), routes),
        (
            "endpoints",
            block(&services, SegmentKind::Endpoints),
            endpoints,
        ),
        ("base segment", base, |b| segment(SegmentKind::Base, b)),
        ("route segment", exact, |b| segment(SegmentKind::Routes, b)),
        ("endpoint segment", services, |b| {
            segment(SegmentKind::Endpoints, b)
        }),
        (
            "listener",
            [&[1; 9][..], &[1, 3, b'a', b'/', b'b']].concat(),
            listener,
        ),
        ("epoch", epoch.encode(), |b| {
            assert!(EpochRecord::decode(b).is_none_or(|r| r.slot < 2))
        }),
        (
            "page",
            page::encode(header, b"content")[..64].to_vec(),
            |b| {
                let mut whole = b.to_vec();
                whole.resize(page::PAGE_LEN, 0);
                let _ = (page::decode(b), page::decode(&whole));
            },
        ),
        (
            "physical root",
            physical.encode().expect("fits").0[..64].to_vec(),
            |b| {
                let empty = PhysicalRoot::new(1, Root::default(), Vec::new());
                let mut whole = empty.and_then(|root| root.encode()).expect("fits").0;
                whole[..b.len()].copy_from_slice(b);
                let _ = (PhysicalRoot::decode(b), PhysicalRoot::decode(&whole));
            },
        ),
        ("root", Root::default().encode()[..64].to_vec(), |b| {
            let mut whole = Root::default().encode();
            whole[..b.len()].copy_from_slice(b);
            let _ = (Root::decode(b), Root::decode(&whole));
        }),
        ("request", request, |b| {
            let _ = RequestInfo::decode(b);
        }),
        ("plan", plan, |b| drop(OwnedPlan::decode(b))),
        ("result", vec![1, 200, 0, 2, 0, 1, 1, 0], |b| {
            drop(PlanResult::decode(b))
        }),
    ]
}

#[test]
fn every_position_cut_or_flipped() {
    for (name, good, read) in samples() {
        assert!(!good.is_empty(), "{name}");
        read(&good);
        for at in 0..good.len() {
            read(&good[..at]);
            for flip in [1u8, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                read(&bad);
            }
        }
    }
}

#[test]
fn a_record_with_one_flipped_bit_is_no_record() {
    let (_, good, _) = samples().into_iter().find(|s| s.0 == "epoch").expect("one");
    assert!(EpochRecord::decode(&good).is_some());
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(EpochRecord::decode(&bad), None, "bit {bit}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        for (_, good, read) in samples() {
            read(&bytes);
            // Behind a good beginning they get further.
            let mut tail = good.clone();
            let from = good.len() / 2;
            for (to, byte) in tail[from..].iter_mut().zip(&bytes) {
                *to = *byte;
            }
            read(&tail);
        }
    }
}
