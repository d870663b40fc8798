//! The store against a slow and obvious oracle: a map from CRC-32 to key, value, cas.

use std::collections::BTreeMap;

use proptest::prelude::*;
use silverback_emulator::{Eviction, SharedStore, StoreError, StoreOptions};

/// Two of them have one CRC-32.
const KEYS: [&[u8]; 6] = [
    b"plumless",
    b"buckeroo",
    b"a",
    b"",
    b"own/plumless",
    b"own/b",
];

#[derive(Clone, Debug)]
enum Step {
    Get(usize),
    Set {
        key: usize,
        len: usize,
        fill: u8,
        cas: Cas,
    },
    Delete {
        key: usize,
        cas: Cas,
    },
    Put {
        key: usize,
        len: usize,
        fill: u8,
    },
}

/// The cas to name: the right one, none, or an arbitrary one.
#[derive(Clone, Copy, Debug)]
enum Cas {
    Right,
    None,
    Some(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0..KEYS.len();
    let cas = prop_oneof![4 => Just(Cas::Right), 1 => Just(Cas::None), 1 => (0..5u32).prop_map(Cas::Some)];
    let len = prop_oneof![0..300usize, 0..20_000usize];
    let step = prop_oneof![
        key.clone().prop_map(Step::Get),
        (key.clone(), len.clone(), any::<u8>(), cas.clone()).prop_map(|(key, len, fill, cas)| {
            Step::Set {
                key,
                len,
                fill,
                cas,
            }
        }),
        (key.clone(), cas).prop_map(|(key, cas)| Step::Delete { key, cas }),
        (key, len, any::<u8>()).prop_map(|(key, len, fill)| Step::Put { key, len, fill }),
    ];
    prop::collection::vec(step, 0..60)
}

#[derive(Default)]
struct Oracle(BTreeMap<u32, (Vec<u8>, Vec<u8>, u32)>);

impl Oracle {
    /// Zone `own` and zone `*` are apart, but no key of one has the CRC of a key of the other.
    fn crc(key: &[u8]) -> u32 {
        let mut crc = u32::MAX;
        for &byte in key {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 {
                    crc >> 1 ^ 0xedb8_8320
                } else {
                    crc >> 1
                };
            }
        }
        !crc
    }

    fn cas(&self, key: &[u8]) -> u32 {
        self.0.get(&Self::crc(key)).map_or(0, |(_, _, cas)| *cas)
    }

    fn set(&mut self, key: &[u8], value: Vec<u8>) {
        let crc = Self::crc(key);
        let (name, cas) = match self.0.get(&crc) {
            // Growing makes a new node, with the name it is set by.
            Some((_, old, cas)) if value.len() > old.len() => (key.to_vec(), *cas),
            Some((name, _, cas)) => (name.clone(), *cas),
            None => (key.to_vec(), 0),
        };
        self.0.insert(crc, (name, value, cas + 1));
    }

    fn named(&self, cas: Cas, key: &[u8]) -> u32 {
        match cas {
            Cas::Right => self.cas(key),
            Cas::None => 0,
            Cas::Some(cas) => cas,
        }
    }

    fn keys(&self, own: bool) -> Vec<Vec<u8>> {
        let mut keys: Vec<_> = self.0.values().map(|(key, _, _)| key.clone()).collect();
        keys.retain(|key| key.starts_with(b"own/") == own);
        keys.sort();
        keys
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_oracle_does(steps in steps()) {
        let options = StoreOptions::new().zone("*", 4 << 20, Eviction::None).zone("own", 4 << 20, Eviction::None);
        let store = SharedStore::new(options);
        let mut oracle = Oracle::default();
        for step in steps {
            match step {
                Step::Get(key) => {
                    let expected = oracle.0.get(&Oracle::crc(KEYS[key]));
                    let expected = expected.map(|(_, value, cas)| (value.clone(), *cas)).ok_or(StoreError::NotFound);
                    prop_assert_eq!(store.get(KEYS[key]), expected);
                }
                Step::Set { key, len, fill, cas } => {
                    let (cas, found) = (oracle.named(cas, KEYS[key]), oracle.cas(KEYS[key]));
                    let set = store.set(KEYS[key], &vec![fill; len], cas);
                    if cas == found {
                        prop_assert_eq!(set, Ok(()));
                        oracle.set(KEYS[key], vec![fill; len]);
                    } else {
                        prop_assert_eq!(set, Err(StoreError::CasMismatch { expected: cas, found }));
                    }
                }
                Step::Delete { key, cas } => {
                    let (cas, found) = (oracle.named(cas, KEYS[key]), oracle.cas(KEYS[key]));
                    let expected = match (cas == found, found) {
                        (true, 0) => Err(StoreError::NotFound),
                        (true, _) => Ok(()),
                        (false, _) => Err(StoreError::CasMismatch { expected: cas, found }),
                    };
                    prop_assert_eq!(store.delete(KEYS[key], cas), expected);
                    if cas == found {
                        oracle.0.remove(&Oracle::crc(KEYS[key]));
                    }
                }
                Step::Put { key, len, fill } => {
                    oracle.set(KEYS[key], vec![fill; len]);
                    prop_assert_eq!(store.put(KEYS[key], &vec![fill; len]), Ok(oracle.cas(KEYS[key])));
                }
            }
            prop_assert_eq!(store.keys("*"), oracle.keys(false));
            prop_assert_eq!(store.keys("own"), oracle.keys(true));
        }
        for key in KEYS {
            let _ = store.delete(key, oracle.cas(key));
        }
        // Nothing leaks, whatever grew and shrank.
        prop_assert_eq!(store.used_bytes("*") + store.used_bytes("own"), 0);
    }
}

#[test]
fn the_oracles_crc_is_the_usual_one() {
    assert_eq!(Oracle::crc(b"123456789"), 0xcbf4_3926);
    assert_eq!(Oracle::crc(b"plumless"), Oracle::crc(b"buckeroo"));
}
