//! `cargo run --example seed`: writes what a real table is made of into the corpora.

use std::fs;
use std::path::Path;

use silverback_core::contract::request::RequestInfo;
use silverback_core::node::commit::{Commit, RootChange};
use silverback_core::node::pull::request::PullRequest;
use silverback_core::regex::compile;
use silverback_core::table::hash::digest128;
use silverback_core::table::layout::{SEGMENTS, kind};
use silverback_core::table::model::Anchor;
use silverback_core::table::segment::{SegmentKind, SegmentView};
use silverback_core::table::store::publish::Publisher;
use silverback_core::table::store::{EPOCH_KEY, MemoryStore, SharedData, page_key, root_key};
use silverback_core::translate::{Options, Translator};

fn save(target: &str, first: u8, bytes: &[u8]) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&dir).expect("a directory");
    let data = [&[first], bytes].concat();
    let name: String = digest128(&data)[..8].iter().map(|b| format!("{b:02x}")).collect();
    fs::write(dir.join(name), data).expect("a file");
}

fn main() {
    let mut translator = Translator::new(Options {
        accept_all_classes: true,
        ..Options::default()
    });
    for line in include_str!("../src/targets/request.jsonl").lines() {
        translator.apply(line.as_bytes());
    }
    translator.commit();
    let table = translator.table();
    for index in 0..SEGMENTS {
        let Some(segment) = table.segment(index) else {
            continue;
        };
        save("table", 7, &segment.bytes);
        let view = SegmentView::new(kind(index), &segment.bytes).expect("a segment");
        for (_, _, payload) in view.blocks().map(|block| block.expect("a block")) {
            match kind(index) {
                SegmentKind::Endpoints => save("table", 5, payload),
                SegmentKind::Routes => save("table", 4, payload),
                SegmentKind::Base => (4..7).for_each(|which| save("table", which, payload)),
            }
        }
    }
    save("table", 1, &table.root_bytes());
    let store = MemoryStore::default();
    let mut publisher = Publisher::open(&store, 40).expect("a store");
    let content = |index| table.segment(index).map(|segment| &*segment.bytes);
    publisher.publish(&store, table.root(), content).expect("published");
    let value = |key: &[u8]| store.get(key).expect("a store").expect("a value").0;
    save("table", 3, &value(EPOCH_KEY));
    save("table", 2, &value(root_key(0)));
    save("table", 2, &value(root_key(1)));
    save("table", 0, &value(&page_key(0)));

    let root = table.root().clone();
    let mut segments: Vec<_> = (0..SEGMENTS)
        .filter_map(|index| table.segment(index))
        .map(|segment| (segment.digest, &*segment.bytes))
        .collect();
    segments.sort_unstable();
    segments.dedup();
    let commit = Commit {
        adopt: false,
        publisher: 7,
        expected: (0, [0; 16]),
        digest: root.digest(),
        root: RootChange::Whole(root),
        segments,
    };
    save("node", 0, &commit.encode().expect("short"));

    let mut answer = commit.clone();
    answer.publisher = 0;
    save("pull", 1, &answer.encode().expect("short"));
    answer.segments.clear();
    save("pull", 1, &answer.encode().expect("short"));
    let request = PullRequest {
        wait: 20_000,
        epoch: 7,
        root: answer.digest,
        wanted: vec![[1; 16], [2; 16]],
    };
    save("pull", 0, &request.encode());
    save("pull", 0, &PullRequest::default().encode());
    for step in 0..8 {
        let steps: Vec<u8> = (0..40_u8).map(|n| n.wrapping_mul(37 + step * 2) ^ step).collect();
        save("pull", 2, &steps);
    }

    let info = RequestInfo {
        tls: true,
        port: 8443,
        host: b"shop.example.com",
        path: b"/cart?x=1",
        method: b"GET",
        sni: b"shop.example.com",
        source: b"10.0.0.1",
    };
    let mut request = Vec::new();
    info.encode(&mut request).expect("short");
    save("plan", 1, &request);
    let cases = include_str!("../../wasm-filter/core/testdata/contract/plan.json");
    for hex in cases.split('"').filter(|text| {
        text.len() > 16 && text.len() % 2 == 0 && text.bytes().all(|b| b.is_ascii_hexdigit())
    }) {
        let bytes: Vec<u8> = (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
            .collect();
        save("plan", 0, &bytes);
        save("plan", 2, &bytes);
    }
    let compiled = compile("/v[0-9]+/x", Anchor::Start, false).expect("a pattern");
    save("regex", 3, &compiled.dfa);
}
