//! What several test programs share. The oracle and the generator know the model's types only.
#![allow(
    dead_code,
    reason = "each test program that includes it uses a part of it"
)]

pub(crate) mod built;
pub(crate) mod oracle;
pub(crate) mod oracle_text;
pub(crate) mod random;
