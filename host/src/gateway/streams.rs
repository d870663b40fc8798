//! The requests of one HTTP/2 connection: hyper knows no timeout for a connection that is idle, for a
//! client that lets a response wait, or for one that takes its requests back all the time.
//!
//! A response that waits too long ends alone, as in nginx: the others may be on their way. hyper polls
//! no body while the client's window is shut, so what ends is the task in which it sends the response;
//! h2 resets the stream then.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::limits::{Http2Limits, Limits};
use super::stats::Counters;

/// A request that is taken back within this time was hardly meant.
const PREMATURE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Streams {
    open: Cell<usize>,
    opened: Cell<u64>,
    taken_back: Cell<u64>,
    quiet_since: Cell<Instant>,
    slots: RefCell<Vec<Slot>>,
    /// The slot of a request for which there is no task yet.
    newest: Cell<Option<usize>>,
    flood: Cell<bool>,
    max_resets: u64,
}

/// Why a connection shall end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody uses it.
    Idle,
    /// The client takes its requests back.
    Flood,
}

/// A place for a request.
#[derive(Debug, Default)]
struct Slot {
    used: bool,
    /// Since when its response waits for the client.
    waits: Option<Instant>,
    task: Option<AbortHandle>,
    /// It was ended because it waited too long.
    stalled: bool,
}

/// One request, from its headers to the end of its response.
#[derive(Debug)]
pub(super) struct Stream {
    streams: Rc<Streams>,
    slot: usize,
    opened: Instant,
    /// It was answered in full, or failed for another reason than that the client went away.
    pub(super) done: bool,
}

// === impl Streams ===

impl Streams {
    pub(super) fn new(limits: &Http2Limits) -> Rc<Self> {
        Rc::new(Self {
            open: Cell::new(0),
            opened: Cell::new(0),
            taken_back: Cell::new(0),
            quiet_since: Cell::new(Instant::now()),
            slots: RefCell::default(),
            newest: Cell::new(None),
            flood: Cell::new(false),
            max_resets: limits.max_resets,
        })
    }

    pub(super) fn open(self: &Rc<Self>) -> Stream {
        self.open.set(self.open.get() + 1);
        self.opened.set(self.opened.get() + 1);
        let mut slots = self.slots.borrow_mut();
        let free = slots.iter().position(|slot| !slot.used);
        let slot = free.unwrap_or_else(|| {
            slots.push(Slot::default());
            slots.len() - 1
        });
        if let Some(slot) = slots.get_mut(slot) {
            slot.used = true;
        }
        self.newest.set(Some(slot));
        Stream {
            streams: Rc::clone(self),
            slot,
            opened: Instant::now(),
            done: false,
        }
    }

    /// Notes the task of the request that was opened last: hyper spawns it right after.
    pub(super) fn spawned(&self, task: impl FnOnce() -> AbortHandle) {
        let newest = self.newest.take();
        let mut slots = self.slots.borrow_mut();
        if let Some(slot) = newest.and_then(|newest| slots.get_mut(newest)) {
            slot.task = Some(task());
        }
    }

    /// Returns when the connection shall end, and ends the responses that wait too long until then. It is
    /// looked at whenever something comes over the connection, and now and then besides.
    pub(super) async fn watch(&self, limits: &Limits, counters: &Counters) -> Verdict {
        let idle = limits.http2.idle_timeout;
        let period = idle.min(limits.write_timeout) / 4;
        let period = period.clamp(Duration::from_millis(10), Duration::from_secs(15));
        loop {
            let mut pause = pin!(tokio::time::sleep(period));
            // Nobody needs to say that there is a flood: it is seen when the next frame of it comes.
            let flood = poll_fn(|cx| match self.flood.get() {
                true => Poll::Ready(true),
                false => pause.as_mut().poll(cx).map(|()| false),
            });
            if flood.await {
                return Verdict::Flood;
            }
            if self.open.get() == 0 && self.quiet_since.get().elapsed() >= idle {
                return Verdict::Idle;
            }
            self.end_stalled(limits.write_timeout, counters);
        }
    }

    /// Ends the responses that have waited for their client for so long.
    fn end_stalled(&self, timeout: Duration, counters: &Counters) {
        for slot in &mut *self.slots.borrow_mut() {
            if slot.waits.is_none_or(|since| since.elapsed() < timeout) {
                continue;
            }
            slot.waits = None;
            if let Some(task) = slot.task.take() {
                slot.stalled = true;
                counters.stalled_clients.inc();
                // It is dropped in its turn, not here.
                task.abort();
            }
        }
    }
}

// === impl Stream ===

impl Stream {
    /// Notes that a piece of the response waits for the client, or that the client waits for one.
    pub(super) fn waits_for_client(&self, waits: bool) {
        if let Some(slot) = self.streams.slots.borrow_mut().get_mut(self.slot) {
            slot.waits = waits.then(Instant::now);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let streams = &self.streams;
        let mut slots = streams.slots.borrow_mut();
        let slot = slots.get_mut(self.slot).map(std::mem::take);
        drop(slots);
        let stalled = slot.is_some_and(|slot| slot.stalled);
        streams.open.set(streams.open.get() - 1);
        streams.quiet_since.set(Instant::now());
        if self.done || stalled || self.opened.elapsed() >= PREMATURE {
            return;
        }
        let taken_back = streams.taken_back.get() + 1;
        streams.taken_back.set(taken_back);
        // As in Envoy: so many, and more than half of all.
        if taken_back > streams.max_resets && taken_back * 2 > streams.opened.get() {
            streams.flood.set(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_resets: u64) -> Limits {
        let mut limits = Limits::default();
        limits.http2.max_resets = max_resets;
        limits.http2.idle_timeout = Duration::from_millis(20);
        limits.write_timeout = Duration::from_millis(20);
        limits
    }

    fn verdict(streams: &Streams, limits: &Limits) -> Verdict {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(streams.watch(limits, &Counters::default()))
    }

    #[test]
    fn a_connection_without_requests_is_idle() {
        let limits = limits(0);
        assert_eq!(
            verdict(&Streams::new(&limits.http2), &limits),
            Verdict::Idle
        );
    }

    #[test]
    fn a_response_that_waits_for_its_client_ends_alone() {
        let mut limits = limits(0);
        limits.http2.idle_timeout = Duration::from_secs(600);
        let counters = Counters::default();
        let streams = Streams::new(&limits.http2);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build_local(tokio::runtime::LocalOptions::default())
            .unwrap();
        let spawn = |streams: &Rc<Streams>, waits: bool| {
            let stream = streams.open();
            stream.waits_for_client(waits);
            let task = tokio::task::spawn_local(async move {
                let _stream = stream;
                std::future::pending::<()>().await;
            });
            streams.spawned(|| task.abort_handle());
            task
        };
        runtime.block_on(async {
            let (waits, other) = (spawn(&streams, true), spawn(&streams, false));
            let ended = tokio::select! {
                verdict = streams.watch(&limits, &counters) => panic!("{verdict:?}"),
                ended = waits => ended,
            };
            assert!(ended.unwrap_err().is_cancelled());
            assert!(!other.is_finished());
        });
        assert_eq!(counters.stalled_clients.get(), 1);
        assert_eq!(streams.taken_back.get(), 0);
        assert_eq!(streams.open.get(), 1);
    }

    #[test]
    fn more_requests_taken_back_than_meant_is_a_flood() {
        let limits = limits(3);
        let streams = Streams::new(&limits.http2);
        for _ in 0..4 {
            streams.open().done = true;
            drop(streams.open());
        }
        assert_eq!(streams.taken_back.get(), 4);
        // Half of all is not more than half.
        assert_eq!(verdict(&streams, &limits), Verdict::Idle);
        drop(streams.open());
        assert_eq!(verdict(&streams, &limits), Verdict::Flood);
    }
}
