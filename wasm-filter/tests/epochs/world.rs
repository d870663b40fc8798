//! The publisher, and every table that it has published.

use silverback_core::table::build::TableBuilder;
use silverback_core::table::store::publish::Publisher;
use silverback_emulator::SharedStore;

use crate::support::node::{Writer, zone};
use crate::tables::built::edit;
use crate::tables::oracle::Model;
use crate::tables::random::Gen;
use silverback_core::table::model::{HostKey, HostPattern, PathMatch, RouteMatch, Scope};

/// Room for three tables: the current, the previous and the next.
const PAGES: u16 = 224;

pub(crate) struct World {
    pub(crate) random: Gen,
    store: Writer,
    publisher: Publisher,
    table: TableBuilder,
    /// The model of each epoch; epoch 0 is the empty one that nobody can read.
    pub(crate) epochs: Vec<Model>,
    /// Bytes that the zone took when it was prepared.
    used: usize,
    /// The largest segment so far, in pages.
    pub(crate) largest: usize,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let store = SharedStore::new(zone(PAGES));
        let writer = Writer(store.clone());
        let publisher = Publisher::open(&writer, PAGES).expect("a pool");
        Self {
            random: Gen(seed),
            used: store.used_bytes("silverback"),
            store: writer,
            publisher,
            table: TableBuilder::new(),
            epochs: vec![Model::default()],
            largest: 0,
        }
    }

    pub(crate) fn store(&self) -> SharedStore {
        self.store.0.clone()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epochs.len() as u64 - 1
    }

    pub(crate) fn current(&self) -> &Model {
        &self.epochs[self.epochs.len() - 1]
    }

    /// Makes a random edit and publishes it.
    pub(crate) fn commit(&mut self) {
        let old = self.current().clone();
        let mut new = old.clone();
        match self.random.below(16) {
            // Rarely, so that tables have the time to grow.
            0 if self.random.one_in(2) => new = self.random.model(),
            1 => (0..6).for_each(|_| self.random.add_object(&mut new)),
            2 => {
                let keys: Vec<_> = new.hosts.keys().cloned().collect();
                if keys.len() > 6 {
                    new.hosts.remove(self.random.pick(&keys));
                }
            }
            3..=5 => self.resize(&mut new),
            6 => {
                let services: Vec<_> = new.services.keys().cloned().collect();
                if services.len() > 12 {
                    new.services.remove(self.random.pick(&services));
                }
            }
            _ => {
                let (service, endpoints) = (self.random.service(), self.random.endpoints());
                new.services.insert(service, endpoints);
            }
        }
        edit(&mut self.table, &old, &new);
        for segment in self.table.commit() {
            let bytes = self.table.segment(segment).map_or(0, |s| s.bytes.len());
            self.largest = self.largest.max(bytes.div_ceil(16_000));
        }
        let content = |index| self.table.segment(index).map(|s| &s.bytes[..]);
        let published = self
            .publisher
            .publish(&self.store, self.table.root(), content)
            .expect("published");
        self.epochs.push(new);
        assert_eq!(published.epoch, self.epoch());
        assert_eq!(
            self.store.0.used_bytes("silverback"),
            self.used,
            "the zone's use is constant"
        );
    }

    /// Gives a host some hundreds of paths more, or takes most of its paths away: its segment
    /// grows and shrinks over page borders.
    fn resize(&mut self, model: &mut Model) {
        let sources: Vec<RouteMatch> = model.hosts.values().flatten().cloned().collect();
        let key = HostKey {
            scope: Scope::Ingress,
            host: match self.random.below(2) {
                0 => HostPattern::Any,
                _ => HostPattern::Exact("a.test".into()),
            },
        };
        let list = model.hosts.entry(key.clone()).or_default();
        if list.len() > 100 {
            list.truncate(3);
        } else if let Some(source) = sources
            .iter()
            .find(|m| m.rule.object.kind == silverback_core::table::model::RouteKind::Ingress)
        {
            let count = 100 + self.random.below(900);
            for n in 0..count {
                let mut more = source.clone();
                more.path = PathMatch::Prefix(format!("/foo/{n}/a-rather-long-path").into());
                list.push(more);
            }
        }
        if model.hosts.get(&key).is_some_and(Vec::is_empty) {
            model.hosts.remove(&key);
        }
    }
}
