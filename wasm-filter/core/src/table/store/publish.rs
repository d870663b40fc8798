//! The writing side: pages first, then a root, then the epoch.
//!
//! The node chooses pages that neither its current nor its previous root uses, those that were
//! written longest ago first. So a reader that has pinned the current or the previous epoch finds
//! every page untouched; one that is older sees a digest that differs and pins again. Correctness
//! does not depend on any grace time.
//!
//! Of two publishers at once one wins, the other gets [`PublishError::Raced`] and may start over
//! from what is there. Each claims the epoch record before its first write; the later claim counts.
//! A value is only overwritten while the claim stands: get the value's cas, see that the epoch
//! record is still the one that was claimed, set with that cas. Whoever claims afterwards either
//! has not touched the value yet, and will write over it, or has, and the cas differs. So the loser
//! never spoils a page or root of the winner, and a publisher that dies holds no lock.

mod error;

pub use error::PublishError;

use core::cmp::Reverse;
use std::collections::BinaryHeap;

use super::epoch::EpochRecord;
use super::page::{self, PAGE_LEN, PAGE_USED, PageHeader, pages_for};
use super::physical::{PHYSICAL_LEN, PhysicalRoot};
use super::{
    EPOCH_KEY, MAX_PAGES, SENTINEL, SENTINEL_KEY, SharedData, StoreError, page_key, root_key,
};
use crate::table::hash::Digest;
use crate::table::root::{Root, SegmentId};

/// What a publication did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The epoch that is now in effect.
    pub epoch: u64,
    /// Pages that were written.
    pub pages: usize,
    /// Segments that were written.
    pub segments: usize,
}

/// What is in effect in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreState {
    /// The epoch; 0 without a table.
    pub epoch: u64,
    /// Digest of the logical root; zeros without a table that can be read.
    pub digest: Digest,
    /// The current logical root.
    pub root: Option<Root>,
    /// The one before.
    pub previous: Option<Root>,
    /// Pages in the pool.
    pub pages: usize,
    /// Pages that the next publication may use.
    pub free: usize,
}

/// Writes tables into one store.
#[derive(Debug)]
pub struct Publisher {
    /// Epoch in which each page of the pool was last written, as far as this publisher knows.
    written: Vec<u64>,
    /// Its own number.
    writer: u64,
}

/// The right to write, until somebody else claims it.
#[derive(Debug, Clone, Copy)]
struct Claim {
    /// Cas of the epoch record that has the claim.
    cas: u32,
}

/// What is in effect.
#[derive(Debug)]
struct Current {
    cas: u32,
    record: EpochRecord,
    root: Option<PhysicalRoot>,
    previous: Option<PhysicalRoot>,
}

/// The bytes of shared-data zone that a pool of so many pages takes, as nginx's slab counts:
/// whole 4 KiB pages for every value, and 3 % for its own book-keeping.
#[must_use]
pub fn zone_bytes(pages: u16) -> usize {
    let slab = |len: usize| len.saturating_add(128).next_multiple_of(4096);
    let values = usize::from(pages) * slab(PAGE_LEN) + 2 * slab(PHYSICAL_LEN) + 4096;
    values + values / 32 + 8 * 4096
}

/// The largest pool for a zone of so many bytes.
#[must_use]
pub fn pages_in_zone(bytes: usize) -> u16 {
    let (mut low, mut high) = (0, MAX_PAGES);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if zone_bytes(middle) <= bytes {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

impl Publisher {
    /// Takes over a store: creates the pool in a new one, reads what is there in another.
    ///
    /// # Errors
    /// [`PublishError::ZoneFull`] if the pool does not fit, [`PublishError::Foreign`] for values
    /// of another release.
    pub fn open(store: &impl SharedData, pages: u16) -> Result<Self, PublishError> {
        let pages = pages.min(MAX_PAGES);
        let mut written = Vec::with_capacity(usize::from(pages));
        for number in 0..pages {
            let key = page_key(number);
            let epoch = match store.get(&key)? {
                Some((value, _)) => {
                    let (header, _) =
                        page::decode(&value).ok_or(PublishError::Foreign("a page"))?;
                    header.epoch
                }
                None => {
                    let empty = PageHeader {
                        page: number,
                        segment: u32::MAX,
                        part: 0,
                        epoch: 0,
                    };
                    create(store, &key, &page::encode(empty, &[])).map_err(
                        |error| match error {
                            PublishError::Store(StoreError::NoMemory) => PublishError::ZoneFull {
                                needed: usize::from(pages),
                                free: usize::from(number),
                                pages: usize::from(number),
                            },
                            other => other,
                        },
                    )?;
                    0
                }
            };
            written.push(epoch);
        }
        let empty = PhysicalRoot::new(0, Root::default(), Vec::new())
            .and_then(|root| root.encode())
            .ok_or(PublishError::Foreign("the root"))?;
        for slot in 0..2 {
            match store.get(root_key(slot))? {
                Some((value, _)) if value.len() != PHYSICAL_LEN => {
                    return Err(PublishError::Foreign("a root"));
                }
                Some(_) => {}
                None => create(store, root_key(slot), &empty.0)?,
            }
        }
        if store.get(EPOCH_KEY)?.is_none() {
            let record = EpochRecord {
                epoch: 0,
                slot: 0,
                page_len: PAGE_LEN as u32,
                pages: u32::from(pages),
                root: empty.1,
                writers: 0,
                claim: 0,
            };
            create(store, EPOCH_KEY, &record.encode())?;
        }
        if store.get(SENTINEL_KEY)?.is_none() {
            create(store, SENTINEL_KEY, SENTINEL)?;
        }
        let writer = enter(store)?;
        Ok(Self { written, writer })
    }

    /// The epoch and the digest of the logical root that are in effect.
    ///
    /// # Errors
    /// [`PublishError::Store`], [`PublishError::Foreign`].
    pub fn status(&self, store: &impl SharedData) -> Result<(u64, Digest), PublishError> {
        let current = read_current(store)?;
        let digest = current.root.map(|root| root.root.digest());
        Ok((current.record.epoch, digest.unwrap_or_default()))
    }

    /// What is in effect, with everything that a commit is decided by.
    ///
    /// # Errors
    /// [`PublishError::Store`], [`PublishError::Foreign`].
    pub fn state(&self, store: &impl SharedData) -> Result<StoreState, PublishError> {
        let current = read_current(store)?;
        let used = used_pages(&current);
        Ok(StoreState {
            epoch: current.record.epoch,
            digest: logical_digest(&current),
            root: current.root.map(|physical| physical.root),
            previous: current.previous.map(|physical| physical.root),
            pages: self.written.len(),
            free: self.written.len().saturating_sub(used.count()),
        })
    }

    /// Puts a table into effect. `content` gives the bytes of a segment; it is asked only for
    /// those that are not in the store already.
    ///
    /// # Errors
    /// Any [`PublishError`]; the table before stays in effect.
    pub fn publish<'c>(
        &mut self,
        store: &impl SharedData,
        root: &Root,
        content: impl Fn(u32) -> Option<&'c [u8]>,
    ) -> Result<Published, PublishError> {
        self.publish_over(store, None, root, content)
    }

    /// As [`Self::publish`], but only over the table with this epoch and digest of its logical
    /// root.
    ///
    /// # Errors
    /// As [`Self::publish`]; [`PublishError::Raced`] if another table is in effect.
    pub fn publish_over<'c>(
        &mut self,
        store: &impl SharedData,
        expected: Option<(u64, Digest)>,
        root: &Root,
        content: impl Fn(u32) -> Option<&'c [u8]>,
    ) -> Result<Published, PublishError> {
        let claim = claim(store, self.writer)?;
        let current = read_current(store)?;
        if current.cas != claim.cas {
            return Err(PublishError::Raced);
        }
        if let Some((epoch, digest)) = expected
            && (current.record.epoch != epoch || logical_digest(&current) != digest)
        {
            return Err(PublishError::Raced);
        }
        let epoch = current.record.epoch.saturating_add(1);
        let used = used_pages(&current);
        let changes = changes(root, current.root.as_ref(), content)?;
        // Oldest first, of equal ages by number. A change takes few of many: a heap, not a sort.
        let mut free: BinaryHeap<Reverse<(u64, u16)>> = (0..)
            .zip(&self.written)
            .filter(|(page, _)| !used.contains(*page))
            .map(|(page, epoch)| Reverse((*epoch, page)))
            .collect();
        let needed: usize = changes.iter().map(|(_, id, _)| pages_for(id.len)).sum();
        if needed > free.len() {
            return Err(PublishError::ZoneFull {
                needed,
                free: free.len(),
                pages: self.written.len(),
            });
        }

        let mut pages = Vec::new();
        let mut pending = changes.iter().peekable();
        for (segment, id) in root.iter() {
            match pending.next_if(|(changed, _, _)| *changed == segment) {
                Some((_, _, bytes)) => {
                    for (part, content) in (0..).zip(bytes.chunks(PAGE_USED)) {
                        let free = free.pop().ok_or(PublishError::Verify(segment))?;
                        let Reverse((_, number)) = free;
                        let header = PageHeader {
                            page: number,
                            segment,
                            part,
                            epoch,
                        };
                        self.write_page(store, claim, header, content)?;
                        pages.push(number);
                    }
                }
                None if id.len > 0 => {
                    let kept = current.root.as_ref().map(|root| root.pages(segment));
                    pages.extend_from_slice(kept.unwrap_or_default());
                }
                None => {}
            }
        }
        let written = pages_written(&changes);
        let physical = PhysicalRoot::new(epoch, root.clone(), pages)
            .ok_or(PublishError::Foreign("the current root"))?;
        flip(store, &current, &physical, self.written.len())?;
        Ok(Published {
            epoch,
            pages: written,
            segments: changes.len(),
        })
    }

    fn write_page(
        &mut self,
        store: &impl SharedData,
        claim: Claim,
        header: PageHeader,
        content: &[u8],
    ) -> Result<(), PublishError> {
        let key = page_key(header.page);
        let value = page::encode(header, content);
        overwrite(
            store,
            claim,
            &key,
            &value,
            PublishError::Verify(header.segment),
        )?;
        if let Some(written) = self.written.get_mut(usize::from(header.page)) {
            *written = header.epoch;
        }
        Ok(())
    }
}

/// The pages that no publication may touch: those of the current and the previous root.
struct Used(Vec<bool>);

impl Used {
    fn contains(&self, page: u16) -> bool {
        self.0.get(usize::from(page)).is_some_and(|used| *used)
    }

    fn count(&self) -> usize {
        self.0.iter().filter(|used| **used).count()
    }
}

fn used_pages(current: &Current) -> Used {
    let roots = [&current.root, &current.previous];
    let mut used = vec![false; usize::from(MAX_PAGES)];
    for page in roots
        .into_iter()
        .flatten()
        .flat_map(|root| root.all_pages())
    {
        if let Some(used) = used.get_mut(usize::from(*page)) {
            *used = true;
        }
    }
    Used(used)
}

/// Digest of the logical root in effect; zeros without a table.
fn logical_digest(current: &Current) -> Digest {
    let table = current.root.as_ref().filter(|root| root.epoch > 0);
    table.map(|table| table.root.digest()).unwrap_or_default()
}

/// A segment that is new: index, id, bytes.
type Change<'c> = (u32, SegmentId, &'c [u8]);

fn pages_written(changes: &[Change<'_>]) -> usize {
    changes.iter().map(|(_, id, _)| pages_for(id.len)).sum()
}

/// The segments with bytes that the current root has not, checked.
fn changes<'c>(
    root: &Root,
    current: Option<&PhysicalRoot>,
    content: impl Fn(u32) -> Option<&'c [u8]>,
) -> Result<Vec<Change<'c>>, PublishError> {
    let mut changes = Vec::new();
    let mut missing = Vec::new();
    for (segment, id) in root.iter() {
        if id.len == 0 || current.is_some_and(|current| current.root.get(segment) == id) {
            continue;
        }
        match content(segment) {
            Some(bytes) if SegmentId::of(bytes) == id => changes.push((segment, id, bytes)),
            Some(_) => return Err(PublishError::Digest(segment)),
            None => missing.push(segment),
        }
    }
    if missing.is_empty() {
        Ok(changes)
    } else {
        Err(PublishError::Missing(missing))
    }
}

fn read_current(store: &impl SharedData) -> Result<Current, PublishError> {
    let (record, cas) = read_record(store)?;
    let read = |slot| -> Result<_, PublishError> {
        let value = super::get_stable(store, root_key(slot))?;
        Ok(value.as_deref().and_then(PhysicalRoot::decode))
    };
    let root = read(record.slot)?
        .filter(|(root, digest)| *digest == record.root && root.epoch == record.epoch)
        .map(|(root, _)| root);
    // A root that cannot be read is written anew from scratch; its pages count as free, since no
    // reader can use it either.
    let previous = read(1 - record.slot)?
        .filter(|(root, _)| root.epoch < record.epoch)
        .map(|(root, _)| root);
    Ok(Current {
        cas,
        record,
        root,
        previous,
    })
}

fn flip(
    store: &impl SharedData,
    current: &Current,
    physical: &PhysicalRoot,
    pages: usize,
) -> Result<(), PublishError> {
    let slot = 1 - current.record.slot;
    let (value, digest) = physical.encode().ok_or(PublishError::ZoneFull {
        needed: physical.all_pages().len(),
        free: usize::from(MAX_PAGES),
        pages,
    })?;
    let claim = Claim { cas: current.cas };
    overwrite(store, claim, root_key(slot), &value, PublishError::Raced)?;
    let record = EpochRecord {
        epoch: physical.epoch,
        slot,
        page_len: PAGE_LEN as u32,
        pages: u32::try_from(pages).unwrap_or_default(),
        root: digest,
        writers: current.record.writers,
        claim: current.record.claim,
    };
    store
        .set(EPOCH_KEY, &record.encode(), current.cas)
        .map_err(|error| match error {
            StoreError::CasMismatch => PublishError::Raced,
            other => PublishError::Store(other),
        })
}

fn create(store: &impl SharedData, key: &[u8], value: &[u8]) -> Result<(), PublishError> {
    match store.set(key, value, 0) {
        // Somebody else has just created it, with the same fixed length.
        Ok(()) | Err(StoreError::CasMismatch) => Ok(()),
        Err(error) => Err(PublishError::Store(error)),
    }
}

/// Takes the next writer's number.
fn enter(store: &impl SharedData) -> Result<u64, PublishError> {
    /// Each failure means that another publisher has entered or published.
    const TRIES: usize = 64;
    for _ in 0..TRIES {
        let (mut record, cas) = read_record(store)?;
        record.writers = record.writers.saturating_add(1);
        match store.set(EPOCH_KEY, &record.encode(), cas) {
            Ok(()) => return Ok(record.writers),
            Err(StoreError::CasMismatch) => {}
            Err(error) => return Err(PublishError::Store(error)),
        }
    }
    Err(PublishError::Raced)
}

/// Claims the right to write.
fn claim(store: &impl SharedData, writer: u64) -> Result<Claim, PublishError> {
    let (mut record, cas) = read_record(store)?;
    record.claim = writer;
    match store.set(EPOCH_KEY, &record.encode(), cas) {
        Ok(()) => {}
        Err(StoreError::CasMismatch) => return Err(PublishError::Raced),
        Err(error) => return Err(PublishError::Store(error)),
    }
    // A set does not give the new cas. Whoever came in between has left its own number.
    let (record, cas) = read_record(store)?;
    if record.claim == writer {
        Ok(Claim { cas })
    } else {
        Err(PublishError::Raced)
    }
}

fn read_record(store: &impl SharedData) -> Result<(EpochRecord, u32), PublishError> {
    let (value, cas) = store
        .get(EPOCH_KEY)?
        .ok_or(PublishError::Foreign("no epoch record"))?;
    let record = EpochRecord::decode(&value).ok_or(PublishError::Foreign("the epoch record"))?;
    Ok((record, cas))
}

/// Overwrites a value while the claim stands, and reads it back; `unread` if that differs.
fn overwrite(
    store: &impl SharedData,
    claim: Claim,
    key: &[u8],
    value: &[u8],
    unread: PublishError,
) -> Result<(), PublishError> {
    let (old, cas) = store
        .get(key)?
        .ok_or(PublishError::Foreign("a missing value"))?;
    if old.len() != value.len() {
        return Err(PublishError::Foreign("a value of another length"));
    }
    let stands = || -> Result<bool, PublishError> {
        Ok(store
            .get(EPOCH_KEY)?
            .is_some_and(|(_, cas)| cas == claim.cas))
    };
    if !stands()? {
        return Err(PublishError::Raced);
    }
    match store.set(key, value, cas) {
        Ok(()) => {}
        Err(StoreError::CasMismatch) => return Err(PublishError::Raced),
        Err(error) => return Err(PublishError::Store(error)),
    }
    let back = store.get(key)?.map(|(value, _)| value);
    if back.as_deref() == Some(value) {
        Ok(())
    } else if stands()? {
        Err(unread)
    } else {
        Err(PublishError::Raced)
    }
}
