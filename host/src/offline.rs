//! Manifests and a translator without anything running: what `explain`, `translate` and `validate`
//! begin with.
//!
//! They run the same core as translator.wasm, but natively: these commands end with their answer,
//! and compiling the module would take most of their time (1.4 s of 1.5 s for the quickstart). A
//! test holds both equal.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dump::{Dump, DumpError};
use crate::manifests::{Locator, ManifestSet};
use crate::object::ObjectKey;
use crate::problem::{Problem, Severity};
use crate::skipped::{self, Skipped};

use silverback_core::table::build::TableBuilder;
use silverback_core::table::layout::ROUTE_SEGMENTS;
use silverback_core::table::root::SegmentId;
use silverback_core::translate::{Applied, Options, Translator};

/// A table made of manifests.
pub struct Offline {
    /// The translator, committed.
    translator: Translator,
    /// Everything that is wrong, with places, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// Objects that have no part in the table: of kinds that are not read, of other classes.
    pub skipped: Vec<Skipped>,
    /// Objects that are read.
    pub translated: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The options were not accepted.
    #[error("the translator refuses its options: {0}")]
    Options(serde_json::Error),
    /// The question was not accepted.
    #[error("{0}")]
    Core(String),
    /// The core's dump is not what this host knows.
    #[error(transparent)]
    Dump(#[from] DumpError),
}

// === impl Offline ===

impl Offline {
    /// Translates these manifests with these options (JSON, see `translate::Options` in the core).
    pub fn new(set: &ManifestSet, options: &str) -> Result<Self, OfflineError> {
        Self::with(set, options, &[])
    }

    /// The same with more objects, which are in no file.
    pub fn with(
        set: &ManifestSet,
        options: &str,
        more: &[(ObjectKey, Arc<[u8]>)],
    ) -> Result<Self, OfflineError> {
        let options: Options = serde_json::from_str(options).map_err(OfflineError::Options)?;
        let mut translator = Translator::new(options);
        let objects = set.objects();
        for (_, json) in more {
            translator.apply(json);
        }
        let mut problems = set.problems();
        let mut skipped = Vec::new();
        for (key, object) in &objects {
            match translator.apply(&object.json) {
                Applied::Stored(_) | Applied::Unchanged(_) => {}
                Applied::Ignored { .. } => {
                    skipped.push(Skipped::unread(object));
                    problems.extend(skipped::problem(object));
                }
                // The file says what it is called, even if nothing may be called so.
                Applied::Refused(problem) => {
                    problems.push(Problem::from(&problem).about(key.clone()));
                }
            }
        }
        translator.commit();
        let found = translator.problems();
        problems.extend(found.flat_map(|(_, problems)| problems.iter().map(Problem::from)));
        let others = translator.of_other_classes();
        skipped.extend(others.map(|(object, reason)| Skipped {
            object: (&object).into(),
            reason,
        }));
        skipped.sort_by(|a, b| a.object.cmp(&b.object));
        let translated = objects.len().saturating_sub(skipped.len());
        let mut offline = Self {
            translator,
            problems: Vec::new(),
            translated,
            skipped,
        };
        offline.add_problems(set, problems);
        Ok(offline)
    }

    /// Adds problems, with their places in the manifests.
    pub fn add_problems(&mut self, set: &ManifestSet, problems: Vec<Problem>) {
        let objects = set.objects();
        let mut locator = Locator::default();
        for mut problem in problems {
            set.place(&mut problem, &objects, &mut locator);
            self.problems.push(problem);
        }
        sort(&mut self.problems);
    }

    /// What must be known outside of the table, as JSON.
    pub fn entities(&self) -> impl Iterator<Item = &str> {
        self.translator.entities().map(|(_, json)| json)
    }

    /// The DNS names whose addresses are endpoints.
    pub fn names(&self) -> Vec<String> {
        let name = |(_, json): (&str, &str)| {
            let entity: serde_json::Value = serde_json::from_str(json).ok()?;
            let is_name = entity.get("type")?.as_str()? == "name";
            is_name.then(|| Some(entity.get("name")?.as_str()?.to_owned()))?
        };
        self.translator.entities().filter_map(name).collect()
    }

    /// Translates more objects, which are in no file. The problems stay those of the files.
    pub fn add(&mut self, more: &[(ObjectKey, Arc<[u8]>)]) {
        for (_, json) in more {
            self.translator.apply(json);
        }
        self.translator.commit();
    }

    /// What the table does with a request, both as JSON.
    pub fn explain(&self, request: &str) -> Result<String, OfflineError> {
        self.translator
            .explain_json(request)
            .map_err(OfflineError::Core)
    }

    /// The table as JSON.
    pub fn dump(&self) -> Result<String, OfflineError> {
        self.translator.dump_json().map_err(OfflineError::Core)
    }

    /// The table.
    pub fn table(&self) -> &TableBuilder {
        self.translator.table()
    }

    /// What could not be read, and may have held objects.
    pub fn unread(&self) -> impl Iterator<Item = &Problem> {
        let problems = self.problems.iter();
        problems.filter(|problem| problem.hides_objects())
    }

    /// Whether any request finds a rule.
    pub fn has_routes(&self) -> Result<bool, OfflineError> {
        let mut segments = self.translator.table().root().iter();
        // Rules of hosts with a name have segments of their own; the others are few.
        let named =
            |(index, id): (u32, SegmentId)| (1..=ROUTE_SEGMENTS).contains(&index) && id.len > 0;
        Ok(segments.any(named) || Dump::parse(&self.dump()?)?.match_count() > 0)
    }

    /// The worst that is wrong.
    pub fn worst(&self) -> Option<Severity> {
        self.problems.iter().map(|problem| problem.severity).max()
    }
}

/// Kinds of objects that are skipped, with how many there are of each.
pub fn count_kinds(skipped: &[Skipped]) -> BTreeMap<&str, usize> {
    let mut kinds = BTreeMap::new();
    for skipped in skipped {
        *kinds.entry(&*skipped.object.kind).or_default() += 1;
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
