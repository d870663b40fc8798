//! The paths of a host that fit a request's path, best rank first.

use super::prefixes::Prefixes;
use super::regex::IndexEntry;
use super::{HostRoutes, Merge, PathEntry, PathKind, form};
use crate::regex::Cache;
use crate::route::rank::PathRank;
use crate::table::segment::Broken;

/// A search that goes on where it stopped: the first path that fits may have matches none of which
/// does. (A callback for each path cost 300 instructions more: captures live in memory.)
#[derive(Debug, Clone, Copy)]
pub struct Search<'a, 'p> {
    routes: HostRoutes<'a>,
    path: &'p [u8],
    stage: Stage,
    prefixes: Prefixes<'p>,
    /// How many patterns and lengths of text prefixes are done.
    patterns: usize,
    lengths: usize,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// The slot that comes next.
    List(u32),
    Exact,
    Prefixes,
}

// === impl Search ===

impl<'a, 'p> Search<'a, 'p> {
    #[inline]
    pub(super) fn new(routes: HostRoutes<'a>, path: &'p [u8]) -> Self {
        let hashed = routes.form & form::HASH != 0;
        let exact = routes.form & form::EXACT != 0;
        Self {
            routes,
            path,
            stage: match (hashed, exact) {
                (false, _) => Stage::List(0),
                (true, true) => Stage::Exact,
                (true, false) => Stage::Prefixes,
            },
            prefixes: Prefixes::new(path, routes.lengths),
            patterns: 0,
            lengths: 0,
        }
    }

    /// The next path that fits; after an error the search is of no use.
    ///
    /// # Errors
    /// [`Broken`].
    #[inline]
    pub fn next(&mut self, cache: &Cache) -> Result<Option<PathEntry<'a>>, Broken> {
        if let Stage::List(slot) = &mut self.stage {
            while let Some(at) = self.routes.listed(*slot) {
                *slot += 1;
                let entry = PathEntry::at(self.routes.bytes, at)?;
                if entry.fits(self.path, cache)? {
                    return Ok(Some(entry));
                }
            }
            return Ok(None);
        }
        loop {
            let (kind, text) = match self.stage {
                Stage::Exact => {
                    self.stage = Stage::Prefixes;
                    (PathKind::Exact, self.path)
                }
                Stage::Prefixes if self.routes.form & form::MERGE == 0 => {
                    let Some(prefix) = self.prefixes.next_short() else {
                        return Ok(None);
                    };
                    (PathKind::Prefix, prefix)
                }
                _ => {
                    // Through a copy, so that a search without patterns is never written to memory.
                    let mut copy = *self;
                    let found = copy.merge(cache);
                    *self = copy;
                    return found;
                }
            };
            if let Some(entry) = self.routes.probe(kind, text)? {
                return Ok(Some(entry));
            }
        }
    }

    /// Prefixes, text prefixes and patterns in the order of their ranks.
    #[inline(never)]
    fn merge(&mut self, cache: &Cache) -> Result<Option<PathEntry<'a>>, Broken> {
        let path = self.path;
        let Merge { patterns, lengths } = self.routes.to_merge().ok_or(Broken)?;
        loop {
            let prefix = self.prefixes.longest();
            let text = loop {
                let Some(length) = lengths.get(self.lengths) else {
                    break None;
                };
                match path.get(..u32::from_le_bytes(*length) as usize) {
                    Some(text) => break Some(text),
                    // Longer than the path.
                    None => self.lengths += 1,
                }
            };
            let of_prefix = prefix.map(|text| PathRank::of_text(text.len(), PathKind::Prefix));
            let of_text = text.map(|text| PathRank::of_text(text.len(), PathKind::Text));
            let best = [of_prefix, of_text].into_iter().flatten().min();
            // All patterns that come first, in one go: most fall to their literal. One is before a
            // prefix of its own size.
            let least = best.map_or(0, |best| best.size());
            while let Some(entry) = patterns.get(self.patterns) {
                let entry = IndexEntry::from_bytes(entry).ok_or(Broken)?;
                if entry.size < least {
                    break;
                }
                self.patterns += 1;
                if entry.may_fit(path) {
                    let bytes = self.routes.bytes;
                    let regex = PathEntry::pattern_of(bytes, entry.path).ok_or(Broken)?;
                    if regex.is_match(cache, path)? {
                        return PathEntry::at(bytes, entry.path).map(Some);
                    }
                }
            }
            let found = match (best, text, prefix) {
                (None, ..) => return Ok(None),
                (_, Some(text), _) if best == of_text => {
                    self.lengths += 1;
                    self.routes.probe(PathKind::Text, text)?
                }
                (_, _, Some(prefix)) => {
                    self.prefixes.next_longest();
                    self.routes.probe(PathKind::Prefix, prefix)?
                }
                _ => return Ok(None),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }
}
