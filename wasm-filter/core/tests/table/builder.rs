//! The bytes follow from what is set, not from how it came to be set.

use silverback_core::table::build::TableBuilder;

use crate::support::built::{Built, bytes, edit};
use crate::support::oracle::Model;
use crate::support::random::Gen;

#[test]
fn any_history_gives_the_bytes_of_a_table_from_scratch() {
    for seed in 0..60 {
        let mut random = Gen(seed);
        let mut table = TableBuilder::new();
        let mut now = Model::default();
        for _ in 0..12 {
            let next = match random.below(3) {
                0 => random.model(),
                1 => {
                    let mut next = now.clone();
                    random.add_object(&mut next);
                    // The order of a host's matches does not count.
                    next.hosts.values_mut().for_each(|m| m.reverse());
                    next
                }
                _ => {
                    let mut next = now.clone();
                    next.hosts.pop_first();
                    next.services.pop_last();
                    next.listeners.pop_first();
                    next
                }
            };
            edit(&mut table, &now, &next);
            now = next;
            if random.one_in(2) {
                table.commit();
            }
        }
        table.commit();
        assert_eq!(bytes(&table), Built::of(&now).segments, "seed {seed}");
        assert!(table.commit().is_empty(), "nothing to do, seed {seed}");

        edit(&mut table, &now, &Model::default());
        table.commit();
        assert!(bytes(&table).iter().all(Vec::is_empty), "seed {seed}");
        assert_eq!(table.root_digest(), TableBuilder::new().root_digest());
    }
}
