//! An upstream's HTTP/1.1 connection, driven by the request that uses it.
//!
//! hyper wants a connection to be a task of its own. Then each request is woken four times: for the
//! client's bytes, in the connection to send them, in the connection for the upstream's bytes, and again
//! to pass them on; each time other requests were served meanwhile, and its memory is cold. Here the
//! request polls the connection where it would wait for it, and is woken twice. While a connection is idle
//! nobody polls it; a bell tells whether it wants to be.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// hyper's, whose type has no name with upgrades.
type Connection = dyn Future<Output = hyper::Result<()>>;

/// See the module.
pub(super) struct Driver {
    /// `None` when it has ended.
    connection: Option<Pin<Box<Connection>>>,
    bell: Arc<Bell>,
    /// Rings the bell.
    waker: Waker,
}

/// What a connection wakes.
#[derive(Default)]
struct Bell {
    /// The connection wants to be polled.
    rung: AtomicBool,
    /// Somebody looks at `rung` anyway when they are done.
    busy: AtomicBool,
    /// Who uses the connection.
    user: Mutex<Option<Waker>>,
}

/// How often a connection is polled again at once when it says that it could go on.
const AGAIN: usize = 4;

// === impl Driver ===

impl Driver {
    pub(super) fn new(connection: impl Future<Output = hyper::Result<()>> + 'static) -> Self {
        let bell = Arc::new(Bell {
            // It was never polled.
            rung: AtomicBool::new(true),
            ..Bell::default()
        });
        Self {
            connection: Some(Box::pin(connection)),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }

    /// Polls something that nothing but the connection can bring on, and the connection for it.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.bell.used_by(cx.waker());
        for _ in 0..AGAIN {
            // What was brought on wakes nobody: whoever waits for it is here.
            self.bell.busy.store(true, Ordering::SeqCst);
            let mut polled = self.ask(&mut wanted, cx);
            if polled.is_pending() {
                self.drive();
                polled = self.ask(&mut wanted, cx);
            }
            self.bell.busy.store(false, Ordering::SeqCst);
            if polled.is_ready() || !self.is_rung() {
                return polled;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether it is to be polled although nobody uses it.
    pub(super) fn is_rung(&self) -> bool {
        self.bell.rung.load(Ordering::SeqCst)
    }

    /// Nobody uses it now.
    pub(super) fn rest(&self) {
        *self.bell.user() = None;
    }

    /// Makes a task of it: from now on it goes on whether somebody waits for it or not.
    pub(super) fn detach(self) {
        if let Some(connection) = self.connection {
            // The request that uses the connection sees its errors.
            tokio::task::spawn_local(connection);
        }
    }

    fn ask<T>(
        &self,
        wanted: &mut impl FnMut(&mut Context<'_>) -> Poll<T>,
        cx: &mut Context<'_>,
    ) -> Poll<T> {
        if self.connection.is_none() {
            return wanted(cx);
        }
        let before = self.is_rung();
        let polled = wanted(&mut Context::from_waker(Waker::noop()));
        if polled.is_ready() {
            // That there is room for more is no news: more is asked for when it is wanted.
            self.bell.rung.store(before, Ordering::SeqCst);
        }
        polled
    }

    /// Polls the connection for nobody.
    pub(super) fn drive(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        self.bell.rung.store(false, Ordering::SeqCst);
        let polled = connection
            .as_mut()
            .poll(&mut Context::from_waker(&self.waker));
        if polled.is_ready() {
            self.connection = None;
        }
    }
}

// === impl Bell ===

impl Bell {
    fn used_by(&self, waker: &Waker) {
        let mut user = self.user();
        match &mut *user {
            Some(user) => user.clone_from(waker),
            None => *user = Some(waker.clone()),
        }
    }

    /// Nobody panics while they hold it.
    fn user(&self) -> MutexGuard<'_, Option<Waker>> {
        self.user.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        if self.busy.load(Ordering::SeqCst) {
            return;
        }
        if let Some(user) = &*self.user() {
            user.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
    use std::sync::atomic::AtomicUsize;

    /// Counts how often a task was woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection that keeps its waker, does what it is told, and counts.
    #[derive(Default)]
    struct Played {
        polls: Cell<usize>,
        waker: RefCell<Option<Waker>>,
        restless: Cell<bool>,
        over: Cell<bool>,
    }

    fn driver(played: &Rc<Played>) -> Driver {
        let played = Rc::clone(played);
        Driver::new(std::future::poll_fn(move |cx| {
            played.polls.set(played.polls.get() + 1);
            *played.waker.borrow_mut() = Some(cx.waker().clone());
            if played.restless.get() {
                cx.waker().wake_by_ref();
            }
            match played.over.get() {
                true => Poll::Ready(Ok(())),
                false => Poll::Pending,
            }
        }))
    }

    fn wake(played: &Played) {
        played.waker.borrow().as_ref().unwrap().wake_by_ref();
    }

    fn woken(task: &Arc<Task>) -> usize {
        task.0.load(Ordering::Relaxed)
    }

    #[test]
    fn the_user_is_woken_by_the_connection_and_by_nothing_that_it_does_itself() {
        let (played, task) = (Rc::new(Played::default()), Arc::new(Task::default()));
        let waker = Waker::from(Arc::clone(&task));
        let mut driver = driver(&played);
        let mut cx = Context::from_waker(&waker);
        assert!(driver.poll(&mut cx, |_| Poll::<()>::Pending).is_pending());
        assert_eq!((played.polls.get(), woken(&task)), (1, 0));
        wake(&played);
        assert_eq!(woken(&task), 1);
        // What is there already needs no look at the connection, and to take it is no event.
        let polled = driver.poll(&mut cx, |_| {
            wake(&played);
            Poll::Ready(7)
        });
        assert_eq!(polled, Poll::Ready(7));
        assert_eq!((played.polls.get(), woken(&task)), (1, 1));
        // But what had happened before is not forgotten.
        assert!(driver.is_rung());
        driver.drive();
        let polled = driver.poll(&mut cx, |_| {
            wake(&played);
            Poll::Ready(())
        });
        assert!(polled.is_ready() && !driver.is_rung());
    }

    #[test]
    fn an_idle_connection_remembers_that_something_has_happened() {
        let (played, task) = (Rc::new(Played::default()), Arc::new(Task::default()));
        let waker = Waker::from(Arc::clone(&task));
        let mut driver = driver(&played);
        let mut cx = Context::from_waker(&waker);
        assert!(driver.poll(&mut cx, |_| Poll::<()>::Pending).is_pending());
        driver.rest();
        assert!(!driver.is_rung());
        wake(&played);
        assert!(driver.is_rung());
        assert_eq!(woken(&task), 0);
    }

    #[test]
    fn a_restless_connection_lets_others_go_on() {
        let (played, task) = (Rc::new(Played::default()), Arc::new(Task::default()));
        played.restless.set(true);
        let waker = Waker::from(Arc::clone(&task));
        let mut driver = driver(&played);
        let mut cx = Context::from_waker(&waker);
        assert!(driver.poll(&mut cx, |_| Poll::<()>::Pending).is_pending());
        assert_eq!((played.polls.get(), woken(&task)), (AGAIN, 1));
    }

    #[test]
    fn what_an_ended_connection_has_left_behind_wakes_by_itself() {
        let (played, task) = (Rc::new(Played::default()), Arc::new(Task::default()));
        played.over.set(true);
        let waker = Waker::from(Arc::clone(&task));
        let mut driver = driver(&played);
        let mut cx = Context::from_waker(&waker);
        let mut asked = 0;
        let polled = driver.poll(&mut cx, |cx| {
            asked += 1;
            if asked == 2 {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        assert_eq!((asked, woken(&task)), (2, 1));
    }
}
