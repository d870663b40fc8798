//! The reading side: one worker's view of the table.
//!
//! A request pins the epoch that is current when it comes. Segments are read when they are first
//! needed, checked against the root's digest once, and kept: a new epoch takes over every segment
//! that did not change. When something cannot be read the request starts over with a fresh epoch,
//! [`ATTEMPTS`] times; then it is served wholly from the view before, if that has all it needs;
//! else it fails. It never mixes two epochs and never takes a failed read for "not there".

use core::cell::OnceCell;
use std::rc::Rc;

use super::epoch::EpochRecord;
use super::page::{self};
use super::physical::PhysicalRoot;
use super::{EPOCH_KEY, SENTINEL, SENTINEL_KEY, SharedData, get_stable, page_key, root_key};
use crate::table::layout::{SEGMENTS, kind};
use crate::table::root::SegmentId;
use crate::table::segment::{Broken, Segment, SegmentView};

/// How often a request pins afresh before it falls back.
pub const ATTEMPTS: usize = 3;

/// Segments of one table, however they are held.
pub trait Segments {
    /// A segment; an empty one where there are no blocks.
    ///
    /// # Errors
    /// [`Unreadable`] if it cannot be had now.
    fn segment(&self, index: u32) -> Result<SegmentView<'_>, Unreadable>;
}

/// A part of the table cannot be read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Nothing was published yet.
    NoTable,
    /// The sentinel is not there: the zone is missing, or nobody has prepared it yet.
    NoSentinel,
    /// Shared data could not be asked.
    Store,
    /// The epoch record is torn or foreign.
    Epoch,
    /// The root is not the one that the epoch record names.
    Root,
    /// A segment's bytes are not those that the root names.
    Segment(u32),
}

impl From<Broken> for Unreadable {
    fn from(_: Broken) -> Self {
        Self::Segment(u32::MAX)
    }
}

/// One epoch as a worker sees it.
#[derive(Debug)]
pub struct View {
    record: EpochRecord,
    physical: PhysicalRoot,
    segments: Vec<OnceCell<Segment>>,
}

/// How often reading went wrong, for metrics; counts since the worker's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Epochs that were pinned for the first time.
    pub epochs: u64,
    /// Segments that were loaded.
    pub loads: u64,
    /// Attempts that failed and were tried again.
    pub retries: u64,
    /// Requests that were served from the view before.
    pub fallbacks: u64,
    /// Requests that could not be served.
    pub failures: u64,
}

/// A worker's views.
#[derive(Debug, Default)]
pub struct Views {
    current: Option<Rc<View>>,
    previous: Option<Rc<View>>,
    sentinel: bool,
    counters: Counters,
}

/// A view whose segments can be loaded.
struct Loading<'v, S> {
    view: &'v View,
    store: &'v S,
    loads: core::cell::Cell<u64>,
}

/// A view as far as it is loaded.
struct Loaded<'v> {
    view: &'v View,
}

// === impl View ===

impl View {
    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.record.epoch
    }

    fn load(&self, store: &impl SharedData, index: u32) -> Result<Segment, Unreadable> {
        let failed = Unreadable::Segment(index);
        let id = self.physical.root.get(index);
        let mut bytes = Vec::with_capacity(id.len as usize);
        for (part, number) in (0..).zip(self.physical.pages(index)) {
            let value = get_stable(store, &page_key(*number))
                .map_err(|_| failed)?
                .ok_or(failed)?;
            let (header, used) = page::decode(&value).ok_or(failed)?;
            if header.page != *number || header.segment != index || header.part != part {
                return Err(failed);
            }
            bytes.extend_from_slice(used);
        }
        if SegmentId::of(&bytes) != id {
            return Err(failed);
        }
        Segment::new(kind(index), bytes.into()).ok_or(failed)
    }
}

impl<S: SharedData> Segments for Loading<'_, S> {
    fn segment(&self, index: u32) -> Result<SegmentView<'_>, Unreadable> {
        let cell = self
            .view
            .segments
            .get(index as usize)
            .ok_or(Unreadable::Segment(index))?;
        let segment = match cell.get() {
            Some(segment) => segment,
            None => {
                let segment = self.view.load(self.store, index)?;
                self.loads.set(self.loads.get() + 1);
                cell.get_or_init(|| segment)
            }
        };
        Ok(segment.view())
    }
}

impl Segments for Loaded<'_> {
    fn segment(&self, index: u32) -> Result<SegmentView<'_>, Unreadable> {
        let failed = Unreadable::Segment(index);
        let cell = self.view.segments.get(index as usize).ok_or(failed)?;
        match cell.get() {
            Some(segment) => Ok(segment.view()),
            // Nothing has to be loaded for a segment without bytes.
            None if self.view.physical.root.get(index).len == 0 => {
                SegmentView::new(kind(index), &[]).ok_or(failed)
            }
            None => Err(failed),
        }
    }
}

// === impl Views ===

impl Views {
    /// No view yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How reading went so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Epoch of the current view; 0 before the first.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.current.as_ref().map_or(0, |view| view.epoch())
    }

    /// Brings the current view up to date with the epoch record. Called by itself it is what a
    /// readiness check needs.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn pin(&mut self, store: &impl SharedData) -> Result<Rc<View>, Unreadable> {
        let record = read_epoch(store)?;
        if let Some(current) = &self.current
            && current.record.same_table(&record)
        {
            return Ok(Rc::clone(current));
        }
        if !self.sentinel {
            let value = store.get(SENTINEL_KEY).map_err(|_| Unreadable::Store)?;
            if value.is_none_or(|(value, _)| value != SENTINEL) {
                return Err(Unreadable::NoSentinel);
            }
            self.sentinel = true;
        }
        if record.epoch == 0 {
            return Err(Unreadable::NoTable);
        }
        let value = get_stable(store, root_key(record.slot))
            .map_err(|_| Unreadable::Root)?
            .ok_or(Unreadable::Root)?;
        let (physical, digest) = PhysicalRoot::decode(&value).ok_or(Unreadable::Root)?;
        if digest != record.root || physical.epoch != record.epoch {
            return Err(Unreadable::Root);
        }
        let segments = self.take_over(&physical);
        let view = Rc::new(View {
            record,
            physical,
            segments,
        });
        self.counters.epochs += 1;
        self.previous = self.current.replace(Rc::clone(&view));
        Ok(view)
    }

    /// The segments of the current view that the new root has too.
    fn take_over(&self, physical: &PhysicalRoot) -> Vec<OnceCell<Segment>> {
        (0..SEGMENTS)
            .map(|index| {
                let known = self.current.as_ref().and_then(|view| {
                    let same = view.physical.root.get(index) == physical.root.get(index);
                    let cell = view.segments.get(index as usize).filter(|_| same)?;
                    cell.get().cloned()
                });
                known.map_or_else(OnceCell::new, OnceCell::from)
            })
            .collect()
    }

    /// Answers one request from one epoch. `answer` may be called several times; only the last
    /// call counts.
    ///
    /// # Errors
    /// [`Unreadable`] if no epoch could answer.
    pub fn answer<T>(
        &mut self,
        store: &impl SharedData,
        mut answer: impl FnMut(&dyn Segments, u64) -> Result<T, Unreadable>,
    ) -> Result<T, Unreadable> {
        let mut failure = Unreadable::NoTable;
        for _ in 0..ATTEMPTS {
            match self.pin(store) {
                Ok(view) => {
                    let loading = Loading {
                        view: &view,
                        store,
                        loads: core::cell::Cell::new(0),
                    };
                    let answered = answer(&loading, view.epoch());
                    self.counters.loads += loading.loads.get();
                    match answered {
                        Ok(answered) => return Ok(answered),
                        Err(error) => failure = error,
                    }
                }
                // Nothing to read again.
                Err(error @ (Unreadable::NoTable | Unreadable::NoSentinel)) => {
                    failure = error;
                    break;
                }
                Err(error) => failure = error,
            }
            self.counters.retries += 1;
        }
        for view in [&self.current, &self.previous].into_iter().flatten() {
            if let Ok(answered) = answer(&Loaded { view }, view.epoch()) {
                self.counters.fallbacks += 1;
                return Ok(answered);
            }
        }
        self.counters.failures += 1;
        Err(failure)
    }
}

fn read_epoch(store: &impl SharedData) -> Result<EpochRecord, Unreadable> {
    match store.get(EPOCH_KEY) {
        Ok(Some((value, _))) => EpochRecord::decode(&value).ok_or(Unreadable::Epoch),
        Ok(None) => Err(Unreadable::NoTable),
        Err(_) => Err(Unreadable::Store),
    }
}
