//! Which backend and which endpoints a request goes to.
//!
//! ```text
//! rule ── rotation: backends by exact weight ──► Service ── its policy ──► endpoints, in order of tries
//!                                                   │  round-robin          the one whose turn it is
//!                                                   │  least-connections    the less loaded of two  [load]
//!                                                   │  consistent-hashing   by a hash               [ring]
//!                                                   └  sticky-sessions      the one in the cookie
//!                          on_log ─ result ─► failures ─► ejected for a while, whatever the policy [health]
//! ```
//! What is remembered ([`Balancer`]) is a worker's own. Time and randomness ([`Spin`]) are inputs.

mod hash;
mod health;
mod inputs;
mod load;
mod recent;
mod ring;
mod rotation;
mod worker;

use core::net::SocketAddr;

use self::rotation::gcd;
use crate::contract::plan::MAX_ENDPOINTS;
use crate::table::endpoints::Endpoints;
use crate::table::layout::endpoint_segment;
use crate::table::routes::{BackendEntry, MirrorEntry, RuleEntry};
use crate::table::store::view::{Segments, Unreadable};

pub(crate) use self::inputs::Inputs;
pub use self::worker::{Balancer, Ticket};
pub(crate) use self::worker::{Chosen, Wanted};

/// The number of a request, which the caller counts: where the sequences of a worker begin that have no
/// place yet, and what is drawn. The multiples of an irrational number fill the unit interval evenly, so
/// that a share is kept within a request or two also where nothing is remembered. Each choice has a
/// number of its own, so that one does not skew another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spin(pub u64);

/// The golden ratio: of all numbers its multiples come closest to even at every length (all
/// partial quotients of its continued fraction are 1).
const BACKEND_STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// The square root of 2 (all quotients 2).
const ENDPOINT_STEP: u64 = 0x6a09_e667_f3bc_c909;
/// The square root of 3 (quotients 1 and 2): who gets a copy depends on neither of the others.
const MIRROR_STEP: u64 = 0xbb67_ae85_84ca_a73b;

impl Spin {
    fn below(self, step: u64, total: u64) -> u64 {
        // Total is below 2^32: the rule has at most a few backends of at most 1,000,000, and a
        // mirror's denominator has 32 bits.
        (self.0.wrapping_mul(step) >> 32).wrapping_mul(total) >> 32
    }
}

/// The backend of a rule for this request; `None` if all weights are 0 or there is no backend.
///
/// # Errors
/// [`Unreadable`].
pub fn backend<'t>(
    rule: &RuleEntry<'t>,
    balancer: &mut Balancer,
    spin: Spin,
) -> Result<Option<BackendEntry<'t>>, Unreadable> {
    let mut total = 0u64;
    let mut unit = 0;
    let mut count = 0;
    let mut last = None;
    for backend in rule.backends() {
        let backend = backend?;
        total = total.saturating_add(u64::from(backend.weight));
        unit = gcd(unit, backend.weight);
        count += 1;
        last = Some(backend);
    }
    if count == 1 {
        return Ok(last.filter(|backend| backend.weight > 0));
    }
    let Ok(total) = u32::try_from(total) else {
        return Ok(None);
    };
    // 50:50 is a cycle of two requests. No unit: all weights are 0.
    let Some(total) = total.checked_div(unit) else {
        return Ok(None);
    };
    let start = |total| spin.below(BACKEND_STEP, u64::from(total)) as u32;
    let mut at = balancer.turn(rule.id()?, total, start);
    for backend in rule.backends() {
        let backend = backend?;
        let weight = backend.weight.checked_div(unit).unwrap_or_default();
        if at < weight {
            return Ok(Some(backend));
        }
        at -= weight;
    }
    Ok(None)
}

/// Does a mirror get a copy of this request?
#[must_use]
pub fn mirrored(mirror: &MirrorEntry, spin: Spin) -> bool {
    let at = spin.below(MIRROR_STEP, u64::from(mirror.denominator));
    at < u64::from(mirror.numerator)
}

/// The endpoints of a Service port and its key; `None` if the table does not know it.
///
/// # Errors
/// [`Unreadable`].
pub fn service(
    segments: &dyn Segments,
    id: u64,
) -> Result<Option<(&[u8], Endpoints<'_>)>, Unreadable> {
    let segment = segments.segment(endpoint_segment(id))?;
    match segment.find_with_key(id)? {
        Some((key, payload)) => Ok(Some((key, Endpoints::new(payload)?))),
        None => Ok(None),
    }
}

/// Fills `list` with the endpoints to try for a copy, in order: one by the spin, then its neighbours.
pub fn order(endpoints: &Endpoints<'_>, spin: Spin, tries: u8, list: &mut Vec<SocketAddr>) {
    list.clear();
    let len = endpoints.len();
    if len == 0 {
        return;
    }
    let first = spin.below(ENDPOINT_STEP, len as u64) as usize;
    let count = len.min(usize::from(tries)).min(MAX_ENDPOINTS);
    for step in 0..count {
        list.extend(endpoints.get((first + step) % len));
    }
}
