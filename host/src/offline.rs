//! Manifests and a translator without anything running: what `explain`, `translate` and `validate`
//! begin with.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::manifests::{Locator, ManifestSet};
use crate::object::ObjectKey;
use crate::problem::{Problem, Severity};
use crate::translator::{Applied, Limits, ModuleError, Session, SessionError, TranslatorEngine};

/// A table made of manifests.
pub struct Offline {
    /// The translator, committed.
    pub session: Session,
    /// Everything that is wrong, with places, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// Objects of kinds that are not read.
    pub ignored: Vec<ObjectKey>,
    /// Objects that are read.
    pub translated: usize,
}

// === impl Offline ===

impl Offline {
    /// Translates these manifests with the built-in translator and these options of it.
    pub fn new(set: &ManifestSet, options: &str) -> Result<Self, SessionError> {
        Self::with(set, options, &[])
    }

    /// The same with more objects, which are in no file.
    pub fn with(
        set: &ManifestSet,
        options: &str,
        more: &[(ObjectKey, Arc<[u8]>)],
    ) -> Result<Self, SessionError> {
        let module = builtin()?;
        let mut session = Session::start(module, Limits::default(), options)?;
        let objects = set.objects();
        for (key, json) in more {
            session.apply(key, json)?;
        }
        let mut problems = set.problems();
        let mut ignored = Vec::new();
        for (key, object) in &objects {
            match session.apply(key, &object.json)? {
                Applied::Stored | Applied::Unchanged => {}
                Applied::Ignored => ignored.push(key.clone()),
                Applied::Refused(problem) => problems.push(problem),
                // Comes with the changes.
                Applied::SetAside(_) => {}
            }
        }
        session.commit()?;
        let changes = session.take_changes()?;
        problems.extend(changes.problems.into_values().flatten());
        let mut locator = Locator::default();
        for problem in &mut problems {
            set.place(problem, &objects, &mut locator);
        }
        sort(&mut problems);
        Ok(Self {
            session,
            problems,
            translated: objects.len() - ignored.len(),
            ignored,
        })
    }

    /// The worst that is wrong.
    pub fn worst(&self) -> Option<Severity> {
        self.problems.iter().map(|problem| problem.severity).max()
    }
}

/// The embedded translator, compiled.
fn builtin() -> Result<crate::translator::TranslatorModule, ModuleError> {
    TranslatorEngine::new()?.compile(silverback_guests::TRANSLATOR_WASM)
}

/// Kinds that are not read, with how many objects there are of each.
pub fn count_kinds(ignored: &[ObjectKey]) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for key in ignored {
        *kinds.entry(&*key.kind).or_default() += 1;
    }
    kinds
}

/// By file, line and column; then those without a place, by object.
pub fn sort(problems: &mut [Problem]) {
    problems.sort_by(|a, b| {
        let place = |problem: &Problem| {
            problem
                .source
                .as_ref()
                .map(|source| (source.file.clone(), source.line, source.column))
        };
        let (x, y) = (place(a), place(b));
        x.is_none()
            .cmp(&y.is_none())
            .then_with(|| x.cmp(&y))
            .then_with(|| a.object.cmp(&b.object))
            .then_with(|| a.field.cmp(&b.field))
            .then_with(|| a.code.cmp(&b.code))
    });
}
