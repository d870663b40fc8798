//! Digests and ids as hex digits.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::table::hash::{DIGEST_LEN, Digest};

/// A digest that JSON shows as 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct HexDigest(pub Digest);

/// An id that JSON shows as 16 hex digits: a JSON number is exact up to 2^53 only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HexId(pub u64);

/// Bytes as lower-case hex digits.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let digits = bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 0xf)]);
    digits.collect()
}

/// A digest from its 32 hex digits, in either case.
#[must_use]
pub fn digest_from_hex(text: &str) -> Option<Digest> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != DIGEST_LEN || !rest.is_empty() {
        return None;
    }
    let mut digest = Digest::default();
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
    }
    Some(digest)
}

// === impl HexDigest ===

impl core::fmt::Display for HexDigest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl Serialize for HexDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for HexDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        digest_from_hex(&text)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("a digest is 32 hex digits"))
    }
}

// === impl HexId ===

impl Serialize for HexId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&to_hex(&self.0.to_be_bytes()))
    }
}

impl<'de> Deserialize<'de> for HexId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let id = (text.len() == 16).then(|| u64::from_str_radix(&text, 16).ok());
        id.flatten()
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("an id is 16 hex digits"))
    }
}
