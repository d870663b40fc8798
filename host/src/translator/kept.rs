//! The objects that were passed to the translator, kept so that a new instance can be brought to
//! the same state.

use std::collections::BTreeMap;

use crate::object::ObjectKey;

/// Objects by name; their bytes are compressed, about 5 : 1 for manifests.
#[derive(Debug, Default)]
pub(super) struct Kept {
    objects: BTreeMap<ObjectKey, Packed>,
    bytes: usize,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed(Box<[u8]>);

// === impl Packed ===

impl Packed {
    pub(super) fn new(json: &[u8]) -> Self {
        Self(lz4_flex::compress_prepend_size(json).into())
    }

    pub(super) fn unpack(&self) -> Vec<u8> {
        // What was packed here unpacks; nothing else gets in.
        lz4_flex::decompress_size_prepended(&self.0).unwrap_or_default()
    }
}

// === impl Kept ===

impl Kept {
    pub(super) fn get(&self, key: &ObjectKey) -> Option<&Packed> {
        self.objects.get(key)
    }

    pub(super) fn insert(&mut self, key: ObjectKey, packed: Packed) {
        self.bytes += packed.0.len();
        if let Some(old) = self.objects.insert(key, packed) {
            self.bytes -= old.0.len();
        }
    }

    pub(super) fn remove(&mut self, key: &ObjectKey) -> Option<Packed> {
        let packed = self.objects.remove(key)?;
        self.bytes -= packed.0.len();
        Some(packed)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.objects.keys()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &Packed)> {
        self.objects.iter()
    }

    /// Number of objects and compressed bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.objects.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let mut kept = Kept::default();
        let key = ObjectKey::new("v1", "Service", "a", "b");
        let json = br#"{"a":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;
        kept.insert(key.clone(), Packed::new(b"{}"));
        kept.insert(key.clone(), Packed::new(json));
        assert_eq!(
            kept.get(&key).map(Packed::unpack).as_deref(),
            Some(&json[..])
        );
        assert!(kept.size().1 < json.len());
        kept.remove(&key);
        assert_eq!(kept.size(), (0, 0));
    }
}
