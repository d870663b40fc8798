//! How a command can fail, and what the process's exit status is then.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::problem::Problem;
use crate::render::plural;

/// A command that did not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    usage: bool,
}

// === impl Failure ===

impl Failure {
    /// The command line, or a file that it names, is wrong: exit status 2.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            error: error.into(),
            usage: true,
        }
    }

    /// The same failure with exit status 2, for a command whose 1 is an answer.
    pub(super) fn trouble(failure: Self) -> Self {
        Self {
            usage: true,
            ..failure
        }
    }

    /// Whoever reads our output has gone, which is no failure (`silverback translate | head`).
    pub fn is_broken_pipe(&self) -> bool {
        self.error.chain().any(|cause| {
            cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        })
    }

    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(if self.usage { 2 } else { 1 })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            usage: false,
        }
    }
}

/// Not everything could be read: an answer made without it is not that of the manifests.
#[derive(Debug, thiserror::Error)]
#[error("not all manifests could be read ({} above): {consequence} (hint: {advice})", plural(*errors, "error"))]
pub struct Unread {
    /// How many files and documents.
    pub errors: usize,
    /// What comes of it.
    pub consequence: &'static str,
    /// What to do.
    pub advice: &'static str,
}

/// A problem with its hint as an error.
#[derive(Debug, thiserror::Error)]
#[error("{message}{}", if hint.is_empty() { String::new() } else { format!(" (hint: {hint})") })]
pub struct Hinted {
    message: String,
    hint: String,
}

impl From<&Problem> for Hinted {
    fn from(problem: &Problem) -> Self {
        Self {
            message: problem.message.clone(),
            hint: problem.hint.clone(),
        }
    }
}
