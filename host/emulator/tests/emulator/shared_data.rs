//! Shared data as a filter sees it (Kong facts 4), and its faults.

use silverback_emulator::{Eviction, Fault, SharedStore, StoreError, StoreOptions, Violation};

use crate::support::{Bench, strict};

fn told(bench: &mut Bench, words: &[&str]) -> Vec<String> {
    bench.told(words).expect("no trap")
}

fn one(bench: &mut Bench, word: &str) -> String {
    told(bench, &[word]).remove(0)
}

fn zone(size: usize, eviction: Eviction) -> StoreOptions {
    StoreOptions::new().zone("*", size, eviction)
}

#[test]
fn facts_4_1_without_a_zone_every_access_is_a_trap() {
    for word in ["get a", "set a=1 0", "delete a 1"] {
        let mut bench = strict().zones(StoreOptions::new()).start("script");
        let trap = bench.told(&[word]).expect_err("a trap");
        assert!(
            trap.message.contains("could not resolve namespace"),
            "{trap}"
        );
    }
}

#[test]
fn facts_4_1_the_text_before_the_first_slash_selects_the_zone() {
    let zones = zone(1 << 20, Eviction::None).zone("own", 1 << 20, Eviction::None);
    let mut bench = strict().zones(zones).start("script");
    told(
        &mut bench,
        &[
            "set own/a/b=1 0",
            "set other/a=1 0",
            "set plain=1 0",
            "set /lead=1 0",
        ],
    );
    assert_eq!(
        bench.store.keys("own"),
        [b"own/a/b"],
        "the key is stored whole"
    );
    assert_eq!(bench.store.keys("*"), [&b"/lead"[..], b"other/a", b"plain"]);
}

#[test]
fn shim_facts_second_1_a_key_without_its_zone_and_without_the_default_zone_traps() {
    let mut bench = strict()
        .zones(StoreOptions::new().zone("own", 1 << 20, Eviction::None))
        .start("script");
    assert_eq!(one(&mut bench, "get own/a"), "Ok((None, None))");
    bench.told(&["get other/a"]).expect_err("a trap");
}

#[test]
fn facts_4_2_keys_are_found_by_crc_32_alone() {
    let mut bench = strict().start("script");
    told(&mut bench, &["set plumless=a 0"]);
    assert_eq!(
        one(&mut bench, "get buckeroo"),
        "Ok((Some(\"a\"), Some(1)))"
    );
    assert_eq!(
        one(&mut bench, "set buckeroo=b 0"),
        "Err(CasMismatch)",
        "it is there already"
    );
    assert_eq!(one(&mut bench, "set buckeroo=b 1"), "Ok(())");
    assert_eq!(
        one(&mut bench, "get plumless"),
        "Ok((Some(\"b\"), Some(2)))"
    );
    assert_eq!(
        bench.store.keys("*"),
        [b"plumless"],
        "a listing shows the first name"
    );
    let aliased = Violation::Aliased {
        key: b"buckeroo".to_vec(),
        stored: b"plumless".to_vec(),
    };
    assert_eq!(bench.store.violations(), [aliased.clone(), aliased]);
}

#[test]
fn facts_4_4_cas_is_always_enforced() {
    let mut bench = strict().start("script");
    let words = [
        "set a=1 7",
        "set a=1 0",
        "set a=2 0",
        "set a=2 1",
        "get a",
        "delete a 0",
        "delete a 1",
        "delete a 2",
        "delete a 0",
        "get a",
    ];
    let expected = [
        "Err(CasMismatch)",
        "Ok(())",
        "Err(CasMismatch)",
        "Ok(())",
        "Ok((Some(\"2\"), Some(2)))",
        "Err(CasMismatch)",
        "Err(CasMismatch)",
        "Ok(())",
        "Err(CasMismatch)",
        "Ok((None, None))",
    ];
    assert_eq!(told(&mut bench, &words), expected);
}

#[test]
fn facts_4_4_a_key_that_is_deleted_and_set_again_has_cas_1_again() {
    let mut bench = strict().start("script");
    told(
        &mut bench,
        &["set a=1 0", "set a=2 1", "delete a 2", "set a=3 0"],
    );
    assert_eq!(one(&mut bench, "get a"), "Ok((Some(\"3\"), Some(1)))");
}

#[test]
fn facts_4_5_a_set_that_finds_no_room_traps() {
    let mut bench = strict()
        .zones(zone(64 << 10, Eviction::None))
        .start("script");
    let big = "x".repeat(40 << 10);
    assert_eq!(one(&mut bench, &format!("set a={big} 0")), "Ok(())");
    let trap = bench
        .told(&[&format!("set b={big} 0")])
        .expect_err("a trap");
    assert!(trap.message.contains("could not write to slab"), "{trap}");
    assert!(
        matches!(
            bench.store.set(b"b", big.as_bytes(), 0),
            Err(StoreError::NoMemory { .. })
        ),
        "the host gets an error"
    );
    assert_eq!(bench.store.keys("*"), [b"a"], "nothing is lost");
}

#[test]
fn facts_4_5_while_a_value_grows_old_and_new_both_exist() {
    let store = SharedStore::new(zone(64 << 10, Eviction::None).strict(true));
    let half = store.capacity_bytes("*") / 2;
    store.set(b"a", &vec![1; half], 0).expect("room");
    let grown = store.set(b"a", &vec![2; half + 8192], 1);
    assert!(
        matches!(grown, Err(StoreError::NoMemory { .. })),
        "{grown:?}"
    );
    assert_eq!(store.get(b"a").expect("still there"), (vec![1; half], 1));
    assert_eq!(
        store.set(b"a", &vec![2; half], 1),
        Ok(()),
        "the same length is overwritten in place"
    );
    assert!(
        store
            .violations()
            .contains(&Violation::GrewInFullZone { key: b"a".to_vec() })
    );
}

#[test]
fn facts_4_5_slru_and_lru_lose_keys_without_an_error() {
    for eviction in [Eviction::Lru, Eviction::Slru] {
        let store = SharedStore::new(zone(64 << 10, eviction).strict(true));
        for n in 0..100u32 {
            store
                .set(&n.to_le_bytes(), &[0; 4000], 0)
                .expect("always room");
        }
        assert!(store.keys("*").len() < 100);
        assert_eq!(
            store.get(&99u32.to_le_bytes()).map(|(_, cas)| cas),
            Ok(1),
            "the youngest is there"
        );
        assert!(store.violations().contains(&Violation::Evicted {
            key: 0u32.to_le_bytes().to_vec()
        }));
    }
}

#[test]
fn facts_4_6_a_reload_empties_it() {
    let options = zone(1 << 20, Eviction::None);
    let mut bench = strict().zones(options.clone()).start("script");
    told(&mut bench, &["set a=1 0"]);
    bench.store.reload(&options);
    assert_eq!(one(&mut bench, "get a"), "Ok((None, None))");
    assert_eq!(bench.store.used_bytes("*"), 0);
}

#[test]
fn facts_4_3_a_torn_read_mixes_bytes_and_has_the_cas_from_before_the_set() {
    let mut bench = strict().start("script");
    told(&mut bench, &["set a=oooooooo 0", "set a=nnnnnnnn 1"]);
    bench.store.faults().inject_next(Fault::TornRead, "a", 1);
    let torn = one(&mut bench, "get a");
    assert!(torn.contains("no") && torn.ends_with("Some(1)))"), "{torn}");
    assert_eq!(
        one(&mut bench, "get a"),
        "Ok((Some(\"nnnnnnnn\"), Some(2)))"
    );
    assert_eq!(bench.store.faults().injected(Fault::TornRead), 1);
}

#[test]
fn shim_facts_second_2_two_reads_with_one_cas_are_never_both_torn() {
    let mut bench = strict().start("script");
    bench.store.set(b"a", &[b'0'; 64], 0).expect("room");
    bench.store.faults().seed(7);
    bench.store.faults().torn_reads(1.0);
    for round in 1..=50u32 {
        bench
            .store
            .set(b"a", &[b'0' + (round % 10) as u8; 64], round)
            .expect("room");
        let reads = told(&mut bench, &["get a", "get a", "get a"]);
        let mixed = |read: &str| {
            let value: Vec<u8> = read.bytes().skip("Ok((Some(\"".len()).take(64).collect();
            value.iter().any(|b| *b != value[0])
        };
        assert!(mixed(&reads[0]), "{reads:?}");
        assert!(
            reads[0] != reads[1] && !mixed(&reads[1]) && reads[1] == reads[2],
            "{reads:?}"
        );
    }
    assert_eq!(bench.store.faults().injected(Fault::TornRead), 50);
}

#[test]
fn other_faults_happen_on_demand_and_only_then() {
    let mut bench = strict().start("script");
    told(&mut bench, &["set a=old 0", "set a=new 1", "set b=other 0"]);
    let faults = [
        (Fault::StaleRead, "get a", "Ok((Some(\"old\"), Some(1)))"),
        (
            Fault::AliasedRead,
            "get a",
            "Ok((Some(\"other\"), Some(1)))",
        ),
        (Fault::Missing, "get a", "Ok((None, None))"),
        (Fault::CasMismatch, "set a=x 2", "Err(CasMismatch)"),
    ];
    for (fault, word, result) in faults {
        bench.store.faults().inject_next(fault, "a", 1);
        assert_eq!(
            one(&mut bench, "get b"),
            "Ok((Some(\"other\"), Some(1)))",
            "another key is spared"
        );
        assert_eq!(one(&mut bench, word), result, "{fault:?}");
        assert_eq!(bench.store.faults().injected(fault), 1);
    }
    bench.store.faults().inject_next(Fault::NoMemory, "", 1);
    bench.told(&["set a=x 2"]).expect_err("a trap");
    assert_eq!(bench.store.faults().total(), 5);
    assert_eq!(one(&mut bench, "get a"), "Ok((Some(\"new\"), Some(2)))");
    bench.store.faults().set_probability(Fault::Missing, 1.0);
    bench.store.faults().clear();
    assert_eq!(one(&mut bench, "get a"), "Ok((Some(\"new\"), Some(2)))");
}

#[test]
fn strict_mode_notes_a_live_value_that_is_resized_or_deleted() {
    let mut bench = strict().start("script");
    told(&mut bench, &["set a=12 0", "set a=34 1"]);
    assert!(
        bench.store.violations().is_empty(),
        "the same length is what one does"
    );
    told(&mut bench, &["set a=1 2", "set a=123 3", "delete a 4"]);
    let (resized, key) = (
        |from, to| Violation::Resized {
            key: b"a".to_vec(),
            from,
            to,
        },
        b"a".to_vec(),
    );
    assert_eq!(
        bench.store.take_violations(),
        [resized(2, 1), resized(1, 3), Violation::Deleted { key }]
    );
    assert!(bench.store.violations().is_empty());
}

#[test]
fn workers_share_the_store_and_an_empty_value_is_a_value() {
    let mut a = strict().start("script");
    let mut other = strict();
    other.store = a.store.clone();
    other.options.worker = 1;
    let mut b = other.start("script");
    told(&mut a, &["set k= 0"]);
    assert_eq!(one(&mut b, "get k"), "Ok((Some(\"\"), Some(1)))");
    let read = a.store.with_value(b"k", |bytes, cas| (bytes.len(), cas));
    assert_eq!(read, Ok((0, 1)));
    assert_eq!(
        a.store.put(b"k", b"x"),
        Ok(2),
        "the Lua side overwrites whatever the cas is"
    );
}

#[test]
fn facts_4_3_freed_memory_can_be_read_when_a_value_grew() {
    let store = SharedStore::new(zone(1 << 20, Eviction::None));
    store.set(b"a", &[b'o'; 64], 0).expect("room");
    store.set(b"a", &[b'n'; 256], 1).expect("room");
    store.faults().inject_next(Fault::TornRead, "", 1);
    let (torn, cas) = store.get(b"a").expect("there");
    assert_eq!((torn.len(), cas), (64, 1), "the old length and cas");
    assert!(
        torn.iter().any(|b| !b"on".contains(b)),
        "bytes of neither value"
    );
    store.faults().set_probability(Fault::Missing, 1.0);
    assert_eq!(
        store.get_locked(b"a"),
        Ok((vec![b'n'; 256], 2)),
        "under the lock nothing is torn or missing"
    );
}

#[test]
fn facts_4_7_values_of_megabytes_fit() {
    let store = SharedStore::new(zone(64 << 20, Eviction::None));
    store.set(b"a", &vec![7; 60 << 20], 0).expect("room");
    assert_eq!(store.with_value(b"a", |bytes, _| bytes.len()), Ok(60 << 20));
}

#[test]
fn workers_in_threads_lose_no_update() {
    let store = strict().store;
    let mut threads = Vec::new();
    for worker in 0..4 {
        let mut setup = strict();
        setup.store = store.clone();
        setup.options.worker = worker;
        let mut bench = setup.start("counter");
        threads.push(std::thread::spawn(move || {
            for _ in 0..250 {
                bench
                    .request(&mut crate::support::doing(&["add"]))
                    .expect("no trap");
            }
        }));
    }
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert_eq!(
        store.get(b"ticks"),
        Ok((1000u64.to_le_bytes().to_vec(), 1000))
    );
}
