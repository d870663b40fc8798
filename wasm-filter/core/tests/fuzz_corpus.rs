//! Replays the corpora of the fuzz targets (`fuzz/`): what was found once stays found.

use std::path::Path;

#[path = "../../../fuzz/src/targets/mod.rs"]
#[allow(
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "shared with the crate of the fuzz targets, where the items are public"
)]
mod targets;

#[test]
fn every_input_of_the_corpora_passes() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, run) in targets::TARGETS {
        let mut inputs: Vec<_> = std::fs::read_dir(corpora.join(name))
            .expect(name)
            .map(|entry| entry.expect(name).path())
            .collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{name} has no corpus");
        for input in inputs {
            let data = std::fs::read(&input).expect(name);
            let replayed = std::panic::catch_unwind(|| run(&data));
            assert!(replayed.is_ok(), "{}", input.display());
        }
    }
}
