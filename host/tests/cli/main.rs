//! `validate`, `diff`, `problems`, `completions` and the help texts as people see them.

mod about;
mod diff;
mod help;
mod support;
mod tables;
mod validate;
