//! A map of bounded size that forgets what was not used for long.

/// Places at which an id may be. A lookup looks at all of them, so an entry can be dropped or
/// replaced without a trace; of a full window the entry that was not used for longest goes.
const WINDOW: usize = 8;
/// The first size.
const MIN_SLOTS: usize = 64;
/// Entries that were not used for so many seconds are dropped.
const IDLE: u32 = 600;
/// Slots that one [`Recent::sweep`] looks at: about a microsecond's worth.
const SWEPT: usize = 1024;

/// Entries by id. Ids are hashes: their low bits are as good as any.
#[derive(Debug)]
pub(super) struct Recent<T> {
    /// A power of two of them, or none.
    slots: Vec<Option<Entry<T>>>,
    max: usize,
    swept: usize,
}

#[derive(Debug)]
struct Entry<T> {
    id: u64,
    /// Second of the last use.
    used: u32,
    value: T,
}

// === impl Recent ===

impl<T: Default> Recent<T> {
    /// Holds at most `max` entries, a power of two.
    pub(super) const fn new(max: usize) -> Self {
        Self {
            slots: Vec::new(),
            max,
            swept: 0,
        }
    }

    /// The entry of an id, if it is there.
    #[inline(never)]
    pub(super) fn get(&mut self, id: u64, second: u32) -> Option<&mut T> {
        let at = self.find(id)?;
        let entry = self.slots.get_mut(at)?.as_mut()?;
        entry.used = second;
        Some(&mut entry.value)
    }

    /// The entry of an id, made if it is not there. (`None` does not happen: there is a slot.)
    #[inline(never)]
    pub(super) fn get_or_default(&mut self, id: u64, second: u32) -> Option<&mut T> {
        let at = match self.find(id) {
            Some(at) => at,
            None => self.insert(Entry {
                id,
                used: second,
                value: T::default(),
            }),
        };
        let entry = self.slots.get_mut(at)?.as_mut()?;
        entry.used = second;
        Some(&mut entry.value)
    }

    /// Drops the entry of an id.
    pub(super) fn remove(&mut self, id: u64) {
        if let Some(slot) = self.find(id).and_then(|at| self.slots.get_mut(at)) {
            *slot = None;
        }
    }

    /// Drops idle entries, a part of the map each time. A clock that jumps back makes nothing
    /// idle, one that jumps ahead everything.
    pub(super) fn sweep(&mut self, second: u32) {
        for _ in 0..SWEPT.min(self.slots.len()) {
            self.swept = self.swept.wrapping_add(1) & self.slots.len().wrapping_sub(1);
            if let Some(slot) = self.slots.get_mut(self.swept)
                && let Some(entry) = slot
                && second.saturating_sub(entry.used) > IDLE
            {
                *slot = None;
            }
        }
    }

    /// All values.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots
            .iter_mut()
            .flatten()
            .map(|entry| &mut entry.value)
    }

    fn window(&self, id: u64) -> impl Iterator<Item = usize> + use<T> {
        let mask = self.slots.len().wrapping_sub(1);
        (0..WINDOW).map(move |step| (id as usize).wrapping_add(step) & mask)
    }

    fn find(&self, id: u64) -> Option<usize> {
        self.window(id).find(|at| {
            let slot = self.slots.get(*at).and_then(Option::as_ref);
            slot.is_some_and(|entry| entry.id == id)
        })
    }

    /// Puts an entry somewhere in its window and says where.
    fn insert(&mut self, entry: Entry<T>) -> usize {
        if self.free(entry.id).is_none() && self.slots.len() < self.max {
            self.grow();
        }
        let at = (self.free(entry.id)).or_else(|| {
            let used = |at: &usize| self.slots.get(*at)?.as_ref().map(|entry| entry.used);
            self.window(entry.id).min_by_key(used)
        });
        let at = at.unwrap_or_default();
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = Some(entry);
        }
        at
    }

    fn free(&self, id: u64) -> Option<usize> {
        self.window(id)
            .find(|at| self.slots.get(*at).is_some_and(Option::is_none))
    }

    fn grow(&mut self) {
        let larger = (self.slots.len() * 2).max(MIN_SLOTS).min(self.max);
        let slots = core::iter::repeat_with(|| None).take(larger).collect();
        let old = core::mem::replace(&mut self.slots, slots);
        for entry in old.into_iter().flatten() {
            // Two windows of half the entries each: hardly ever is one full.
            let at = self.free(entry.id);
            if let Some(slot) = at.and_then(|at| self.slots.get_mut(at)) {
                *slot = Some(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7
    }

    #[test]
    fn entries_are_found_again_after_growth_and_removed() {
        let mut map = Recent::new(4096);
        for n in 0..1_000 {
            *map.get_or_default(id(n), 1).unwrap() = n;
        }
        let found = (0..1_000).filter(|n| map.get(id(*n), 1).is_some_and(|found| found == n));
        // A full window loses one while there is room to grow: hardly ever.
        assert!(found.count() >= 995);
        map.remove(id(7));
        assert_eq!(map.get(id(7), 1), None);
        assert_eq!(map.get(id(8), 1).copied(), Some(8));
    }

    #[test]
    fn its_size_is_bounded_and_what_is_used_stays() {
        let mut map = Recent::new(256);
        *map.get_or_default(id(1), 0).unwrap() = 1;
        for n in 2..100_000 {
            *map.get_or_default(id(n), n as u32).unwrap() = n;
            assert_eq!(map.get(id(1), n as u32).copied(), Some(1), "{n}");
        }
        assert!(map.values_mut().count() <= 256);
    }

    #[test]
    fn what_is_idle_is_forgotten() {
        let mut map = Recent::new(4096);
        for n in 0..2_000 {
            let used = if n % 2 == 0 { 0 } else { 600 };
            *map.get_or_default(id(n), used).unwrap() = n;
        }
        for _ in 0..4 {
            map.sweep(IDLE + 1);
        }
        assert!(map.values_mut().all(|n| *n % 2 == 1));
        assert!(map.values_mut().count() > 900);
        // Back in time: nothing is idle.
        map.sweep(0);
        assert!(map.values_mut().count() > 900);
    }
}
