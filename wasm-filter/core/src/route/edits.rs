//! Changes of headers: those of the rule, then those of the backend.

use crate::table::routes::Change;

/// One change of a response's headers. The data plane makes them when the response comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseEdit {
    /// All headers of the name go.
    Remove(Box<str>),
    /// This one instead of all of the name.
    Set(Box<str>, Box<[u8]>),
    /// This one behind those of the name.
    Add(Box<str>, Box<[u8]>),
}

/// Changes of a response's headers in the order in which they are made. Made only for rules that have
/// some: no edits allocate nothing.
pub type ResponseEdits = Vec<ResponseEdit>;

/// What a rule says of the Host header by way of its header modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostEdit<'t> {
    /// Nothing.
    #[default]
    None,
    /// It is this.
    Set(&'t [u8]),
    /// The client's goes.
    Remove,
}

/// Changes of a request's headers as a plan has them: all removals, then all sets, then all
/// additions.
#[derive(Debug, Default)]
pub struct RequestEdits<'t> {
    /// Names.
    pub remove: Vec<&'t [u8]>,
    /// Names and values; each name once.
    pub set: Vec<(&'t [u8], &'t [u8])>,
    /// Names and values.
    pub add: Vec<(&'t [u8], &'t [u8])>,
    /// Host is none of the headers of a plan.
    pub host: HostEdit<'t>,
}

const HOST: &[u8] = b"host";

// === impl RequestEdits ===

impl<'t> RequestEdits<'t> {
    /// Makes a change after those that were made so far; one that is about responses is none.
    pub fn push(&mut self, change: &Change<'t>) {
        match *change {
            // There is one Host, whatever is done to get it.
            Change::RequestSet(HOST, value) | Change::RequestAdd(HOST, value) => {
                self.host = HostEdit::Set(value);
            }
            Change::RequestRemove(HOST) => self.host = HostEdit::Remove,
            Change::RequestRemove(name) => {
                self.forget(name);
                self.remove.push(name);
            }
            Change::RequestSet(name, value) => {
                self.forget(name);
                self.set.push((name, value));
            }
            Change::RequestAdd(name, value) => self.add.push((name, value)),
            _ => {}
        }
    }

    /// What was said of a header so far has no effect.
    fn forget(&mut self, name: &[u8]) {
        self.remove.retain(|known| *known != name);
        self.set.retain(|(known, _)| *known != name);
        self.add.retain(|(known, _)| *known != name);
    }
}

/// Appends a change of a response; one that is about requests is none.
pub fn push_response(change: &Change<'_>, out: &mut ResponseEdits) {
    out.extend(match *change {
        Change::ResponseRemove(name) => Some(ResponseEdit::Remove(name.into())),
        Change::ResponseSet(name, value) => Some(ResponseEdit::Set(name.into(), value.into())),
        Change::ResponseAdd(name, value) => Some(ResponseEdit::Add(name.into(), value.into())),
        _ => None,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers as the upstream sees them: those of the client, then what a plan says.
    fn apply(edits: &RequestEdits<'_>, client: &[(&str, &str)]) -> Vec<String> {
        let mut all: Vec<(Vec<u8>, Vec<u8>)> = client
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        for name in &edits.remove {
            all.retain(|(known, _)| known != name);
        }
        for (name, value) in &edits.set {
            all.retain(|(known, _)| known != name);
            all.push((name.to_vec(), value.to_vec()));
        }
        for (name, value) in &edits.add {
            all.push((name.to_vec(), value.to_vec()));
        }
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        all.into_iter()
            .map(|(name, value)| format!("{}: {}", text(name), text(value)))
            .collect()
    }

    #[test]
    fn of_two_changes_of_one_header_the_later_wins() {
        use Change::{RequestAdd as Add, RequestRemove as Remove, RequestSet as Set};
        let rows: [(&[Change<'_>], &[&str]); 12] = [
            (&[], &["a: 0"]),
            (&[Set(b"a", b"1")], &["a: 1"]),
            (&[Add(b"a", b"1")], &["a: 0", "a: 1"]),
            (&[Remove(b"a")], &[]),
            (&[Remove(b"a"), Set(b"a", b"1")], &["a: 1"]),
            (&[Remove(b"a"), Add(b"a", b"1")], &["a: 1"]),
            (&[Set(b"a", b"1"), Remove(b"a")], &[]),
            (&[Set(b"a", b"1"), Set(b"a", b"2")], &["a: 2"]),
            (&[Set(b"a", b"1"), Add(b"a", b"2")], &["a: 1", "a: 2"]),
            (&[Add(b"a", b"1"), Remove(b"a")], &[]),
            (&[Add(b"a", b"1"), Set(b"a", b"2")], &["a: 2"]),
            (
                &[Add(b"a", b"1"), Add(b"a", b"2"), Set(b"b", b"3")],
                &["a: 0", "b: 3", "a: 1", "a: 2"],
            ),
        ];
        for (changes, expected) in rows {
            let mut edits = RequestEdits::default();
            for change in changes {
                edits.push(change);
            }
            assert_eq!(apply(&edits, &[("a", "0")]), expected, "{changes:?}");
        }
    }

    #[test]
    fn the_host_is_no_header_of_a_plan() {
        let mut edits = RequestEdits::default();
        edits.push(&Change::RequestAdd(b"host", b"a"));
        assert_eq!(edits.host, HostEdit::Set(b"a"));
        edits.push(&Change::RequestSet(b"host", b"b"));
        assert_eq!(edits.host, HostEdit::Set(b"b"));
        edits.push(&Change::RequestRemove(b"host"));
        assert_eq!(edits.host, HostEdit::Remove);
        assert!(edits.remove.is_empty() && edits.set.is_empty() && edits.add.is_empty());
    }
}
