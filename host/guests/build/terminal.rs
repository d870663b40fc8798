//! Progress for the person at the terminal.
//!
//! Cargo keeps what a build script prints to itself until it fails, and the guests take half a
//! minute in a new clone: long enough to wonder. So one line each goes past cargo to the terminal,
//! if there is one. Nothing here may fail the build.

use std::fs::OpenOptions;
use std::io::Write;

/// Says what is being built, in the style of cargo's own lines.
pub(crate) fn progress(what: &str) {
    if !at_terminal() {
        return;
    }
    if let Ok(mut terminal) = OpenOptions::new().write(true).open("/dev/tty") {
        // Cargo's progress bar may be on this line; it draws itself again on the next.
        let _ = write!(terminal, "\r\x1b[K\x1b[1;32m    Building\x1b[0m {what}\r\n");
    }
}

/// Whether cargo itself writes to a terminal: a log must not get lines that belong to nobody.
fn at_terminal() -> bool {
    if std::env::var_os("CI").is_some() {
        return false;
    }
    #[cfg(target_os = "linux")]
    {
        let parent = std::os::unix::process::parent_id();
        std::fs::read_link(format!("/proc/{parent}/fd/2"))
            .is_ok_and(|target| target.starts_with("/dev/pts") || target.starts_with("/dev/tty"))
    }
    // Elsewhere the parent's files cannot be looked at: having a terminal has to do.
    #[cfg(not(target_os = "linux"))]
    cfg!(unix)
}
