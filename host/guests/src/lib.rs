//! The two guests of the host, built by this crate's build script and embedded.
//!
//! * [`FILTER_WASM`]: `silverback.wasm`, the proxy-wasm filter (a core module).
//! * [`TRANSLATOR_WASM`]: `translator.wasm`, the WIT component.
//!
//! Copies for people (and for Kong) are in `target/wasm/`: see [`FILTER_PATH`].

/// `silverback.wasm`.
pub const FILTER_WASM: &[u8] = include_bytes!(env!("SILVERBACK_FILTER_OUT"));

/// `translator.wasm`.
pub const TRANSLATOR_WASM: &[u8] = include_bytes!(env!("SILVERBACK_TRANSLATOR_OUT"));

/// Names the bytes of [`FILTER_WASM`]: the first 12 hex digits of their BLAKE3 digest.
pub const FILTER_ID: &str = env!("SILVERBACK_FILTER_ID");

/// Names the bytes of [`TRANSLATOR_WASM`].
pub const TRANSLATOR_ID: &str = env!("SILVERBACK_TRANSLATOR_ID");

/// Where the build put the copy of `silverback.wasm` for people. It need not exist where the
/// program was copied to another machine.
pub const FILTER_PATH: &str = env!("SILVERBACK_FILTER_PATH");

/// Where the build put the copy of `translator.wasm` for people.
pub const TRANSLATOR_PATH: &str = env!("SILVERBACK_TRANSLATOR_PATH");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_is_a_core_module_and_translator_a_component() {
        assert_eq!(&FILTER_WASM[..8], b"\0asm\x01\0\0\0");
        assert_eq!(&TRANSLATOR_WASM[..8], b"\0asm\x0d\0\x01\0");
    }

    #[test]
    fn ids_are_twelve_hex_digits() {
        for id in [FILTER_ID, TRANSLATOR_ID] {
            assert_eq!(id.len(), 12);
            assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }
}
