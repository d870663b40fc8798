//! What a node does with commits, segments and questions.

use silverback_core::node::answer::{Ready, Stored, Worker};
use silverback_core::node::commit::{Commit, RootChange};
use silverback_core::node::error::{Code, NodeError};
use silverback_core::node::hex::to_hex;
use silverback_core::node::{MAX_BODY, Node, Reply, Request};
use silverback_core::table::hash::{Digest, digest128};
use silverback_core::table::root::{Root, SegmentId};
use silverback_core::table::store::MemoryStore;

pub(crate) struct Fixture {
    pub(crate) store: MemoryStore,
    pub(crate) node: Node,
    pub(crate) root: Root,
    pub(crate) epoch: u64,
}

impl Fixture {
    pub(crate) fn new(pages: u16) -> Self {
        let store = MemoryStore::default();
        let node = Node::open(&store, pages).expect("a pool");
        let (root, epoch) = (Root::default(), 0);
        Self {
            store,
            node,
            root,
            epoch,
        }
    }

    fn expected(&self) -> (u64, Digest) {
        let digest = if self.epoch == 0 {
            [0; 16]
        } else {
            self.root.digest()
        };
        (self.epoch, digest)
    }

    /// The commit that changes these segments; `edit` may spoil it.
    pub(crate) fn body(
        &self,
        segments: &[(u32, &[u8])],
        edit: impl FnOnce(&mut Commit<'_>),
    ) -> (Root, Vec<u8>) {
        let mut new = self.root.clone();
        for (index, bytes) in segments {
            new.set(*index, SegmentId::of(bytes));
        }
        let mut commit = Commit {
            adopt: false,
            publisher: 0xab,
            expected: self.expected(),
            digest: new.digest(),
            root: if self.epoch == 0 {
                RootChange::Whole(new.clone())
            } else {
                RootChange::between(&self.root, &new)
            },
            segments: segments
                .iter()
                .filter(|(_, bytes)| !bytes.is_empty())
                .map(|(_, bytes)| (digest128(bytes), *bytes))
                .collect(),
        };
        edit(&mut commit);
        (new, commit.encode().expect("fits"))
    }

    fn commit(&mut self, segments: &[(u32, &[u8])]) {
        let (root, body) = self.body(segments, |_| {});
        let committed = self.node.commit(&self.store, &body).expect("committed");
        (self.root, self.epoch) = (root, committed.epoch);
    }

    fn refused(
        &mut self,
        segments: &[(u32, &[u8])],
        edit: impl FnOnce(&mut Commit<'_>),
    ) -> NodeError {
        let (_, body) = self.body(segments, edit);
        self.node.commit(&self.store, &body).expect_err("refused")
    }

    fn put(&mut self, bytes: &[u8], query: &str, body: &[u8]) -> Result<Stored, NodeError> {
        let digest = to_hex(&digest128(bytes));
        self.node.put(&self.store, &digest, query, body)
    }
}

#[test]
fn a_commit_gets_into_effect_and_repeating_it_changes_nothing() {
    let mut f = Fixture::new(16);
    let (root, body) = f.body(&[(1, b"one"), (300, b"x")], |_| {});
    let first = f.node.commit(&f.store, &body).expect("committed");
    assert_eq!((first.epoch, first.pages, first.segments), (1, 2, 2));
    assert_eq!(first.root.0, root.digest());
    let again = f.node.commit(&f.store, &body).expect("in effect already");
    assert_eq!((again.epoch, again.pages), (1, 0));
    (f.root, f.epoch) = (root, 1);
    f.commit(&[(1, b"")]);
    assert_eq!(f.epoch, 2);
}

#[test]
fn only_the_table_that_is_expected_is_replaced_unless_adopted() {
    let mut f = Fixture::new(16);
    f.commit(&[(1, b"one")]);
    for expected in [(0, [0; 16]), (1, [0; 16]), (2, f.root.digest())] {
        let error = f.refused(&[(1, b"two")], |commit| commit.expected = expected);
        assert_eq!(error.code, Code::Conflict);
        assert_eq!(error.details.epoch, Some(1));
        assert_eq!(error.details.root.map(|root| root.0), Some(f.root.digest()));
    }
    let (_, body) = f.body(&[(1, b"two")], |commit| {
        commit.expected = (0, [0; 16]);
        commit.adopt = true;
    });
    assert_eq!(f.node.commit(&f.store, &body).map(|c| c.epoch), Ok(2));
}

#[test]
fn another_publisher_is_refused_until_it_adopts() {
    let mut f = Fixture::new(16);
    f.commit(&[(1, b"one")]);
    let error = f.refused(&[(1, b"two")], |commit| commit.publisher = 7);
    assert_eq!(error.code, Code::OtherPublisher);
    assert_eq!(error.details.publisher.map(|id| id.0), Some(0xab));
    let (root, body) = f.body(&[(1, b"two")], |commit| {
        commit.publisher = 7;
        commit.adopt = true;
    });
    f.node.commit(&f.store, &body).expect("adopted");
    (f.root, f.epoch) = (root, 2);
    let error = f.refused(&[(1, b"three")], |_| {});
    assert_eq!(error.details.publisher.map(|id| id.0), Some(7));
    let (_, body) = f.body(&[(1, b"three")], |commit| commit.publisher = 0);
    f.node.commit(&f.store, &body).expect("says nothing");
}

#[test]
fn a_delta_may_start_from_the_root_before_and_from_no_older_one() {
    let mut f = Fixture::new(16);
    let mut roots = Vec::new();
    for name in [&b"a"[..], b"b", b"c"] {
        f.commit(&[(1, name)]);
        roots.push(f.root.clone());
    }
    let mut from = |at: usize| {
        let mut new = f.root.clone();
        new.set(2, SegmentId::of(b"two"));
        let (_, body) = f.body(&[(2, b"two")], |commit| {
            commit.root = RootChange::between(&roots[at], &new);
            commit.segments.push((digest128(b"c"), b"c"));
        });
        f.node.commit(&f.store, &body)
    };
    assert_eq!(from(0).map_err(|error| error.code), Err(Code::UnknownBase));
    assert_eq!(from(1).map(|committed| committed.epoch), Ok(4));
}

#[test]
fn what_is_missing_is_listed_and_can_be_put() {
    let mut f = Fixture::new(64);
    let big = super::bytes::noise(1, MAX_BODY + 1000);
    let segments: &[(u32, &[u8])] = &[(1, &big), (2, b"two")];
    let (root, body) = f.body(segments, |commit| commit.segments.clear());
    let error = f.node.commit(&f.store, &body).expect_err("missing");
    assert_eq!(error.code, Code::MissingSegments);
    assert_eq!(error.details.missing.len(), 2);

    let (first, last) = big.split_at(MAX_BODY);
    let length = format!("length={}", big.len());
    let piece = f.put(&big, &format!("{length}&offset={MAX_BODY}"), last);
    let piece = piece.expect("stored");
    assert_eq!((piece.received, piece.complete), (1000, false));
    let error = f
        .node
        .commit(&f.store, &body)
        .expect_err("half is not enough");
    assert_eq!(error.details.missing.len(), 2);
    let piece = f.put(&big, &length, first).expect("stored");
    assert_eq!((piece.received, piece.complete), (big.len(), true));
    assert!(f.put(&big, &length, first).expect("again").known);
    f.put(b"two", "", b"two").expect("stored");
    let committed = f.node.commit(&f.store, &body).expect("committed");
    assert_eq!(committed.root.0, root.digest());
    assert!(f.put(b"two", "", b"two").expect("in the table").known);
}

#[test]
fn a_table_of_any_size_is_put_in_pieces_and_committed() {
    let mut f = Fixture::new(200);
    let sizes = [10, 700_000, MAX_BODY, MAX_BODY + 1, 90_000, 90_000, 90_000];
    let contents: Vec<Vec<u8>> = (1..)
        .zip(sizes)
        .map(|(seed, len)| super::bytes::noise(seed, len))
        .collect();
    let mut root = Root::default();
    let mut segments = Vec::new();
    for (index, bytes) in (1..).zip(&contents) {
        root.set(index, SegmentId::of(bytes));
        segments.push((digest128(bytes), &bytes[..]));
    }
    let commit = Commit {
        adopt: false,
        publisher: 1,
        expected: (0, [0; 16]),
        digest: root.digest(),
        root: RootChange::Whole(root),
        segments,
    };
    let (puts, commit) = commit.fit();
    assert_eq!(commit.segments.len(), 3, "10 bytes and two of 90,000");
    assert_eq!(puts.len(), 3 + 1 + 2 + 1, "pieces of the others");
    for put in puts.iter().rev() {
        assert!(put.bytes.len() <= MAX_BODY);
        let path = put.path();
        let (path, query) = path.split_once('?').expect("a query");
        let request = Request {
            method: "PUT",
            path: &format!("/silverback/v1/{path}"),
            query,
            body: put.bytes,
        };
        let reply = f.node.serve(&f.store, Vec::new, request);
        assert_eq!(reply.map(|reply| reply.status), Some(201));
    }
    let body = commit.encode().expect("fits");
    assert_eq!(f.node.commit(&f.store, &body).map(|c| c.epoch), Ok(1));
}

#[test]
fn pieces_that_do_not_fit_are_refused() {
    let mut f = Fixture::new(4);
    for (query, field) in [
        ("length=x", "length"),
        ("length=", "length"),
        ("length=0", "length"),
        ("length=99999999999", "length"),
        ("length=3&offset=1", "offset"),
        ("length=3&offset=262144", "offset"),
        ("length=4", "body"),
        ("length=262145", "body"),
    ] {
        let error = f.put(b"one", query, b"one").expect_err(query);
        assert_eq!(error.code, Code::Malformed, "{query}");
        assert!(error.message.contains(field), "{query}: {error}");
    }
    let error = f
        .node
        .put(&f.store, "abc", "", b"x")
        .expect_err("no digest");
    assert_eq!(error.code, Code::Malformed);
    let error = f.put(b"one", "", b"two").expect_err("other bytes");
    assert_eq!(error.code, Code::DigestMismatch);
    let error = f.put(b"", "", &vec![0; MAX_BODY + 1]).expect_err("long");
    assert_eq!(error.code, Code::TooLarge);
}

#[test]
fn damaged_bytes_and_a_table_that_does_not_fit_leave_the_old_one_in_effect() {
    let mut f = Fixture::new(3);
    f.commit(&[(1, b"one")]);
    let big = vec![1; 40_000];
    let too_big: &[(u32, &[u8])] = &[(1, &big)];
    let error = f.refused(too_big, |_| {});
    assert_eq!(error.code, Code::ZoneFull);
    assert_eq!(
        (error.details.needed, error.details.free),
        (Some(3), Some(2))
    );
    let error = f.refused(&[(1, b"two")], |commit| commit.segments[0].1 = b"TWO");
    assert_eq!(error.code, Code::DigestMismatch);
    let error = f.refused(&[(1, b"two")], |commit| commit.digest = [9; 16]);
    assert_eq!(error.code, Code::DigestMismatch);
    let status = f.node.status(&f.store, Vec::new()).expect("status");
    assert_eq!((status.epoch, status.root.0), (1, f.root.digest()));
    assert_eq!(status.counters["refused"], 3);
    assert_eq!((status.pages.total, status.pages.free), (3, 2));
}

#[test]
fn a_root_with_a_digest_for_no_bytes_is_refused() {
    let mut f = Fixture::new(4);
    let id = SegmentId {
        len: 0,
        digest: [1; 16],
    };
    let mut new = Root::default();
    new.set(1, id);
    let error = f.refused(&[], |commit| {
        commit.digest = new.digest();
        commit.root = RootChange::Whole(new);
    });
    assert_eq!(error.code, Code::Malformed);
}

#[test]
fn a_node_is_ready_when_every_worker_has_read_a_table() {
    let worker = |id, epoch| Worker { id, epoch };
    let of = |epoch, workers: &[Worker]| Ready::of(epoch, workers.to_vec()).ready;
    assert!(of(1, &[worker(0, Some(1)), worker(1, Some(1))]));
    assert!(!of(0, &[worker(0, None)]));
    assert!(!of(1, &[worker(0, Some(1)), worker(1, None)]));
    assert!(!of(1, &[]));
}

#[test]
fn requests_are_answered_by_method_and_path() {
    let mut f = Fixture::new(8);
    let (_, body) = f.body(&[(1, b"one")], |_| {});
    let mut ask = |method, path, body| -> Option<Reply> {
        let workers = || {
            vec![Worker {
                id: 0,
                epoch: Some(1),
            }]
        };
        let request = Request {
            method,
            path,
            query: "",
            body,
        };
        f.node.serve(&f.store, workers, request)
    };
    let mut status = |method, path, body| ask(method, path, body).map(|reply| reply.status);
    assert_eq!(status("GET", "/silverback/v1/ready", b""), Some(503));
    assert_eq!(status("POST", "/silverback/v1/commit", &body), Some(200));
    assert_eq!(status("GET", "/silverback/v1/ready", b""), Some(200));
    assert_eq!(status("POST", "/silverback/v1/commit", b"x"), Some(400));
    let path = format!("/silverback/v1/segments/{}", to_hex(&digest128(b"s")));
    assert_eq!(status("PUT", &path, b"s"), Some(201));
    assert_eq!(status("PUT", &path, b"s"), Some(200));
    assert_eq!(status("GET", "/silverback/v1/commit", b""), None);
    assert_eq!(status("GET", "/silverback/v2/status", b""), None);
    let reply = ask("GET", "/silverback/v1/status", b"").expect("a reply");
    assert!(
        reply.body.contains(r#""publisher":"00000000000000ab""#),
        "{}",
        reply.body
    );
}
