//! A publisher: its translator, and what it believes of the node.

use std::rc::Rc;

use silverback_core::node::commit::{Commit, RootChange};
use silverback_core::node::push::Put;
use silverback_core::table::hash::Digest;
use silverback_core::table::layout::SEGMENTS;
use silverback_core::table::root::Root;
use silverback_core::translate::{Applied, Options, Translator};

use crate::support::random::Gen;
use crate::world::{Change, World, gateway};

pub(crate) struct Client {
    /// Names the installation.
    pub(crate) id: u64,
    translator: Translator,
    pub(crate) world: World,
    /// Epoch and root that the node said were in effect; `None`: it must be asked.
    pub(crate) known: Option<(u64, Digest)>,
    /// The last root of its own that the node confirmed.
    base: Option<(Digest, Root)>,
    /// The next commit replaces whatever is there.
    pub(crate) adopt: bool,
}

impl Client {
    pub(crate) fn new(id: u64, world: World) -> Self {
        let mut client = Self {
            id,
            translator: translator(),
            world,
            known: None,
            base: None,
            adopt: false,
        };
        client.load(&mut Gen(id));
        client
    }

    fn load(&mut self, random: &mut Gen) {
        let mut objects = self.world.objects();
        while !objects.is_empty() {
            let object = objects.swap_remove(random.below(objects.len()));
            self.apply(Change::Apply(object));
        }
        self.commit();
    }

    /// Begins anew from the objects, which come in another order.
    pub(crate) fn restart(&mut self, random: &mut Gen) {
        let before = self.digest();
        self.translator = translator();
        (self.known, self.base) = (None, None);
        self.load(random);
        assert_eq!(self.digest(), before, "the same objects give another table");
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Apply(json) => {
                let applied = self.translator.apply(json.as_bytes());
                let taken = matches!(applied, Applied::Stored(_) | Applied::Unchanged(_));
                assert!(taken, "{applied:?}\n{json}");
            }
            Change::Delete(key) => self.translator.delete(&key),
        }
    }

    /// Compiles changes.
    pub(crate) fn change(&mut self, changes: Vec<Change>) {
        changes.into_iter().for_each(|change| self.apply(change));
        self.commit();
    }

    fn commit(&mut self) {
        self.translator.commit();
        // What the host would take: it must not pile up.
        while self.translator.take_changes(1 << 20).more {}
    }

    /// Comes to the state of another publisher's cluster.
    pub(crate) fn follow(&mut self, world: &World) {
        let changes = self.world.towards(world);
        self.world = world.clone();
        self.change(changes);
    }

    pub(crate) fn digest(&self) -> Digest {
        self.translator.table().root_digest()
    }

    /// The node has this table now.
    pub(crate) fn confirmed(&mut self, epoch: u64) {
        let digest = self.digest();
        self.known = Some((epoch, digest));
        self.base = Some((digest, self.translator.table().root().clone()));
        self.adopt = false;
    }

    /// The next commit is sent whole.
    pub(crate) fn forget_base(&mut self) {
        self.base = None;
    }

    /// The commit over the table that is known, with the segments that are missing there;
    /// `leave_out`: without any segment, so that the node has to ask.
    pub(crate) fn body(
        &self,
        known: (u64, Digest),
        missing: &[Digest],
        leave_out: bool,
        send: impl FnMut(Put<'_>),
    ) -> Vec<u8> {
        let table = self.translator.table();
        let base = self.base.as_ref().filter(|(digest, _)| *digest == known.1);
        let root = match base {
            Some((_, base)) => RootChange::between(base, table.root()),
            None => RootChange::Whole(table.root().clone()),
        };
        let wanted = |index: &u32| {
            let id = table.root().get(*index);
            id.len > 0
                && (missing.contains(&id.digest)
                    || !leave_out && base.is_some_and(|(_, base)| base.get(*index) != id))
        };
        let mut segments: Vec<(Digest, &[u8])> = (0..SEGMENTS)
            .filter(wanted)
            .filter_map(|index| table.segment(index))
            .map(|segment| (segment.digest, &segment.bytes[..]))
            .collect();
        segments.sort_unstable_by_key(|(digest, _)| *digest);
        segments.dedup_by_key(|(digest, _)| *digest);
        let commit = Commit {
            adopt: self.adopt,
            publisher: self.id,
            expected: known,
            digest: self.digest(),
            root,
            segments,
        };
        let (puts, commit) = commit.fit();
        puts.into_iter().for_each(send);
        commit.encode().expect("what does not fit was put")
    }

    /// A segment's bytes by its digest.
    pub(crate) fn segment(&self, digest: &Digest) -> Option<Rc<[u8]>> {
        let table = self.translator.table();
        (0..SEGMENTS)
            .filter_map(|index| table.segment(index))
            .find(|segment| segment.digest == *digest)
            .map(|segment| segment.bytes.as_slice().into())
    }
}

fn translator() -> Translator {
    let mut translator = Translator::new(Options {
        accept_all_classes: true,
        ..Options::default()
    });
    for object in gateway() {
        translator.apply(object.as_bytes());
    }
    translator
}
