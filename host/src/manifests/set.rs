//! The objects of all files together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{self, STDIN};
use super::locate::Locator;
use super::object::Object;
use super::parse::{self, FileObjects};
use super::source::SourceFile;
use crate::object::ObjectKey;
use crate::problem::{Problem, Severity};

/// What all files hold, file by file: one that is broken can keep what it held before.
#[derive(Clone, Debug, Default)]
pub struct ManifestSet {
    /// In the order of the command line, then by name.
    files: Vec<Loaded>,
    /// Paths that could not be read at all.
    problems: Vec<Problem>,
    /// The first of them that the command line names.
    mistake: Option<Problem>,
}

/// Said of what is broken and was not before.
const KEPT: &str = "; what it held before stays in effect";

/// One file.
#[derive(Clone, Debug)]
struct Loaded {
    path: PathBuf,
    /// None if it cannot be read.
    file: Option<Arc<SourceFile>>,
    found: FileObjects,
}

/// Loads everything that the paths stand for.
pub fn load(paths: &[PathBuf]) -> ManifestSet {
    load_again(paths, &ManifestSet::default())
}

/// Loads everything again after a change. Files with the same text are not parsed again, and a
/// file that is broken now goes on holding what it held before: it is saved half-written more
/// often than not. So does a path that cannot be read at all, such as a directory that is just being
/// made again. A file that is gone from its directory takes its objects along.
pub fn load_again(paths: &[PathBuf], before: &ManifestSet) -> ManifestSet {
    let mut listing = files::list(paths);
    let mut set = ManifestSet {
        files: Vec::with_capacity(listing.files.len()),
        problems: std::mem::take(&mut listing.problems),
        mistake: listing.mistake.take(),
    };
    let old: BTreeMap<&PathBuf, &Loaded> =
        before.files.iter().map(|file| (&file.path, file)).collect();
    for path in std::mem::take(&mut listing.files) {
        let old = old.get(&path).copied();
        let loaded = match old {
            // The standard input can be read once.
            Some(old) if path.as_os_str() == STDIN => old.clone(),
            _ => Loaded::new(path, old),
        };
        set.files.push(loaded);
    }
    let unknown = |path: &Path| {
        let mut unreadable = listing.unreadable.iter();
        unreadable.any(|unreadable| path.starts_with(unreadable))
    };
    let kept = before.files.iter().filter(|file| unknown(&file.path));
    let kept: Vec<_> = kept.cloned().collect();
    if !kept.is_empty() {
        for problem in &mut set.problems {
            if problem.code == "Unreadable" {
                problem.message += KEPT;
            }
        }
        set.files.extend(kept);
        set.files.sort_by_key(|file| {
            let at = paths.iter().position(|path| file.path.starts_with(path));
            (at.unwrap_or(usize::MAX), file.path.clone())
        });
    }
    set
}

// === impl Loaded ===

impl Loaded {
    fn new(path: PathBuf, old: Option<&Self>) -> Self {
        let (file, mut found) = match files::read(&path) {
            Ok(file) => {
                if let Some(old) = old
                    && old.file.as_ref() == Some(&file)
                {
                    return old.clone();
                }
                let found = parse::parse(&file);
                (Some(file), found)
            }
            Err(problem) => {
                let found = FileObjects {
                    objects: Vec::new(),
                    problems: vec![*problem],
                };
                (None, found)
            }
        };
        let held = old.is_some_and(|old| !old.found.objects.is_empty());
        let nothing = held && found.objects.is_empty();
        if nothing
            && let Some(file) = &file
            && file.text.trim().is_empty()
        {
            // Whoever writes it has not got further: `helm template . > all.yaml`.
            let empty = Problem::new("Unparsable", Severity::Error, "the file is empty");
            found.problems.push(
                empty
                    .hint("to take its objects out remove it, or leave a comment in it")
                    .at(file.at(1, 1)),
            );
        }
        let broken = |problem: &Problem| match &*problem.code {
            "Unparsable" | "Unreadable" => true,
            // The first bytes of what will be one.
            "NotAnObject" => nothing,
            _ => false,
        };
        if let Some(old) = old
            && found.problems.iter().any(broken)
        {
            found.objects.clone_from(&old.found.objects);
            if !found.objects.is_empty() {
                for problem in found.problems.iter_mut().filter(|problem| broken(problem)) {
                    problem.message += KEPT;
                }
            }
        }
        Self { path, file, found }
    }
}

// === impl ManifestSet ===

impl ManifestSet {
    /// Every object; of two with one name the later.
    pub fn objects(&self) -> BTreeMap<ObjectKey, &Object> {
        let mut objects = BTreeMap::new();
        for object in self.files.iter().flat_map(|file| &file.found.objects) {
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
        for Loaded { found, .. } in &self.files {
            problems.extend(found.problems.iter().cloned());
            for object in &found.objects {
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
        self.mistake.as_ref()
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn service(name: &str) -> String {
        format!("---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n")
    }

    fn names(set: &ManifestSet) -> Vec<String> {
        set.objects().keys().map(|key| key.name.clone()).collect()
    }

    fn codes(set: &ManifestSet) -> Vec<String> {
        let problems = set.problems();
        problems
            .iter()
            .map(|problem| problem.code.to_string())
            .collect()
    }

    #[test]
    fn one_broken_document_hurts_no_other() {
        let root = tempfile::tempdir().expect("a directory");
        let text = format!("{}---\na: [\n{}", service("a"), service("b"));
        fs::write(root.path().join("1.yaml"), text).expect("written");
        fs::write(
            root.path().join("2.json"),
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"c"}} {"#,
        )
        .expect("written");
        let set = load(&[root.path().to_owned()]);
        assert_eq!(names(&set), ["a", "b", "c"]);
        assert_eq!(codes(&set), ["Unparsable", "Unparsable"]);
    }

    #[test]
    fn the_later_of_two_objects_counts() {
        let root = tempfile::tempdir().expect("a directory");
        for file in ["1.yaml", "2.yaml"] {
            fs::write(root.path().join(file), service("a")).expect("written");
        }
        let set = load(&[root.path().to_owned()]);
        let objects = set.objects();
        let object = objects.values().next().expect("an object");
        assert!(object.place.file.name.ends_with("2.yaml"));
        let problem = &set.problems()[0];
        assert_eq!(problem.code, "DuplicateObject");
        assert!(problem.message.contains("1.yaml:2"), "{}", problem.message);
    }

    #[test]
    fn broken_file_keeps_what_it_held() {
        let root = tempfile::tempdir().expect("a directory");
        let (one, two) = (root.path().join("1.yaml"), root.path().join("2.yaml"));
        fs::write(&one, service("a")).expect("written");
        fs::write(&two, service("b")).expect("written");
        let paths = [root.path().to_owned()];
        let good = load(&paths);

        fs::write(&one, "a: [").expect("written");
        fs::remove_file(&two).expect("removed");
        let broken = load_again(&paths, &good);
        assert_eq!(names(&broken), ["a"]);
        assert_eq!(codes(&broken), ["Unparsable"]);
        let problem = &broken.problems()[0];
        assert!(problem.message.ends_with(KEPT), "{}", problem.message);
        assert!(problem.source.is_some());
        // Still broken, still held.
        assert_eq!(names(&load_again(&paths, &broken)), ["a"]);

        fs::write(&one, service("c")).expect("written");
        assert_eq!(names(&load_again(&paths, &broken)), ["c"]);
    }

    #[test]
    fn a_path_that_is_gone_keeps_what_it_held_until_it_is_back() {
        let root = tempfile::tempdir().expect("a directory");
        let (directory, file) = (root.path().join("b"), root.path().join("a.yaml"));
        fs::create_dir(&directory).expect("created");
        fs::write(&file, service("a")).expect("written");
        fs::write(directory.join("b.yaml"), service("b")).expect("written");
        let paths = [directory.clone(), file.clone()];
        let good = load(&paths);

        fs::remove_dir_all(&directory).expect("removed");
        fs::remove_file(&file).expect("removed");
        let gone = load_again(&paths, &good);
        assert_eq!(names(&gone), ["a", "b"]);
        assert_eq!(codes(&gone), ["Unreadable", "Unreadable"]);
        assert!(gone.problems()[0].message.ends_with(KEPT));
        assert_eq!(names(&load_again(&paths, &gone)), ["a", "b"]);

        fs::create_dir(&directory).expect("created");
        fs::write(directory.join("c.yaml"), service("c")).expect("written");
        let back = load_again(&paths, &gone);
        assert_eq!(names(&back), ["a", "c"]);
        assert_eq!(codes(&back), ["Unreadable"]);
        // At the start there is nothing to keep.
        let problem = &load(&[file]).problems()[0];
        assert!(!problem.message.ends_with(KEPT), "{}", problem.message);
    }

    #[test]
    fn files_of_other_programs_are_skipped_with_a_word() {
        let patch = "- op: replace\n  path: /spec/rules/0/host\n  value: b.com\n";
        let nested = "\
apiVersion: v1
kind: List
items:
- apiVersion: networking.k8s.io/v1
  kind: IngressList
  items: [{metadata: {name: a}}, {metadata: {name: b}}]
";
        let kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n";
        for (name, text, hint) in [
            ("kustomization.yaml", kustomization, "kustomize build"),
            (
                "kustomization.yaml",
                "resources: [a.yaml]\n",
                "kustomize build",
            ),
            ("patch.yaml", patch, "kustomize build"),
            (
                "Chart.yaml",
                "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
                "helm template",
            ),
            ("values.yaml", "replicas: 2\n", "helm template"),
        ] {
            let root = tempfile::tempdir().expect("a directory");
            fs::write(root.path().join(name), text).expect("written");
            fs::write(root.path().join("z.yaml"), nested).expect("written");
            let set = load(&[root.path().to_owned()]);
            assert_eq!(names(&set), ["a", "b"], "{text}");
            let problems = set.problems();
            let [problem] = &problems[..] else {
                panic!("{problems:?}");
            };
            assert_eq!(problem.severity, Severity::Warning, "{text}");
            assert!(problem.hint.contains(hint), "{problem:?}");
        }
    }

    #[test]
    fn lists_are_taken_apart_and_namespaces_are_filled_in() {
        let root = tempfile::tempdir().expect("a directory");
        let text = "\
apiVersion: networking.k8s.io/v1
kind: IngressList
items:
- metadata: {name: a, managedFields: [x]}
- metadata: {name: b, namespace: x}
---
apiVersion: v1
kind: Namespace
metadata: {name: c, namespace: x}
---
- not an object
---
apiVersion: v1
kind: Secret
metadata: {generateName: d-}
";
        fs::write(root.path().join("1.yaml"), text).expect("written");
        let set = load(&[root.path().to_owned()]);
        let keys: Vec<_> = set.objects().keys().map(ToString::to_string).collect();
        assert_eq!(keys, ["Namespace c", "Ingress default/a", "Ingress x/b"]);
        assert_eq!(codes(&set), ["NotAnObject", "NotAnObject"]);
        let objects = set.objects();
        let json = objects
            .values()
            .map(|object| String::from_utf8_lossy(&object.json));
        assert_eq!(
            json.collect::<Vec<_>>(),
            [
                r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"c"}}"#,
                r#"{"metadata":{"name":"a","namespace":"default"},"apiVersion":"networking.k8s.io/v1","kind":"Ingress"}"#,
                r#"{"metadata":{"name":"b","namespace":"x"},"apiVersion":"networking.k8s.io/v1","kind":"Ingress"}"#,
            ]
        );
    }
}
