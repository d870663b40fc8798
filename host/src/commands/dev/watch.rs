//! Sees files change.
//!
//! What a path stands for can change in many ways: an editor moves a new file over the old one,
//! Kubernetes swaps the link `..data` under a whole volume, a directory is removed and made again.
//! So it is not files that are watched but *names*: every entry of a directory that decides
//! which file a path is (see [`trace`]), and every directory of manifests with all below it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{
    DebounceEventResult, DebouncedEvent, Debouncer, RecommendedCache, new_debouncer,
};

use super::event::Event;
use super::modules::Kind;
use crate::manifests;

/// Editors write a file in several steps within milliseconds; a person does not notice the wait.
pub(super) const SETTLE: Duration = Duration::from_millis(60);

/// How often it is looked whether directories are still the same.
const LOOK: Duration = Duration::from_millis(500);

/// How often what is watched is looked for anew while it changes; later changes are heard.
const MAX_ROUNDS: usize = 8;

/// Links that lead to links; more are a circle.
const MAX_LINKS: usize = 40;

/// What is watched.
#[derive(Clone, Debug, Default)]
pub(super) struct Watched {
    /// Paths of manifests, as given.
    pub(super) manifests: Vec<PathBuf>,
    /// silverback.wasm, if it is a file.
    pub(super) filter: Option<PathBuf>,
    /// translator.wasm, if it is a file.
    pub(super) translator: Option<PathBuf>,
}

/// Watches for as long as it lives.
pub(super) struct Watch {
    debouncer: Debouncer<RecommendedWatcher, RecommendedCache>,
    watched: Watched,
    names: Arc<Mutex<Names>>,
    /// Directories that are watched; true: with all below.
    directories: BTreeMap<PathBuf, bool>,
}

/// What is looked for among the changes.
#[derive(Debug, Default)]
struct Names {
    entries: BTreeMap<PathBuf, Entry>,
    /// Directories of manifests, without links.
    roots: BTreeSet<PathBuf>,
    /// Which directories are watched: under the same name there may be another one later.
    identities: Vec<(PathBuf, Identity)>,
    /// A directory may be another one by now: all have to be watched anew.
    moved: bool,
}

/// What tells a directory from another one of its name. `None`: there is none.
type Identity = Option<(u64, u64)>;

/// What an entry of a directory decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    manifests: bool,
    filter: bool,
    translator: bool,
    /// It is a link or a directory, or is not there yet.
    leads: bool,
}

/// When something was first seen to change.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changed {
    manifests: Option<Instant>,
    filter: Option<Instant>,
    translator: Option<Instant>,
}

// === impl Watch ===

impl Watch {
    /// Starts to watch.
    pub(super) fn start(watched: Watched, events: Sender<Event>) -> notify::Result<Self> {
        let names = Arc::<Mutex<Names>>::default();
        look_after(&names, events.clone());
        let known = Arc::clone(&names);
        let debouncer = new_debouncer(SETTLE, None, move |result: DebounceEventResult| {
            let mut names = known.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = match result {
                Ok(events) => names.changed(&events),
                // Something was missed: look at everything.
                Err(errors) => {
                    tracing::warn!(?errors, "watching files");
                    names.everything(Instant::now())
                }
            };
            drop(names);
            changed.send(&events);
        })?;
        let mut watch = Self {
            debouncer,
            watched,
            names,
            directories: BTreeMap::new(),
        };
        watch.renew()?;
        Ok(watch)
    }

    /// Watches what has appeared or taken another's place, and says whether that is anything else than
    /// before. To be called after a change and before the files are read: what changes later is seen.
    ///
    /// # Errors
    /// The first directory that cannot be watched; all others are.
    pub(super) fn renew(&mut self) -> notify::Result<bool> {
        let mut elsewhere = false;
        // What appeared after it was looked for and before it was watched is found the next time.
        for _ in 0..MAX_ROUNDS {
            if !self.renew_once()? {
                break;
            }
            elsewhere = true;
        }
        Ok(elsewhere)
    }

    fn renew_once(&mut self) -> notify::Result<bool> {
        let new = Names::of(&self.watched);
        let mut wanted: BTreeMap<PathBuf, bool> = BTreeMap::new();
        for entry in new.entries.keys() {
            if let Some(directory) = entry.parent().filter(|directory| directory.is_dir()) {
                wanted.entry(directory.to_owned()).or_default();
            }
        }
        wanted.extend(new.roots.iter().map(|root| (root.clone(), true)));
        // One watch for a directory: the other would take its place.
        let covered = |directory: &PathBuf| {
            let mut above = directory.ancestors().skip(1);
            above.any(|above| new.roots.contains(above))
        };
        wanted.retain(|directory, _| !covered(directory));

        let moved = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            let moved = names.moved;
            *names = new;
            moved
        };
        let kept = |(directory, all): (&PathBuf, &bool)| {
            !moved && wanted.get(directory).is_some_and(|wanted| wanted == all)
        };
        let old = std::mem::take(&mut self.directories);
        let (same, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
            old.into_iter().partition(|(dir, all)| kept((dir, all)));
        for directory in gone.keys() {
            // It is forgotten already if it was removed.
            let _ = self.debouncer.unwatch(directory);
        }
        let mut elsewhere = !gone.is_empty();
        self.directories = same;
        let mut result = Ok(());
        for (directory, all) in wanted {
            if self.directories.contains_key(&directory) {
                continue;
            }
            let mode = match all {
                true => RecursiveMode::Recursive,
                false => RecursiveMode::NonRecursive,
            };
            match self.debouncer.watch(&directory, mode) {
                Ok(()) => {
                    elsewhere = true;
                    self.directories.insert(directory, all);
                }
                // Gone again: its parent tells when it comes back.
                Err(_) if !directory.exists() => {}
                Err(error) => result = result.and(Err(error)),
            }
        }
        let watched = self.directories.keys().cloned();
        let identities = watched.map(|directory| {
            let identity = identity(&directory);
            (directory, identity)
        });
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.identities = identities.collect();
        drop(names);
        result.map(|()| elsewhere)
    }
}

// === impl Names ===

impl Names {
    fn of(watched: &Watched) -> Self {
        let mut names = Self::default();
        let manifests: Vec<_> = watched
            .manifests
            .iter()
            .filter(|path| path.as_os_str() != manifests::STDIN)
            .cloned()
            .collect();
        let is_manifest = |entry: &mut Entry| entry.manifests = true;
        for path in &manifests {
            names.add(path, is_manifest);
            if let Some(root) = path.canonicalize().ok().filter(|path| path.is_dir()) {
                names.roots.insert(root);
            }
        }
        // Links within a directory may lead out of it.
        let files = manifests::list(&manifests).files;
        for link in files.iter().filter(|file| file.is_symlink()) {
            names.add(link, is_manifest);
        }
        let directories: BTreeSet<_> = files.iter().filter_map(|file| file.parent()).collect();
        for directory in directories {
            let there = directory.canonicalize().ok();
            let Some(there) = there.filter(|there| there.is_dir()) else {
                continue;
            };
            // A file of the command line is watched by its name.
            let below = manifests.iter().any(|path| {
                path.is_dir() && path.as_path() != directory && directory.starts_with(path)
            });
            if below && !there.ancestors().any(|above| names.roots.contains(above)) {
                names.add(directory, is_manifest);
                names.roots.insert(there);
            }
        }
        if let Some(path) = &watched.filter {
            names.add(path, |entry| entry.filter = true);
        }
        if let Some(path) = &watched.translator {
            names.add(path, |entry| entry.translator = true);
        }
        names
    }

    fn add(&mut self, path: &Path, what: impl Fn(&mut Entry)) {
        for (entry, leads) in trace(path) {
            let entry = self.entries.entry(entry).or_default();
            entry.leads |= leads;
            what(entry);
        }
    }

    fn changed(&mut self, events: &[DebouncedEvent]) -> Changed {
        let mut changed = Changed::default();
        for event in events {
            let rights = matches!(event.kind, EventKind::Modify(ModifyKind::Metadata(_)));
            if !rights && !mutating(&event.kind) {
                continue;
            }
            if event.need_rescan() {
                return self.everything(event.time);
            }
            // What is written to is still what it was.
            let other = !matches!(event.kind, EventKind::Modify(ModifyKind::Data(_)));
            for path in &event.paths {
                let mut entry = self.entries.get(path).copied().unwrap_or_default();
                let manifest = entry.manifests || self.manifest(path, other);
                self.moved |= entry.leads && other;
                if rights {
                    // What could not be read may be readable now; a module is still what it was.
                    (entry.filter, entry.translator) = (false, false);
                    self.moved |= manifest && path.is_dir();
                }
                changed.note(event.time, manifest, entry);
            }
        }
        changed
    }

    fn everything(&mut self, time: Instant) -> Changed {
        self.moved = true;
        let all = Entry {
            filter: true,
            translator: true,
            ..Entry::default()
        };
        let mut changed = Changed::default();
        changed.note(time, true, all);
        changed
    }

    /// Whether a path in a directory of manifests may be, or hold, one: by its extension, or, unless
    /// it was only written to, as a directory, gone or not. `..data` is what Kubernetes swaps.
    fn manifest(&self, path: &Path, other: bool) -> bool {
        if !path
            .ancestors()
            .skip(1)
            .any(|above| self.roots.contains(above))
        {
            return false;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == "..data" {
            return true;
        }
        let editor = name.starts_with(['.', '#']) || name.ends_with('~');
        let known = |extension: &str| {
            let mut known = ["yaml", "yml", "json"].into_iter();
            known.any(|known| extension.eq_ignore_ascii_case(known))
        };
        let extension = path.extension().and_then(|extension| extension.to_str());
        !editor && (extension.is_none_or(known) || (other && !path.is_file()))
    }
}

// === impl Changed ===

impl Changed {
    fn send(&self, events: &Sender<Event>) {
        // The receiver is gone when everything ends.
        if let Some(first) = self.manifests {
            let _ = events.send(Event::Manifests(first));
        }
        for (kind, first) in [
            (Kind::Filter, self.filter),
            (Kind::Translator, self.translator),
        ] {
            if let Some(first) = first {
                let _ = events.send(Event::Module(kind, first));
            }
        }
    }

    fn note(&mut self, time: Instant, manifests: bool, entry: Entry) {
        for (first, changed) in [
            (&mut self.manifests, manifests),
            (&mut self.filter, entry.filter),
            (&mut self.translator, entry.translator),
        ] {
            if changed {
                *first = Some(first.map_or(time, |first| first.min(time)));
            }
        }
    }
}

/// Looks every now and then, for as long as the names are there, whether the directories that are
/// watched are those that have their names: of one that goes with the directory it is in, or is moved
/// with it, nothing is heard.
fn look_after(names: &Arc<Mutex<Names>>, events: Sender<Event>) {
    let names = Arc::downgrade(names);
    let look = move || {
        while let Some(names) = names.upgrade() {
            let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
            let other = |(path, was): &(PathBuf, Identity)| identity(path) != *was;
            if names.identities.iter().any(other) {
                // Once: they are looked at again when all are watched anew.
                names.identities.clear();
                names.everything(Instant::now()).send(&events);
            }
            drop(names);
            std::thread::sleep(LOOK);
        }
    };
    let thread = std::thread::Builder::new().name("directories".to_owned());
    if let Err(error) = thread.spawn(look) {
        tracing::warn!(%error, "directories that are replaced are not noticed");
    }
}

#[cfg(unix)]
fn identity(directory: &Path) -> Identity {
    use std::os::unix::fs::MetadataExt;
    let metadata = directory.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(directory: &Path) -> Identity {
    directory.is_dir().then_some((0, 0))
}

/// Whether something is different afterwards.
pub(super) fn mutating(kind: &EventKind) -> bool {
    !matches!(
        kind,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_))
    )
}

/// The entries of directories that decide which file or directory a path is: itself, each link on
/// the way, and the first that does not exist. Each with whether it leads on (a link, a
/// directory, or nothing yet) or is the file.
fn trace(path: &Path) -> Vec<(PathBuf, bool)> {
    let mut entries = Vec::new();
    let mut links = 0;
    let mut here = PathBuf::new();
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // Last first, so that a link's target is put on top.
    let mut rest: Vec<_> = absolute.components().map(owned).rev().collect();
    while let Some(part) = rest.pop() {
        match Path::new(&part).components().next() {
            Some(Component::ParentDir) => {
                here.pop();
                continue;
            }
            Some(Component::CurDir) | None => continue,
            Some(Component::Normal(_)) => here.push(&part),
            Some(Component::RootDir | Component::Prefix(_)) => {
                here.push(&part);
                continue;
            }
        }
        let Ok(metadata) = here.symlink_metadata() else {
            entries.push((here, true));
            return entries;
        };
        if metadata.is_symlink() {
            entries.push((here.clone(), true));
            links += 1;
            let Some(target) = std::fs::read_link(&here)
                .ok()
                .filter(|_| links <= MAX_LINKS)
            else {
                return entries;
            };
            // An absolute target takes the place of all that was before it.
            here.pop();
            rest.extend(target.components().map(owned).rev());
        }
    }
    let directory = here.is_dir();
    entries.push((here, directory));
    entries
}

fn owned(component: Component<'_>) -> PathBuf {
    PathBuf::from(component.as_os_str())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_can_be_a_manifest_is_looked_at() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("a path");
        let names = Names::of(&Watched {
            manifests: vec![root.clone()],
            ..Watched::default()
        });
        let is = |name: &str, other: bool| names.manifest(&root.join(name), other);
        for yes in ["a.yaml", "b.YML", "c.json", "sub/d.yaml", "sub", "..data"] {
            assert!(is(yes, false) && is(yes, true), "{yes}");
        }
        for no in ["a.txt", ".a.yaml", "#a.yaml", "a~", "4913.tmp"] {
            fs::write(root.join(no), "").expect("written");
            assert!(!is(no, false) && !is(no, true), "{no}");
        }
        // A directory that came, or one that went and may have been one.
        fs::create_dir(root.join("shop.example.com")).expect("created");
        for directory in ["shop.example.com", "conf.d"] {
            assert!(is(directory, true), "{directory}");
        }
        assert!(!names.manifest(Path::new("/elsewhere/a.yaml"), true));
        // The directory itself: it may be removed and made again.
        let entry = names.entries.get(&root).expect("an entry");
        assert!(entry.manifests && entry.leads);
    }

    #[test]
    fn a_path_that_is_not_there_is_waited_for_where_it_begins() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("a path");
        let missing = root.join("not/there.wasm");
        assert_eq!(trace(&missing), [(root.join("not"), true)]);
        fs::create_dir(root.join("not")).expect("created");
        assert_eq!(trace(&missing), [(missing.clone(), true)]);
        fs::write(&missing, "").expect("written");
        assert_eq!(
            trace(&root.join("./not/../not/there.wasm")),
            [(missing, false)]
        );
    }

    #[cfg(unix)]
    #[test]
    fn every_link_on_the_way_is_watched() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("a path");
        // As Kubernetes mounts a ConfigMap.
        fs::create_dir(root.join("..1")).expect("created");
        fs::write(root.join("..1/silverback.wasm"), "").expect("written");
        symlink("..1", root.join("..data")).expect("linked");
        symlink("..data/silverback.wasm", root.join("silverback.wasm")).expect("linked");
        assert_eq!(
            trace(&root.join("silverback.wasm")),
            [
                (root.join("silverback.wasm"), true),
                (root.join("..data"), true),
                (root.join("..1/silverback.wasm"), false),
            ]
        );
        symlink("loop", root.join("loop")).expect("linked");
        assert_eq!(trace(&root.join("loop")).len(), MAX_LINKS + 1);
        let absolute = root.join("absolute");
        symlink(root.join("..1"), &absolute).expect("linked");
        assert_eq!(
            trace(&absolute),
            [(absolute.clone(), true), (root.join("..1"), true)]
        );
    }
}
