//! Builds a table piece by piece; the cost of a change is that of the segments it touches.
//!
//! Nothing depends on history: the bytes follow from the pieces that are set, in whatever order
//! they were set and however often a commit came in between.

use std::collections::{BTreeMap, BTreeSet};

use super::hash::Digest;
use super::layout::{
    BASE, GRPC_MARK, HostKind, flag, host_hash, host_key, host_place, kind, listener_parts,
    service_place, turn,
};
use super::model::{
    HostKey, HostPattern, Listener, ListenerKey, RouteMatch, Scope, ServiceEndpoints, ServicePort,
};
use super::root::{Root, SegmentId};
use super::segment::{Block, Blocks, encode};
use super::{endpoints, listeners, routes};

/// One segment as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Segment {
    /// Digest of the bytes; zero if there are none.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A table being built.
#[derive(Debug, Default)]
pub struct TableBuilder {
    blocks: BTreeMap<u32, Blocks>,
    segments: BTreeMap<u32, Segment>,
    root: Root,
    dirty: BTreeSet<u32>,
    /// Hosts with GRPCRoutes.
    grpc: BTreeSet<HostKey>,
}

impl TableBuilder {
    /// A table without anything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the routes of a host; none removes it.
    pub fn set_host(&mut self, key: &HostKey, matches: Vec<RouteMatch>) {
        let (segment, hash, bytes) = host_place(key);
        let turn = match &key.scope {
            Scope::Ingress => turn::INGRESS,
            Scope::IngressDefault => turn::INGRESS_DEFAULT,
            Scope::Listener { .. } => turn::LISTENER,
            Scope::Grpc { .. } => turn::GRPC,
        };
        let flags = match &key.host {
            HostPattern::Exact(_) => 0,
            HostPattern::Wildcard(_) => flag::WILDCARD * turn,
            HostPattern::Any => flag::ANY * turn,
        };
        if matches!(key.scope, Scope::Grpc { .. }) {
            self.mark_grpc(key, !matches.is_empty());
        }
        let block = (!matches.is_empty()).then(|| Block {
            flags,
            payload: routes::encode(matches),
        });
        self.set(segment, hash, bytes, block);
    }

    /// Only the base segment's flags say whether GRPCRoutes have to be looked for; their hosts may
    /// all lie in other segments.
    fn mark_grpc(&mut self, key: &HostKey, routes: bool) {
        if routes {
            self.grpc.insert(key.clone());
        } else {
            self.grpc.remove(key);
        }
        let block = (!self.grpc.is_empty()).then(|| Block {
            flags: flag::GRPC,
            payload: routes::encode(Vec::new()),
        });
        let hash = host_hash(GRPC_MARK, HostKind::Any, b"");
        let bytes = host_key(GRPC_MARK, HostKind::Any, "");
        self.set(BASE, hash, bytes, block);
    }

    /// Sets the endpoints of a Service port; `None` removes it. A Service port that a rule names
    /// is set even without endpoints: that is where the table has its name.
    pub fn set_service(&mut self, key: &ServicePort, endpoints: Option<&ServiceEndpoints>) {
        let (segment, id, bytes) = service_place(key);
        let block = endpoints.map(|endpoints| Block {
            flags: 0,
            payload: endpoints::encode(endpoints),
        });
        self.set(segment, id, bytes, block);
    }

    /// Sets a listener; `None` removes it.
    pub fn set_listener(&mut self, key: &ListenerKey, listener: Option<&Listener>) {
        let (kind, text) = listener_parts(&key.hostname);
        let port = u64::from(key.port);
        let hash = host_hash(port, kind, text.as_bytes());
        let flags = flag::LISTENER
            | match kind {
                HostKind::ListenerExact => flag::EXACT_HOSTNAME,
                HostKind::ListenerWildcard => flag::WILDCARD_HOSTNAME,
                _ => 0,
            };
        let block = listener.map(|listener| Block {
            flags,
            payload: listeners::encode(key, listener),
        });
        self.set(BASE, hash, host_key(port, kind, text), block);
    }

    fn set(&mut self, segment: u32, hash: u64, key: Box<[u8]>, block: Option<Block>) {
        let blocks = self.blocks.entry(segment).or_default();
        let place = (hash, key);
        let changed = match block {
            Some(block) => {
                if blocks.get(&place) == Some(&block) {
                    false
                } else {
                    blocks.insert(place, block);
                    true
                }
            }
            None => blocks.remove(&place).is_some(),
        };
        if changed {
            self.dirty.insert(segment);
        }
    }

    /// Writes the segments that were touched; gives the indexes of those whose bytes changed.
    pub fn commit(&mut self) -> Vec<u32> {
        let mut changed = Vec::new();
        for index in core::mem::take(&mut self.dirty) {
            let bytes = self
                .blocks
                .get(&index)
                .map(|blocks| encode(kind(index), blocks))
                .unwrap_or_default();
            let id = SegmentId::of(&bytes);
            if id == self.root.get(index) {
                continue;
            }
            self.root.set(index, id);
            if bytes.is_empty() {
                self.segments.remove(&index);
                self.blocks.remove(&index);
            } else {
                self.segments.insert(
                    index,
                    Segment {
                        digest: id.digest,
                        bytes,
                    },
                );
            }
            changed.push(index);
        }
        changed
    }

    /// A committed segment; `None` if it has no blocks.
    #[must_use]
    pub fn segment(&self, index: u32) -> Option<&Segment> {
        self.segments.get(&index)
    }

    /// The committed root.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The committed root as bytes.
    #[must_use]
    pub fn root_bytes(&self) -> Vec<u8> {
        self.root.encode()
    }

    /// Names the committed table.
    #[must_use]
    pub fn root_digest(&self) -> Digest {
        self.root.digest()
    }
}
