//! The files that the Lua node is tested with are what this code makes.
//!
//! `SILVERBACK_BLESS=1 cargo test -p silverback-core --test node` writes them anew.

use std::path::Path;

use serde_json::{Value, json};
use silverback_core::node::hex::to_hex;
use silverback_core::table::hash::{Fast, digest128};
use silverback_core::table::layout::{ENDPOINT_SEGMENTS, ROUTE_SEGMENTS, SEGMENTS};
use silverback_core::table::root::ROOT_LEN;
use silverback_core::table::segment::FORMAT;
use silverback_core::table::store::MAX_PAGES;
use silverback_core::table::store::epoch::EPOCH_LEN;
use silverback_core::table::store::page::{PAGE_LEN, PAGE_USED};
use silverback_core::table::store::physical::PHYSICAL_LEN;
use silverback_core::table::store::publish::{pages_in_zone, zone_bytes};

use crate::bytes::noise;
use crate::script::script;

/// One case a line.
fn lines(cases: &[Value]) -> String {
    let lines: Vec<String> = cases.iter().map(|case| format!("  {case}")).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn check(name: &str, cases: &[Value]) {
    // Whether maps keep the order of insertion depends on what else is built beside these tests.
    let mut cases = cases.to_vec();
    cases.iter_mut().for_each(Value::sort_all_objects);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/node");
    let path = path.join(name);
    let text = lines(&cases);
    if std::env::var_os("SILVERBACK_BLESS").is_some() {
        std::fs::write(&path, &text).expect("a file to write");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == text,
        "{name} is not what the code makes (hint: SILVERBACK_BLESS=1)"
    );
}

#[test]
fn hashes_are_what_the_file_says() {
    let lens = [
        0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 2048, 2049,
        3072, 3073, 4096, 4097, 5120, 7168, 8192, 16_224, 16_384, 31_744, 65_537, 102_400,
    ];
    let cases: Vec<Value> = lens
        .into_iter()
        .map(|len| {
            let bytes = noise(len as u32, len);
            json!({
                "len": len,
                "digest": to_hex(&digest128(&bytes)),
                "fast": to_hex(&Fast::of(len as u64, &bytes).to_be_bytes()),
            })
        })
        .collect();
    check("hashes.json", &cases);
}

#[test]
fn numbers_of_the_format_are_what_the_file_says() {
    let numbers = [
        ("FORMAT", u64::from(FORMAT)),
        ("ROUTE_SEGMENTS", u64::from(ROUTE_SEGMENTS)),
        ("ENDPOINT_SEGMENTS", u64::from(ENDPOINT_SEGMENTS)),
        ("SEGMENTS", u64::from(SEGMENTS)),
        ("PAGE_LEN", PAGE_LEN as u64),
        ("PAGE_USED", PAGE_USED as u64),
        ("MAX_PAGES", u64::from(MAX_PAGES)),
        ("ROOT_LEN", ROOT_LEN as u64),
        ("PHYSICAL_LEN", PHYSICAL_LEN as u64),
        ("EPOCH_LEN", EPOCH_LEN as u64),
    ];
    let cases: Vec<Value> = numbers
        .iter()
        .map(|(name, number)| json!({ "name": name, "number": number }))
        .collect();
    check("numbers.json", &cases);
}

#[test]
fn zone_sizes_are_what_the_file_says() {
    let sizes = [
        0,
        1 << 20,
        16 << 20,
        64 << 20,
        100_000_000,
        128 << 20,
        1 << 30,
    ];
    let cases: Vec<Value> = sizes
        .into_iter()
        .map(|bytes| {
            let pages = pages_in_zone(bytes);
            json!({ "bytes": bytes, "pages": pages, "zone": zone_bytes(pages) })
        })
        .collect();
    check("zones.json", &cases);
}

#[test]
fn a_node_s_zone_and_answers_are_what_the_file_says() {
    check("script.json", &script());
}
