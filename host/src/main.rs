//! The `silverback` binary.
fn main() {}
