//! Timers that every request sets and that hardly ever go off.
//!
//! To move one of tokio's takes it out of a list and puts it into another, between the timers of other
//! connections, whose memory is cold by then. Here one that is moved to later stays where it is: should
//! it go off too early, it is moved then.

use std::pin::Pin;
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

/// Makes such timers for hyper.
#[derive(Clone, Copy, Debug)]
pub(super) struct LazyTimer;

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

impl Sleep for LazySleep {}

// === impl LazyTimer ===

impl Timer for LazyTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(LazySleep::until(deadline))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<LazySleep>() {
            Some(lazy) => lazy.reset(new_deadline),
            None => *sleep = self.sleep_until(new_deadline),
        }
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
    async fn moved_to_earlier_it_goes_off_then() {
        let start = Instant::now();
        let mut timer = Box::pin(LazySleep::until(start + LONG));
        timer.as_mut().reset(start + 2 * LONG);
        timer.as_mut().reset(start + SHORT);
        timer.await;
        assert!(start.elapsed() < LONG);
    }
}
