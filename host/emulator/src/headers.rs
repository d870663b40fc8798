//! An ordered multimap of header names to values, and its wire format.

mod pairs;
mod wire;

use std::fmt;

use http::HeaderMap;

use pairs::{GivenPairs, Pairs};

pub use wire::MalformedPairs;
pub(crate) use wire::write_pairs;

/// Header names compare without case, values are bytes, order and repetition are kept.
///
/// A message's headers come in as an [`HeaderMap`] and stay one until a filter changes them, or the
/// embedder wants the map back: most filters read few and change none. From then on all text is in
/// one piece of memory.
#[derive(Clone, Default)]
pub struct Headers {
    /// As they were given.
    given: Option<HeaderMap>,
    /// They were changed since they were given: what is below counts.
    changed: bool,
    /// Names and values, and what was replaced or removed since.
    text: Vec<u8>,
    lines: Vec<Line>,
}

/// Bytes of memory that a list keeps for the next message.
const KEPT: usize = 4096;

/// Where in the text a header is.
#[derive(Clone, Copy)]
struct Line {
    name: (usize, usize),
    value: (usize, usize),
}

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self {
            given: None,
            changed: false,
            text: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// No headers, and room for so many with so many bytes of names and values.
    pub fn with_capacity(headers: usize, bytes: usize) -> Self {
        Self {
            given: None,
            changed: false,
            text: Vec::with_capacity(bytes),
            lines: Vec::with_capacity(headers),
        }
    }

    /// Puts a message's headers in place of what is here, whose memory is used again.
    pub fn give(&mut self, map: HeaderMap) {
        self.reset();
        self.given = Some(map);
    }

    /// The map that these were made from; `None` if they were changed since, or made otherwise.
    pub fn given(&self) -> Option<&HeaderMap> {
        self.given.as_ref().filter(|_| !self.changed)
    }

    /// Whether anything was changed since they were given. What was made without a map was.
    pub fn changed(&self) -> bool {
        self.changed
    }

    /// Gives the map back if nothing was changed, and keeps a copy of the text, which costs less than
    /// one of the map. `None` another time.
    pub fn release(&mut self) -> Option<HeaderMap> {
        if self.changed {
            return None;
        }
        self.own();
        self.changed = false;
        self.given.take()
    }

    /// The map that these were made from, whatever was changed since.
    pub(crate) fn original(&self) -> Option<&HeaderMap> {
        self.given.as_ref()
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
        self.own();
        let line = Line {
            name: self.write(name.as_ref()),
            value: self.write(value.as_ref()),
        };
        self.lines.push(line);
    }

    /// Puts one value in place of all of the name's.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = name.as_ref();
        self.own();
        let Some(first) = self.position(name) else {
            return self.add(name, value);
        };
        self.set_at(first, value.as_ref());
        let (text, mut at) = (&self.text, 0);
        self.lines.retain(|line| {
            at += 1;
            at - 1 <= first || !line.name(text).eq_ignore_ascii_case(name)
        });
    }

    /// Puts a value in place of the first of the name's; the others stay.
    pub fn set_first(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let name = name.as_ref();
        self.own();
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
        self.own();
        let (text, before) = (&self.text, self.lines.len());
        self.lines
            .retain(|line| !line.name(text).eq_ignore_ascii_case(name));
        before - self.lines.len()
    }

    /// Takes the first of the name's values away.
    pub fn remove_first(&mut self, name: impl AsRef<[u8]>) -> Option<(Vec<u8>, Vec<u8>)> {
        let at = self.position(name.as_ref())?;
        self.own();
        let line = self.lines.remove(at);
        let (name, value) = (line.name(&self.text), line.value(&self.text));
        Some((name.to_vec(), value.to_vec()))
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        match self.given() {
            Some(map) => Pairs::Given(GivenPairs::new(map, 0)),
            None => Pairs::Lines(&self.text, self.lines.iter()),
        }
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        match self.given() {
            Some(map) => map.len(),
            None => self.lines.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As new, with the memory it had, unless that is much.
    pub(crate) fn reset(&mut self) {
        empty(&mut self.text);
        empty(&mut self.lines);
        self.given = None;
        self.changed = false;
    }

    /// Takes every pair away.
    pub fn clear(&mut self) {
        self.changed = true;
        self.text.clear();
        self.lines.clear();
    }

    /// Puts a value in place of that of the header at this place.
    pub(crate) fn set_at(&mut self, at: usize, value: &[u8]) {
        self.own();
        self.lines[at].value = self.write(value);
    }

    /// Keeps the headers whose name, exactly as it is written, is wanted.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&[u8]) -> bool) {
        self.own();
        let text = &self.text;
        self.lines.retain(|line| wanted(line.name(text)));
    }

    /// Copies what was given, to be changed.
    fn own(&mut self) {
        if std::mem::replace(&mut self.changed, true) {
            return;
        }
        let Some(map) = self.given.take() else {
            return;
        };
        self.lines.reserve(map.len());
        for (name, value) in &map {
            let line = Line {
                name: self.write(name.as_ref()),
                value: self.write(value.as_bytes()),
            };
            self.lines.push(line);
        }
        self.given = Some(map);
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.iter().position(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    fn write(&mut self, bytes: &[u8]) -> (usize, usize) {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        (start, self.text.len())
    }
}

impl Line {
    fn name(self, text: &[u8]) -> &[u8] {
        &text[self.name.0..self.name.1]
    }

    fn value(self, text: &[u8]) -> &[u8] {
        &text[self.value.0..self.value.1]
    }
}

/// Empties a list for what comes next. One message with long headers must not keep its memory for good.
pub(crate) fn empty<T>(list: &mut Vec<T>) {
    list.clear();
    list.shrink_to(KEPT / size_of::<T>());
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
            let before = headers.text.capacity();
            headers.give(HeaderMap::new());
            assert_eq!(headers.text.capacity() == before, kept, "{bytes}");
            assert!(headers.text.capacity() <= KEPT && headers.is_empty());
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
