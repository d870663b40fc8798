//! A commit from the change of an object to the node's table, with everything that may happen to it
//! on the way.

use std::rc::Rc;

use silverback_core::node::answer::{Committed, Status};
use silverback_core::node::error::{Code, NodeError};
use silverback_core::node::hex::to_hex;
use silverback_core::node::{MAX_BODY, Node, PREFIX, Reply, Request};
use silverback_core::table::hash::Digest;
use silverback_core::table::store::StoreError;

use crate::client::Client;
use crate::sim::{PAGES, Sim};
use crate::tally::Tally;
use crate::world::Ingress;
use crate::zone::{Stop, Writer};

/// Attempts that may fail before the last ones, which nothing disturbs.
const DISTURBED: usize = 4;
const ATTEMPTS: usize = DISTURBED + 12;
/// Old commits that are kept for a late delivery.
const LATE: usize = 8;
/// Ingresses of one commit that cannot fit.
const SURGE: usize = 240;

/// What happens to one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Truncated,
    BitFlipped,
    /// Entries in another order.
    Reordered,
    Oversized,
    OlderFormat,
    /// An old commit comes first.
    Late,
    Twice,
    Lost,
    AnswerLost,
    LeftOut,
    Rival,
    Killed,
    Refused(StoreError),
    /// Lookups of workers between two of the node's steps.
    Lookups,
    Reloaded,
    ZoneLost,
}

/// How an attempt ended.
#[derive(Debug)]
enum Outcome {
    Committed(Committed),
    Refused(NodeError),
    /// No answer.
    Silence,
}

impl Sim {
    /// An object changes, and the table with it.
    pub(crate) fn commit(self: &Rc<Self>) {
        let mut client = self.primary.borrow_mut();
        if self.one_in(500) {
            client.restart(&mut self.random.borrow_mut());
            self.tally.add("publishers restarted");
        }
        if self.one_in(2_000) {
            self.surge(&mut client);
        }
        let before = client.digest();
        // Some changes are none of the table's.
        while client.digest() == before {
            self.edit(&mut client);
        }
        self.publish(&mut client, false);
        self.commits.set(self.commits.get() + 1);
    }

    fn edit(&self, client: &mut Client) {
        let mut born = self.born.get();
        let changes = client.world.edit(&mut self.random.borrow_mut(), &mut born);
        self.born.set(born);
        client.change(changes);
    }

    /// More hosts than the zone has room for; the table before stays in effect until they are gone.
    fn surge(self: &Rc<Self>, client: &mut Client) {
        let first = 1_000;
        let numbers = first..first + SURGE;
        let changes = numbers.clone().map(|number| {
            let mut ingress = Ingress::random(&mut self.random.borrow_mut());
            ingress.host = crate::world::Host::Exact(format!("surge-{number}.test"));
            client.world.set_ingress(number, ingress)
        });
        let changes = changes.collect();
        client.change(changes);
        self.publish(client, true);
        let changes = numbers.map(|number| client.world.remove_ingress(number));
        let changes = changes.collect();
        client.change(changes);
    }

    /// Brings the client's table into effect; `surge`: it must turn out not to fit.
    fn publish(self: &Rc<Self>, client: &mut Client, surge: bool) {
        let digest = client.digest();
        self.history.borrow_mut().candidate(digest, &client.world);
        let (mut missing, mut trail) = (Vec::new(), Vec::new());
        for attempt in 0..ATTEMPTS {
            let fault = match attempt < DISTURBED && !surge {
                true => self.fault(),
                false => Fault::None,
            };
            let outcome = self.attempt(client, fault, &mut missing);
            trail.push(format!("{fault:?}: {outcome:?}"));
            match outcome {
                Outcome::Committed(committed) if committed.root.0 != digest => {
                    // A damaged commit can ask for the table that is there; the publisher sees that
                    // it is not its own.
                    assert!(damages(fault), "{fault:?}: another table was confirmed");
                    self.must_be_in_effect(&committed, fault);
                    self.tally.add("confirmations of another table");
                    client.known = None;
                }
                Outcome::Committed(committed) => {
                    assert!(!surge, "a table larger than the zone was committed");
                    self.must_be_in_effect(&committed, fault);
                    client.confirmed(committed.epoch);
                    return;
                }
                Outcome::Refused(error) => {
                    if surge && error.code == Code::ZoneFull {
                        self.tally.add("zone full");
                        return;
                    }
                    self.react(client, fault, &error, &mut missing);
                }
                Outcome::Silence => client.known = None,
            }
        }
        panic!("not published in {ATTEMPTS} attempts: {trail:#?}");
    }

    /// What was confirmed is in effect. Another publisher may have followed already, where the table
    /// was there before the commit and the node had only to look.
    fn must_be_in_effect(&self, committed: &Committed, fault: Fault) {
        let history = self.history.borrow();
        let current = history.current().expect("a table").seq;
        let floor = if fault == Fault::Rival {
            current.saturating_sub(2)
        } else {
            current
        };
        let mut tables = history.with_epoch(committed.epoch, floor);
        let right = tables.any(|table| table.digest == committed.root.0);
        assert!(right, "{fault:?}: {committed:?} is not in effect");
    }

    /// As docs/node-protocol.md says: what a publisher does with each code, and which codes only
    /// faults may bring.
    fn react(
        &self,
        client: &mut Client,
        fault: Fault,
        error: &NodeError,
        missing: &mut Vec<Digest>,
    ) {
        let damaged = damages(fault);
        let refused = matches!(fault, Fault::Refused(_));
        match error.code {
            Code::Conflict => client.known = None,
            Code::UnknownBase => {
                client.forget_base();
                client.known = None;
            }
            Code::MissingSegments => {
                // The list leaves out what the commit carried, which is missing all the same.
                missing.extend(error.details.missing.iter().map(|hex| hex.0));
            }
            // An operator looks at it.
            Code::OtherPublisher => client.adopt = true,
            Code::TooLarge if fault == Fault::Oversized => {}
            Code::UnsupportedFormat if fault == Fault::OlderFormat || damaged => {}
            Code::Malformed | Code::DigestMismatch | Code::TooLarge if damaged => {}
            Code::NoZone | Code::Internal if refused => client.known = None,
            Code::ZoneFull if refused => client.known = None,
            _ => panic!("{fault:?} was answered with {error:?}"),
        }
    }

    fn fault(&self) -> Fault {
        if !self.one_in(3) {
            return Fault::None;
        }
        match self.below(96) {
            0..=7 => Fault::Truncated,
            8..=15 => Fault::BitFlipped,
            16..=19 => Fault::Reordered,
            20..=21 => Fault::Oversized,
            22..=25 => Fault::OlderFormat,
            26..=29 => Fault::Late,
            30..=33 => Fault::Twice,
            34..=37 => Fault::Lost,
            38..=43 => Fault::AnswerLost,
            44..=47 => Fault::LeftOut,
            48..=57 => Fault::Rival,
            58..=69 => Fault::Killed,
            70..=73 => Fault::Refused(match self.below(3) {
                0 => StoreError::CasMismatch,
                1 => StoreError::NoMemory,
                _ => StoreError::Unavailable,
            }),
            74..=93 => Fault::Lookups,
            94 => Fault::Reloaded,
            _ => Fault::ZoneLost,
        }
    }

    fn attempt(
        self: &Rc<Self>,
        client: &mut Client,
        fault: Fault,
        missing: &mut Vec<Digest>,
    ) -> Outcome {
        match fault {
            Fault::Reloaded => self.restart_node(false, self.one_in(2)),
            Fault::ZoneLost => {
                self.restart_node(true, self.one_in(2));
                if self.one_in(2) {
                    // The publisher does not know yet; else its node's restart was seen.
                    client.known = None;
                }
            }
            _ => {}
        }
        let Some(known) = self.ask_status(client) else {
            return Outcome::Silence;
        };
        let leave_out = fault == Fault::LeftOut;
        if leave_out {
            missing.clear();
            self.tally.add("segments left out");
        }
        let mut body = client.body(known, missing, leave_out, |put| {
            let path = put.path();
            let (path, query) = path.split_once('?').expect("a query");
            let request = put_request(path, query, put.bytes);
            self.serve(0, request.of(), None);
        });
        if !missing.is_empty() && self.one_in(2) {
            self.put_some(client, missing);
        }
        self.damage(&mut body, fault);
        let request = commit_request(&body);
        let stop = self.stop(fault);
        match fault {
            Fault::Lost => {
                self.tally.add("lost commits");
                return Outcome::Silence;
            }
            Fault::Late => self.late_commit(),
            Fault::Rival => self.rival_soon(client),
            Fault::Lookups => self.lookups_soon(),
            _ => {}
        }
        let before = self.history.borrow().current().map(|table| table.digest);
        let reply = self.serve(0, request, stop);
        self.zone.unhook();
        self.keep(&body, fault);
        if fault == Fault::Twice {
            let again = self.serve(usize::from(self.one_in(2)), request, None);
            self.tally.add("commits sent twice");
            self.repeated(reply.as_ref(), again.as_ref());
        }
        let Some(reply) = reply else {
            return Outcome::Silence;
        };
        if fault == Fault::AnswerLost {
            self.tally.add("lost answers");
            return Outcome::Silence;
        }
        let outcome = read(&reply);
        if let Outcome::Refused(_) = outcome
            && fault != Fault::Rival
            && fault != Fault::Twice
        {
            let after = self.history.borrow().current().map(|table| table.digest);
            assert_eq!(before, after, "refused, and in effect: {outcome:?}");
        }
        outcome
    }

    /// A commit that was confirmed is confirmed again, and changes nothing.
    fn repeated(&self, first: Option<&Reply>, again: Option<&Reply>) {
        if let (Some(first), Some(again)) = (first, again)
            && first.status == 200
            && let Outcome::Committed(first) = read(first)
        {
            let Outcome::Committed(again) = read(again) else {
                panic!("refused when it was repeated: {again:?}");
            };
            assert_eq!((again.epoch, again.pages), (first.epoch, 0));
        }
    }

    /// Epoch and root that the node has, asked only if they are not known.
    fn ask_status(&self, client: &mut Client) -> Option<(u64, Digest)> {
        if client.known.is_none() {
            let path = format!("{PREFIX}status");
            let request = Request {
                method: "GET",
                path: &path,
                query: "",
                body: b"",
            };
            let reply = self.serve(0, request, None)?;
            let status: Status = serde_json::from_str(&reply.body).expect("a status");
            client.known = Some((status.epoch, status.root.0));
        }
        client.known
    }

    /// Puts a segment that is missing, whole or damaged; the commit carries it all the same.
    fn put_some(&self, client: &Client, missing: &[Digest]) {
        let digest = &missing[self.below(missing.len())];
        let Some(segment) = client.segment(digest) else {
            return;
        };
        let path = format!("segments/{}", to_hex(digest));
        let mut bytes = segment.to_vec();
        let damaged = self.one_in(2);
        if damaged {
            let at = self.below(bytes.len());
            bytes[at] ^= 1 << self.below(8);
        }
        if bytes.len() > MAX_BODY {
            return;
        }
        let reply = self.serve(0, put_request(&path, "", &bytes).of(), None);
        let status = reply.map_or(0, |reply| reply.status);
        if damaged {
            // 200: it was there, and these bytes were not looked at.
            assert!(matches!(status, 200 | 422), "a damaged segment was taken");
            self.tally.add("damaged segments put");
        } else {
            assert!(matches!(status, 200 | 201), "{status}");
            self.tally.add("segments put");
        }
    }

    fn damage(&self, body: &mut Vec<u8>, fault: Fault) {
        match fault {
            Fault::Truncated => {
                body.truncate(self.below(body.len()));
                self.tally.add("truncated commits");
            }
            Fault::BitFlipped => {
                let at = self.below(body.len());
                body[at] ^= 1 << self.below(8);
                self.tally.add("bit-flipped commits");
            }
            Fault::Reordered => self.reorder(body),
            Fault::Oversized => {
                body.resize(MAX_BODY + 1 + self.below(64), 0);
                self.tally.add("oversized commits");
            }
            Fault::OlderFormat => {
                let format: u16 = *[1, 1, 3, 0].get(self.below(4)).unwrap_or(&1);
                body[6..8].copy_from_slice(&format.to_le_bytes());
                self.tally.add("older-format commits");
            }
            _ => {}
        }
    }

    /// Two pieces of the body change places.
    fn reorder(&self, body: &mut [u8]) {
        let len = 4 + self.below(24);
        if body.len() > 2 * len {
            let at = self.below(body.len() - 2 * len);
            body[at..at + 2 * len].rotate_left(len);
        }
        self.tally.add("reordered commits");
    }

    /// Where the node is stopped.
    fn stop(&self, fault: Fault) -> Option<(u64, Stop)> {
        let calls = self.calls.get();
        let at = self.below(calls as usize) as u64;
        match fault {
            // The last steps come less often than the many reads before them.
            Fault::Killed => {
                let at = if !self.one_in(3) {
                    calls.saturating_sub(1 + self.below(6) as u64)
                } else {
                    at
                };
                let halfway = self.one_in(3);
                Some((at, Stop::Killed { halfway }))
            }
            Fault::Refused(error) => Some((at, Stop::Refused(error))),
            _ => None,
        }
    }

    fn keep(&self, body: &[u8], fault: Fault) {
        if matches!(fault, Fault::None | Fault::Lost | Fault::AnswerLost) {
            let mut late = self.late.borrow_mut();
            late.push(body.to_vec());
            if late.len() > LATE {
                late.remove(0);
            }
        }
    }

    /// An old commit is delivered. If it gets into effect then only over exactly the table that it
    /// was made for, which can be there again after the zone was lost.
    fn late_commit(&self) {
        let late = self.late.borrow();
        if late.is_empty() {
            return;
        }
        let body = &late[self.below(late.len())];
        let node = usize::from(self.one_in(2));
        self.serve(node, commit_request(body), None);
        self.tally.add("late commits");
    }

    fn lookups_soon(self: &Rc<Self>) {
        if self.nested.get() {
            return;
        }
        let sim = Rc::clone(self);
        let at = self.below(self.calls.get() as usize + 1);
        self.zone.hook(at as u64, move || sim.lookups_between());
    }

    /// Another publisher, which knows something else of the cluster, publishes between two steps of
    /// the node.
    fn rival_soon(self: &Rc<Self>, client: &Client) {
        let mut rival = self.rival.borrow_mut();
        rival.follow(&client.world);
        let before = rival.digest();
        while rival.digest() == before {
            self.edit(&mut rival);
        }
        let digest = rival.digest();
        self.history.borrow_mut().candidate(digest, &rival.world);
        rival.id = if self.one_in(4) { 2 } else { 1 };
        rival.adopt = self.one_in(8);
        // It knows what was in effect, or must ask first.
        rival.known = client.known.filter(|_| self.one_in(2));
        let sim = Rc::clone(self);
        let at = self.below(self.calls.get() as usize + 1);
        self.tally.add("two publishers at once");
        self.zone.hook(at as u64, move || sim.rival_now());
    }

    fn rival_now(&self) {
        let mut rival = self.rival.borrow_mut();
        let mut missing = Vec::new();
        for _ in 0..1 + self.below(3) {
            let Some(known) = self.ask_status_of(1, &mut rival) else {
                return;
            };
            let body = rival.body(known, &missing, false, |_| {});
            let stop = match self.one_in(4) {
                true => {
                    let at = self.below(self.calls.get() as usize) as u64;
                    Some((at, Stop::Killed { halfway: false }))
                }
                false => None,
            };
            let Some(reply) = self.serve(1, commit_request(&body), stop) else {
                rival.known = None;
                continue;
            };
            match read(&reply) {
                Outcome::Committed(committed) => {
                    rival.confirmed(committed.epoch);
                    self.tally.add("the other publisher won");
                    return;
                }
                Outcome::Refused(error) => {
                    missing.extend(error.details.missing.iter().map(|hex| hex.0));
                    rival.known = None;
                }
                Outcome::Silence => rival.known = None,
            }
        }
    }

    fn ask_status_of(&self, node: usize, client: &mut Client) -> Option<(u64, Digest)> {
        if client.known.is_none() {
            let writer = Writer::new(&self.zone, None);
            let status = self.nodes[node].borrow().status(&writer, Vec::new());
            let status = status.ok()?;
            client.known = Some((status.epoch, status.root.0));
        }
        client.known
    }

    /// A request to one of the node's workers; `None` if it died. What it did is in the history.
    fn serve(&self, node: usize, request: Request<'_>, stop: Option<(u64, Stop)>) -> Option<Reply> {
        let writer = Writer::new(&self.zone, stop);
        let mut server = self.nodes[node].borrow_mut();
        let reply = server.serve(&writer, Vec::new, request);
        self.history.borrow_mut().observe(&self.zone);
        match (stop, writer.stopped_at.get()) {
            (Some((_, Stop::Killed { .. })), Some(step)) => {
                self.tally.add(Tally::killed(step));
                // nginx starts another worker; the zone is as it was left.
                let writer = Writer::new(&self.zone, None);
                *server = Node::open(&writer, PAGES).expect("a pool");
                None
            }
            (Some(_), Some(_)) => {
                self.tally.add("writes refused");
                reply
            }
            _ => {
                if stop.is_none() && request.method == "POST" {
                    self.calls.set(writer.calls().max(8));
                }
                reply
            }
        }
    }
}

/// Does it change bytes of the commit?
fn damages(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::Truncated | Fault::BitFlipped | Fault::Reordered
    )
}

/// A request that owns its path.
struct PutRequest<'a> {
    path: String,
    query: &'a str,
    body: &'a [u8],
}

impl PutRequest<'_> {
    fn of(&self) -> Request<'_> {
        Request {
            method: "PUT",
            path: &self.path,
            query: self.query,
            body: self.body,
        }
    }
}

fn put_request<'a>(path: &str, query: &'a str, body: &'a [u8]) -> PutRequest<'a> {
    PutRequest {
        path: format!("{PREFIX}{path}"),
        query,
        body,
    }
}

fn commit_request(body: &[u8]) -> Request<'_> {
    Request {
        method: "POST",
        path: "/silverback/v1/commit",
        query: "",
        body,
    }
}

fn read(reply: &Reply) -> Outcome {
    if reply.status == 200 {
        Outcome::Committed(serde_json::from_str(&reply.body).expect("an answer"))
    } else {
        let error: NodeError = serde_json::from_str(&reply.body).expect("an error");
        assert_eq!(error.code.status(), reply.status);
        Outcome::Refused(error)
    }
}
