//! What headers are made of: the map that was given, or lines in one text.

use http::HeaderMap;

/// Bytes of memory that a list keeps for the next message.
pub(super) const KEPT: usize = 4096;
/// Bytes of a usual header, for the room of some.
const USUAL: usize = 48;

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Parts {
    /// As they were given.
    pub(super) given: Option<HeaderMap>,
    /// They were changed since they were given: what is below counts.
    pub(super) changed: bool,
    /// Names and values, and what was replaced or removed since.
    pub(super) text: Vec<u8>,
    pub(super) lines: Vec<Line>,
}

/// Where in the text a header is.
#[derive(Clone, Copy)]
pub(super) struct Line {
    name: Span,
    value: Span,
}

/// A piece of the text, which the ABI cannot make longer than 32 bits say.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

// === impl Parts ===

impl Parts {
    pub(super) fn with_capacity(headers: usize, bytes: usize) -> Self {
        Self {
            given: None,
            changed: false,
            text: Vec::with_capacity(bytes),
            lines: Vec::with_capacity(headers),
        }
    }

    pub(super) fn reset(&mut self) {
        empty(&mut self.text);
        empty(&mut self.lines);
        self.given = None;
        self.changed = false;
    }

    /// Copies what was given, to be changed.
    pub(super) fn own(&mut self) {
        if std::mem::replace(&mut self.changed, true) {
            return;
        }
        let Some(map) = self.given.take() else {
            return;
        };
        self.lines.reserve(map.len());
        self.text.reserve(map.len() * USUAL);
        for (name, value) in &map {
            self.add(name.as_ref(), value.as_bytes());
        }
        self.given = Some(map);
    }

    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        let line = Line {
            name: self.write(name),
            value: self.write(value),
        };
        self.lines.push(line);
    }

    /// Where the line with a name written exactly so is.
    pub(super) fn place(&self, name: &[u8]) -> Option<usize> {
        let mut lines = self.lines.iter();
        lines.position(|line| line.name(&self.text) == name)
    }

    pub(super) fn value(&self, at: usize) -> &[u8] {
        self.lines[at].value(&self.text)
    }

    pub(super) fn set_at(&mut self, at: usize, value: &[u8]) {
        self.lines[at].value = self.write(value);
    }

    pub(super) fn remove_at(&mut self, at: usize) -> (Vec<u8>, Vec<u8>) {
        let line = self.lines.remove(at);
        let (name, value) = (line.name(&self.text), line.value(&self.text));
        (name.to_vec(), value.to_vec())
    }

    pub(super) fn retain(&mut self, mut wanted: impl FnMut(&[u8]) -> bool) {
        let text = &self.text;
        self.lines.retain(|line| wanted(line.name(text)));
    }

    fn write(&mut self, bytes: &[u8]) -> Span {
        let start = offset(self.text.len());
        self.text.extend_from_slice(bytes);
        let end = offset(self.text.len());
        Span { start, end }
    }
}

// === impl Line ===

impl Line {
    pub(super) fn name(self, text: &[u8]) -> &[u8] {
        self.name.of(text)
    }

    pub(super) fn value(self, text: &[u8]) -> &[u8] {
        self.value.of(text)
    }
}

// === impl Span ===

impl Span {
    fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start as usize..self.end as usize]
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Empties a list for what comes next. One message with long headers must not keep its memory for good.
pub(crate) fn empty<T>(list: &mut Vec<T>) {
    list.clear();
    if list.capacity() > KEPT / size_of::<T>() {
        list.shrink_to(KEPT / size_of::<T>());
    }
}
