//! The oracle of the specifications (`core/tests/spec`) against the real .wasm: the same generated
//! sets of manifests and the same requests, through shared data and the emulator in strict mode.

#[path = "../../core/tests/spec/ask.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod ask;
#[path = "../../core/tests/spec/explained.rs"]
mod explained;
#[path = "../../core/tests/spec/generated.rs"]
mod generated;
#[path = "../../core/tests/spec/judge.rs"]
mod judge;
#[path = "../../core/tests/spec/subject.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod native;
#[path = "../support/node.rs"]
#[allow(dead_code, reason = "a part of it is used")]
mod node;
#[path = "../../core/tests/spec/oracle/mod.rs"]
mod oracle;
#[path = "../../core/tests/spec/random/mod.rs"]
mod random;
#[path = "../../core/tests/spec/shrink.rs"]
mod shrink;
mod subject;
#[path = "../../core/tests/spec/verdict.rs"]
mod verdict;
