//! Bytes in the shared files: hex with runs written short, so that a root of mostly zeros is a
//! line and not a page.

use serde_json::{Value, json};

/// Shorter runs are not worth it.
const RUN: usize = 24;

/// `["hex", [count, byte], ...]`.
pub(crate) fn to_json(bytes: &[u8]) -> Value {
    let mut parts: Vec<Value> = Vec::new();
    let mut plain: Vec<u8> = Vec::new();
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|b| *b == first).count();
        let (head, tail) = rest.split_at(run);
        if run >= RUN {
            if !plain.is_empty() {
                parts.push(silverback_core::node::hex::to_hex(&plain).into());
                plain.clear();
            }
            parts.push(json!([run, first]));
        } else {
            plain.extend_from_slice(head);
        }
        rest = tail;
    }
    if !plain.is_empty() {
        parts.push(silverback_core::node::hex::to_hex(&plain).into());
    }
    parts.into()
}

/// Bytes that look random and are the same everywhere: an LCG's high byte.
pub(crate) fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..len).map(next).collect()
}

#[test]
fn runs_are_short_and_the_rest_is_hex() {
    let mut bytes = vec![1, 2];
    bytes.extend([0; 40]);
    bytes.push(3);
    assert_eq!(to_json(&bytes), json!(["0102", [40, 0], "03"]));
    assert_eq!(to_json(&[]), json!([]));
}
