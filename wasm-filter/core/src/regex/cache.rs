//! The automata of a worker: each is checked once and kept.

use std::rc::Rc;

use regex_automata::dfa::Automaton as _;
use regex_automata::dfa::sparse::DFA;
use regex_automata::{Anchored, Input};

use crate::table::segment::Broken;

/// Bytes of automata that a worker keeps, all together. When more are needed it starts over.
const MAX_KEPT: usize = 16 * 1024 * 1024;

/// The automata that were needed so far, by id.
#[derive(Debug, Default)]
pub struct Cache {
    kept: core::cell::RefCell<Kept>,
}

/// Found by open addressing, for ids are digests: 600 automata in a tree took 300 instructions to
/// find one. A power of two of slots, half of them empty at least.
#[derive(Debug, Default)]
struct Kept {
    slots: Vec<Option<(u64, Automaton)>>,
    count: usize,
    bytes: usize,
}

type Automaton = Rc<DFA<Vec<u8>>>;

// === impl Cache ===

impl Cache {
    /// No automata yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Does the automaton match `text`?
    ///
    /// # Errors
    /// [`Broken`] for bytes that are no automaton.
    pub fn is_match(&self, id: u64, dfa: &[u8], text: &[u8]) -> Result<bool, Broken> {
        let input = Input::new(text).anchored(Anchored::Yes).earliest(true);
        let dfa = self.get(id, dfa)?;
        Ok(dfa.try_search_fwd(&input).map_err(|_| Broken)?.is_some())
    }

    /// Where the leftmost match, which begins at the start, ends.
    ///
    /// # Errors
    /// [`Broken`] for bytes that are no automaton.
    pub fn end(&self, id: u64, dfa: &[u8], text: &[u8]) -> Result<Option<usize>, Broken> {
        let input = Input::new(text).anchored(Anchored::Yes);
        let dfa = self.get(id, dfa)?;
        let found = dfa.try_search_fwd(&input).map_err(|_| Broken)?;
        Ok(found.map(|half| half.offset()))
    }

    fn get(&self, id: u64, bytes: &[u8]) -> Result<Automaton, Broken> {
        // Borrowed only here, and nothing in here calls back.
        let mut kept = self.kept.try_borrow_mut().map_err(|_| Broken)?;
        if let Some(dfa) = kept.find(id) {
            return Ok(Rc::clone(dfa));
        }
        let (dfa, _) = DFA::from_bytes(bytes).map_err(|_| Broken)?;
        if kept.bytes.saturating_add(bytes.len()) > MAX_KEPT {
            *kept = Kept::default();
        }
        let dfa = Rc::new(dfa.to_owned());
        kept.bytes += bytes.len();
        kept.insert(id, Rc::clone(&dfa));
        Ok(dfa)
    }
}

// === impl Kept ===

impl Kept {
    fn find(&self, id: u64) -> Option<&Automaton> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = id as usize;
        while let Some(Some((known, automaton))) = self.slots.get(at & mask) {
            if *known == id {
                return Some(automaton);
            }
            at = at.wrapping_add(1);
        }
        None
    }

    fn insert(&mut self, id: u64, automaton: Automaton) {
        if self.slots.len() <= self.count * 2 {
            let larger = (self.slots.len() * 2).max(16);
            let old = core::mem::replace(&mut self.slots, vec![None; larger]);
            for (id, automaton) in old.into_iter().flatten() {
                self.put(id, automaton);
            }
        }
        self.put(id, automaton);
        self.count += 1;
    }

    fn put(&mut self, id: u64, automaton: Automaton) {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = id as usize;
        while let Some(Some(_)) = self.slots.get(at & mask) {
            at = at.wrapping_add(1);
        }
        if let Some(slot) = self.slots.get_mut(at & mask) {
            *slot = Some((id, automaton));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regex::compile;
    use crate::table::model::Anchor;

    #[test]
    fn every_automaton_is_found_again_also_after_the_slots_grew() {
        let cache = Cache::new();
        let patterns: Vec<_> = (0..100)
            .map(|i| compile(&format!("/x{i}/[0-9]+"), Anchor::Start, false).unwrap())
            .collect();
        for round in 0..2 {
            for (i, regex) in patterns.iter().enumerate() {
                let fits = |path: &str| cache.is_match(regex.id, &regex.dfa, path.as_bytes());
                assert_eq!(fits(&format!("/x{i}/7")), Ok(true), "round {round}");
                assert_eq!(fits("/y/7"), Ok(false), "round {round}");
            }
        }
        assert_eq!(cache.kept.borrow().count, 100);
    }
}
