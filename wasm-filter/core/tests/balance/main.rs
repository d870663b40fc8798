//! Balancing: which endpoints the requests of a worker go to, one after the other.

mod bounds;
mod ejection;
mod hashing;
mod load;
mod sticky;
mod turns;
mod weights;
mod world;
