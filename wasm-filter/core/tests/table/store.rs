//! Publisher and views on shared data in memory: what is written, what is left alone, who wins.

use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use silverback_core::table::build::TableBuilder;
use silverback_core::table::layout::BASE;
use silverback_core::table::root::{Root, SegmentId};
use silverback_core::table::store::page::PAGE_USED;
use silverback_core::table::store::publish::{PublishError, Publisher, pages_in_zone, zone_bytes};
use silverback_core::table::store::view::{Unreadable, Views};
use silverback_core::table::store::{
    EPOCH_KEY, MemoryStore, SENTINEL_KEY, SharedData, StoreError, page_key, root_key,
};

use crate::sketch::Sketch;
use crate::support::built::edit;
use crate::support::oracle::Model;

/// Shared data that notes every set, may be full, and may do something before a set.
#[derive(Default)]
struct Watched {
    store: MemoryStore,
    sets: RefCell<Vec<(Vec<u8>, usize)>>,
    room: Cell<Option<usize>>,
}

impl SharedData for Watched {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
        self.store.get(key)
    }

    fn set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError> {
        if let Some(room) = self.room.get() {
            if room == 0 {
                return Err(StoreError::NoMemory);
            }
            self.room.set(Some(room - 1));
        }
        if let Some((old, _)) = self.store.get(key)? {
            assert_eq!(old.len(), value.len(), "a live value changed its length");
        }
        self.sets.borrow_mut().push((key.to_vec(), value.len()));
        self.store.set(key, value, cas)
    }
}

/// Segments with these contents.
fn root(segments: &[(u32, &[u8])]) -> Root {
    let mut root = Root::default();
    for (index, bytes) in segments {
        root.set(*index, SegmentId::of(bytes));
    }
    root
}

fn publish(
    publisher: &mut Publisher,
    store: &impl SharedData,
    segments: &[(u32, &[u8])],
) -> Result<u64, PublishError> {
    let content = |index| {
        let mut all = segments.iter();
        all.find(|(known, _)| *known == index).map(|(_, b)| *b)
    };
    let published = publisher.publish(store, &root(segments), content)?;
    Ok(published.epoch)
}

/// A real table that is told apart by the name of its only object.
fn table(name: &str) -> TableBuilder {
    let mut table = TableBuilder::new();
    let sketch = Sketch::default().ingress(name, "a.test", "/");
    edit(&mut table, &Model::default(), &sketch.model);
    table.commit();
    table
}

fn put(publisher: &mut Publisher, store: &impl SharedData, table: &TableBuilder) -> u64 {
    let content = |index| table.segment(index).map(|s| &s.bytes[..]);
    let published = publisher.publish(store, table.root(), content);
    published.expect("published").epoch
}

/// Epoch and bytes of the first route segment with blocks, as a worker reads them.
fn read(views: &mut Views, store: &impl SharedData) -> Result<(u64, usize), Unreadable> {
    views.answer(store, |segments, epoch| {
        let mut blocks = 0;
        for index in 0..100 {
            blocks += segments.segment(BASE + index)?.len();
        }
        Ok((epoch, blocks))
    })
}

#[test]
fn nothing_changes_its_length_and_no_key_comes_or_goes_after_the_start() {
    let store = Watched::default();
    let mut publisher = Publisher::open(&store, 40).expect("a pool");
    let created: Vec<_> = store.sets.take();
    // The epoch record is set twice: created, and entered by this publisher.
    assert_eq!(created.len(), 40 + 5, "pages, two roots, epoch, sentinel");
    let big = vec![7u8; PAGE_USED * 3 + 1];
    for n in 0u8..30 {
        let small = vec![n; 10 + usize::from(n)];
        let big = &big[..big.len() - usize::from(n % 3) * PAGE_USED];
        publish(&mut publisher, &store, &[(1, &small), (2, big)]).expect("published");
    }
    let known: BTreeMap<_, _> = created.into_iter().collect();
    for (key, len) in store.sets.take() {
        assert_eq!(known.get(&key), Some(&len), "{}", key.escape_ascii());
    }
}

#[test]
fn pages_of_the_current_and_the_previous_root_are_not_touched() {
    let store = Watched::default();
    let mut publisher = Publisher::open(&store, 9).expect("a pool");
    let mut last_writes: Vec<Vec<Vec<u8>>> = Vec::new();
    for n in 0u8..40 {
        store.sets.take();
        let parts = vec![n; PAGE_USED * 2 + 1];
        publish(&mut publisher, &store, &[(5, &parts)]).expect("published");
        let pages: Vec<_> = store.sets.take().into_iter().map(|(key, _)| key).collect();
        let pages: Vec<_> = pages
            .into_iter()
            .filter(|key| key.starts_with(b"silverback/p"))
            .collect();
        assert_eq!(pages.len(), 3);
        for before in last_writes.iter().rev().take(2) {
            assert!(pages.iter().all(|page| !before.contains(page)), "epoch {n}");
        }
        last_writes.push(pages);
    }
}

#[test]
fn unchanged_segments_are_neither_asked_for_nor_written_nor_read_again() {
    let store = MemoryStore::default();
    let mut publisher = Publisher::open(&store, 8).expect("a pool");
    publish(&mut publisher, &store, &[(1, b"one"), (2, b"two")]).expect("published");
    let next = root(&[(1, b"one"), (2, b"2")]);
    let published = publisher
        .publish(&store, &next, |index| {
            assert_eq!(index, 2, "only what is new is asked for");
            Some(&b"2"[..])
        })
        .expect("published");
    assert_eq!((published.pages, published.segments), (1, 1));

    let mut publisher = Publisher::open(&MemoryStore::default(), 0).expect("no pages");
    assert!(publisher.status(&MemoryStore::default()).is_err());
    let store = MemoryStore::default();
    publisher = Publisher::open(&store, 16).expect("a pool");
    let mut views = Views::new();
    let mut builder = table("x");
    put(&mut publisher, &store, &builder);
    read(&mut views, &store).expect("read");
    let before = views.counters().loads;
    let more = Sketch::default().ingress("y", "", "/");
    edit(&mut builder, &Model::default(), &more.model);
    let changed = builder.commit().into_iter().filter(|s| *s < 100).count() as u64;
    put(&mut publisher, &store, &builder);
    let (epoch, _) = read(&mut views, &store).expect("read");
    assert_eq!(epoch, 2);
    assert_eq!(
        views.counters().loads - before,
        changed,
        "the rest is taken over"
    );
}

#[test]
fn a_table_that_does_not_fit_leaves_the_old_one_in_effect() {
    let store = MemoryStore::default();
    let mut publisher = Publisher::open(&store, 4).expect("a pool");
    publish(&mut publisher, &store, &[(1, b"old")]).expect("published");
    let status = publisher.status(&store).expect("status");
    let big = vec![1; PAGE_USED * 4];
    let error = publish(&mut publisher, &store, &[(1, &big)]).expect_err("too big");
    assert_eq!(
        error,
        PublishError::ZoneFull {
            needed: 4,
            free: 3,
            pages: 4
        }
    );
    assert!(error.to_string().contains("--zone-size"), "{error}");
    assert_eq!(publisher.status(&store), Ok(status));
    assert_eq!(publish(&mut publisher, &store, &[(1, b"new")]), Ok(2));
}

#[test]
fn a_zone_without_room_for_the_pool_says_how_many_pages_fit() {
    let store = Watched::default();
    store.room.set(Some(7));
    let error = Publisher::open(&store, 20).expect_err("no room");
    assert!(
        matches!(
            error,
            PublishError::ZoneFull {
                needed: 20,
                free: 7,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn pools_and_zones_are_computed_both_ways() {
    for pages in [0, 1, 100, 4_000, 4_096] {
        assert_eq!(pages_in_zone(zone_bytes(pages)), pages);
        assert_eq!(pages_in_zone(zone_bytes(pages) + 4_096), pages);
    }
    assert_eq!(pages_in_zone(0), 0);
    assert_eq!(pages_in_zone(usize::MAX), 4_096);
}

#[test]
fn what_is_missing_is_listed_and_what_is_wrong_is_refused() {
    let store = MemoryStore::default();
    let mut publisher = Publisher::open(&store, 8).expect("a pool");
    let wanted = root(&[(1, b"one"), (2, b"two"), (9, b"nine")]);
    let none = publisher.publish(&store, &wanted, |_| None);
    assert_eq!(none, Err(PublishError::Missing(vec![1, 2, 9])));
    let wrong = publisher.publish(&store, &wanted, |_| Some(&b"other"[..]));
    assert_eq!(wrong, Err(PublishError::Digest(1)));
    assert_eq!(publisher.status(&store).map(|(epoch, _)| epoch), Ok(0));
}

#[test]
fn a_restarted_publisher_goes_on_from_what_is_there() {
    let store = MemoryStore::default();
    let mut first = Publisher::open(&store, 8).expect("a pool");
    assert_eq!(publish(&mut first, &store, &[(1, b"one")]), Ok(1));
    let mut second = Publisher::open(&store, 8).expect("the same pool");
    assert_eq!(second.status(&store), first.status(&store));
    let published = second.publish(&store, &root(&[(1, b"one"), (2, b"two")]), |index| {
        assert_eq!(index, 2, "segment 1 is there already");
        Some(&b"two"[..])
    });
    assert_eq!(published.map(|p| p.epoch), Ok(2));
}

#[test]
fn values_of_another_release_are_refused_and_left_alone() {
    for key in [&page_key(3)[..], root_key(1)] {
        let store = MemoryStore::default();
        store.set(key, b"something else", 0).expect("set");
        let opened = Publisher::open(&store, 8);
        assert!(
            matches!(opened, Err(PublishError::Foreign(_))),
            "{opened:?}"
        );
        let (value, _) = store.get(key).expect("a store").expect("a value");
        assert_eq!(value, b"something else");
    }
    let store = MemoryStore::default();
    let mut publisher = Publisher::open(&store, 8).expect("a pool");
    let (_, cas) = store.get(EPOCH_KEY).expect("a store").expect("a record");
    store.set(EPOCH_KEY, &[0; 64], cas).expect("set");
    let published = publish(&mut publisher, &store, &[(1, b"one")]);
    assert_eq!(published, Err(PublishError::Foreign("the epoch record")));
}

/// Two publishers at once, the second in the middle of the first at every point where the first
/// touches shared data.
#[test]
fn of_two_publishers_one_wins_and_its_table_is_whole() {
    type Other<'a> = Box<dyn FnOnce(&MemoryStore) + 'a>;

    /// Runs `other` before the n-th get or set.
    struct Interleaved<'a> {
        store: &'a MemoryStore,
        left: Cell<usize>,
        other: RefCell<Option<Other<'a>>>,
    }
    impl Interleaved<'_> {
        fn step(&self) {
            let left = self.left.get();
            self.left.set(left.saturating_sub(1));
            if left == 0
                && let Some(other) = self.other.take()
            {
                other(self.store);
            }
        }
    }
    impl SharedData for Interleaved<'_> {
        fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
            self.step();
            self.store.get(key)
        }
        fn set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError> {
            self.step();
            self.store.set(key, value, cas)
        }
    }

    let mut raced = 0;
    for point in 0..200 {
        let store = MemoryStore::default();
        let mut first = Publisher::open(&store, 24).expect("a pool");
        let mut second = Publisher::open(&store, 24).expect("the same pool");
        put(&mut first, &store, &table("before"));
        let (mine, theirs) = (table("mine"), table("theirs"));
        let done = Cell::new(false);
        let between = Interleaved {
            store: &store,
            left: Cell::new(point),
            other: RefCell::new(Some(Box::new(|store| {
                put(&mut second, store, &theirs);
                done.set(true);
            }))),
        };
        let content = |index| mine.segment(index).map(|s| &s.bytes[..]);
        let published = first.publish(&between, mine.root(), content);
        if !done.get() {
            assert!(published.is_ok(), "nobody else, point {point}");
            break;
        }
        drop(between);
        let winner = match published {
            Ok(_) => &mine,
            Err(PublishError::Raced) => {
                raced += 1;
                &theirs
            }
            Err(error) => panic!("point {point}: {error}"),
        };
        let status = first.status(&store).expect("status");
        assert_eq!(status.1, winner.root_digest(), "point {point}");
        let mut views = Views::new();
        let whole = views.answer(&store, |segments, _| {
            (0..700).try_for_each(|index| segments.segment(index).map(drop))
        });
        assert_eq!(whole, Ok(()), "point {point}: the winner's table is whole");
    }
    assert!(raced > 4, "{raced} races");
}

#[test]
fn readers_see_no_table_until_there_is_one() {
    let mut views = Views::new();
    let store = MemoryStore::default();
    assert_eq!(read(&mut views, &store), Err(Unreadable::NoTable));
    let mut publisher = Publisher::open(&store, 16).expect("a pool");
    assert_eq!(read(&mut views, &store), Err(Unreadable::NoTable));
    put(&mut publisher, &store, &table("x"));
    assert_eq!(read(&mut views, &store).map(|(epoch, _)| epoch), Ok(1));
    assert_eq!(views.counters().failures, 2);
}

#[test]
fn a_zone_without_sentinel_is_not_trusted() {
    let store = MemoryStore::default();
    store.set(SENTINEL_KEY, b"another zone", 0).expect("set");
    let mut publisher = Publisher::open(&store, 16).expect("a pool");
    put(&mut publisher, &store, &table("x"));
    assert_eq!(read(&mut Views::new(), &store), Err(Unreadable::NoSentinel));
}

#[test]
fn a_reader_of_an_old_epoch_keeps_it_or_pins_a_new_one_whole() {
    let store = MemoryStore::default();
    let mut publisher = Publisher::open(&store, 16).expect("a pool");
    let mut views = Views::new();
    put(&mut publisher, &store, &table("x"));
    let pinned = views.pin(&store).expect("pinned");
    for _ in 0..10 {
        put(&mut publisher, &store, &table("y"));
        put(&mut publisher, &store, &table("x"));
    }
    assert_eq!(pinned.epoch(), 1, "what is pinned stays what it was");
    let (epoch, _) = read(&mut views, &store).expect("read");
    assert_eq!(epoch, 21, "the next request has the newest");
}

#[test]
fn when_shared_data_goes_away_the_loaded_view_serves_on() {
    let store = MemoryStore::default();
    let mut publisher = Publisher::open(&store, 16).expect("a pool");
    put(&mut publisher, &store, &table("x"));
    let mut views = Views::new();
    let before = read(&mut views, &store);
    assert_eq!(read(&mut views, &MemoryStore::default()), before);
    assert_eq!(views.counters().fallbacks, 1);
}
