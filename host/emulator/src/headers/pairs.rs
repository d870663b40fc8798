//! Pairs of headers, one after the other.

use http::HeaderMap;

use super::parts::Line;

/// Pairs of [`super::Headers`], in order.
#[derive(Clone)]
pub(super) enum Pairs<'a> {
    Given(GivenPairs<'a>),
    Lines(&'a [u8], std::slice::Iter<'a, Line>),
}

/// Pairs of a map; it can be cloned, which the map's own iterator cannot.
pub(super) struct GivenPairs<'a> {
    map: &'a HeaderMap,
    /// How many pairs were taken.
    taken: usize,
    rest: http::header::Iter<'a, http::HeaderValue>,
}

// === impl Pairs ===

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Given(pairs) => {
                pairs.taken += 1;
                let (name, value) = pairs.rest.next()?;
                Some((name.as_ref(), value.as_bytes()))
            }
            Self::Lines(text, lines) => {
                let line = lines.next()?;
                Some((line.name(text), line.value(text)))
            }
        }
    }
}

impl<'a> GivenPairs<'a> {
    pub(super) fn new(map: &'a HeaderMap, taken: usize) -> Self {
        let mut rest = map.iter();
        if taken > 0 {
            rest.nth(taken - 1);
        }
        Self { map, taken, rest }
    }
}

impl Clone for GivenPairs<'_> {
    fn clone(&self) -> Self {
        Self::new(self.map, self.taken)
    }
}
