//! The tables of the specifications, row by row.
