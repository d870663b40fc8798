//! Copies of requests for a plan's mirrors. Nobody waits for them: they have a queue and a limit
//! of their own in each worker, and what does not fit is dropped and counted.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::BodyExt;
use silverback_core::contract::plan::{OwnedPlan, Protocol};

use super::attempt::{self, Answered, NoAnswer, Patience};
use super::body::UpstreamBody;
use super::outgoing::{Peer, Template};
use super::transaction::Transaction;
use super::worker::Shared;

/// A request with a longer body has no copy.
pub(super) const LONGEST_BODY: usize = 64 * 1024;
/// Copies that a worker sends at a time, and that wait for their turn.
const AT_ONCE: usize = 64;
const QUEUED: usize = 256;
/// How much of both one mirror may have: one that does not answer must not keep the others' copies back.
const AT_ONCE_EACH: usize = 16;
const QUEUED_EACH: usize = 64;
/// A copy is given up then, whatever the plan's timeouts are: slow mirrors must not fill the
/// queue for the others.
const LONGEST: Duration = Duration::from_secs(10);
/// A response is read so far, so that its connection can be used again.
const LONGEST_RESPONSE: usize = 64 * 1024;

/// A worker's copies on their way.
#[derive(Default)]
pub(super) struct Mirrors {
    queue: RefCell<VecDeque<Job>>,
    /// How many are on their way to each mirror.
    running: RefCell<HashMap<SocketAddr, usize>>,
}

/// The copies of one request, which wait for its body. Those that never get it are counted.
pub(super) struct Copies {
    shared: Rc<Shared>,
    jobs: Vec<Job>,
}

/// One copy.
struct Job {
    method: Method,
    target: Uri,
    headers: HeaderMap,
    protocol: Protocol,
    /// Names the mirror: its least endpoint.
    to: SocketAddr,
    endpoints: Vec<SocketAddr>,
    patience: Patience,
    body: Bytes,
}

/// Sends copies to the plan's mirrors, now or when the body has been read.
pub(super) fn copies(tx: &Transaction, plan: &OwnedPlan, template: &Template) {
    if plan.mirrors.is_empty() {
        return;
    }
    let jobs = plan.mirrors.iter().filter_map(|mirror| {
        let endpoint = *mirror.endpoints.first()?;
        let (head, ()) = template.copy(tx, endpoint).into_parts();
        Some(Job {
            method: head.method,
            target: head.uri,
            headers: head.headers,
            protocol: mirror.protocol,
            to: *mirror.endpoints.iter().min()?,
            endpoints: mirror.endpoints.clone(),
            patience: Patience::new(plan, None),
            body: Bytes::new(),
        })
    });
    let copies = Copies {
        shared: Rc::clone(&tx.shared),
        jobs: jobs.collect(),
    };
    match &tx.out.body {
        None => copies.send(&Bytes::new()),
        Some(body) => body.copy_to(copies),
    }
}

// === impl Copies ===

impl Copies {
    /// The whole body is there.
    pub(super) fn send(mut self, body: &Bytes) {
        for mut job in std::mem::take(&mut self.jobs) {
            job.body = body.clone();
            submit(&self.shared, job);
        }
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        let dropped = self.jobs.len() as u64;
        self.shared.counters.mirrors_dropped.add(dropped);
    }
}

fn submit(shared: &Rc<Shared>, job: Job) {
    let mirrors = &shared.mirrors;
    if mirrors.has_room(&job) {
        mirrors.begins(&job);
        tokio::task::spawn_local(run(Rc::clone(shared), job));
        return;
    }
    let mut queue = mirrors.queue.borrow_mut();
    let of_mirror = queue.iter().filter(|other| other.to == job.to).count();
    if queue.len() < QUEUED && of_mirror < QUEUED_EACH {
        queue.push_back(job);
    } else {
        shared.counters.mirrors_dropped.inc();
    }
}

/// Sends a copy, and then those that wait.
async fn run(shared: Rc<Shared>, job: Job) {
    let mut next = Some(job);
    while let Some(job) = next {
        let to = job.to;
        match tokio::time::timeout(LONGEST, job.send(&shared)).await {
            Ok(true) => shared.counters.mirrors_sent.inc(),
            Ok(false) | Err(_) => shared.counters.mirrors_failed.inc(),
        }
        shared.mirrors.ended(to);
        next = shared.mirrors.next();
    }
}

// === impl Mirrors ===

impl Mirrors {
    fn has_room(&self, job: &Job) -> bool {
        let running = self.running.borrow();
        let of_mirror = running.get(&job.to).copied().unwrap_or_default();
        of_mirror < AT_ONCE_EACH && running.values().sum::<usize>() < AT_ONCE
    }

    fn begins(&self, job: &Job) {
        *self.running.borrow_mut().entry(job.to).or_default() += 1;
    }

    fn ended(&self, to: SocketAddr) {
        if let Entry::Occupied(mut running) = self.running.borrow_mut().entry(to) {
            *running.get_mut() -= 1;
            if *running.get() == 0 {
                running.remove();
            }
        }
    }

    /// The first that waits and has room now; it begins.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.borrow_mut();
        let at = queue.iter().position(|job| self.has_room(job))?;
        let job = queue.remove(at)?;
        self.begins(&job);
        Some(job)
    }
}

// === impl Job ===

impl Job {
    /// Whether a mirror answered.
    async fn send(&self, shared: &Shared) -> bool {
        for &endpoint in &self.endpoints {
            let peer = Peer::new(endpoint, self.protocol, None);
            for kept in [true, false] {
                let patience = Patience {
                    until: Some(Instant::now() + LONGEST),
                    ..self.patience
                };
                let request = || {
                    let mut request = Request::new(UpstreamBody::Copy(self.body.clone()));
                    *request.method_mut() = self.method.clone();
                    *request.uri_mut() = self.target.clone();
                    *request.headers_mut() = self.headers.clone();
                    peer.speak(&mut request)?;
                    Ok(request)
                };
                match attempt::attempt(shared, &peer, &patience, kept, None, request).await {
                    Ok(answered) => {
                        drain(shared, answered).await;
                        return true;
                    }
                    Err(NoAnswer::NoAuthority) => return false,
                    Err(NoAnswer::Failed(failure)) if failure.stale => {}
                    Err(NoAnswer::Failed(failure)) if failure.sent => return false,
                    Err(NoAnswer::Failed(_)) => break,
                }
            }
        }
        false
    }
}

async fn drain(shared: &Shared, answered: Answered) {
    let Answered {
        response,
        mut connection,
    } = answered;
    connection.detach();
    let mut body = response.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return };
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > LONGEST_RESPONSE {
            return;
        }
    }
    shared.pool.put(connection);
}
