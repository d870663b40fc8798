//! Paths of a small host found by tag.
//!
//! ```text
//! 16 x u8 tag | paths x u16 offset of a path
//! ```
//! All tags are compared at once, in two words: there are no collisions to walk through, and the
//! place of a tag follows from the place of the host alone, so that it is read together with the
//! host's head. A third of the bytes of hashed slots.

use super::PathKind;
use crate::table::bytes::{equal_bytes, word};

/// The largest number of paths.
pub(super) const TAGS: usize = 16;

/// Tags and offsets being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tags<'a> {
    tags: &'a [u8; TAGS],
    offsets: &'a [[u8; 2]],
}

/// Odd, from the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The tag of a path: a hash of its first and its last 8 bytes, its length and its kind. The paths
/// of one host that are alike in all of these are few, and no more than [`TAGS`] are compared.
#[inline(always)]
fn tag(kind: PathKind, text: &[u8]) -> u8 {
    let ends = match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first).rotate_left(29) ^ u64::from_le_bytes(*last)
        }
        _ => word(text),
    };
    let other = (text.len() as u64) << 8 | kind as u64;
    ((ends.wrapping_mul(SPREAD) ^ other).wrapping_mul(SPREAD) >> 56) as u8
}

/// Bytes of the tags and offsets of so many paths; `None` if they are too many.
#[inline]
pub(super) fn len(paths: usize) -> Option<usize> {
    (paths <= TAGS).then_some(TAGS + paths * 2)
}

/// Kind, text and offset of a path.
pub(super) type Tagged<'m> = (PathKind, &'m str, usize);

/// Writes tags and offsets. `None`: there are too many paths, or too far away.
pub(super) fn write(out: &mut [u8], paths: &[Tagged<'_>]) -> Option<()> {
    let (tags, offsets) = out.split_first_chunk_mut::<TAGS>()?;
    let (offsets, _) = offsets.as_chunks_mut::<2>();
    for (i, (kind, text, at)) in paths.iter().enumerate() {
        *tags.get_mut(i)? = tag(*kind, text.as_bytes());
        *offsets.get_mut(i)? = u16::try_from(*at).ok()?.to_le_bytes();
    }
    Some(())
}

// === impl Tags ===

impl<'a> Tags<'a> {
    /// Reads the tags; what follows them is offsets.
    #[inline(always)]
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (tags, offsets) = bytes.split_first_chunk()?;
        let offsets = offsets.as_chunks().0;
        Some(Self { tags, offsets })
    }

    /// All offsets.
    pub(super) fn iter(self) -> impl Iterator<Item = u32> + use<'a> {
        let offsets = self.offsets.iter();
        offsets.map(|at| u32::from(u16::from_le_bytes(*at)))
    }

    /// The offsets at which this path may be.
    #[inline(always)]
    pub(super) fn find(self, kind: PathKind, text: &[u8]) -> impl Iterator<Item = u32> + use<'a> {
        let tag = tag(kind, text);
        let word = |at: usize| {
            let chunk = self.tags.as_chunks::<8>().0.get(at);
            u64::from_le_bytes(chunk.copied().unwrap_or_default())
        };
        // Bit 8n: tag n; bit 8n + 1: tag 8 + n.
        let mut found = (equal_bytes(word(0), tag) >> 7) | (equal_bytes(word(1), tag) >> 6);
        core::iter::from_fn(move || {
            while found != 0 {
                let bit = found.trailing_zeros();
                found &= found - 1;
                let i = bit / 8 + bit % 8 * 8;
                // Behind the last path tags are 0.
                if let Some(at) = self.offsets.get(i as usize) {
                    return Some(u32::from(u16::from_le_bytes(*at)));
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(paths: &[String]) -> Option<Vec<u8>> {
        let paths: Vec<_> = (paths.iter().zip(100..))
            .map(|(text, at)| (PathKind::Prefix, &**text, at))
            .collect();
        let mut out = vec![0; len(paths.len())?];
        write(&mut out, &paths).map(|()| out)
    }

    #[test]
    fn what_was_put_is_found_and_other_paths_rarely_lead_to_it() {
        let text = |i: usize| format!("/api/v{}/service-{i}", i % 3);
        for count in 0..=16 {
            let texts: Vec<_> = (0..count).map(text).collect();
            let bytes = written(&texts).expect("few");
            let tags = Tags::new(&bytes).expect("tags");
            assert!(tags.iter().eq(100..100 + count as u32));
            let find = |kind, text: &str| tags.find(kind, text.as_bytes()).collect::<Vec<_>>();
            for (text, at) in texts.iter().zip(100..) {
                assert!(find(PathKind::Prefix, text).contains(&at));
            }
            let others: usize = (100..1_100)
                .map(|i| find(PathKind::Prefix, &text(i)).len())
                .sum();
            assert!(others <= 100, "{count}: {others}");
            let kinds: usize = (texts.iter())
                .map(|text| find(PathKind::Exact, text).len())
                .sum();
            assert!(kinds < 3, "{count}: {kinds}");
        }
    }

    #[test]
    fn equal_tags_are_all_found() {
        let texts: Vec<_> = (0..16).map(|i| format!("/headless{i:x}taillong")).collect();
        let bytes = written(&texts).expect("few");
        let tags = Tags::new(&bytes).expect("tags");
        let mut found: Vec<_> = tags.find(PathKind::Prefix, texts[0].as_bytes()).collect();
        found.sort_unstable();
        assert!(found.into_iter().eq(100..116));
    }

    #[test]
    fn too_many_and_too_far_are_refused() {
        assert!(written(&vec![String::new(); 17]).is_none());
        let mut out = vec![0; 18];
        assert!(write(&mut out, &[(PathKind::Exact, "/", 0xffff)]).is_some());
        assert!(write(&mut out, &[(PathKind::Exact, "/", 0x1_0000)]).is_none());
        assert!(Tags::new(&[0; 15]).is_none());
    }
}
