//! What the fuzz targets run. The tests of the core replay the corpora with the same code
//! (`wasm-filter/core/tests/fuzz_corpus.rs`).

pub mod targets;
