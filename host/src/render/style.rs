//! Colours, the same as cargo's.

use anstyle::{AnsiColor, Style};

/// Headings.
pub const HEAD: Style = AnsiColor::Green.on_default().bold();
/// What went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What went wrong.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// What should be looked at.
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// What to do.
pub const HINT: Style = AnsiColor::Cyan.on_default().bold();
/// What can be typed.
pub const COMMAND: Style = AnsiColor::Cyan.on_default();
/// What is less important.
pub const DIM: Style = Style::new().dimmed();
/// Names.
pub const BOLD: Style = Style::new().bold();
/// What is only in the new table.
pub const ADDED: Style = AnsiColor::Green.on_default();
/// What is only in the old table.
pub const REMOVED: Style = AnsiColor::Red.on_default();
/// What is in both and different.
pub const CHANGED: Style = AnsiColor::Yellow.on_default();
