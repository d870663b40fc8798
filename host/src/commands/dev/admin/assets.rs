//! What the page loads: files of their own, because its policy lets nothing run that is in the page.

pub(super) const STYLE: &str = include_str!("style.css");
pub(super) const SCRIPT: &str = include_str!("page.js");
