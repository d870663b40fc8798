//! The objects of all files together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

use super::files;
use super::locate::Locator;
use super::object::Object;
use super::parse::{self, FileObjects};
use crate::object::ObjectKey;
use crate::problem::{Problem, Severity};

/// What all files hold, file by file: one that is broken can keep what it held before.
#[derive(Clone, Debug, Default)]
pub struct ManifestSet {
    /// In the order of the command line, then by name.
    files: Vec<(PathBuf, FileObjects)>,
    /// Paths that could not be read at all.
    problems: Vec<Problem>,
}

/// Loads everything that the paths stand for.
pub fn load(paths: &[PathBuf]) -> ManifestSet {
    let listing = files::list(paths);
    let mut set = ManifestSet {
        files: Vec::new(),
        problems: listing.problems,
    };
    for path in listing.files {
        match files::read(&path) {
            Ok(file) => set.files.push((path, parse::parse(&file))),
            Err(problem) => set.files.push((
                path,
                FileObjects {
                    objects: Vec::new(),
                    problems: vec![*problem],
                },
            )),
        }
    }
    set
}

// === impl ManifestSet ===

impl ManifestSet {
    /// Every object; of two with one name the later.
    pub fn objects(&self) -> BTreeMap<ObjectKey, &Object> {
        let mut objects = BTreeMap::new();
        for object in self.files.iter().flat_map(|(_, file)| &file.objects) {
            objects.insert(object.key.clone(), object);
        }
        objects
    }

    /// Number of files.
    pub fn file_count(&self) -> usize {
        self.files.len()
    }

    /// What could not be read, and objects that are there twice.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.problems.clone();
        let mut first: BTreeMap<&ObjectKey, &Object> = BTreeMap::new();
        for (_, file) in &self.files {
            problems.extend(file.problems.iter().cloned());
            for object in &file.objects {
                match first.entry(&object.key) {
                    Entry::Vacant(entry) => {
                        entry.insert(object);
                    }
                    Entry::Occupied(mut entry) => {
                        let before = entry.insert(object);
                        problems.push(duplicate(before, object));
                    }
                }
            }
        }
        problems
    }

    /// A path of the command line that cannot be read, if there is one.
    pub fn unreadable_path(&self) -> Option<&Problem> {
        let unreadable = |problem: &&Problem| problem.code == "Unreadable";
        self.problems.iter().find(unreadable)
    }

    /// Whether a file could not be read, all of it or a part.
    pub fn is_broken(&self) -> bool {
        let broken = |problem: &Problem| problem.severity == Severity::Error;
        self.problems.iter().any(broken)
            || self
                .files
                .iter()
                .any(|(_, file)| file.problems.iter().any(broken))
    }

    /// Lets files that are broken now hold what they held before: a file is saved half-written more
    /// often than not. Their problems stay. A file that is gone is gone, and takes its objects
    /// along.
    pub fn keep_last_good(&mut self, before: &Self) {
        for (path, file) in &mut self.files {
            let broken = file
                .problems
                .iter()
                .any(|problem| matches!(&*problem.code, "Unparsable" | "Unreadable"));
            if !broken {
                continue;
            }
            if let Some((_, good)) = before.files.iter().find(|(old, _)| old == path) {
                file.objects.clone_from(&good.objects);
            }
        }
    }

    /// Adds the place in the files to a problem of the translator.
    pub fn place(
        &self,
        problem: &mut Problem,
        objects: &BTreeMap<ObjectKey, &Object>,
        locator: &mut Locator,
    ) {
        if problem.source.is_none()
            && let Some(object) = problem.object.as_ref().and_then(|key| objects.get(key))
        {
            problem.source = Some(locator.locate(&object.place, &problem.field));
        }
    }
}

fn duplicate(before: &Object, after: &Object) -> Problem {
    let there = before.place.start();
    Problem::new(
        "DuplicateObject",
        Severity::Warning,
        format!("the same object is in {}:{} too", there.file, there.line),
    )
    .hint("the later one counts; remove one of them")
    .about(after.key.clone())
    .at(after.place.start())
}
