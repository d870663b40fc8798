//! The `silverback` host.
