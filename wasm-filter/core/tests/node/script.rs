//! A sequence of requests to one node: after each, the answer and the bytes of the zone.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use silverback_core::node::commit::{Commit, RootChange};
use silverback_core::node::hex::to_hex;
use silverback_core::node::{MAX_BODY, Request};
use silverback_core::table::hash::digest128;
use silverback_core::table::root::SegmentId;
use silverback_core::table::store::page::PAGE_USED;
use silverback_core::table::store::{EPOCH_KEY, SENTINEL_KEY, SharedData, page_key, root_key};

use crate::bytes::to_json;
use crate::node::Fixture;

const PAGES: u16 = 12;

struct Script {
    fixture: Fixture,
    steps: Vec<Value>,
    seen: BTreeMap<String, String>,
}

/// The steps of the file.
pub(crate) fn script() -> Vec<Value> {
    let mut script = Script {
        fixture: Fixture::new(PAGES),
        steps: Vec::new(),
        seen: BTreeMap::new(),
    };
    script
        .steps
        .push(json!({ "name": "an empty node", "pages": PAGES }));
    let zone = script.zone();
    if let Some(step) = script.steps.last_mut() {
        step["zone"] = zone;
    }
    let pages: Vec<u8> = (0..PAGE_USED * 2 + 5).map(|at| (at / 500) as u8).collect();
    let first: &[(u32, &[u8])] = &[(0, b"base"), (1, &pages), (257, b"endpoint")];
    script.change("a first table, whole root", first, |_| {});
    script.repeat("the same again changes nothing");
    script.change("one endpoint, delta", &[(257, b"endpoint 2")], |_| {});
    script.change("another", &[(300, b"more")], |_| {});
    script.change("a segment goes", &[(0, b"")], |_| {});
    script.change(
        "pages are used again, oldest first",
        &[(1, &pages[1..])],
        |_| {},
    );
    script.change(
        "two at once",
        &[(5, &pages[..PAGE_USED]), (768, b"last")],
        |_| {},
    );
    script.refused("another epoch", &[(9, b"x")], |commit| {
        commit.expected.0 += 1
    });
    script.refused("another root", &[(9, b"x")], |commit| {
        commit.expected.1 = [1; 16]
    });
    script.refused("another publisher", &[(9, b"x")], |commit| {
        commit.publisher = 7
    });
    script.refused("a base that nobody knows", &[(9, b"x")], |commit| {
        if let RootChange::Delta { base, .. } = &mut commit.root {
            *base = [2; 16];
        }
    });
    script.refused("a new root with another digest", &[(9, b"x")], |commit| {
        commit.digest = [3; 16];
    });
    script.refused("a damaged segment", &[(9, b"x")], |commit| {
        commit.segments[0].1 = b"y";
    });
    script.refused("a segment that is missing", &[(9, b"x")], |commit| {
        commit.segments.clear();
    });
    let big = vec![1; PAGE_USED * 9];
    script.refused("more than fits", &[(9, &big)], |_| {});
    script.raw("no commit", "POST", "commit", "", b"SBCM");
    script.raw(
        "a format of later",
        "POST",
        "commit",
        "",
        b"SBCM\x01\x00\xff\xff",
    );
    script.put("a segment", "", b"put before", b"put before");
    script.put("the segment again", "", b"put before", b"put before");
    script.put("other bytes", "", b"right", b"wrong");
    script.put("a piece that does not fit", "length=9", b"x", b"x");
    let long = vec![5; MAX_BODY + 3];
    let query = format!("length={}&offset={MAX_BODY}", long.len());
    script.put("the last piece", &query, &long, &long[MAX_BODY..]);
    script.change("what was put is used", &[(9, b"put before")], |commit| {
        commit.segments.clear();
    });
    script.put("a segment of the table", "", b"put before", b"put before");
    script.change("adopted", &[(9, b"adopted")], |commit| {
        commit.adopt = true;
        commit.publisher = 7;
        commit.expected = (0, [0; 16]);
    });
    script.raw("status", "GET", "status", "", b"");
    script.steps
}

impl Script {
    /// What changed in the zone since the last step, as digests by key.
    fn zone(&mut self) -> Value {
        let mut keys: Vec<Vec<u8>> = (0..PAGES).map(|page| page_key(page).to_vec()).collect();
        keys.extend([EPOCH_KEY, SENTINEL_KEY, root_key(0), root_key(1)].map(<[u8]>::to_vec));
        let mut changed = serde_json::Map::new();
        for key in keys {
            let name = String::from_utf8(key.clone()).expect("ASCII");
            let (value, _) = self
                .fixture
                .store
                .get(&key)
                .expect("a store")
                .expect("a value");
            let digest = to_hex(&digest128(&value));
            if self.seen.insert(name.clone(), digest.clone()).as_ref() != Some(&digest) {
                changed.insert(name, digest.into());
            }
        }
        changed.into()
    }

    fn raw(&mut self, name: &str, method: &str, path: &str, query: &str, body: &[u8]) {
        let full = format!("/silverback/v1/{path}");
        let request = Request {
            method,
            path: &full,
            query,
            body,
        };
        let fixture = &mut self.fixture;
        let reply = fixture
            .node
            .serve(&fixture.store, Vec::new, request)
            .expect("a reply");
        let mut answer: Value = serde_json::from_str(&reply.body).expect("JSON");
        if let Some(answer) = answer.as_object_mut() {
            // Texts for people are each side's own.
            answer.remove("message");
            answer.remove("hint");
        }
        let zone = self.zone();
        self.steps.push(json!({
            "name": name, "method": method, "path": path, "query": query,
            "body": to_json(body), "status": reply.status, "answer": answer, "zone": zone,
        }));
    }

    fn refused(
        &mut self,
        name: &str,
        segments: &[(u32, &[u8])],
        edit: impl FnOnce(&mut Commit<'_>),
    ) {
        let (_, body) = self.fixture.body(segments, edit);
        self.raw(name, "POST", "commit", "", &body);
    }

    fn change(
        &mut self,
        name: &str,
        segments: &[(u32, &[u8])],
        edit: impl FnOnce(&mut Commit<'_>),
    ) {
        let (root, body) = self.fixture.body(segments, edit);
        self.raw(name, "POST", "commit", "", &body);
        let step = self.steps.last().expect("a step");
        assert_eq!(step["status"], 200, "{name}: {}", step["answer"]);
        self.fixture.epoch = step["answer"]["epoch"].as_u64().expect("an epoch");
        self.fixture.root = root;
    }

    fn repeat(&mut self, name: &str) {
        let root = self.fixture.root.clone();
        let (_, body) = self.fixture.body(&[], |commit| {
            commit.expected = (0, [0; 16]);
            commit.root = RootChange::Whole(root);
        });
        self.raw(name, "POST", "commit", "", &body);
    }

    fn put(&mut self, name: &str, query: &str, segment: &[u8], body: &[u8]) {
        let digest = to_hex(&SegmentId::of(segment).digest);
        self.raw(name, "PUT", &format!("segments/{digest}"), query, body);
    }
}
