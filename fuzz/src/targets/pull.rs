//! Pull, both sides. A first byte of 0 makes the rest the body of a node's request, 1 the body of an
//! answer; else each following byte is a step of a wire that damages, loses and repeats.

use silverback_core::node::pull::answer::{self, Source};
use silverback_core::node::pull::puller::{Ask, MOST_PAUSE, Options, Outcome, Puller};
use silverback_core::node::pull::request::PullRequest;
use silverback_core::table::hash::Digest;
use silverback_core::table::root::{Root, SegmentId};
use silverback_core::table::store::MemoryStore;
use silverback_core::table::store::publish::Publisher;

const PAGES: u16 = 40;

#[derive(Default)]
struct Table {
    root: Root,
    segments: Vec<(u32, Vec<u8>)>,
}

impl Source for Table {
    fn root(&self) -> &Root {
        &self.root
    }

    fn digest(&self) -> Digest {
        self.root.digest()
    }

    fn segment(&self, index: u32) -> &[u8] {
        let found = self.segments.iter().find(|(known, _)| *known == index);
        found.map_or(&[], |(_, bytes)| bytes)
    }
}

impl Table {
    fn set(&mut self, segment: u32, bytes: Vec<u8>) {
        self.root.set(segment, SegmentId::of(&bytes));
        self.segments.retain(|(known, _)| *known != segment);
        self.segments.push((segment, bytes));
    }
}

struct World {
    store: MemoryStore,
    puller: Puller,
    now: u64,
}

impl World {
    fn new() -> Self {
        let options = Options {
            pages: PAGES,
            wait: 1_000,
            seed: 1,
        };
        Self {
            store: MemoryStore::default(),
            puller: Puller::new(options),
            now: 1,
        }
    }

    /// What it asks next; its longest pause is over by then.
    fn ask(&mut self) -> Ask {
        for _ in 0..4 {
            self.now += 2 * MOST_PAUSE;
            if let (Some(ask), _) = self.puller.tick(self.now, &self.store) {
                return ask;
            }
        }
        panic!("it asks nothing more");
    }

    fn answered(&mut self, answer: Option<(u16, &[u8])>) -> Outcome {
        self.puller.answered(self.now, &self.store, answer)
    }

    fn digest(&self) -> Digest {
        let publisher = Publisher::open(&self.store, PAGES).expect("a pool");
        publisher.state(&self.store).expect("a state").digest
    }
}

fn answer_to(ask: &Ask, table: &Table) -> Option<Vec<u8>> {
    let request = PullRequest::decode(&ask.body).ok()?;
    let base = (request.root == table.digest()).then_some(&table.root);
    answer::commit(&request, table, base).ok()
}

pub fn run(data: &[u8]) {
    let (which, rest) = super::split(data);
    match which {
        0 => {
            if let Ok(request) = PullRequest::decode(rest) {
                assert_eq!(PullRequest::decode(&request.encode()), Ok(request.clone()));
                let mut table = Table::default();
                table.set(1, vec![1; 300]);
                let commit = answer::commit(&request, &table, None).expect("it fits");
                assert!(commit.len() <= silverback_core::node::MAX_BODY);
            }
        }
        1 => {
            let mut world = World::new();
            world.ask();
            let before = world.digest();
            let outcome = world.answered(Some((200, rest)));
            let published = matches!(outcome, Outcome::Published(_));
            assert!(published || world.digest() == before);
            world.ask();
        }
        _ => wire(rest),
    }
}

/// What is in effect is always a table that was published, and an undamaged wire brings the last one.
fn wire(steps: &[u8]) {
    let mut world = World::new();
    let mut table = Table::default();
    let mut published = vec![table.digest(), Digest::default()];
    for (number, step) in steps.iter().enumerate().take(48) {
        if step & 1 != 0 {
            let len = 1 + number * usize::from(step & 14) * 16;
            table.set(u32::from(step >> 5), vec![*step; len]);
            published.push(table.digest());
        }
        let ask = world.ask();
        let Some(mut body) = answer_to(&ask, &table) else {
            world.answered(Some((404, b"")));
            continue;
        };
        let at = number * 7919 % body.len();
        match step & 0b1100 {
            0b0100 => body.truncate(at),
            0b1000 => body[at] ^= step | 1,
            0b1100 => {
                world.answered(None);
                continue;
            }
            _ => {}
        }
        world.answered(Some((200, &body)));
        // A node that asks takes neither publisher nor `adopt` from the answer, which may be damaged.
        assert!(published.contains(&world.digest()));
    }
    for _ in 0..8 {
        let ask = world.ask();
        let body = answer_to(&ask, &table);
        let status = if body.is_some() { 200 } else { 404 };
        world.answered(Some((status, &body.unwrap_or_default())));
    }
    assert_eq!(world.digest(), table.digest());
}
