//! An ordered multimap of header names to values, and its wire format.

mod pairs;
mod parts;
mod wire;

use std::fmt;

use http::HeaderMap;

use pairs::{GivenPairs, Pairs};
use parts::Parts;

pub(crate) use parts::empty;
pub use wire::MalformedPairs;
pub(crate) use wire::write_pairs;

/// Header names compare without case, values are bytes, order and repetition are kept.
///
/// A message's headers come in as an [`HeaderMap`] and stay one until a filter changes them, or the
/// embedder wants the map back: most filters read few and change none. From then on all text is in
/// one piece of memory.
///
/// Most maps of most messages are empty: such a one is a pointer to nothing.
#[derive(Clone, Default)]
pub struct Headers(Option<Box<Parts>>);

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self(None)
    }

    /// No headers, and room for so many with so many bytes of names and values.
    pub fn with_capacity(headers: usize, bytes: usize) -> Self {
        Self(Some(Box::new(Parts::with_capacity(headers, bytes))))
    }

    /// Puts a message's headers in place of what is here, whose memory is used again.
    pub fn give(&mut self, map: HeaderMap) {
        let parts = self.parts();
        parts.reset();
        parts.given = Some(map);
    }

    /// The map that these were made from; `None` if they were changed since, or made otherwise.
    pub fn given(&self) -> Option<&HeaderMap> {
        self.original().filter(|_| !self.changed())
    }

    /// Whether anything was changed since they were given. What was made without a map was.
    pub fn changed(&self) -> bool {
        self.0.as_ref().is_some_and(|parts| parts.changed)
    }

    /// Gives the map back if nothing was changed, and keeps a copy of the text, which costs less than
    /// one of the map. `None` another time.
    pub fn release(&mut self) -> Option<HeaderMap> {
        let parts = self.0.as_mut().filter(|parts| !parts.changed)?;
        parts.own();
        parts.changed = false;
        parts.given.take()
    }

    /// The map that these were made from, whatever was changed since.
    pub(crate) fn original(&self) -> Option<&HeaderMap> {
        self.0.as_ref()?.given.as_ref()
    }

    /// The first value of a name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        let mut all = self.iter();
        all.find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    }

    /// All values of a name, in order.
    pub fn get_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v)
    }

    /// Whether the name is there.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// Adds a value, whatever is there already.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let parts = self.parts();
        parts.own();
        parts.add(name.as_ref(), value.as_ref());
    }

    /// Puts one value in place of all of the name's.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = name.as_ref();
        let Some(first) = self.position(name) else {
            return self.add(name, value);
        };
        self.set_at(first, value.as_ref());
        let mut at = 0;
        self.retain(|other| {
            at += 1;
            at - 1 <= first || !other.eq_ignore_ascii_case(name)
        });
    }

    /// Puts a value in place of the first of the name's; the others stay.
    pub fn set_first(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = name.as_ref();
        match self.position(name) {
            None => self.add(name, value),
            Some(first) => self.set_at(first, value.as_ref()),
        }
    }

    /// Takes all values of a name away and says how many there were.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> usize {
        let name = name.as_ref();
        if !self.contains(name) {
            return 0;
        }
        let before = self.len();
        self.retain(|other| !other.eq_ignore_ascii_case(name));
        before - self.len()
    }

    /// Takes the first of the name's values away.
    pub fn remove_first(&mut self, name: impl AsRef<[u8]>) -> Option<(Vec<u8>, Vec<u8>)> {
        let at = self.position(name.as_ref())?;
        let parts = self.parts();
        parts.own();
        Some(parts.remove_at(at))
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        match (self.given(), &self.0) {
            (Some(map), _) => Pairs::Given(GivenPairs::new(map, 0)),
            (None, Some(parts)) => Pairs::Lines(&parts.text, parts.lines.iter()),
            (None, None) => Pairs::Lines(&[], [].iter()),
        }
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        match (self.given(), &self.0) {
            (Some(map), _) => map.len(),
            (None, Some(parts)) => parts.lines.len(),
            (None, None) => 0,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As new, with the memory it had, unless that is much.
    pub(crate) fn reset(&mut self) {
        if let Some(parts) = &mut self.0 {
            parts.reset();
        }
    }

    /// Takes every pair away.
    pub fn clear(&mut self) {
        let parts = self.parts();
        parts.changed = true;
        parts.text.clear();
        parts.lines.clear();
    }

    /// Puts a value in place of that of the header at this place.
    pub(crate) fn set_at(&mut self, at: usize, value: &[u8]) {
        let parts = self.parts();
        parts.own();
        parts.set_at(at, value);
    }

    /// Keeps the headers whose name, exactly as it is written, is wanted.
    pub(crate) fn retain(&mut self, wanted: impl FnMut(&[u8]) -> bool) {
        let parts = self.parts();
        parts.own();
        parts.retain(wanted);
    }

    /// The first value of a name that is written exactly so, of lines that were never given.
    pub(crate) fn named(&self, name: &[u8]) -> Option<&[u8]> {
        let parts = self.0.as_ref()?;
        parts.place(name).map(|at| parts.value(at))
    }

    /// Where [`Self::named`] is.
    pub(crate) fn place(&self, name: &[u8]) -> Option<usize> {
        self.0.as_ref()?.place(name)
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.iter().position(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    fn parts(&mut self) -> &mut Parts {
        self.0.get_or_insert_default()
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self
            .iter()
            .map(|(n, v)| format!("{}: {}", n.escape_ascii(), v.escape_ascii()));
        f.debug_list().entries(lines).finish()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in pairs {
            headers.add(name, value);
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::parts::KEPT;
    use super::*;

    /// What the same pairs do, given as a map and added one by one.
    #[test]
    fn a_given_map_does_as_its_pairs_do() {
        let pairs = [("a", "1"), ("b", ""), ("a", "2"), ("host", "x.test")];
        let given = || -> Headers {
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.append(name, http::HeaderValue::from_static(value));
            }
            let mut headers = Headers::new();
            headers.give(map);
            headers
        };
        // A map has the values of a name together.
        let own: Headers = given().iter().collect();
        assert_eq!((given(), given().len()), (own.clone(), pairs.len()));
        assert!(given().given().is_some() && own.given().is_none());
        let mut changes: Vec<fn(&mut Headers)> = vec![
            |headers| headers.add("A", "3"),
            |headers| headers.set("A", "3"),
            |headers| headers.set_first("A", "3"),
            |headers| assert_eq!(headers.remove("A"), 2),
            |headers| assert!(headers.remove_first("A").is_some()),
            |headers| headers.retain(|name| name == b"a"),
            |headers| headers.set_at(1, b"there"),
        ];
        changes.push(Headers::clear);
        for (n, change) in changes.into_iter().enumerate() {
            let (mut a, mut b) = (given(), own.clone());
            change(&mut a);
            change(&mut b);
            assert_eq!(a, b, "change {n}");
            assert!(a.given().is_none(), "change {n}");
            assert_eq!(a.original(), given().given(), "change {n}");
        }
        let mut released = given();
        assert_eq!(released.release().as_ref(), given().given());
        assert_eq!((released.release(), released.changed()), (None, false));
        assert_eq!(released, own);
        released.add("x", "1");
        assert!(released.changed());
        let mut untouched = given();
        assert_eq!(untouched.remove("x"), 0);
        assert_eq!(untouched.remove_first("x"), None);
        assert!(untouched.given().is_some());
        let given = given();
        let mut all = given.iter();
        all.next();
        assert!(all.clone().eq(all));
    }

    #[test]
    fn memory_is_used_again_unless_it_is_much() {
        let mut headers = Headers::new();
        for (bytes, kept) in [(100, true), (KEPT * 2, false)] {
            headers.add("a", vec![b'x'; bytes]);
            let before = headers.parts().text.capacity();
            headers.give(HeaderMap::new());
            let after = headers.parts().text.capacity();
            assert_eq!(after == before, kept, "{bytes}");
            assert!(after <= KEPT && headers.is_empty());
        }
    }

    #[test]
    fn names_compare_without_case_and_repetition_is_kept() {
        let mut headers: Headers = [("X-A", "1"), ("b", "2"), ("x-a", "3")]
            .into_iter()
            .collect();
        assert_eq!(headers.get("x-A"), Some(&b"1"[..]));
        headers.set_first("x-a", "new");
        assert_eq!(
            headers.get_all(b"X-A").collect::<Vec<_>>(),
            [&b"new"[..], b"3"]
        );
        headers.set("x-a", "only");
        assert_eq!(
            headers.iter().collect::<Vec<_>>(),
            [(&b"X-A"[..], &b"only"[..]), (b"b", b"2")]
        );
        assert_eq!(headers.remove("X-a"), 1);
    }
}
