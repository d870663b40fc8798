//! Finds for each item of a list what it was before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use super::Moved;
use super::identity::ListRule;

/// An item: in the old list, in the new one, or in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) old: Option<usize>,
    pub(super) new: Option<usize>,
    /// Only for an item in both.
    pub(super) moved: Option<Moved>,
}

/// Pairs items: first those that are equal, then by each key in turn. Of several with one key the
/// first goes with the first. The answer is in the order of the new list, what is gone stands
/// behind what it stood behind.
pub(super) fn pair(rule: &ListRule<'_>, old: &[Value], new: &[Value]) -> Vec<Item> {
    let mut partner: Vec<Option<usize>> = vec![None; old.len()];
    let mut taken = vec![false; new.len()];
    // Items that were certainly the same, which alone can be said to have moved.
    let mut certain = vec![false; old.len()];
    let equal = |item: &Value| rule.compared(item).to_string();
    by(&equal, old, new, &mut partner, &mut taken);
    for (index, key) in rule.keys.iter().enumerate() {
        by(
            &|item| ListRule::key(item, key),
            old,
            new,
            &mut partner,
            &mut taken,
        );
        if index == 0 {
            for (certain, partner) in certain.iter_mut().zip(&partner) {
                *certain = partner.is_some();
            }
        }
    }

    let moved = match rule.ordered {
        true => moved(&partner, &certain),
        false => BTreeSet::new(),
    };
    let mut placed = Vec::with_capacity(old.len().max(new.len()));
    let mut behind = None;
    for (index, new_index) in partner.iter().enumerate() {
        if let Some(new_index) = *new_index {
            behind = Some(new_index);
            let moved = moved.contains(&index).then_some(Moved {
                from: index,
                to: new_index,
            });
            let item = Item {
                old: Some(index),
                new: Some(new_index),
                moved,
            };
            placed.push(((behind, false, index), item));
        } else {
            let item = Item {
                old: Some(index),
                new: None,
                moved: None,
            };
            placed.push(((behind, true, index), item));
        }
    }
    for (index, _) in taken.iter().enumerate().filter(|(_, taken)| !**taken) {
        let item = Item {
            old: None,
            new: Some(index),
            moved: None,
        };
        placed.push(((Some(index), false, 0), item));
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, item)| item).collect()
}

/// Pairs what has no partner yet by a text that both have.
fn by(
    text: &dyn Fn(&Value) -> String,
    old: &[Value],
    new: &[Value],
    partner: &mut [Option<usize>],
    taken: &mut [bool],
) {
    let mut free: BTreeMap<String, VecDeque<usize>> = BTreeMap::new();
    for (index, item) in new.iter().enumerate().filter(|(index, _)| !taken[*index]) {
        free.entry(text(item)).or_default().push_back(index);
    }
    if free.is_empty() {
        return;
    }
    for (item, partner) in old.iter().zip(partner) {
        if partner.is_none()
            && let Some(index) = free.get_mut(&text(item)).and_then(VecDeque::pop_front)
        {
            *partner = Some(index);
            taken[index] = true;
        }
    }
}

/// Which old items changed places: all but the longest run of them whose order is the same.
fn moved(partner: &[Option<usize>], certain: &[bool]) -> BTreeSet<usize> {
    let pairs: Vec<(usize, usize)> = partner
        .iter()
        .zip(certain)
        .enumerate()
        .filter_map(|(index, (partner, certain))| {
            partner.filter(|_| *certain).map(|new| (index, new))
        })
        .collect();
    // Longest increasing subsequence: `ends[n]` is the pair with the smallest end of a run of n + 1.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; pairs.len()];
    for (at, (_, new)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs[*end].1 < *new);
        before[at] = length.checked_sub(1).map(|index| ends[index]);
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut stay = BTreeSet::new();
    let mut at = ends.last().copied();
    while let Some(index) = at {
        stay.insert(index);
        at = before[index];
    }
    pairs
        .iter()
        .enumerate()
        .filter(|(at, _)| !stay.contains(at))
        .map(|(_, (old, _))| *old)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn shown(rule: &ListRule<'_>, old: &Value, new: &Value) -> Vec<(Option<usize>, Option<usize>)> {
        let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
        pair(rule, &items(old), &items(new))
            .into_iter()
            .map(|item| (item.old, item.new))
            .collect()
    }

    #[test]
    fn equal_items_go_together_before_others_of_the_same_name() {
        let rule = ListRule::unknown("backends");
        let old = json!([{"name":"a","weight":1},{"name":"a","weight":2}]);
        let new = json!([{"name":"a","weight":2},{"name":"a","weight":3}]);
        assert_eq!(
            shown(&rule, &old, &new),
            [(Some(1), Some(0)), (Some(0), Some(1))]
        );
    }

    #[test]
    fn what_is_gone_stands_behind_what_it_stood_behind() {
        let rule = ListRule::unknown("services");
        let old = json!([{"name":"a"},{"name":"b"},{"name":"c"}]);
        let new = json!([{"name":"a"},{"name":"c"},{"name":"d"}]);
        assert_eq!(
            shown(&rule, &old, &new),
            [
                (Some(0), Some(0)),
                (Some(1), None),
                (Some(2), Some(1)),
                (None, Some(2))
            ]
        );
    }

    #[test]
    fn only_what_left_the_order_has_moved() {
        let partner = [Some(3), Some(0), Some(1), None, Some(2)];
        assert_eq!(moved(&partner, &[true; 5]), BTreeSet::from([0]));
        let certain = [false, true, true, true, true];
        assert_eq!(moved(&partner, &certain), BTreeSet::new());
    }

    proptest! {
        #[test]
        fn every_item_is_in_one_pair(old in prop::collection::vec(0u8..5, 0..12), new in prop::collection::vec(0u8..5, 0..12)) {
            let values = |names: &[u8]| -> Vec<Value> { names.iter().map(|name| json!({"name": name})).collect() };
            let rule = ListRule { ordered: true, ..ListRule::unknown("x") };
            let items = pair(&rule, &values(&old), &values(&new));
            let mut olds: Vec<_> = items.iter().filter_map(|item| item.old).collect();
            let mut news: Vec<_> = items.iter().filter_map(|item| item.new).collect();
            olds.sort_unstable();
            news.sort_unstable();
            prop_assert_eq!(olds, (0..old.len()).collect::<Vec<_>>());
            prop_assert_eq!(news, (0..new.len()).collect::<Vec<_>>());
            for item in items {
                if let (Some(a), Some(b)) = (item.old, item.new) {
                    prop_assert_eq!(old[a], new[b]);
                }
            }
        }
    }
}
