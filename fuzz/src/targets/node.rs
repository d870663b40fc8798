//! Requests to a node: bodies, and the order in which they come. A first byte of 0 or 1 makes the
//! rest the body of a commit or of a segment; else each following byte is a step of a publisher.

use silverback_core::node::commit::{Commit, RootChange};
use silverback_core::node::push::pieces;
use silverback_core::node::{Node, PREFIX, Reply, Request};
use silverback_core::table::hash::Digest;
use silverback_core::table::root::{Root, SegmentId};
use silverback_core::table::store::MemoryStore;

const PAGES: u16 = 12;

struct World {
    store: MemoryStore,
    node: Node,
}

impl World {
    fn new() -> Self {
        let store = MemoryStore::default();
        let node = Node::open(&store, PAGES).expect("an empty store");
        Self { store, node }
    }

    fn ask(&mut self, method: &str, path: &str, query: &str, body: &[u8]) -> Option<Reply> {
        let path = format!("{PREFIX}{path}");
        let request = Request {
            method,
            path: &path,
            query,
            body,
        };
        self.node.serve(&self.store, Vec::new, request)
    }

    fn state(&self) -> (u64, Digest) {
        let status = self.node.status(&self.store, Vec::new()).expect("a status");
        (status.epoch, status.root.0)
    }
}

pub fn run(data: &[u8]) {
    let (which, rest) = super::split(data);
    let mut world = World::new();
    match which {
        0 => {
            if let Ok(commit) = Commit::decode(rest) {
                let again = commit.encode().expect("what was read can be written");
                assert_eq!(Commit::decode(&again), Ok(commit));
            }
            let before = world.state();
            let reply = world.ask("POST", "commit", "", rest).expect("an answer");
            assert!(reply.status == 200 || world.state() == before);
        }
        1 => {
            let text = String::from_utf8_lossy(rest);
            let (path, query) = text.split_once('?').unwrap_or((&text, ""));
            for method in ["PUT", "GET", "POST"] {
                let _ = world.ask(method, path, query, rest);
            }
        }
        _ => steps(&mut world, rest),
    }
}

/// A publisher that makes every mistake: each step changes a segment, forgets one, guesses what is
/// expected or damages what it sends. What the node confirms must be what was meant.
fn steps(world: &mut World, steps: &[u8]) {
    let mut root = Root::default();
    let mut content: Vec<(u32, Vec<u8>)> = Vec::new();
    let mut base = Root::default();
    for (number, step) in steps.iter().enumerate().take(64) {
        let segment = u32::from(step >> 5);
        let bytes = vec![*step; 1 + number * usize::from(step & 15) * 16];
        root.set(segment, SegmentId::of(&bytes));
        content.retain(|(known, _)| *known != segment);
        content.push((segment, bytes));
        if step & 16 != 0 {
            continue;
        }
        let before = world.state();
        let all = content
            .iter()
            .map(|(_, bytes)| (SegmentId::of(bytes).digest, &**bytes));
        let mut segments: Vec<(Digest, &[u8])> = all.collect();
        segments.sort_unstable();
        segments.dedup();
        match step & 3 {
            // Some are put before, or forgotten.
            1 => {
                let put = segments.split_off(segments.len() / 2);
                for piece in put
                    .iter()
                    .flat_map(|(digest, bytes)| pieces(*digest, bytes))
                {
                    let path = piece.path();
                    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
                    let _ = world.ask("PUT", path, query, piece.bytes);
                }
            }
            2 => segments.truncate(segments.len() / 2),
            _ => {}
        }
        let expected = match step & 12 {
            4 => (before.0 + 1, before.1),
            _ => before,
        };
        let commit = Commit {
            adopt: step & 12 == 8,
            publisher: 7,
            expected,
            digest: root.digest(),
            root: match step & 1 {
                0 => RootChange::Whole(root.clone()),
                _ => RootChange::between(&base, &root),
            },
            segments,
        };
        let Ok(body) = commit.encode() else {
            continue;
        };
        let reply = world.ask("POST", "commit", "", &body).expect("an answer");
        let after = world.state();
        if reply.status == 200 {
            assert_eq!(after.1, root.digest(), "confirmed is in effect");
            assert!(after.0 == before.0 || after.0 == before.0 + 1);
            base = root.clone();
        } else {
            assert_eq!(after, before, "refused changes nothing: {}", reply.body);
        }
    }
}
