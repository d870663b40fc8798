//! The requests of one HTTP/2 connection: hyper knows no timeout for a connection that is idle, for a
//! client that lets a response wait, or for one that takes its requests back all the time.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::limits::{Http2Limits, Limits};

/// A request that is taken back within this time was hardly meant.
const PREMATURE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Streams {
    open: Cell<usize>,
    opened: Cell<u64>,
    taken_back: Cell<u64>,
    quiet_since: Cell<Instant>,
    /// For each response, since when it waits for the client.
    waiting: RefCell<Vec<Slot>>,
    flood: Cell<bool>,
    max_resets: u64,
}

/// Why a connection shall end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nobody uses it.
    Idle,
    /// The client takes nothing of a response.
    Stalled,
    /// The client takes its requests back.
    Flood,
}

#[derive(Clone, Copy, Debug)]
enum Slot {
    Free,
    Used(Option<Instant>),
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
            waiting: RefCell::default(),
            flood: Cell::new(false),
            max_resets: limits.max_resets,
        })
    }

    pub(super) fn open(self: &Rc<Self>) -> Stream {
        self.open.set(self.open.get() + 1);
        self.opened.set(self.opened.get() + 1);
        let mut waiting = self.waiting.borrow_mut();
        let free = waiting.iter().position(|slot| matches!(slot, Slot::Free));
        let slot = free.unwrap_or(waiting.len());
        match waiting.get_mut(slot) {
            Some(place) => *place = Slot::Used(None),
            None => waiting.push(Slot::Used(None)),
        }
        Stream {
            streams: Rc::clone(self),
            slot,
            opened: Instant::now(),
            done: false,
        }
    }

    /// Returns when the connection shall end. It is looked at whenever something comes over the
    /// connection, and now and then besides.
    pub(super) async fn watch(&self, limits: &Limits) -> Verdict {
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
            if self.stalled(limits.write_timeout) {
                return Verdict::Stalled;
            }
        }
    }

    fn stalled(&self, timeout: Duration) -> bool {
        let late = |slot: &Slot| match slot {
            Slot::Used(Some(since)) => since.elapsed() >= timeout,
            Slot::Used(None) | Slot::Free => false,
        };
        self.waiting.borrow().iter().any(late)
    }

    fn set(&self, slot: usize, to: Slot) {
        if let Some(slot) = self.waiting.borrow_mut().get_mut(slot) {
            *slot = to;
        }
    }
}

// === impl Stream ===

impl Stream {
    /// Notes that a piece of the response waits for the client, or that the client waits for one.
    pub(super) fn waits_for_client(&self, waits: bool) {
        let since = waits.then(Instant::now);
        self.streams.set(self.slot, Slot::Used(since));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let streams = &self.streams;
        streams.set(self.slot, Slot::Free);
        streams.open.set(streams.open.get() - 1);
        streams.quiet_since.set(Instant::now());
        if self.done || self.opened.elapsed() >= PREMATURE {
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
        runtime.block_on(streams.watch(limits))
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
    fn a_response_that_waits_for_its_client_is_stalled() {
        let limits = limits(0);
        let streams = Streams::new(&limits.http2);
        let (waits, other) = (streams.open(), streams.open());
        waits.waits_for_client(true);
        other.waits_for_client(false);
        assert_eq!(verdict(&streams, &limits), Verdict::Stalled);
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
