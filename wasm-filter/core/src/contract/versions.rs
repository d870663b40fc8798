//! What a module says it was built for.
//!
//! Both modules carry the custom section `silverback` with the words of [`VERSIONS`]. A host compares
//! them before it runs a module, so that two builds that do not fit are refused with a reason
//! instead of a table that nobody can read. A filter that is not Silverback's has no such section.

use super::{plan, request, result};
use crate::table::segment::FORMAT;

/// Name of the custom section.
pub const SECTION: &str = "silverback";

/// What this build speaks: words of a name, `/` and a version.
pub const VERSIONS: [u8; 33] = *b"table/2 request/1 plan/1 result/1";

/// The words that silverback.wasm must have in common with its host.
pub const OF_FILTER: &[&str] = &["table", "request", "plan", "result"];

/// The words that translator.wasm must have in common with its host.
pub const OF_TRANSLATOR: &[&str] = &["table"];

// The text is written out because a section is made of constant bytes.
const _: () = assert!(
    FORMAT == 2 && request::VERSION == 1 && plan::VERSION == 1 && result::VERSION == 1,
    "VERSIONS says something else"
);

/// A word whose version is another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch<'a> {
    /// The word.
    pub name: &'static str,
    /// Its version in the module; `None`: the module does not have the word.
    pub theirs: Option<&'a str>,
    /// Its version here.
    pub ours: &'static str,
}

/// Compares the section of a module with this build; the first of `names` that differs. Words that are
/// not asked for are passed over: they are of newer builds.
#[must_use]
pub fn compare<'a>(section: &'a str, names: &[&'static str]) -> Option<Mismatch<'a>> {
    let ours = core::str::from_utf8(&VERSIONS).unwrap_or_default();
    names.iter().copied().find_map(|name| {
        let (theirs, ours) = (version(section, name), version(ours, name)?);
        (theirs != Some(ours)).then_some(Mismatch { name, theirs, ours })
    })
}

fn version<'a>(words: &'a str, name: &str) -> Option<&'a str> {
    let mut words = words.split_ascii_whitespace();
    words.find_map(|word| word.strip_prefix(name)?.strip_prefix('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_by_name() {
        let own = core::str::from_utf8(&VERSIONS).expect("text");
        for names in [OF_FILTER, OF_TRANSLATOR] {
            assert_eq!(compare(own, names), None);
            for name in names {
                assert!(version(own, name).is_some(), "{name}");
            }
        }
        let newer = "new/7 plan/12 table/2 result/1 request/1";
        assert_eq!(compare(newer, OF_TRANSLATOR), None);
        let mismatch = compare(newer, OF_FILTER).expect("another plan");
        assert_eq!(
            (mismatch.name, mismatch.theirs, mismatch.ours),
            ("plan", Some("12"), "1")
        );
        let mismatch = compare("", OF_TRANSLATOR).expect("no table");
        assert_eq!((mismatch.name, mismatch.theirs), ("table", None));
    }
}
