//! How much of a zone is in use, counted as nginx's slab allocator does.
//!
//! Sizes up to half a page are rounded to a power of two and share pages; larger ones take
//! whole contiguous pages. Only the places are modelled, not the bytes.

use std::collections::HashMap;

/// nginx takes the machine's page size; 4 KiB wherever Kong's images run.
pub(crate) const PAGE: usize = 4096;
/// `ngx_slab_page_t`: kept for every page of the zone.
const PAGE_HEADER: usize = 24;
/// Pool header, slots and their statistics.
const POOL: usize = 704;
/// The zone's own records (name, tree root, log context) take the first pages.
const RESERVED_PAGES: usize = 2;

/// Where an allocation lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Part of a page of chunks of `2^shift` bytes.
    Chunk { page: u32, shift: u32 },
    /// Whole pages.
    Pages { first: u32, count: u32 },
}

#[derive(Debug)]
pub(crate) struct Slab {
    /// Free runs of pages (first, count) in the order nginx tries them: last freed first.
    free: Vec<(u32, u32)>,
    /// Pages of chunks that have room, by shift; last touched is tried first.
    partial: HashMap<u32, Vec<u32>>,
    /// Chunks in use of each page of chunks.
    used_chunks: HashMap<u32, u32>,
    used: usize,
    capacity: usize,
}

impl Slab {
    pub(crate) fn new(size: usize) -> Self {
        let pages = size.saturating_sub(POOL) / (PAGE + PAGE_HEADER);
        let pages = u32::try_from(pages.saturating_sub(RESERVED_PAGES)).unwrap_or(u32::MAX);
        Self {
            free: if pages == 0 {
                Vec::new()
            } else {
                vec![(0, pages)]
            },
            partial: HashMap::new(),
            used_chunks: HashMap::new(),
            used: 0,
            capacity: pages as usize * PAGE,
        }
    }

    /// Bytes of pages in use, chunk pages whole.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Bytes that the pages of the zone hold.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Finds a place for `size` bytes, `None` when there is none.
    pub(crate) fn allocate(&mut self, size: usize) -> Option<Place> {
        if size > PAGE / 2 {
            let count = u32::try_from(size.div_ceil(PAGE)).ok()?;
            let first = self.take_pages(count)?;
            return Some(Place::Pages { first, count });
        }
        let shift = size.max(8).next_power_of_two().trailing_zeros();
        let page = match self.partial.get(&shift).and_then(|pages| pages.last()) {
            Some(&page) => page,
            None => {
                let page = self.take_pages(1)?;
                self.partial.entry(shift).or_default().push(page);
                page
            }
        };
        let used = self.used_chunks.entry(page).or_default();
        *used += 1;
        if *used == chunks(shift)
            && let Some(pages) = self.partial.get_mut(&shift)
        {
            pages.pop();
        }
        Some(Place::Chunk { page, shift })
    }

    /// Gives a place back.
    pub(crate) fn free(&mut self, place: Place) {
        match place {
            Place::Pages { first, count } => self.give_pages(first, count),
            Place::Chunk { page, shift } => {
                let was_full = self.used_chunks.get(&page) == Some(&chunks(shift));
                let left = match self.used_chunks.get_mut(&page) {
                    Some(used) => {
                        *used = used.saturating_sub(1);
                        *used
                    }
                    None => return,
                };
                let pages = self.partial.entry(shift).or_default();
                if was_full {
                    pages.push(page);
                }
                if left == 0 {
                    pages.retain(|&p| p != page);
                    self.used_chunks.remove(&page);
                    self.give_pages(page, 1);
                }
            }
        }
    }

    fn take_pages(&mut self, count: u32) -> Option<u32> {
        let at = self.free.iter().position(|&(_, free)| free >= count)?;
        let (first, free) = self.free[at];
        if free == count {
            self.free.remove(at);
        } else {
            self.free[at] = (first + count, free - count);
        }
        self.used += count as usize * PAGE;
        Some(first)
    }

    fn give_pages(&mut self, mut first: u32, mut count: u32) {
        self.used -= count as usize * PAGE;
        let end = first + count;
        if let Some(at) = self.free.iter().position(|&(next, _)| next == end) {
            count += self.free.remove(at).1;
        }
        if let Some(at) = self.free.iter().position(|&(f, n)| f + n == first) {
            let before = self.free.remove(at);
            first = before.0;
            count += before.1;
        }
        self.free.insert(0, (first, count));
    }
}

/// Chunks of `2^shift` bytes in a page. Chunks under 64 bytes spend some on their bitmap.
fn chunks(shift: u32) -> u32 {
    let all = (PAGE >> shift) as u32;
    let bitmap = (all / 8).div_ceil(1 << shift);
    if shift < 6 { all - bitmap } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_up_to_a_power_of_two_until_half_a_page_and_to_pages_above() {
        let mut slab = Slab::new(64 * 1024);
        let place = slab.allocate(97);
        assert_eq!(place, Some(Place::Chunk { page: 0, shift: 7 }));
        for _ in 1..PAGE / 128 {
            assert_eq!(
                slab.allocate(128),
                place,
                "the page of 128-byte chunks is not full yet"
            );
        }
        assert_eq!(slab.used(), PAGE);
        assert_eq!(slab.allocate(128), Some(Place::Chunk { page: 1, shift: 7 }));
        assert_eq!(
            slab.allocate(2048),
            Some(Place::Chunk { page: 2, shift: 11 })
        );
        assert_eq!(
            slab.allocate(2049),
            Some(Place::Pages { first: 3, count: 1 })
        );
        assert_eq!(
            slab.allocate(4097),
            Some(Place::Pages { first: 4, count: 2 })
        );
    }

    #[test]
    fn pages_need_to_be_contiguous_and_neighbours_join() {
        let mut slab = Slab::new(64 * 1024);
        let places: Vec<_> = std::iter::from_fn(|| slab.allocate(PAGE)).collect();
        assert_eq!(slab.used(), slab.capacity());
        slab.free(places[1]);
        slab.free(places[3]);
        assert_eq!(
            slab.allocate(2 * PAGE),
            None,
            "two free pages, not side by side"
        );
        slab.free(places[2]);
        assert_eq!(
            slab.allocate(3 * PAGE),
            Some(Place::Pages { first: 1, count: 3 })
        );
    }

    #[test]
    fn an_empty_page_of_chunks_is_free_again() {
        let mut slab = Slab::new(64 * 1024);
        let a = slab.allocate(100).expect("room");
        let b = slab.allocate(100).expect("room");
        slab.free(a);
        assert_eq!(slab.used(), PAGE);
        slab.free(b);
        assert_eq!(slab.used(), 0);
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

        #[test]
        fn places_never_overlap_and_all_comes_back(
            steps in proptest::collection::vec((proptest::bool::weighted(0.6), 1..20_000usize), 0..200)
        ) {
            let mut slab = Slab::new(256 * 1024);
            let pages = slab.capacity() / PAGE;
            let mut places = Vec::new();
            for (allocate, n) in steps {
                if allocate {
                    places.extend(slab.allocate(n / (1 + n % 7 * 30)));
                } else if !places.is_empty() {
                    slab.free(places.swap_remove(n % places.len()));
                }
                // What each page is used for: whole, or as chunks of one size, and how many.
                let mut uses: HashMap<u32, (u32, u32)> = HashMap::new();
                for &place in &places {
                    match place {
                        Place::Pages { first, count } => {
                            for page in first..first + count {
                                assert_eq!(uses.insert(page, (u32::MAX, 1)), None, "page {page} is given twice");
                            }
                        }
                        Place::Chunk { page, shift } => {
                            let (of, used) = uses.entry(page).or_insert((shift, 0));
                            *used += 1;
                            assert!(*of == shift && *used <= chunks(shift), "page {page} holds too much");
                        }
                    }
                }
                assert_eq!(slab.used(), uses.len() * PAGE);
                assert!(uses.keys().all(|&page| (page as usize) < pages));
            }
            for place in places {
                slab.free(place);
            }
            assert_eq!(slab.allocate(slab.capacity()).is_some(), pages > 0, "one free run again");
        }
    }
}
