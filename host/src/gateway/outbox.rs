//! What a worker is about to send.
//!
//! To send something wakes the peer, if that is on the same machine and has nothing else to do, and to
//! wake a thread costs about as much as all the rest of sending. So what is short goes out together with
//! what the worker's other connections have to say: when all tasks that were ready have been polled, or
//! after a few of them. Peers then find the next message there instead of being woken for it. The first
//! message after a sleep goes out at once: where there is only one, nothing would be won.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

/// The sending half of a connection.
pub(super) struct Sending(Arc<Mutex<Mail>>);

/// See [`Sending`].
struct Mail {
    half: OwnedWriteHalf,
    /// What is not sent yet.
    bytes: Vec<u8>,
    /// The outbox will send it.
    listed: bool,
    /// Why it could not be sent.
    failed: Option<io::Error>,
    /// Who has to know when the outbox could not send all of it.
    writer: Option<Waker>,
}

/// A worker's.
#[derive(Default)]
struct Outbox {
    /// There is somebody who empties it.
    open: bool,
    /// Something was sent since the worker slept.
    awake: bool,
    listed: Vec<Arc<Mutex<Mail>>>,
    emptier: Option<Waker>,
    /// Memory for the next.
    spare: Vec<Vec<u8>>,
}

/// A connection's bytes are kept up to here.
const SHORT: usize = 4096;
/// So many connections' bytes are kept: the first should not wait long for the last.
const TOGETHER: usize = 32;

thread_local! {
    static OUTBOX: RefCell<Outbox> = RefCell::default();
}

/// Empties this thread's outbox whenever there is something in it, and whatever was ready has been polled.
pub(super) async fn run() {
    let _open = Open::new();
    std::future::poll_fn(|cx| {
        send_all();
        with(|outbox| match &mut outbox.emptier {
            Some(emptier) => emptier.clone_from(cx.waker()),
            None => outbox.emptier = Some(cx.waker().clone()),
        });
        Poll::<()>::Pending
    })
    .await;
}

/// The worker goes to sleep.
pub(super) fn asleep() {
    with(|outbox| outbox.awake = false);
}

/// While it lives, the thread's outbox is emptied.
struct Open;

impl Open {
    fn new() -> Self {
        with(|outbox| outbox.open = true);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        send_all();
        with(|outbox| *outbox = Outbox::default());
    }
}

/// `None` when the thread ends.
fn with<R>(f: impl FnOnce(&mut Outbox) -> R) -> Option<R> {
    // What is called neither sends nor wakes.
    OUTBOX
        .try_with(|outbox| {
            outbox
                .try_borrow_mut()
                .ok()
                .map(|mut outbox| f(&mut outbox))
        })
        .ok()
        .flatten()
}

fn send_all() {
    let Some(mut listed) = with(|outbox| std::mem::take(&mut outbox.listed)) else {
        return;
    };
    for mail in listed.drain(..) {
        let (empty, waker) = lock(&mail).send();
        with(|outbox| {
            if empty.capacity() > 0 && outbox.spare.len() < TOGETHER {
                outbox.spare.push(empty);
            }
        });
        if let Some(waker) = waker {
            waker.wake();
        }
    }
    // The list's memory.
    with(|outbox| {
        if outbox.listed.is_empty() {
            outbox.listed = listed;
        }
    });
}

/// Nobody panics while they hold it.
fn lock(mail: &Mutex<Mail>) -> MutexGuard<'_, Mail> {
    mail.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Mail ===

impl Mail {
    /// Sends what the socket takes. What comes back is memory that is needed no more, and who must see to
    /// the rest.
    fn send(&mut self) -> (Vec<u8>, Option<Waker>) {
        self.listed = false;
        while !self.bytes.is_empty() {
            match self.half.try_write(&self.bytes) {
                Ok(sent) => {
                    self.bytes.drain(..sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return (Vec::new(), self.writer.clone());
                }
                Err(error) => {
                    self.failed = Some(error);
                    self.bytes.clear();
                    return (Vec::new(), self.writer.clone());
                }
            }
        }
        (std::mem::take(&mut self.bytes), None)
    }

    /// Sends what is not sent yet, and waits for the socket to take it.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        while !self.bytes.is_empty() {
            let sent = ready!(Pin::new(&mut self.half).poll_write(cx, &self.bytes))?;
            self.bytes.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the outbox could not send all of it.
    fn is_stuck(&self) -> bool {
        self.failed.is_some() || (!self.listed && !self.bytes.is_empty())
    }
}

// === impl Sending ===

impl Sending {
    pub(super) fn new(half: OwnedWriteHalf) -> Self {
        Self(Arc::new(Mutex::new(Mail {
            half,
            bytes: Vec::new(),
            listed: false,
            failed: None,
            writer: None,
        })))
    }

    /// Takes some bytes: short ones for the outbox, others for the socket.
    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut mail = lock(&self.0);
        let len: usize = bufs.iter().map(|buf| buf.len()).sum();
        let fits = mail.bytes.len() + len <= SHORT;
        if mail.is_stuck() || !fits {
            ready!(mail.poll_send(cx))?;
        }
        if len > SHORT {
            return Pin::new(&mut mail.half).poll_write_vectored(cx, bufs);
        }
        if !mail.listed {
            let Some(full) = self.list(&mut mail) else {
                return Pin::new(&mut mail.half).poll_write_vectored(cx, bufs);
            };
            match &mut mail.writer {
                Some(writer) => writer.clone_from(cx.waker()),
                None => mail.writer = Some(cx.waker().clone()),
            }
            append(&mut mail.bytes, bufs);
            if full {
                drop(mail);
                send_all();
            }
        } else {
            append(&mut mail.bytes, bufs);
        }
        Poll::Ready(Ok(len))
    }

    /// Whether the outbox is full now; `None` if it is better to send at once.
    fn list(&self, mail: &mut Mail) -> Option<bool> {
        let (spare, emptier, full) = with(|outbox| {
            if !(outbox.open && std::mem::replace(&mut outbox.awake, true)) {
                return None;
            }
            outbox.listed.push(Arc::clone(&self.0));
            // The others find it woken.
            let first = outbox.listed.len() == 1;
            let emptier = first.then(|| outbox.emptier.take()).flatten();
            let full = outbox.listed.len() >= TOGETHER;
            Some((outbox.spare.pop(), emptier, full))
        })??;
        mail.listed = true;
        if mail.bytes.capacity() == 0 {
            mail.bytes = spare.unwrap_or_default();
        }
        if let Some(emptier) = emptier {
            emptier.wake();
        }
        Some(full)
    }

    /// What the outbox has is as good as sent.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut mail = lock(&self.0);
        if mail.is_stuck() {
            return mail.poll_send(cx);
        }
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut mail = lock(&self.0);
        ready!(mail.poll_send(cx))?;
        Pin::new(&mut mail.half).poll_shutdown(cx)
    }
}

fn append(bytes: &mut Vec<u8>, bufs: &[io::IoSlice<'_>]) {
    for buf in bufs {
        bytes.extend_from_slice(buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::runtime::{Builder, LocalOptions};

    /// Runs it on a worker's kind of thread.
    fn on_a_worker(test: impl Future<Output = ()> + 'static) {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(LocalOptions::default());
        runtime.unwrap().block_on(async {
            let limit = Duration::from_secs(60);
            tokio::time::timeout(limit, test).await.unwrap();
        });
    }

    /// A connection's sending half, and the other end.
    async fn connection() -> (Sending, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (peer, _) = listener.accept().await.unwrap();
        let (_, write) = stream.unwrap().into_split();
        (Sending::new(write), peer)
    }

    async fn write(sending: &Sending, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| sending.poll_write(cx, &[io::IoSlice::new(bytes)])).await
    }

    fn listed() -> usize {
        with(|outbox| outbox.listed.len()).unwrap()
    }

    #[test]
    fn only_the_first_message_after_a_sleep_goes_out_at_once() {
        on_a_worker(async {
            tokio::task::spawn_local(run());
            tokio::task::yield_now().await;
            let (sending, mut peer) = connection().await;
            asleep();
            let mut all = Vec::new();
            for (message, deferred) in [("a", 0), ("b", 1), ("c", 1)] {
                assert_eq!(write(&sending, message.as_bytes()).await.unwrap(), 1);
                assert_eq!(listed(), deferred, "{message}");
                all.extend_from_slice(message.as_bytes());
            }
            let mut got = vec![0; all.len()];
            peer.read_exact(&mut got).await.unwrap();
            assert_eq!((got, listed()), (all, 0));
        });
    }

    #[test]
    fn a_full_outbox_is_emptied_at_once() {
        on_a_worker(async {
            with(|outbox| (outbox.open, outbox.awake) = (true, true));
            let mut all = Vec::new();
            for n in 1..=TOGETHER {
                let (sending, peer) = connection().await;
                write(&sending, b"x").await.unwrap();
                assert_eq!(listed(), n % TOGETHER);
                all.push((sending, peer));
            }
            for (_, peer) in &mut all {
                assert_eq!(peer.read_u8().await.unwrap(), b'x');
            }
        });
    }

    #[test]
    fn where_nobody_empties_it_nothing_is_left_in_it() {
        on_a_worker(async {
            let (sending, mut peer) = connection().await;
            for _ in 0..2 {
                write(&sending, b"x").await.unwrap();
                assert_eq!((peer.read_u8().await.unwrap(), listed()), (b'x', 0));
            }
        });
    }

    #[test]
    fn who_has_written_sees_to_what_the_socket_does_not_take() {
        on_a_worker(async {
            tokio::task::spawn_local(run());
            tokio::task::yield_now().await;
            let (sending, mut peer) = connection().await;
            let mut written = 0;
            // Longer than anything that is deferred.
            let long = vec![b'x'; SHORT + 1];
            // The system moves bytes on in its own time: until the buffers of both sides are full.
            while !lock(&sending.0).is_stuck() {
                poll_fn(|cx| {
                    while let Poll::Ready(n) = sending.poll_write(cx, &[io::IoSlice::new(&long)]) {
                        written += n.unwrap();
                    }
                    Poll::Ready(())
                })
                .await;
                with(|outbox| outbox.awake = true);
                written += write(&sending, b"y").await.unwrap();
                // Woken when the outbox could not send it ...
                while lock(&sending.0).listed {
                    tokio::task::yield_now().await;
                }
            }
            // ... and then by the socket.
            let flushed = poll_fn(|cx| sending.poll_flush(cx));
            let mut got = vec![0; written];
            let (flushed, read) = tokio::join!(flushed, peer.read_exact(&mut got));
            assert!(flushed.is_ok() && read.is_ok());
            assert_eq!(got.last(), Some(&b'y'));
        });
    }

    #[test]
    fn an_error_of_the_outbox_is_the_writers() {
        on_a_worker(async {
            tokio::task::spawn_local(run());
            tokio::task::yield_now().await;
            let (sending, peer) = connection().await;
            peer.set_zero_linger().unwrap();
            drop(peer);
            let failed = poll_fn(|cx| {
                with(|outbox| outbox.awake = true);
                // The reset may come after the first of them.
                match sending.poll_write(cx, &[io::IoSlice::new(b"x")]) {
                    Poll::Ready(Ok(_)) => {
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                    other => other,
                }
            });
            assert!(failed.await.is_err());
        });
    }

    #[test]
    fn what_was_written_is_sent_before_the_end() {
        on_a_worker(async {
            with(|outbox| (outbox.open, outbox.awake) = (true, true));
            let (sending, mut peer) = connection().await;
            write(&sending, b"the end").await.unwrap();
            assert_eq!(listed(), 1);
            poll_fn(|cx| sending.poll_shutdown(cx)).await.unwrap();
            let mut got = Vec::new();
            peer.read_to_end(&mut got).await.unwrap();
            assert_eq!(got, b"the end");
        });
    }
}
