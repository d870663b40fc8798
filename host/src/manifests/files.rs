//! Which files a path stands for.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::source::{Format, SourceFile};
use crate::problem::{Problem, Severity, Source};

/// Names the standard input in place of a file.
pub const STDIN: &str = "-";

/// A file bigger than this is hardly a manifest, and is not read.
pub const MAX_FILE_BYTES: u64 = 256 << 20;

/// Deeper than anyone nests directories.
const MAX_DIRECTORY_DEPTH: usize = 64;

/// The files that some paths stand for.
#[derive(Debug, Default)]
pub struct Listing {
    /// In the order of the paths, and of the names below a directory. No file is in it twice.
    pub files: Vec<PathBuf>,
    /// Paths that do not exist, directories that cannot be read.
    pub problems: Vec<Problem>,
    /// Those paths: what they stand for is not known.
    pub unreadable: Vec<PathBuf>,
    /// The first problem of a path that was named itself, and not found below one.
    pub mistake: Option<Problem>,
    /// Directories and files that were read already when they came again.
    repeated: usize,
}

// === impl Listing ===

impl Listing {
    /// Grows with everything that is found below a path.
    fn met(&self) -> usize {
        self.files.len() + self.problems.len() + self.repeated
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error, named: bool) {
        let problem = unreadable(path, error);
        if named && self.mistake.is_none() {
            self.mistake = Some(problem.clone());
        }
        self.problems.push(problem);
        self.unreadable.push(path.to_owned());
    }
}

/// Finds the manifests: a file is one whatever its name, a directory stands for all its `*.yaml`,
/// `*.yml` and `*.json`, also those further down.
pub fn list(paths: &[PathBuf]) -> Listing {
    let mut listing = Listing::default();
    let mut seen = BTreeSet::new();
    for path in paths {
        if path.as_os_str() == STDIN {
            if seen.insert(path.clone()) {
                listing.files.push(path.clone());
            }
            continue;
        }
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                let before = listing.met();
                walk(path, 0, &mut seen, &mut listing);
                if listing.met() == before {
                    listing.problems.push(
                        Problem::new(
                            "NoManifests",
                            Severity::Warning,
                            format!("no manifests in {}", path.display()),
                        )
                        .hint("files have to end in .yaml, .yml or .json"),
                    );
                }
            }
            Ok(_) => push(path, &mut seen, &mut listing),
            Err(error) => listing.unreadable(path, &error, true),
        }
    }
    listing
}

/// Reads one file of a listing.
pub(super) fn read(path: &Path) -> Result<Arc<SourceFile>, Box<Problem>> {
    let name = path.display().to_string();
    let bytes = read_input(path).map_err(|error| Box::new(unreadable(path, &error)))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
        let (lines, last) = before.rsplit_once('\n').unwrap_or(("", &before));
        let lines = match before.len() > last.len() {
            true => lines.matches('\n').count() + 2,
            false => 1,
        };
        let clamp = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let place = Source {
            file: name.clone(),
            line: clamp(lines),
            column: clamp(last.chars().count() + 1),
            // There is no text to show.
            text: None,
        };
        Box::new(
            Problem::new("Unparsable", Severity::Error, "not UTF-8")
                .at(place)
                .hint("save the file as UTF-8"),
        )
    })?;
    let format = match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("json") => Format::Json,
        None if text.trim_start().starts_with('{') => Format::Json,
        _ => Format::Yaml,
    };
    let name = if path.as_os_str() == STDIN {
        "<stdin>".to_owned()
    } else {
        name
    };
    Ok(Arc::new(SourceFile { name, format, text }))
}

fn read_input(path: &Path) -> io::Result<Vec<u8>> {
    if path.as_os_str() == STDIN {
        read_limited(io::stdin().lock())
    } else {
        read_file(path)
    }
}

/// All of a file of at most [`MAX_FILE_BYTES`]; of a larger one nothing is read.
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    if file.metadata()?.len() > MAX_FILE_BYTES {
        return Err(too_large());
    }
    read_limited(file)
}

fn read_limited(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large());
    }
    Ok(bytes)
}

fn too_large() -> io::Error {
    io::Error::other("bigger than 256 MiB")
}

fn walk(directory: &Path, depth: usize, seen: &mut BTreeSet<PathBuf>, listing: &mut Listing) {
    // A symlink may lead back up.
    let canonical = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    if depth > MAX_DIRECTORY_DEPTH {
        return;
    }
    if !seen.insert(canonical) {
        listing.repeated += 1;
        return;
    }
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            listing.unreadable(directory, &error, depth == 0);
            return;
        }
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if skipped(&path) {
            continue;
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => walk(&path, depth + 1, seen, listing),
            Ok(metadata) if metadata.is_file() && manifest(&path) => push(&path, seen, listing),
            Ok(_) => {}
            Err(error) if manifest(&path) => listing.unreadable(&path, &error, false),
            Err(_) => {}
        }
    }
}

/// A file named twice, by itself and by its directory, is one file; two links to one file are two
/// (in a projected volume all files are links).
fn push(path: &Path, seen: &mut BTreeSet<PathBuf>, listing: &mut Listing) {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if seen.insert(absolute) {
        listing.files.push(path.to_owned());
    } else {
        listing.repeated += 1;
    }
}

/// Hidden files and what editors leave while one edits.
fn skipped(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name.starts_with('#') || name.ends_with('~')
}

fn manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["yaml", "yml", "json"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let hint = match error.kind() {
        io::ErrorKind::NotFound if path.is_symlink() => {
            "it is a link to something that is not there"
        }
        io::ErrorKind::NotFound => "is the path right?",
        io::ErrorKind::PermissionDenied => "is it readable for this user?",
        _ => "",
    };
    // Without the number of the system's error, which says nothing to people.
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    let first = letters.next().unwrap_or_default().to_ascii_lowercase();
    let text = format!("{first}{}", letters.as_str());
    Problem::new(
        "Unreadable",
        Severity::Error,
        format!("cannot read {}: {text}", path.display()),
    )
    .hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(listing: &Listing, root: &Path) -> Vec<String> {
        let name = |path: &PathBuf| {
            path.strip_prefix(root)
                .expect("below")
                .display()
                .to_string()
        };
        listing.files.iter().map(name).collect()
    }

    #[test]
    fn directory_stands_for_all_manifests_below_it() {
        let root = tempfile::tempdir().expect("a directory");
        for file in [
            "b.yaml",
            "a.yml",
            "c.JSON",
            "d/e.yaml",
            "x.txt",
            ".h.yaml",
            "#t.yaml",
            "f.yaml~",
            ".git/g.yaml",
        ] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("created");
            fs::write(path, "").expect("written");
        }
        let listing = list(&[root.path().to_owned()]);
        assert_eq!(
            names(&listing, root.path()),
            ["a.yml", "b.yaml", "c.JSON", "d/e.yaml"]
        );
        assert!(listing.problems.is_empty());

        let twice = list(&[root.path().join("b.yaml"), root.path().to_owned()]);
        assert_eq!(
            names(&twice, root.path()),
            ["b.yaml", "a.yml", "c.JSON", "d/e.yaml"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("..data")).expect("created");
        fs::write(root.path().join("..data/a.yaml"), "").expect("written");
        std::os::unix::fs::symlink("..data/a.yaml", root.path().join("a.yaml")).expect("linked");
        std::os::unix::fs::symlink(".", root.path().join("loop")).expect("linked");
        let listing = list(&[root.path().to_owned()]);
        assert_eq!(names(&listing, root.path()), ["a.yaml"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nothing_is_a_problem_of_its_own() {
        let root = tempfile::tempdir().expect("a directory");
        fs::write(root.path().join("a.yaml"), "").expect("written");
        let link = root.path().join("b.yaml");
        std::os::unix::fs::symlink("gone.yaml", &link).expect("linked");
        let listing = list(&[root.path().to_owned()]);
        assert_eq!(names(&listing, root.path()), ["a.yaml"]);
        assert_eq!(listing.problems[0].code, "Unreadable");
        assert_eq!(listing.mistake, None);
        // Whoever names it wants it.
        assert!(list(&[link]).mistake.is_some());
    }

    #[test]
    fn a_directory_that_is_named_twice_is_read_once() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("d")).expect("created");
        fs::write(root.path().join("d/a.yaml"), "").expect("written");
        let (all, below) = (root.path().to_owned(), root.path().join("d"));
        for paths in [
            [all.clone(), all.clone()],
            [all.clone(), below.clone()],
            [below, all],
        ] {
            let listing = list(&paths);
            assert_eq!(names(&listing, root.path()), ["d/a.yaml"]);
            assert_eq!(listing.problems, []);
        }
    }

    #[test]
    fn missing_path_and_empty_directory_are_problems() {
        let root = tempfile::tempdir().expect("a directory");
        let listing = list(&[root.path().to_owned(), root.path().join("nothing")]);
        let codes: Vec<_> = listing
            .problems
            .iter()
            .map(|problem| &*problem.code)
            .collect();
        assert_eq!(codes, ["NoManifests", "Unreadable"]);
    }
}
