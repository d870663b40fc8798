//! The shared data of one node, with the properties of ngx_wasm_module's key-value zones
//! (Kong facts 4).
//!
//! * The zone is chosen by the text before the first `/` of the key, else it is `*`; a key is
//!   always stored whole.
//! * A key is found by its CRC-32 alone: two keys with one CRC are one key.
//! * Every set and delete names the cas that it expects, 0 for "must not exist".
//! * A zone has a fixed size; while a value grows, old and new both exist.

mod faults;
mod options;
mod queue;
mod slab;
mod zone;

use std::sync::{Arc, Mutex};

pub use faults::{Fault, Faults};
pub use options::{Eviction, StoreError, StoreOptions, ZoneOptions};
pub use queue::QueueError;
pub(crate) use queue::Queues;
use zone::{Value, Zone};

use crate::sync::lock;
use crate::violation::{MAX_VIOLATIONS, Violation};

/// The store. A clone is the same store.
#[derive(Clone, Debug)]
pub struct SharedStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    zones: Vec<(Box<[u8]>, Mutex<Zone>)>,
    default_zone: Option<usize>,
    queues: Queues,
    strict: bool,
    faults: Faults,
    violations: Mutex<Vec<Violation>>,
}

/// Who reads, as a bit: a worker sees each set torn at most once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader(u64);

impl Reader {
    const HOST: Self = Self(1 << 63);

    pub(crate) fn worker(worker: usize) -> Self {
        Self(1 << (worker % 63))
    }
}

impl SharedStore {
    /// An empty store.
    pub fn new(options: StoreOptions) -> Self {
        let zones: Vec<_> = options
            .zones
            .iter()
            .map(|zone| {
                (
                    zone.name.as_bytes().into(),
                    Mutex::new(Zone::new(zone.size, zone.eviction)),
                )
            })
            .collect();
        let default_zone = options.zones.iter().position(|zone| zone.name == "*");
        Self(Arc::new(Inner {
            zones,
            default_zone,
            queues: Queues::new(&options.queues, !options.strict),
            strict: options.strict,
            faults: Faults::default(),
            violations: Mutex::default(),
        }))
    }

    /// The value and cas of a key.
    pub fn get(&self, key: &[u8]) -> Result<(Vec<u8>, u32), StoreError> {
        let (value, cas) = self.read(key, Reader::HOST)?;
        Ok((value.to_vec(), cas))
    }

    /// [`SharedStore::get`] as Kong's Lua side does it under the zone's lock: never torn, and no
    /// fault is injected (Kong shim facts 1).
    pub fn get_locked(&self, key: &[u8]) -> Result<(Vec<u8>, u32), StoreError> {
        let mut zone = lock(self.zone(key)?);
        let node = zone
            .find(crc32fast::hash(key))
            .ok_or(StoreError::NotFound)?;
        Ok((node.value.to_vec(), node.cas))
    }

    /// [`SharedStore::get`] without a copy. No lock is held while `f` runs.
    pub fn with_value<R>(
        &self,
        key: &[u8],
        f: impl FnOnce(&[u8], u32) -> R,
    ) -> Result<R, StoreError> {
        let (value, cas) = self.read(key, Reader::HOST)?;
        Ok(f(&value, cas))
    }

    /// Sets a value; `cas` is that of the value there, 0 if there must be none.
    pub fn set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError> {
        self.write(key, cas, |zone, crc, seen| {
            zone.put(crc, key, value, seen).map(|()| true)
        })
        .map(drop)
    }

    /// Sets a value whatever its cas is: what the Lua side does with a loop (Kong shim facts 1).
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<u32, StoreError> {
        let crc = crc32fast::hash(key);
        let (zone, mut seen) = (self.zone(key)?, Vec::new());
        let mut zone = lock(zone);
        let put = zone.put(crc, key, value, &mut seen);
        let cas = zone.cas(crc);
        drop(zone);
        self.note(seen);
        put.map(|()| cas)
    }

    /// Deletes a key; `cas` is that of its value.
    pub fn delete(&self, key: &[u8], cas: u32) -> Result<(), StoreError> {
        match self.write(key, cas, |zone, crc, seen| Ok(zone.delete(crc, key, seen)))? {
            true => Ok(()),
            false => Err(StoreError::NotFound),
        }
    }

    /// The keys of a zone, sorted; none if there is no such zone.
    pub fn keys(&self, zone: &str) -> Vec<Vec<u8>> {
        self.named(zone)
            .map(|zone| lock(zone).keys())
            .unwrap_or_default()
    }

    /// Bytes of a zone's pages in use.
    pub fn used_bytes(&self, zone: &str) -> usize {
        self.named(zone).map_or(0, |zone| lock(zone).used())
    }

    /// Bytes that a zone's pages hold: its size without nginx's own records.
    pub fn capacity_bytes(&self, zone: &str) -> usize {
        self.named(zone).map_or(0, |zone| lock(zone).capacity())
    }

    /// Empties every zone and queue, as a reload or restart does (Kong facts 4.6). Workers read on.
    pub fn reload(&self, options: &StoreOptions) {
        for zone in &options.zones {
            if let Some(old) = self.named(&zone.name) {
                *lock(old) = Zone::new(zone.size, zone.eviction);
            }
        }
        self.0.queues.clear();
    }

    /// What strict mode saw so far.
    pub fn violations(&self) -> Vec<Violation> {
        lock(&self.0.violations).clone()
    }

    /// What strict mode saw so far; it is forgotten.
    pub fn take_violations(&self) -> Vec<Violation> {
        std::mem::take(&mut lock(&self.0.violations))
    }

    /// The faults that happen on demand.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Whether violations are recorded.
    pub fn strict(&self) -> bool {
        self.0.strict
    }

    pub(crate) fn queues(&self) -> &Queues {
        &self.0.queues
    }

    pub(crate) fn read(&self, key: &[u8], reader: Reader) -> Result<(Value, u32), StoreError> {
        let crc = crc32fast::hash(key);
        if self.0.faults.armed() {
            self.0.faults.before_get(key);
        }
        let mut zone = lock(self.zone(key)?);
        if self.0.faults.armed()
            && let Some(read) = self.faulty_read(&mut zone, crc, key, reader)
        {
            return read;
        }
        let node = zone.find(crc).ok_or(StoreError::NotFound)?;
        node.settled |= reader.0;
        let read = (node.value.clone(), node.cas);
        if self.0.strict && node.key.as_ref() != key {
            let stored = node.key.to_vec();
            drop(zone);
            self.note(vec![Violation::Aliased {
                key: key.to_vec(),
                stored,
            }]);
        }
        Ok(read)
    }

    #[cold]
    fn faulty_read(
        &self,
        zone: &mut Zone,
        crc: u32,
        key: &[u8],
        reader: Reader,
    ) -> Option<Result<(Value, u32), StoreError>> {
        let faults = &self.0.faults;
        if faults.strikes(Fault::Missing, key, || true) {
            return Some(Err(StoreError::NotFound));
        }
        let node = zone.find(crc)?;
        if let Some((old, cas)) = node.previous.clone() {
            let unsettled = node.settled & reader.0 == 0;
            if faults.strikes(Fault::TornRead, key, || {
                unsettled && old.len().min(node.value.len()) > 1
            }) {
                node.settled |= reader.0;
                return Some(Ok((tear(&node.value, &old, faults), cas)));
            }
            if faults.strikes(Fault::StaleRead, key, || true) {
                return Some(Ok((old, cas)));
            }
        }
        let mut foreign = None;
        let aliased = faults.strikes(Fault::AliasedRead, key, || {
            // `below` would lock the plan again: the first other key is as foreign as any.
            foreign = zone.other(crc, |_| 0);
            foreign.is_some()
        });
        if aliased { foreign.map(Ok) } else { None }
    }

    fn write(
        &self,
        key: &[u8],
        cas: u32,
        change: impl FnOnce(&mut Zone, u32, &mut Vec<Violation>) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let crc = crc32fast::hash(key);
        let mut zone = lock(self.zone(key)?);
        let found = zone.cas(crc);
        if self.0.faults.armed() {
            if self.0.faults.strikes(Fault::CasMismatch, key, || true) {
                return Err(StoreError::CasMismatch {
                    expected: cas,
                    found: cas.wrapping_add(1),
                });
            }
            if self.0.faults.strikes(Fault::NoMemory, key, || true) {
                return Err(StoreError::NoMemory {
                    size: zone::NODE + key.len(),
                });
            }
        }
        if cas != found {
            return Err(StoreError::CasMismatch {
                expected: cas,
                found,
            });
        }
        let mut seen = Vec::new();
        let changed = change(&mut zone, crc, &mut seen);
        drop(zone);
        self.note(seen);
        changed
    }

    fn zone(&self, key: &[u8]) -> Result<&Mutex<Zone>, StoreError> {
        let named = key.iter().position(|&b| b == b'/').and_then(|end| {
            let name = &key[..end];
            self.0
                .zones
                .iter()
                .position(|(zone, _)| zone.as_ref() == name)
        });
        let at = named.or(self.0.default_zone).ok_or(StoreError::NoZone)?;
        Ok(&self.0.zones[at].1)
    }

    fn named(&self, zone: &str) -> Option<&Mutex<Zone>> {
        self.0
            .zones
            .iter()
            .find(|(name, _)| name.as_ref() == zone.as_bytes())
            .map(|(_, zone)| zone)
    }

    fn note(&self, seen: Vec<Violation>) {
        if self.0.strict && !seen.is_empty() {
            let mut violations = lock(&self.0.violations);
            let room = MAX_VIOLATIONS.saturating_sub(violations.len());
            violations.extend(seen.into_iter().take(room));
        }
    }
}

/// A copy that a set overtook: from some byte on it is still the old value. When the value grew,
/// the old node is freed memory meanwhile: its rest is whatever came there.
fn tear(new: &Value, old: &Value, faults: &Faults) -> Value {
    let mut mixed = old.to_vec();
    let shared = new.len().min(old.len());
    let cut = 1 + faults.below(shared - 1);
    mixed[..cut].copy_from_slice(&new[..cut]);
    if new.len() > old.len() {
        for byte in &mut mixed[cut..] {
            *byte = FREED;
        }
    }
    mixed.into()
}

/// What freed memory reads as here.
const FREED: u8 = 0xa5;

impl Faults {
    /// Totals of every kind, for a report.
    pub fn total(&self) -> u64 {
        [
            Fault::TornRead,
            Fault::StaleRead,
            Fault::AliasedRead,
            Fault::Missing,
            Fault::CasMismatch,
            Fault::NoMemory,
        ]
        .into_iter()
        .map(|fault| self.injected(fault))
        .sum()
    }
}
