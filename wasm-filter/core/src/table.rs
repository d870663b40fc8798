//! The routing table: its model, its bytes, and how they live in shared data.

pub mod hash;
pub mod model;
