//! One zone: values by the CRC-32 of their key, in a fixed number of bytes.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use super::slab::{PAGE, Place, Slab};
use super::{Eviction, StoreError};
use crate::violation::Violation;

/// `ngx_wa_shm_kv_node_t` on a 64-bit machine: tree node, key, value, cas, queue.
pub(crate) const NODE: usize = 96;

/// A value that is read without the lock once the `Arc` is out.
pub(crate) type Value = Arc<[u8]>;

#[derive(Debug)]
pub(crate) struct Node {
    /// The bytes that first made this node (or last grew it): what a key listing shows.
    pub(crate) key: Box<[u8]>,
    pub(crate) value: Value,
    pub(crate) cas: u32,
    /// Value and cas before the last set, for torn and stale reads.
    pub(crate) previous: Option<(Value, u32)>,
    /// Workers (one bit each) whose next read cannot overlap the last set any more.
    pub(crate) settled: u64,
    place: Place,
    last_use: u64,
}

#[derive(Debug)]
pub(crate) struct Zone {
    nodes: HashMap<u32, Node, BuildHasherDefault<CrcHasher>>,
    slab: Slab,
    eviction: Eviction,
    uses: u64,
}

/// A CRC is as good a hash as any: it is passed through.
#[derive(Default)]
pub(crate) struct CrcHasher(u64);

impl Hasher for CrcHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0 << 8 | u64::from(byte);
        }
    }

    fn write_u32(&mut self, crc: u32) {
        // hashbrown takes 7 bits from the top.
        self.0 = u64::from(crc) << 32 | u64::from(crc);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Zone {
    pub(crate) fn new(size: usize, eviction: Eviction) -> Self {
        Self {
            nodes: HashMap::default(),
            slab: Slab::new(size),
            eviction,
            uses: 0,
        }
    }

    pub(crate) fn used(&self) -> usize {
        self.slab.used()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slab.capacity()
    }

    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        let mut keys: Vec<_> = self.nodes.values().map(|node| node.key.to_vec()).collect();
        keys.sort_unstable();
        keys
    }

    /// The node that the key finds; a read counts as a use for lru.
    pub(crate) fn find(&mut self, crc: u32) -> Option<&mut Node> {
        let node = self.nodes.get_mut(&crc)?;
        if self.eviction != Eviction::None {
            self.uses += 1;
            node.last_use = self.uses;
        }
        Some(node)
    }

    /// Some other value than that of the key, for an aliased read.
    pub(crate) fn other(
        &self,
        crc: u32,
        choose: impl FnOnce(usize) -> usize,
    ) -> Option<(Value, u32)> {
        let mut others: Vec<_> = self
            .nodes
            .iter()
            .filter(|(other, _)| **other != crc)
            .collect();
        others.sort_unstable_by_key(|(other, _)| **other);
        let chosen = choose(others.len());
        others
            .get(chosen)
            .map(|(_, node)| (node.value.clone(), node.cas))
    }

    /// What a key's cas is: 0 for none, as a set must name it.
    pub(crate) fn cas(&self, crc: u32) -> u32 {
        self.nodes.get(&crc).map_or(0, |node| node.cas)
    }

    /// Sets a value whose cas was checked. A longer value gets a new place before the old one is
    /// given back; a shorter one keeps its place, so it has less than it paid for.
    pub(crate) fn put(
        &mut self,
        crc: u32,
        key: &[u8],
        value: &[u8],
        seen: &mut Vec<Violation>,
    ) -> Result<(), StoreError> {
        self.uses += 1;
        let uses = self.uses;
        if let Some(node) = self.nodes.get_mut(&crc) {
            let (from, to) = (node.value.len(), value.len());
            if node.key.as_ref() != key {
                seen.push(Violation::Aliased {
                    key: key.to_vec(),
                    stored: node.key.to_vec(),
                });
            }
            if from != to {
                seen.push(Violation::Resized {
                    key: key.to_vec(),
                    from,
                    to,
                });
            }
            if to <= from {
                node.previous = Some((
                    std::mem::replace(&mut node.value, Arc::from(value)),
                    node.cas,
                ));
                node.cas = node.cas.wrapping_add(1);
                node.settled = 0;
                node.last_use = uses;
                return Ok(());
            }
        }
        let size = NODE + key.len() + value.len();
        let grows = self.nodes.contains_key(&crc);
        if grows && self.capacity() - self.used() < size.div_ceil(PAGE) * PAGE {
            seen.push(Violation::GrewInFullZone { key: key.to_vec() });
        }
        let place = self.allocate(size, crc, seen)?;
        // Eviction may have taken the old node; in nginx that is the crash of Kong facts 4.5.
        let old = self.nodes.remove(&crc);
        let (cas, previous) = match old {
            Some(old) => {
                self.slab.free(old.place);
                (old.cas, Some((old.value, old.cas)))
            }
            None => (0, None),
        };
        let node = Node {
            key: key.into(),
            value: Arc::from(value),
            cas: cas.wrapping_add(1),
            previous,
            settled: 0,
            place,
            last_use: uses,
        };
        self.nodes.insert(crc, node);
        Ok(())
    }

    /// Deletes a key whose cas was checked and says whether it was there.
    pub(crate) fn delete(&mut self, crc: u32, key: &[u8], seen: &mut Vec<Violation>) -> bool {
        let Some(node) = self.nodes.remove(&crc) else {
            return false;
        };
        if node.key.as_ref() != key {
            seen.push(Violation::Aliased {
                key: key.to_vec(),
                stored: node.key.to_vec(),
            });
        }
        seen.push(Violation::Deleted { key: key.to_vec() });
        self.slab.free(node.place);
        true
    }

    fn allocate(
        &mut self,
        size: usize,
        keep: u32,
        seen: &mut Vec<Violation>,
    ) -> Result<Place, StoreError> {
        loop {
            if let Some(place) = self.slab.allocate(size) {
                return Ok(place);
            }
            let Some(victim) = self.victim(size) else {
                return Err(StoreError::NoMemory { size });
            };
            if let Some(node) = self.nodes.remove(&victim) {
                if victim != keep {
                    seen.push(Violation::Evicted {
                        key: node.key.to_vec(),
                    });
                }
                self.slab.free(node.place);
            }
        }
    }

    /// The least recently used node: of all for lru; for slru of the same size class, else of a
    /// larger one, else of a smaller one.
    fn victim(&self, size: usize) -> Option<u32> {
        let class = |size: usize| size.min(PAGE).next_power_of_two();
        let wanted = class(size);
        let oldest = |filter: &dyn Fn(usize) -> bool| {
            self.nodes
                .iter()
                .map(|(crc, node)| {
                    (
                        node.last_use,
                        *crc,
                        class(NODE + node.key.len() + node.value.len()),
                    )
                })
                .filter(|(_, _, class)| filter(*class))
                .min_by_key(|&(last_use, crc, class)| (class.abs_diff(wanted), last_use, crc))
                .map(|(_, crc, _)| crc)
        };
        match self.eviction {
            Eviction::None => None,
            Eviction::Lru => self
                .nodes
                .iter()
                .min_by_key(|(_, node)| node.last_use)
                .map(|(crc, _)| *crc),
            Eviction::Slru => oldest(&|class| class >= wanted).or_else(|| oldest(&|_| true)),
        }
    }
}
