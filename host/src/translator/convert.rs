//! Between the host's types and those of the interface.

use super::bindings::types;
use crate::object::ObjectKey;
use crate::problem::{Problem, Severity};

impl From<types::ObjectKey> for ObjectKey {
    fn from(key: types::ObjectKey) -> Self {
        Self {
            group: key.group,
            kind: key.kind,
            namespace: key.namespace,
            name: key.name,
        }
    }
}

impl From<&ObjectKey> for types::ObjectKey {
    fn from(key: &ObjectKey) -> Self {
        Self {
            group: key.group.clone(),
            kind: key.kind.clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }
    }
}

impl From<types::Severity> for Severity {
    fn from(severity: types::Severity) -> Self {
        match severity {
            types::Severity::Info => Self::Info,
            types::Severity::Warning => Self::Warning,
            types::Severity::Error => Self::Error,
        }
    }
}

impl From<types::Problem> for Problem {
    fn from(problem: types::Problem) -> Self {
        Self {
            code: problem.code.into(),
            severity: problem.severity.into(),
            object: Some(problem.object.into()),
            field: problem.field,
            message: problem.message,
            hint: problem.hint,
            source: None,
        }
    }
}
