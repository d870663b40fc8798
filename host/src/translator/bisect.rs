//! Finds the objects that a commit traps on.
//!
//! A trap says nothing of its cause, so the batch is tried in halves on instances that are good so
//! far. `k` culprits among `n` objects cost about `k log n` new instances.

use super::instance::{CallError, Instance};
use super::kept::Kept;
use crate::object::ObjectKey;

/// Starts instances.
pub(super) trait Start {
    /// A new, empty instance.
    fn start(&self) -> Result<Instance, CallError>;
}

/// How a search can fail.
#[derive(Debug)]
pub(super) enum SearchError {
    /// What is taken for good traps by itself.
    Base(String),
    /// The call failed in a way that says nothing about an object.
    Call(CallError),
}

/// What a search found.
pub(super) struct Found {
    /// An instance in which everything that is good is committed.
    pub(super) instance: Instance,
    /// The others, and what the trap said.
    pub(super) culprits: Vec<(ObjectKey, String)>,
}

struct Search<'a, S> {
    start: &'a S,
    kept: &'a Kept,
    instance: Option<Instance>,
    good: Vec<ObjectKey>,
    culprits: Vec<(ObjectKey, String)>,
}

/// Tells the candidates that can be committed on top of all other kept objects from those that
/// cannot.
pub(super) fn search(
    start: &impl Start,
    kept: &Kept,
    candidates: &[ObjectKey],
) -> Result<Found, SearchError> {
    let good = kept
        .keys()
        .filter(|key| candidates.binary_search(key).is_err())
        .cloned()
        .collect();
    let mut search = Search {
        start,
        kept,
        instance: None,
        good,
        culprits: Vec::new(),
    };
    search.add(candidates)?;
    let instance = search.ready()?;
    Ok(Found {
        instance,
        culprits: search.culprits,
    })
}

// === impl Search ===

impl<S: Start> Search<'_, S> {
    /// Adds what can be added of these.
    fn add(&mut self, keys: &[ObjectKey]) -> Result<(), SearchError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut instance = self.ready()?;
        match commit(&mut instance, self.kept, keys) {
            Ok(()) => {
                self.instance = Some(instance);
                self.good.extend_from_slice(keys);
                Ok(())
            }
            Err(CallError::Trapped(said)) => match keys {
                [culprit] => {
                    self.culprits.push((culprit.clone(), said));
                    Ok(())
                }
                _ => {
                    let (left, right) = keys.split_at(keys.len() / 2);
                    self.add(left)?;
                    self.add(right)
                }
            },
            Err(error) => Err(SearchError::Call(error)),
        }
    }

    /// An instance with all that is good so far.
    fn ready(&mut self) -> Result<Instance, SearchError> {
        if let Some(instance) = self.instance.take() {
            return Ok(instance);
        }
        let mut instance = self.start.start().map_err(SearchError::Call)?;
        match commit(&mut instance, self.kept, &self.good) {
            Ok(()) => Ok(instance),
            Err(CallError::Trapped(said)) => Err(SearchError::Base(said)),
            Err(error) => Err(SearchError::Call(error)),
        }
    }
}

fn commit(instance: &mut Instance, kept: &Kept, keys: &[ObjectKey]) -> Result<(), CallError> {
    for packed in keys.iter().filter_map(|key| kept.get(key)) {
        instance.apply(&packed.unpack())?;
    }
    instance.commit().map(drop)
}
