//! The automata of a worker: each is checked once and kept.

use std::collections::BTreeMap;
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

#[derive(Debug, Default)]
struct Kept {
    automata: BTreeMap<u64, Rc<DFA<Vec<u8>>>>,
    bytes: usize,
}

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

    fn get(&self, id: u64, bytes: &[u8]) -> Result<Rc<DFA<Vec<u8>>>, Broken> {
        // Borrowed only here, and nothing in here calls back.
        let mut kept = self.kept.try_borrow_mut().map_err(|_| Broken)?;
        if let Some(dfa) = kept.automata.get(&id) {
            return Ok(Rc::clone(dfa));
        }
        let (dfa, _) = DFA::from_bytes(bytes).map_err(|_| Broken)?;
        if kept.bytes.saturating_add(bytes.len()) > MAX_KEPT {
            *kept = Kept::default();
        }
        let dfa = Rc::new(dfa.to_owned());
        kept.bytes += bytes.len();
        kept.automata.insert(id, Rc::clone(&dfa));
        Ok(dfa)
    }
}
