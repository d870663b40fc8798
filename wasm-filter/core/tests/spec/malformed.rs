//! Malformed objects.
