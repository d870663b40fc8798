//! Pages, roots, the epoch record, segments and everything in them. The first byte says which.

use silverback_core::regex::Cache;
use silverback_core::table::endpoints::{Endpoints, names};
use silverback_core::table::listeners::ListenerEntry;
use silverback_core::table::root::Root;
use silverback_core::table::routes::{Condition, HostRoutes, PathEntry, Value};
use silverback_core::table::segment::{Broken, SegmentKind, SegmentView};
use silverback_core::table::store::epoch::EpochRecord;
use silverback_core::table::store::page;
use silverback_core::table::store::physical::PhysicalRoot;

pub fn run(data: &[u8]) {
    let (which, bytes) = super::split(data);
    match which % 8 {
        0 => {
            if let Some((header, content)) = page::decode(bytes) {
                assert_eq!(
                    page::decode(&page::encode(header, content)),
                    Some((header, content))
                );
            }
        }
        1 => {
            if let Some(root) = Root::decode(bytes) {
                assert_eq!(root.encode(), bytes);
            }
        }
        2 => {
            // What is behind the last page number is nobody's.
            if let Some(read) = PhysicalRoot::decode(bytes)
                && let Some((again, same)) = read.0.encode()
            {
                assert_eq!(same, read.1);
                assert_eq!(PhysicalRoot::decode(&again), Some(read));
            }
        }
        3 => {
            if let Some(record) = EpochRecord::decode(bytes) {
                assert_eq!(EpochRecord::decode(&record.encode()), Some(record));
            }
        }
        4 => routes(bytes),
        5 => endpoints(bytes),
        6 => listener(bytes),
        _ => {
            for kind in [
                SegmentKind::Base,
                SegmentKind::Routes,
                SegmentKind::Endpoints,
            ] {
                segment(kind, bytes);
            }
        }
    }
}

fn segment(kind: SegmentKind, bytes: &[u8]) {
    let Some(view) = SegmentView::new(kind, bytes) else {
        return;
    };
    let _ = view.find(1, |key| key == b"a");
    let _ = view.find_with_key(7);
    for (hash, key, payload) in view.blocks().map_while(Result::ok).take(100) {
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

fn routes(bytes: &[u8]) {
    let Ok(routes) = HostRoutes::new(bytes) else {
        return;
    };
    let cache = Cache::new();
    for path in [&b"/"[..], b"/foo/a/b/foobar/x", b"/a/b/c/d/e/f"] {
        let mut search = routes.search(path);
        // A list may name one path any number of times.
        for _ in 0..100 {
            let Ok(Some(found)) = search.next(&cache) else {
                break;
            };
            assert_eq!(found.fits(path, &cache), Ok(true), "what is found fits");
            let _ = matches(&found, &cache);
        }
    }
    for path in routes.paths().take(100).flatten() {
        let _ = matches(&path, &cache);
    }
}

fn matches(path: &PathEntry<'_>, cache: &Cache) -> Result<(), Broken> {
    let _ = path.rank();
    for matched in path.matches().take(100) {
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
        let _ = rule.object()?.rule_id(rule.index);
    }
    Ok(())
}

fn endpoints(bytes: &[u8]) {
    if let Ok(endpoints) = Endpoints::new(bytes) {
        assert_eq!(endpoints.iter().count(), endpoints.len());
        let _ = endpoints.settings();
    }
}

fn listener(bytes: &[u8]) {
    if let Ok(listener) = ListenerEntry::new(bytes) {
        let _ = listener.sources().map_while(Result::ok).count();
        let _ = listener.certificates();
    }
}
