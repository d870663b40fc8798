//! What is offered: the newest table, and the roots that nodes may still have.

use std::collections::VecDeque;
use std::sync::Arc;

use silverback_core::table::hash::Digest;
use silverback_core::table::root::Root;
use tokio::sync::watch;

use crate::nodes::Table;

/// Roots that are kept for deltas, 15 KB each. A node that is further behind gets a whole root and says
/// what it lacks.
const ROOTS: usize = 64;

/// The publisher's side: says what the newest table is.
#[derive(Debug)]
pub struct Pulls {
    offer: watch::Sender<Option<Arc<Offer>>>,
}

/// A table and the roots before it.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) table: Arc<Table>,
    roots: VecDeque<(Digest, Arc<Root>)>,
}

// === impl Pulls ===

impl Default for Pulls {
    fn default() -> Self {
        Self {
            offer: watch::Sender::new(None),
        }
    }
}

impl Pulls {
    /// Nothing yet: nodes wait.
    pub fn new() -> Self {
        Self::default()
    }

    /// This is the table from now on. Nodes that wait get it.
    pub fn publish(&self, table: Arc<Table>) {
        self.offer.send_modify(|offer| {
            let before = offer.as_deref();
            let mut roots = before.map_or_else(VecDeque::new, |offer| offer.roots.clone());
            if let Some(before) = before {
                roots.push_front((before.table.digest(), Arc::new(before.table.root().clone())));
                roots.truncate(ROOTS);
            }
            *offer = Some(Arc::new(Offer { table, roots }));
        });
    }

    pub(super) fn watch(&self) -> watch::Receiver<Option<Arc<Offer>>> {
        self.offer.subscribe()
    }
}

// === impl Offer ===

impl Offer {
    /// The root with this digest, if it is still here.
    pub(super) fn root(&self, digest: &Digest) -> Option<&Root> {
        if self.table.digest() == *digest {
            return Some(self.table.root());
        }
        let known = self.roots.iter().find(|(known, _)| known == digest);
        known.map(|(_, root)| &**root)
    }
}
