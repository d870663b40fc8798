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

/// What docs/problems.md says about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CodePage {
    /// The code.
    pub code: &'static str,
    /// Why it arises.
    pub cause: &'static str,
    /// What to do about it.
    pub cure: &'static str,
}

/// The host's own codes: of files, and of the translator itself.
const HOST_CODES: &[CodePage] = &[
    CodePage {
        code: "ClientValidationConflict",
        cause: "Gateways that share a port ask its clients for different certificates.",
        cure: "Give them the same `spec.tls.frontend`, or other ports; until then the port has no handshake.",
    },
    CodePage {
        code: "DoubtfulCertificate",
        cause: "A certificate is served for a host that it is not for, or its time is over or has not come.",
        cure: "Renew it, or correct the names in it or the host; until then it is served, and clients that check certificates refuse it.",
    },
    CodePage {
        code: "DuplicateObject",
        cause: "Two documents define the same object; the later one is used.",
        cure: "Remove one of them.",
    },
    CodePage {
        code: "NoManifests",
        cause: "A directory holds no `.yaml`, `.yml` or `.json` file.",
        cure: "Correct the path.",
    },
    CodePage {
        code: "NotAnObject",
        cause: "A document is no Kubernetes object: it lacks apiVersion, kind or a name.",
        cure: "Complete it. Files of kustomize and Helm are no objects: render them, and validate what comes out.",
    },
    CodePage {
        code: "ObjectTrappedTranslator",
        cause: "The translator stopped on this object (a bug, or an object beyond its limits); it is left out until it changes.",
        cure: "Please report it with the object; the message says what was seen.",
    },
    CodePage {
        code: "Unparsable",
        cause: "A document is not valid YAML or JSON, or a file that had objects is empty. The objects that the file had before stay in use.",
        cure: "Correct it where the snippet points.",
    },
    CodePage {
        code: "Unreadable",
        cause: "A file cannot be read.",
        cure: "Check that it exists and its permissions.",
    },
    CodePage {
        code: "UnresolvedName",
        cause: "The DNS name of a Service of type ExternalName cannot be looked up on this machine.",
        cure: "Correct `spec.externalName`, or the machine's resolver; it is looked up again every 30 s. Until then requests are answered 503, or go to the addresses that were found before.",
    },
    CodePage {
        code: "UnsupportedKind",
        cause: "An object that is about routing is of a kind or version that is not read, or its kind is misspelt.",
        cure: "Write it as the hint says, or remove it; until then it is skipped.",
    },
    CodePage {
        code: "UnusableCertificate",
        cause: "A Secret whose certificate is served or shown to upstreams, or a Secret or ConfigMap with authorities for upstreams or clients, is missing or has none that can be used.",
        cure: "Create it with `kubectl create secret tls` from a certificate and its own key, or correct the ConfigMap's `ca.crt`; until then its hosts have no certificate of their own, requests to the upstreams concerned are answered 502, and clients that would be verified by it have no handshake.",
    },
];

/// Every code there is, by name.
pub fn codes() -> Vec<CodePage> {
    use silverback_core::problem::Code;
    let mut pages: Vec<_> = Code::ALL
        .iter()
        .map(|code| CodePage {
            code: code.as_str(),
            cause: code.cause(),
            cure: code.cure(),
        })
        .chain(HOST_CODES.iter().copied())
        .collect();
    pages.sort_by_key(|page| page.code);
    pages
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
        Self {
            code: problem.code.as_str().into(),
            severity: match problem.severity {
                Core::Info => Severity::Info,
                Core::Warning => Severity::Warning,
                Core::Error => Severity::Error,
            },
            object: Some((&problem.object).into()),
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

    /// Whether it leaves open what a file holds: a table that is made without it may lack routes
    /// that nobody took back.
    pub fn hides_objects(&self) -> bool {
        self.severity == Severity::Error && matches!(&*self.code, "Unparsable" | "Unreadable")
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

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../docs/problems.md");

    #[test]
    fn the_page_lists_every_code_of_the_host() {
        let (_, of_files) = PAGE.split_once("## Of files").expect("the section");
        let listed: Vec<_> = of_files
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        let expected: Vec<_> = HOST_CODES
            .iter()
            .map(|page| format!("| `{}` | {} | {} |", page.code, page.cause, page.cure))
            .collect();
        assert_eq!(listed, expected);
    }

    #[test]
    fn no_code_is_used_twice() {
        let pages = codes();
        assert!(pages.array_windows().all(|[a, b]| a.code < b.code));
    }
}
