//! The hashes of balancing. They are part of what nodes agree on: another constant moves every
//! session.

use core::net::{IpAddr, SocketAddr};

use crate::table::hash::Fast;

/// Keeps these hashes apart from those of hosts and paths.
const SEED: u64 = 0x6261_6c61_6e63_6531;
/// The golden ratio, as in SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finalizer of SplitMix64: every bit of the input changes every bit of the result as often as
/// not.
pub(super) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Names an endpoint of a Service: its state, its point on the ring, its sticky cookie.
pub(super) fn endpoint_id(service: u64, endpoint: SocketAddr) -> u64 {
    let seed = service ^ SEED ^ (u64::from(endpoint.port()) << 32);
    mix(match endpoint.ip() {
        IpAddr::V4(ip) => Fast::of(seed, &ip.octets()),
        IpAddr::V6(ip) => Fast::of(seed, &ip.octets()),
    })
}

/// The hash of a request's value.
pub(super) fn key(value: &[u8]) -> u64 {
    mix(Fast::of(SEED, value))
}

/// The place of a key's probe.
pub(super) fn probe(key: u64, number: u64) -> u32 {
    (mix(key.wrapping_add(number.wrapping_mul(STEP))) >> 32) as u32
}
