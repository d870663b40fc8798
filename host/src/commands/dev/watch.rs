//! Sees files change.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use notify::event::{EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};

use super::event::Event;
use crate::manifests;

/// Editors write a file in several steps within milliseconds; a person does not notice the wait.
const SETTLE: Duration = Duration::from_millis(60);

/// Watches for as long as it lives.
pub(super) struct Watch {
    _debouncer: Debouncer<RecommendedWatcher, RecommendedCache>,
}

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

/// Starts to watch.
pub(super) fn start(watched: &Watched, events: Sender<Event>) -> notify::Result<Watch> {
    let sorted = watched.clone();
    let mut debouncer = new_debouncer(SETTLE, None, move |result: DebounceEventResult| {
        let changes = match result {
            Ok(changes) => changes,
            // Something was missed: look at everything.
            Err(errors) => {
                tracing::warn!(?errors, "watching files");
                let _ = events.send(Event::Manifests(Instant::now()));
                return;
            }
        };
        let mut manifests = None::<Instant>;
        let (mut filter, mut translator) = (false, false);
        for change in changes.iter().filter(|change| mutating(&change.kind)) {
            for path in &change.paths {
                let is = |file: &Option<PathBuf>| file.as_deref().is_some_and(|f| same(f, path));
                filter |= is(&sorted.filter);
                translator |= is(&sorted.translator);
                if manifest(&sorted.manifests, path) {
                    let first = manifests.get_or_insert(change.time);
                    *first = (*first).min(change.time);
                }
            }
        }
        // The receiver is gone when everything ends.
        if let Some(first) = manifests {
            let _ = events.send(Event::Manifests(first));
        }
        if filter {
            let _ = events.send(Event::Filter);
        }
        if translator {
            let _ = events.send(Event::Translator);
        }
    })?;
    for (root, recursive) in manifests::watch_roots(&watched.manifests) {
        let mode = match recursive {
            true => RecursiveMode::Recursive,
            false => RecursiveMode::NonRecursive,
        };
        debouncer.watch(&root, mode)?;
    }
    for file in [&watched.filter, &watched.translator].into_iter().flatten() {
        let (root, _) = manifests::watch_roots(std::slice::from_ref(file)).remove(0);
        debouncer.watch(&root, RecursiveMode::NonRecursive)?;
    }
    Ok(Watch {
        _debouncer: debouncer,
    })
}

/// Whether something is different afterwards.
fn mutating(kind: &EventKind) -> bool {
    !matches!(
        kind,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_))
    )
}

/// Whether a path may be, or hold, a manifest: one that was named, one by its extension, a
/// directory (which has none, gone or not), or `..data`, by which Kubernetes swaps a whole volume.
fn manifest(named: &[PathBuf], path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if named.iter().any(|named| same(named, path)) || name == "..data" {
        return true;
    }
    let editor = name.starts_with(['.', '#']) || name.ends_with('~');
    match path.extension().and_then(|extension| extension.to_str()) {
        None => !editor && named.iter().any(|root| below(root, path)),
        Some(extension) => {
            let known = ["yaml", "yml", "json"].iter();
            !editor
                && known
                    .into_iter()
                    .any(|known| extension.eq_ignore_ascii_case(known))
                && named.iter().any(|root| below(root, path))
        }
    }
}

fn below(root: &Path, path: &Path) -> bool {
    root.is_dir() && absolute(path).starts_with(absolute(root))
}

fn same(one: &Path, other: &Path) -> bool {
    absolute(one) == absolute(other)
}

fn absolute(path: &Path) -> PathBuf {
    // `.` and `..` inside would keep equal paths apart.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => parent
            .canonicalize()
            .map_or_else(|_| path.clone(), |parent| parent.join(name)),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_a_manifest_is_looked_at() {
        let root = tempfile::tempdir().expect("a directory");
        let named = [root.path().to_owned(), root.path().join("x/named.txt")];
        let is = |name: &str| manifest(&named, &root.path().join(name));
        for yes in ["a.yaml", "b.YML", "c.json", "sub/d.yaml", "sub", "..data"] {
            assert!(is(yes), "{yes}");
        }
        for no in ["a.txt", ".a.yaml", "#a.yaml", "a~", "4913.tmp"] {
            assert!(!is(no), "{no}");
        }
        assert!(!manifest(&named, Path::new("/elsewhere/a.yaml")));
    }
}
