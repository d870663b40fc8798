//! Upstream connections that are open, a worker's own.
//!
//! The pool is by endpoint and knows nothing of requests, so that a plan's tries can go from
//! endpoint to endpoint: a client that pools for itself (hyper-util's) hides which endpoint
//! failed and whether anything was sent.
//!
//! HTTP/1.1 connections are here while they are idle. Of HTTP/2 there is one for each key, and
//! requests share it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::Either;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::body::UpstreamBody;
use super::dial::{Dialer, Origin};
use super::driver::Driver;
use super::limits::Limits;
use super::timer::LazySleep;

/// What connections must have in common to stand for each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) endpoint: SocketAddr,
    pub(super) http2: bool,
    /// Connections of different policies must not be mixed, and a server may choose its
    /// certificate, and more, by the name.
    pub(super) tls: Option<TlsKey>,
}

/// TLS in a [`Key`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TlsKey {
    pub(super) policy: u64,
    pub(super) server_name: Vec<u8>,
}

/// A connection to an endpoint: one of HTTP/1.1, good for one request at a time, or a share in
/// one of HTTP/2. It is handed on in a box, since each request hands it on some ten times.
pub(super) struct Connection {
    sender: Sender,
    key: Key,
    origin: Origin,
    idle_since: Instant,
    /// It has carried a request: the upstream may have closed it in the meantime.
    pub(super) used: bool,
    /// The timer of the last try.
    pub(super) timer: Option<Pin<Box<LazySleep>>>,
}

/// What requests are given to.
pub(super) enum Sender {
    /// With what drives it, unless that is a task.
    Http1(http1::SendRequest<UpstreamBody>, Option<Driver>),
    /// The count of the `Rc` is that of the shares.
    Http2(http2::SendRequest<UpstreamBody>, Rc<()>),
}

/// The one HTTP/2 connection of a key.
enum Slot {
    Open(Box<Connection>),
    Dialing(Dialing),
}

/// Tells how a dial ended: whether it timed out if it failed, then gone if it succeeded.
pub(super) type Dialing = watch::Receiver<Option<DialFailed>>;

/// How somebody else's dial failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct DialFailed {
    pub(super) timed_out: bool,
}

/// What there is for a request over HTTP/2.
pub(super) enum Joined {
    Connection(Box<Connection>),
    /// Somebody is connecting.
    Wait(Dialing),
    /// Nobody is: the asker must, and drops this when it is done.
    Dial(DialTurn),
}

/// The right and duty to connect.
pub(super) struct DialTurn {
    key: Key,
    done: watch::Sender<Option<DialFailed>>,
    slots: Rc<RefCell<FxHashMap<Key, Slot>>>,
}

/// The HTTP/1.1 connections of a key that nobody uses.
#[derive(Default)]
struct Idle {
    /// Good for a request; the one used last is at the end.
    ready: VecDeque<Box<Connection>>,
    /// Put back before their drivers had seen the end of the exchange: they get ready when these
    /// run, mostly in this order.
    settling: VecDeque<Box<Connection>>,
}

/// How many connections that are not ready yet are looked at for one that is: looking at all of
/// them costs each request more the more clients there are.
const LOOKED_AT: usize = 8;

/// The connections.
pub(super) struct Pool {
    idle: RefCell<FxHashMap<Key, Idle>>,
    slots: Rc<RefCell<FxHashMap<Key, Slot>>>,
    per_endpoint: usize,
    timeout: Duration,
}

// === impl Connection ===

impl Connection {
    pub(super) fn new(sender: Sender, key: Key, origin: Origin) -> Box<Self> {
        Box::new(Self {
            sender,
            key,
            origin,
            idle_since: Instant::now(),
            used: false,
            timer: None,
        })
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Sends a request; the future is the answer. It is no `async fn`: that would keep the request's
    /// place.
    pub(super) fn send(
        &mut self,
        request: Request<UpstreamBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<UpstreamBody>>>> + use<>
    {
        match &mut self.sender {
            Sender::Http1(sender, _) => Either::Left(sender.try_send_request(request)),
            Sender::Http2(sender, _) => Either::Right(sender.try_send_request(request)),
        }
    }

    /// Polls what comes over the connection: a response, or its body.
    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match &mut self.sender {
            Sender::Http1(_, Some(driver)) => driver.poll(cx, wanted),
            _ => wanted(cx),
        }
    }

    /// From now on the connection goes on whether somebody waits for it or not.
    pub(super) fn detach(&mut self) {
        if let Sender::Http1(_, driver) = &mut self.sender
            && let Some(driver) = driver.take()
        {
            driver.detach();
        }
    }

    /// Lets it see what has happened since it was put back.
    fn look(&mut self) {
        if let Sender::Http1(sender, Some(driver)) = &mut self.sender
            && (driver.is_rung() || !sender.is_ready())
        {
            driver.drive();
        }
    }

    fn rest(&self) {
        if let Sender::Http1(_, Some(driver)) = &self.sender {
            driver.rest();
        }
    }

    fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender, _) => sender.is_closed(),
            Sender::Http2(sender, _) => sender.is_closed(),
        }
    }

    fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender, _) => sender.is_ready(),
            Sender::Http2(sender, _) => sender.is_ready(),
        }
    }

    /// A share of it; `None` for HTTP/1.1.
    fn share(&mut self) -> Option<Box<Self>> {
        let Sender::Http2(sender, shares) = &self.sender else {
            return None;
        };
        let share = Box::new(Self {
            sender: Sender::Http2(sender.clone(), Rc::clone(shares)),
            key: self.key.clone(),
            origin: self.origin.clone(),
            idle_since: self.idle_since,
            used: self.used,
            timer: None,
        });
        self.used = true;
        self.idle_since = Instant::now();
        Some(share)
    }

    fn is_share_of(&self, other: &Self) -> bool {
        match (&self.sender, &other.sender) {
            (Sender::Http2(_, a), Sender::Http2(_, b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }

    fn is_unshared(&self) -> bool {
        match &self.sender {
            Sender::Http1(..) => true,
            Sender::Http2(_, shares) => Rc::strong_count(shares) == 1,
        }
    }
}

// === impl Pool ===

impl Pool {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            idle: RefCell::default(),
            slots: Rc::default(),
            per_endpoint: limits.pool_idle_per_endpoint,
            timeout: limits.pool_idle_timeout,
        }
    }

    /// The HTTP/1.1 connection used last: the likeliest to be alive, and the others may grow old.
    pub(super) fn take(&self, key: &Key, dialer: &Dialer) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        let idle = idle.get_mut(key)?;
        idle.settle();
        while let Some(mut connection) = idle.ready.pop_back() {
            connection.look();
            if connection.is_closed() {
                continue;
            }
            if connection.idle_since.elapsed() < self.timeout && dialer.is_current(&connection) {
                return Some(connection);
            }
            // Those before it are older still.
            idle.ready.clear();
        }
        None
    }

    /// A share in the key's HTTP/2 connection, or who makes it.
    pub(super) fn join(&self, key: &Key, dialer: &Dialer) -> Joined {
        let mut slots = self.slots.borrow_mut();
        match slots.get_mut(key) {
            Some(Slot::Open(connection))
                if !connection.is_closed() && dialer.is_current(connection) =>
            {
                if let Some(share) = connection.share() {
                    return Joined::Connection(share);
                }
            }
            // Without a sender nobody is connecting any more: its request was given up.
            Some(Slot::Dialing(dialing)) if dialing.has_changed().is_ok() => {
                return Joined::Wait(dialing.clone());
            }
            _ => {}
        }
        let (done, dialing) = watch::channel(None);
        slots.insert(key.clone(), Slot::Dialing(dialing));
        Joined::Dial(DialTurn {
            key: key.clone(),
            done,
            slots: Rc::clone(&self.slots),
        })
    }

    /// Keeps a connection whose exchange is over.
    pub(super) fn put(&self, mut connection: Box<Connection>) {
        if connection.key.http2 {
            if let Some(Slot::Open(open)) = self.slots.borrow_mut().get_mut(&connection.key)
                && open.is_share_of(&connection)
            {
                open.idle_since = Instant::now();
            }
            return;
        }
        if self.per_endpoint == 0 || connection.is_closed() {
            return;
        }
        connection.rest();
        connection.idle_since = Instant::now();
        connection.used = true;
        let mut idle = self.idle.borrow_mut();
        match idle.get_mut(&connection.key) {
            Some(idle) => idle.put(connection, self.per_endpoint),
            None => {
                let mut new = Idle::default();
                let key = connection.key.clone();
                new.put(connection, self.per_endpoint);
                idle.insert(key, new);
            }
        }
    }

    /// Forgets what is like this connection: it was found closed by the upstream, and one that
    /// restarted has closed them all.
    pub(super) fn forget(&self, connection: &Connection) {
        if connection.key.http2 {
            let mut slots = self.slots.borrow_mut();
            // There may be a new one already.
            if let Some(Slot::Open(open)) = slots.get(&connection.key)
                && open.is_share_of(connection)
            {
                slots.remove(&connection.key);
            }
        } else {
            self.idle.borrow_mut().remove(&connection.key);
        }
    }

    /// Closes what is too old.
    pub(super) fn reap(&self, now: Instant) {
        let old = |connection: &mut Connection| {
            connection.look();
            let old = now.duration_since(connection.idle_since) >= self.timeout;
            if old {
                // To say goodbye, as TLS wants it.
                connection.detach();
            }
            old || connection.is_closed()
        };
        self.idle.borrow_mut().retain(|_, idle| {
            idle.ready.retain_mut(|connection| !old(connection));
            idle.settling.retain_mut(|connection| !old(connection));
            idle.len() > 0
        });
        self.slots.borrow_mut().retain(|_, slot| match slot {
            Slot::Open(open) => !(old(open) && open.is_unshared()),
            Slot::Dialing(dialing) => dialing.has_changed().is_ok(),
        });
    }

    /// Closes all that is idle; what is shared lives as long as its requests.
    pub(super) fn clear(&self) {
        self.idle.borrow_mut().clear();
        self.slots.borrow_mut().clear();
    }
}

// === impl Idle ===

impl Idle {
    fn len(&self) -> usize {
        self.ready.len() + self.settling.len()
    }

    /// Moves what has got ready.
    fn settle(&mut self) {
        let mut at = 0;
        while at < LOOKED_AT
            && let Some(connection) = self.settling.get_mut(at)
        {
            connection.look();
            if connection.is_ready() || connection.is_closed() {
                self.ready.extend(self.settling.remove(at));
            } else {
                at += 1;
            }
        }
    }

    fn put(&mut self, connection: Box<Connection>, most: usize) {
        if self.len() >= most && self.ready.pop_front().is_none() {
            self.settling.pop_front();
        }
        if connection.is_ready() {
            self.ready.push_back(connection);
        } else {
            self.settling.push_back(connection);
        }
    }
}

// === impl DialTurn ===

impl DialTurn {
    /// The connection stands: a share for whoever made it. Those that wait come again.
    pub(super) fn open(self, mut connection: Box<Connection>) -> Box<Connection> {
        let Some(share) = connection.share() else {
            return connection;
        };
        let mut slots = self.slots.borrow_mut();
        slots.insert(self.key.clone(), Slot::Open(connection));
        share
    }

    /// There is none, for those that wait neither.
    pub(super) fn failed(self, timed_out: bool) {
        self.slots.borrow_mut().remove(&self.key);
        let _ = self.done.send(Some(DialFailed { timed_out }));
    }
}
