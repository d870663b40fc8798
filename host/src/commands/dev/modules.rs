//! The two modules as files: read, checked against this build, compiled.
//!
//! Compiling takes longer than anything else here, so it is done beside the loop that all other
//! changes go through: a manifest that is edited meanwhile does not wait.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use silverback_core::contract::versions::{self, Mismatch};
use silverback_emulator::{CompileError, Filter};
use wasmparser::{BinaryReaderError, Parser, Payload};

use super::config::Config;
use super::event::Event;
use crate::commands::Failure;
use crate::manifests;
use crate::translator::{ModuleError, TranslatorEngine, TranslatorModule};

/// Which module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Filter,
    Translator,
}

/// A module that can be put in place.
pub(super) enum Module {
    Filter(Filter),
    Translator(TranslatorModule),
}

/// What became of a module's file after a change.
pub(super) struct Loaded {
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
    /// When the file was first seen to change.
    pub(super) since: Instant,
    /// Names the bytes.
    pub(super) id: String,
    pub(super) module: Result<Module, ModuleFault>,
    pub(super) compiling: Duration,
}

/// A module that cannot be put in place.
#[derive(Debug, thiserror::Error)]
pub(super) enum ModuleFault {
    #[error("cannot read it: {}", without_number(.0))]
    Unreadable(io::Error),
    #[error("it is no WebAssembly (hint: it has to be {})", .0.form())]
    NotWasm(Kind),
    #[error("it is {} (hint: is it {}?)", .0.other().form(), .0.other().file())]
    Swapped(Kind),
    #[error(
        "it is made for {name} format {}, and this program for {ours} (hint: take silverback.wasm, \
         translator.wasm and silverback of one build: `cargo build` makes all three, \
         then start anew)",
        theirs.as_deref().unwrap_or("none")
    )]
    Version {
        name: &'static str,
        theirs: Option<String>,
        ours: &'static str,
    },
    #[error("{}", one_line(.0))]
    Filter(#[from] CompileError),
    #[error("{}", one_line(.0))]
    Translator(#[from] ModuleError),
    #[error("the compiler panicked")]
    Panicked,
}

/// Compiles modules when their files change, one at a time for each.
pub(super) struct Loader {
    engine: TranslatorEngine,
    events: Sender<Event>,
    slots: [Slot; 2],
}

/// One module's file.
#[derive(Default)]
struct Slot {
    path: Option<PathBuf>,
    /// Names the bytes that were looked at last.
    seen: String,
    busy: bool,
    /// It changed while it was being compiled.
    again: Option<Instant>,
}

// === impl Kind ===

impl Kind {
    /// The module's usual name.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Filter => "silverback.wasm",
            Self::Translator => "translator.wasm",
        }
    }

    /// The flag that names another file.
    pub(super) fn flag(self) -> &'static str {
        match self {
            Self::Filter => "--filter-wasm",
            Self::Translator => "--translator-wasm",
        }
    }

    fn form(self) -> &'static str {
        match self {
            Self::Filter => "a core module for wasm32-wasip1",
            Self::Translator => "a component",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Filter => Self::Translator,
            Self::Translator => Self::Filter,
        }
    }

    /// Magic, and in the second word whether it is a core module or a component.
    fn header(self) -> [u8; 8] {
        match self {
            Self::Filter => *b"\0asm\x01\0\0\0",
            Self::Translator => *b"\0asm\x0d\0\x01\0",
        }
    }

    /// Whether these bytes can be such a module of this build. A proxy-wasm filter that is not
    /// Silverback's says nothing about formats, and is taken.
    pub(super) fn check(self, wasm: &[u8]) -> Result<(), ModuleFault> {
        if wasm.starts_with(&self.other().header()) {
            return Err(ModuleFault::Swapped(self));
        }
        if !wasm.starts_with(&self.header()) {
            return Err(ModuleFault::NotWasm(self));
        }
        // What is wrong with bytes that are no module after all is the compiler's to tell.
        let Ok(section) = section(wasm) else {
            return Ok(());
        };
        let (section, names) = match self {
            Self::Filter => match section {
                None => return Ok(()),
                Some(section) => (section, versions::OF_FILTER),
            },
            Self::Translator => (section.unwrap_or_default(), versions::OF_TRANSLATOR),
        };
        match versions::compare(section, names) {
            None => Ok(()),
            Some(Mismatch { name, theirs, ours }) => Err(ModuleFault::Version {
                name,
                theirs: theirs.map(str::to_owned),
                ours,
            }),
        }
    }

    /// Compiles bytes that [`Self::check`] let pass.
    fn compile(self, wasm: &[u8], engine: &TranslatorEngine) -> Result<Module, ModuleFault> {
        Ok(match self {
            Self::Filter => Module::Filter(Filter::compile(wasm)?),
            Self::Translator => Module::Translator(engine.compile(wasm)?),
        })
    }
}

/// What a module, or one within a component, says of its formats.
fn section(wasm: &[u8]) -> Result<Option<&str>, BinaryReaderError> {
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CustomSection(section) = payload?
            && section.name() == versions::SECTION
        {
            return Ok(str::from_utf8(section.data()).ok());
        }
    }
    Ok(None)
}

/// The file that was named, or what is built in.
fn read(
    kind: Kind,
    path: Option<&Path>,
    builtin: &'static [u8],
) -> Result<Cow<'static, [u8]>, ModuleFault> {
    let wasm = match path {
        Some(path) => Cow::from(manifests::read_file(path).map_err(ModuleFault::Unreadable)?),
        None => Cow::from(builtin),
    };
    kind.check(&wasm)?;
    Ok(wasm)
}

/// Compiles both modules, at the same time: together they are most of the time to start.
pub(super) fn compile_both(
    engine: &TranslatorEngine,
    config: &Config,
) -> Result<(Filter, TranslatorModule), Failure> {
    let file = |kind: Kind| match kind {
        Kind::Filter => (
            config.filter_wasm.as_deref(),
            silverback_guests::FILTER_WASM,
        ),
        Kind::Translator => (
            config.translator_wasm.as_deref(),
            silverback_guests::TRANSLATOR_WASM,
        ),
    };
    let unusable = |kind: Kind, fault: ModuleFault| match file(kind) {
        (Some(path), _) => Failure::usage(anyhow!("{} {}: {fault}", kind.flag(), path.display())),
        (None, _) => Failure::from(anyhow!("the built-in {}: {fault}", kind.file())),
    };
    let read = |kind: Kind| {
        let (path, builtin) = file(kind);
        read(kind, path, builtin).map_err(|fault| unusable(kind, fault))
    };
    let (filter, translator) = (read(Kind::Filter)?, read(Kind::Translator)?);
    let (filter, translator) = thread::scope(|scope| {
        let filter = scope.spawn(|| Filter::compile(&filter).map_err(ModuleFault::from));
        let translator = engine.compile(&translator).map_err(ModuleFault::from);
        let filter = filter.join().unwrap_or(Err(ModuleFault::Panicked));
        (filter, translator)
    });
    Ok((
        filter.map_err(|fault| unusable(Kind::Filter, fault))?,
        translator.map_err(|fault| unusable(Kind::Translator, fault))?,
    ))
}

/// Names the bytes of a module as the build script does.
pub(super) fn id(wasm: &[u8]) -> String {
    let digest = silverback_core::table::hash::digest128(wasm);
    digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Without the number of the system's error, which says nothing to people.
fn without_number(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    text.to_lowercase()
}

/// An error of the compiler in one line: what it found and expected is lists of bytes.
pub(super) fn one_line(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let words: Vec<_> = text.split_ascii_whitespace().collect();
    words.join(" ")
}

// === impl Loader ===

impl Loader {
    /// Modules in these files, if they are files, with these bytes at present.
    pub(super) fn new(
        engine: TranslatorEngine,
        events: Sender<Event>,
        filter: (Option<PathBuf>, String),
        translator: (Option<PathBuf>, String),
    ) -> Self {
        let slot = |(path, seen)| Slot {
            path,
            seen,
            ..Slot::default()
        };
        Self {
            engine,
            events,
            slots: [slot(filter), slot(translator)],
        }
    }

    fn slot(&mut self, kind: Kind) -> &mut Slot {
        let [filter, translator] = &mut self.slots;
        match kind {
            Kind::Filter => filter,
            Kind::Translator => translator,
        }
    }

    /// A module's file changed; an event tells what became of it, unless it has the same bytes.
    pub(super) fn changed(&mut self, kind: Kind, since: Instant) {
        let (engine, events) = (self.engine.clone(), self.events.clone());
        let slot = self.slot(kind);
        let Some(path) = slot.path.clone() else {
            return;
        };
        if slot.busy {
            slot.again = slot.again.or(Some(since));
            return;
        }
        let wasm = std::fs::read(&path);
        let id = match &wasm {
            Ok(wasm) => id(wasm),
            // It is told once.
            Err(error) => error.kind().to_string(),
        };
        if id == slot.seen {
            return;
        }
        slot.seen.clone_from(&id);
        slot.busy = true;
        let load = move || {
            let begun = Instant::now();
            let module = match wasm {
                Err(error) => Err(ModuleFault::Unreadable(error)),
                Ok(wasm) => kind
                    .check(&wasm)
                    .and_then(|()| kind.compile(&wasm, &engine)),
            };
            // Nobody is there any more when everything ends.
            let _ = events.send(Event::Loaded(Box::new(Loaded {
                kind,
                path,
                since,
                id,
                module,
                compiling: begun.elapsed(),
            })));
        };
        if let Err(error) = thread::Builder::new()
            .name("compiler".to_owned())
            .spawn(load)
        {
            slot.busy = false;
            slot.seen.clear();
            tracing::error!(%error, "no thread to compile a module");
        }
    }

    /// The event of a change was taken: the next one can be looked at.
    pub(super) fn done(&mut self, kind: Kind) {
        let slot = self.slot(kind);
        slot.busy = false;
        if let Some(since) = slot.again.take() {
            self.changed(kind, since);
        }
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded")
            .field("kind", &self.kind)
            .field("path", &self.path)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translator::Compiler;

    /// The same module, with another version of a word.
    fn other(wasm: &[u8], from: &str, to: &str) -> Vec<u8> {
        let text = section(wasm).expect("a module").expect("a section");
        let at = wasm
            .windows(text.len())
            // The one before it is the constant itself.
            .rposition(|window| window == text.as_bytes())
            .expect("its place");
        let mut changed = wasm.to_vec();
        let text = text.replace(from, to);
        changed[at..at + text.len()].copy_from_slice(text.as_bytes());
        changed
    }

    fn refusal(kind: Kind, wasm: &[u8]) -> String {
        kind.check(wasm).expect_err("refused").to_string()
    }

    #[test]
    fn the_modules_of_this_build_fit() {
        Kind::Filter
            .check(silverback_guests::FILTER_WASM)
            .expect("it fits");
        Kind::Translator
            .check(silverback_guests::TRANSLATOR_WASM)
            .expect("it fits");
    }

    #[test]
    fn other_formats_are_refused_with_the_cure() {
        let filter = silverback_guests::FILTER_WASM;
        for word in ["table/2", "request/1", "plan/1", "result/1"] {
            let (name, ours) = word.split_once('/').expect("a version");
            let wasm = other(filter, word, &format!("{name}/9"));
            let said = refusal(Kind::Filter, &wasm);
            let expected = format!("made for {name} format 9, and this program for {ours} (hint: ");
            assert!(said.contains(&expected), "{said}");
        }
        let translator = other(silverback_guests::TRANSLATOR_WASM, "table/2", "table/1");
        let said = refusal(Kind::Translator, &translator);
        assert!(said.contains("table format 1"), "{said}");
        // What the translator does not have to do with.
        let translator = other(silverback_guests::TRANSLATOR_WASM, "plan/1", "plan/7");
        Kind::Translator.check(&translator).expect("it fits");
    }

    #[test]
    fn a_filter_that_says_nothing_is_taken_and_a_translator_is_not() {
        let module = b"\0asm\x01\0\0\0";
        Kind::Filter.check(module).expect("a filter of somebody's");
        let component = b"\0asm\x0d\0\x01\0";
        let said = refusal(Kind::Translator, component);
        assert!(said.contains("table format none"), "{said}");
    }

    #[test]
    fn what_is_no_module_is_told_in_one_line() {
        for (kind, wasm, expected) in [
            (Kind::Filter, &b"text"[..], "no WebAssembly"),
            (Kind::Translator, b"", "no WebAssembly"),
            (
                Kind::Filter,
                silverback_guests::TRANSLATOR_WASM,
                "it is a component (hint: is it translator.wasm?)",
            ),
            (
                Kind::Translator,
                silverback_guests::FILTER_WASM,
                "a core module for wasm32-wasip1 (hint: is it silverback.wasm?)",
            ),
        ] {
            let said = refusal(kind, wasm);
            assert!(said.contains(expected) && !said.contains('\n'), "{said}");
        }
        let cut = &silverback_guests::FILTER_WASM[..1000];
        let engine = TranslatorEngine::new(Compiler::Quick).expect("an engine");
        let fault = Kind::Filter.compile(cut, &engine).err().expect("it ends");
        assert!(!fault.to_string().contains('\n'), "{fault}");
    }
}
