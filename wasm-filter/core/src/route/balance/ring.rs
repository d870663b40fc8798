//! Consistent hashing: multi-probe (Appleton and O'Reilly, 2015, arXiv:1505.00062).
//!
//! Every endpoint is **one** point of a circle. A key is hashed [`PROBES`] times, and of the endpoints
//! that come next after each of these places the one at the least distance has the key. An endpoint
//! that goes takes only its own keys with it, which is exact, and the loads are as even as with a
//! hundred points an endpoint. Maglev would need a table of a hundred entries an endpoint: at 10,000
//! endpoints a worker would stand still for the time of building it whenever a pod changes.
//!
//! All workers and nodes agree: points depend on the endpoint and the Service alone.

use crate::table::endpoints::Endpoints;

use super::hash::{endpoint_id, probe};

/// The paper's number for a load of at most 1.05 times the average.
const PROBES: usize = 21;

/// The endpoints of a Service on a circle.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// Place and number, sorted.
    points: Vec<(u32, u32)>,
    /// Of each interval of `2^shift` places the first point that is not before it.
    starts: Vec<u32>,
    shift: u32,
}

/// The endpoints in the order in which a key wants them.
#[derive(Debug)]
pub(super) struct Walk<'r> {
    ring: &'r Ring,
    probes: [Probe; PROBES],
}

/// A hash of the key, and the point that comes next after it.
#[derive(Debug, Clone, Copy)]
struct Probe {
    place: u32,
    at: u32,
    distance: u32,
    /// Points that it may still pass.
    left: u32,
}

// === impl Ring ===

impl Ring {
    pub(super) fn new(service: u64, endpoints: &Endpoints<'_>) -> Self {
        // A counting sort: hashes are spread evenly, so an interval has about one point.
        let bits = usize::BITS - endpoints.len().leading_zeros();
        let shift = 32u32.saturating_sub(bits);
        let mut starts = vec![0u32; (1 << bits) + 1];
        let place = |id: u64| (id >> 32) as u32;
        let ids: Vec<u64> = endpoints.iter().map(|e| endpoint_id(service, e)).collect();
        let interval = |place: u32| (u64::from(place) >> shift) as usize;
        for id in &ids {
            if let Some(count) = starts.get_mut(interval(place(*id)) + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut points = vec![(0, 0); ids.len()];
        for (number, id) in (0u32..).zip(&ids) {
            if let Some(next) = next.get_mut(interval(place(*id)))
                && let Some(point) = points.get_mut(*next as usize)
            {
                *point = (place(*id), number);
                *next += 1;
            }
        }
        // Each is at most a few places from where it belongs.
        for end in 1..points.len() {
            let mut at = end;
            while let Some([a, b]) = points.get_mut(at.wrapping_sub(1)..=at)
                && a > b
            {
                core::mem::swap(a, b);
                at -= 1;
            }
        }
        Self {
            points,
            starts,
            shift,
        }
    }

    /// Number of points.
    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// The point that comes next after a place, the place itself included.
    fn after(&self, place: u32) -> u32 {
        let interval = (u64::from(place) >> self.shift) as usize;
        let start = self.starts.get(interval).copied().unwrap_or_default();
        let rest = self.points.get(start as usize..).unwrap_or_default();
        let before = rest.iter().take_while(|(point, _)| *point < place).count();
        let at = start as usize + before;
        if at < self.points.len() { at as u32 } else { 0 }
    }

    /// The number of the endpoint with this id.
    pub(super) fn find(&self, id: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let place = (id >> 32) as u32;
        let at = self.after(place) as usize;
        let there = self.points.get(at..)?.iter();
        let mut there = there.take_while(|(point, _)| *point == place);
        there
            .find(|(_, number)| is_it(*number))
            .map(|(_, number)| *number)
    }

    /// The endpoints in the order in which a key wants them.
    pub(super) fn walk(&self, key: u64) -> Walk<'_> {
        let mut probes = [Probe {
            place: 0,
            at: 0,
            distance: 0,
            left: 0,
        }; PROBES];
        for (number, slot) in (0..).zip(&mut probes) {
            let place = probe(key, number);
            let at = self.after(place);
            *slot = Probe {
                place,
                at,
                distance: self.distance(place, at),
                left: self.points.len() as u32,
            };
        }
        Walk { ring: self, probes }
    }

    fn distance(&self, place: u32, at: u32) -> u32 {
        let point = self.points.get(at as usize).map_or(0, |(point, _)| *point);
        point.wrapping_sub(place)
    }
}

impl Walk<'_> {
    /// The next endpoint of which `usable` says true, among those that are left; one may come several
    /// times.
    pub(super) fn next(&mut self, mut usable: impl FnMut(u32) -> bool) -> Option<u32> {
        loop {
            let left = self.probes.iter_mut().filter(|probe| probe.left > 0);
            let nearest = left.min_by_key(|probe| probe.distance)?;
            let (_, number) = *self.ring.points.get(nearest.at as usize)?;
            nearest.left -= 1;
            nearest.at += 1;
            if nearest.at as usize == self.ring.points.len() {
                nearest.at = 0;
            }
            nearest.distance = self.ring.distance(nearest.place, nearest.at);
            if usable(number) {
                return Some(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::endpoints::encode;
    use crate::table::model::ServiceEndpoints;

    /// What the rule says, by looking at every endpoint for every probe.
    fn oracle(service: u64, endpoints: &Endpoints<'_>, key: u64) -> Vec<u32> {
        let mut order = Vec::new();
        let all: Vec<(u32, u32)> = (0..)
            .zip(endpoints.iter())
            .map(|(number, e)| ((endpoint_id(service, e) >> 32) as u32, number))
            .collect();
        while order.len() < all.len() {
            let left = || all.iter().filter(|(_, number)| !order.contains(number));
            let nearest = (0..PROBES as u64).filter_map(|n| {
                let place = probe(key, n);
                let distance = |point: u32| point.wrapping_sub(place);
                let next = left().min_by_key(|(point, number)| (distance(*point), *number));
                next.map(|(point, number)| (distance(*point), *number))
            });
            let (_, number) = nearest.min().expect("some are left");
            order.push(number);
        }
        order
    }

    #[test]
    fn a_walk_is_what_looking_at_everything_gives() {
        for count in [0u32, 1, 2, 3, 7, 8, 9, 33] {
            let addresses = (0..count).map(|n| match n % 3 {
                0 => ([10, 0, (n >> 8) as u8, n as u8], 80 + n as u16).into(),
                1 => ([0xfd00, 0, 0, 0, 0, 0, 0, n as u16], 80).into(),
                _ => ([10, 0, 0, 7], n as u16 + 1).into(),
            });
            let bytes = encode(&ServiceEndpoints {
                endpoints: addresses.collect(),
                ..ServiceEndpoints::default()
            });
            let endpoints = Endpoints::new(&bytes).unwrap();
            let ring = Ring::new(7, &endpoints);
            assert_eq!(ring.len(), count as usize);
            for key in (0..20).map(super::super::hash::mix) {
                let (mut walk, mut order) = (ring.walk(key), Vec::new());
                while let Some(number) = walk.next(|number| !order.contains(&number)) {
                    order.push(number);
                }
                assert_eq!(order, oracle(7, &endpoints, key), "{count}");
            }
            for (number, endpoint) in (0..).zip(endpoints.iter()) {
                let id = endpoint_id(7, endpoint);
                assert_eq!(ring.find(id, |n| n == number), Some(number));
                assert_eq!(ring.find(id ^ (1 << 40), |_| true), None);
            }
        }
    }

    #[test]
    fn points_are_sorted_whatever_their_number() {
        for count in [1usize, 5, 1_000, 10_000] {
            let addresses = (0..count).map(|n| ([10, 1, (n >> 8) as u8, n as u8], 80).into());
            let bytes = encode(&ServiceEndpoints {
                endpoints: addresses.collect(),
                ..ServiceEndpoints::default()
            });
            let ring = Ring::new(1, &Endpoints::new(&bytes).unwrap());
            assert!(ring.points.is_sorted());
            for place in [0, 1, u32::MAX, 1 << 31, ring.points[count / 2].0] {
                let expected = ring.points.partition_point(|(point, _)| *point < place);
                assert_eq!(ring.after(place) as usize, expected % count);
            }
        }
    }
}
