//! Timers that every request sets and that hardly ever go off.
//!
//! To move one of tokio's takes it out of a list and puts it into another, between the timers of other
//! connections, whose memory is cold by then. Here one that is moved to later stays where it is: should
//! it go off too early, it is moved then.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use pin_project_lite::pin_project;

pin_project! {
    /// A timer that is cheap to move to later.
    pub(super) struct LazySleep {
        // Due at `due` or before.
        #[pin]
        sleep: tokio::time::Sleep,
        due: Instant,
    }
}

/// Makes the timers of one connection for hyper, which drops the one of each request's head and asks for
/// another: it is the same one again.
#[derive(Clone, Default)]
pub(super) struct LazyTimer {
    kept: Arc<Mutex<Option<Pin<Box<LazySleep>>>>>,
}

/// A timer that goes back to where it came from.
struct Lent {
    /// `None` only while it is dropped.
    sleep: Option<Pin<Box<LazySleep>>>,
    home: LazyTimer,
}

// === impl LazySleep ===

impl LazySleep {
    /// A timer that goes off then.
    pub(super) fn until(due: Instant) -> Self {
        Self {
            sleep: tokio::time::sleep_until(due.into()),
            due,
        }
    }

    /// Makes the timer that is kept there, or a new one, go off then.
    pub(super) fn set(kept: &mut Option<Pin<Box<Self>>>, due: Instant) -> &mut Pin<Box<Self>> {
        match kept {
            Some(timer) => {
                timer.as_mut().reset(due);
                timer
            }
            None => kept.insert(Box::pin(Self::until(due))),
        }
    }

    /// Makes it go off then instead, whether it has gone off or not.
    pub(super) fn reset(self: Pin<&mut Self>, due: Instant) {
        let this = self.project();
        *this.due = due;
        if due < this.sleep.deadline().into_std() {
            this.sleep.reset(due.into());
        }
    }
}

impl Future for LazySleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            ready!(this.sleep.as_mut().poll(cx));
            if this.sleep.deadline().into_std() >= *this.due {
                return Poll::Ready(());
            }
            this.sleep.as_mut().reset((*this.due).into());
        }
    }
}

// === impl LazyTimer ===

impl LazyTimer {
    /// No two hold it at a time, and nobody panics meanwhile.
    fn kept(&self) -> MutexGuard<'_, Option<Pin<Box<LazySleep>>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timer for LazyTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let mut sleep = self.kept().take();
        LazySleep::set(&mut sleep, deadline);
        Box::pin(Lent {
            sleep,
            home: self.clone(),
        })
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Lent>() {
            Some(mut lent) => {
                LazySleep::set(&mut lent.sleep, new_deadline);
            }
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

// === impl Lent ===

impl Future for Lent {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl Sleep for Lent {}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.home.kept() = self.sleep.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn moved_to_later_it_does_not_go_off_before() {
        for gone_off in [false, true] {
            let mut timer = Box::pin(LazySleep::until(Instant::now() + SHORT));
            if gone_off {
                timer.as_mut().await;
            }
            let due = Instant::now() + 3 * SHORT;
            timer.as_mut().reset(due);
            timer.await;
            assert!(Instant::now() >= due);
        }
    }

    #[tokio::test]
    async fn a_connection_has_one_timer_again_and_again() {
        let timer = LazyTimer::default();
        let mut first = timer.sleep_until(Instant::now() + LONG);
        let polled = std::future::poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx)));
        assert!(polled.await.is_pending());
        drop(first);
        let address = |timer: &LazyTimer| timer.kept().as_ref().map(|kept| &raw const **kept);
        let kept = address(&timer);
        assert!(kept.is_some());
        let start = Instant::now();
        let mut second = timer.sleep_until(start + LONG);
        timer.reset(&mut second, start + SHORT);
        assert!(address(&timer).is_none());
        second.await;
        assert!(start.elapsed() >= SHORT && start.elapsed() < LONG);
        assert_eq!(address(&timer), kept);
    }

    #[tokio::test]
    async fn moved_to_earlier_it_goes_off_then() {
        let start = Instant::now();
        let mut timer = Box::pin(LazySleep::until(start + LONG));
        timer.as_mut().reset(start + 2 * LONG);
        timer.as_mut().reset(start + SHORT);
        timer.await;
        assert!(start.elapsed() < LONG);
    }
}
