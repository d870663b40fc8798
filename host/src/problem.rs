//! Problems as values: what is wrong, where, and what to do about it.
//!
//! Most come from the translator. The host adds where in the files the field is, and has a few of
//! its own: about files that cannot be read and about objects that the translator trapped on.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::manifests::SourceFile;
use crate::object::ObjectKey;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Works, but hardly as meant.
    Warning,
    /// Something is not in effect.
    Error,
}

/// A place in a file; lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// As the user named it.
    pub file: String,
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
    /// The text, for the snippet.
    #[serde(skip)]
    pub text: Option<Arc<SourceFile>>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Listed in docs/problems.md.
    pub code: Cow<'static, str>,
    /// How bad it is.
    pub severity: Severity,
    /// What has it; a file that cannot be read is not an object.
    pub object: Option<ObjectKey>,
    /// Path in the object; empty means the whole of it.
    pub field: String,
    /// What is wrong, lower case, without a full stop.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Where that is, if the object came from a file.
    pub source: Option<Source>,
}

// === impl Severity ===

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

// === impl Source ===

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

// === impl Problem ===

impl From<&silverback_core::problem::Problem> for Problem {
    fn from(problem: &silverback_core::problem::Problem) -> Self {
        use silverback_core::problem::Severity as Core;
        let key = &problem.object;
        Self {
            code: problem.code.as_str().into(),
            severity: match problem.severity {
                Core::Info => Severity::Info,
                Core::Warning => Severity::Warning,
                Core::Error => Severity::Error,
            },
            object: Some(ObjectKey {
                group: key.group.to_string(),
                kind: key.kind.to_string(),
                namespace: key.namespace.to_string(),
                name: key.name.to_string(),
            }),
            field: problem.field.to_string(),
            message: problem.message.to_string(),
            hint: problem.hint.to_string(),
            source: None,
        }
    }
}

impl Problem {
    /// A problem of the host's own.
    pub fn new(code: &'static str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(code),
            severity,
            object: None,
            field: String::new(),
            message: message.into(),
            hint: String::new(),
            source: None,
        }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The same about this object.
    #[must_use]
    pub fn about(mut self, object: ObjectKey) -> Self {
        self.object = Some(object);
        self
    }

    /// The same with its place.
    #[must_use]
    pub fn at(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }
}
