//! A translator with its objects: what the rest of the host talks to.

use std::collections::{BTreeMap, BTreeSet};

use super::bindings::types;
use super::bisect::{self, SearchError, Start};
use super::instance::{CallError, Instance};
use super::kept::{Kept, Packed};
use super::limits::Limits;
use super::module::{ModuleError, TranslatorModule};
use super::outlet::{Changes, Outlet};
use crate::object::ObjectKey;
use crate::problem::{Problem, Severity};

/// Objects that may trap while a new instance is brought up, before the translator itself is held
/// to be broken.
const MAX_TRAPS: usize = 16;

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// In effect after the next commit.
    Stored,
    /// Nothing in it that is read has changed.
    Unchanged,
    /// A kind that the translator does not read.
    Ignored,
    /// Not an object that can be stored.
    Refused(Problem),
    /// The translator trapped on it. It is left out until it changes.
    SetAside(Problem),
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Objects applied or deleted since the last commit.
    pub objects: u32,
    /// Segments that the translator wrote anew.
    pub segments: u32,
    /// Names the table.
    pub digest: Vec<u8>,
    /// All segments together.
    pub table_bytes: u64,
    /// Objects that were set aside in this commit.
    pub set_aside: Vec<Problem>,
}

/// Why the session could not do as asked. What was handed out before stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The module is no translator.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The options were not accepted.
    #[error("the translator refuses its options: {0}")]
    Options(String),
    /// The request was not accepted.
    #[error("{0}")]
    Request(String),
    /// Twice in a row.
    #[error(
        "the translator took too long to {0}, twice (hint: nothing has changed; is the machine \
         overloaded?)"
    )]
    TimedOut(&'static str),
    /// It traps without any object to blame.
    #[error(
        "the translator cannot {what}: {said} (hint: this is a bug of translator.wasm; the table \
         that was published last stays in effect)"
    )]
    Broken {
        /// What it was to do.
        what: &'static str,
        /// What the trap said.
        said: String,
    },
    /// A new translator traps on what the old one can do.
    #[error(
        "the new translator traps on {count} objects that the old one translates, {first} first; \
         the old one stays"
    )]
    Worse {
        /// How many.
        count: usize,
        /// One of them.
        first: ObjectKey,
    },
    /// wasmtime failed.
    #[error("cannot call the translator: {0}")]
    Host(String),
}

/// An object that the translator trapped on.
#[derive(Debug)]
struct Aside {
    packed: Packed,
    problem: Problem,
}

/// How instances are made.
struct Recipe {
    module: TranslatorModule,
    limits: Limits,
    options: String,
}

/// A translator and all objects that were passed to it.
pub struct Session {
    recipe: Recipe,
    instance: Option<Instance>,
    /// The instance has been committed since it was started.
    settled: bool,
    kept: Kept,
    aside: BTreeMap<ObjectKey, Aside>,
    /// Applied since the last commit: the suspects if it traps.
    pending: BTreeSet<ObjectKey>,
    outlet: Outlet,
    /// Set aside, or back from there, since the last taking.
    moved: BTreeSet<ObjectKey>,
}

// === impl Session ===

impl Session {
    /// Starts a translator with these options (JSON, see `translate::Options` in the core).
    pub fn start(
        module: TranslatorModule,
        limits: Limits,
        options: &str,
    ) -> Result<Self, SessionError> {
        let mut session = Self {
            recipe: Recipe {
                module,
                limits,
                options: options.to_owned(),
            },
            instance: None,
            settled: false,
            kept: Kept::default(),
            aside: BTreeMap::new(),
            pending: BTreeSet::new(),
            outlet: Outlet::default(),
            moved: BTreeSet::new(),
        };
        session.live("start")?;
        Ok(session)
    }

    /// The versions of table format and interface that the translator has.
    pub fn version(&mut self) -> Result<String, SessionError> {
        self.call("tell its version", Instance::version)
    }

    /// An object was added or changed. `json` is what [`prune`](crate::manifests::prune) leaves.
    pub fn apply(&mut self, key: &ObjectKey, json: &[u8]) -> Result<Applied, SessionError> {
        let packed = Packed::new(json);
        if let Some(aside) = self.aside.get(key) {
            if aside.packed == packed {
                return Ok(Applied::SetAside(aside.problem.clone()));
            }
            self.aside.remove(key);
            self.moved.insert(key.clone());
        }

        let mut result = self.live("apply")?.apply(json);
        if matches!(result, Err(CallError::TimedOut)) {
            result = self.again("apply")?.apply(json);
        }
        let applied = match result {
            Ok(types::Applied::Stored(_)) => Applied::Stored,
            Ok(types::Applied::Unchanged(_)) => Applied::Unchanged,
            Ok(types::Applied::Ignored(_)) => {
                // Of another version now: what it was before must not go on.
                if self.kept.remove(key).is_some() {
                    self.remove(key)?;
                }
                Applied::Ignored
            }
            Ok(types::Applied::Refused(problem)) => {
                // What cannot be read must not go on as it last could.
                self.remove(key)?;
                Applied::Refused(problem.into())
            }
            Err(CallError::Trapped(said)) => {
                self.instance = None;
                self.kept.remove(key);
                self.pending.remove(key);
                let problem = self.set_aside(key.clone(), packed, &said);
                self.live("apply")?;
                return Ok(Applied::SetAside(problem));
            }
            Err(error) => return Err(self.lost(error, "apply an object")),
        };
        self.kept.insert(key.clone(), packed);
        if applied == Applied::Stored {
            self.pending.insert(key.clone());
        }
        Ok(applied)
    }

    /// An object is gone.
    pub fn delete(&mut self, key: &ObjectKey) -> Result<(), SessionError> {
        if self.aside.remove(key).is_some() {
            self.moved.insert(key.clone());
        }
        self.pending.remove(key);
        if self.kept.remove(key).is_none() {
            return Ok(());
        }
        self.remove(key)
    }

    /// Brings the table up to date.
    pub fn commit(&mut self) -> Result<Commit, SessionError> {
        let mut result = self.live("commit")?.commit();
        if matches!(result, Err(CallError::TimedOut)) {
            result = self.again("commit")?.commit();
        }
        let (summary, set_aside) = match result {
            Ok(summary) => (summary, Vec::new()),
            Err(CallError::Trapped(said)) => {
                self.instance = None;
                self.bisect(&said)?
            }
            Err(error) => return Err(self.lost(error, "commit")),
        };
        self.settled = true;
        self.pending.clear();
        Ok(Commit {
            objects: summary.objects,
            segments: summary.segments,
            digest: summary.root_digest,
            table_bytes: summary.table_bytes,
            set_aside,
        })
    }

    /// What is different from what was taken before.
    pub fn take_changes(&mut self) -> Result<Changes, SessionError> {
        let pieces = match self.pieces() {
            Ok(pieces) => pieces,
            // What came before the failure is thrown away; the new instance gives everything.
            Err(_) => {
                self.instance = None;
                self.settle()?;
                self.pieces()
                    .map_err(|error| self.lost(error, "hand out its changes"))?
            }
        };
        let mut changes = self.outlet.take(pieces);
        for key in std::mem::take(&mut self.moved) {
            let problems = self.outlet.problems(&key).to_vec();
            changes.problems.insert(key, problems);
        }
        for (key, problems) in &mut changes.problems {
            if let Some(aside) = self.aside.get(key) {
                *problems = vec![aside.problem.clone()];
            }
        }
        Ok(changes)
    }

    /// The next [`take_changes`](Self::take_changes) gives the whole table: its publisher starts
    /// over.
    pub fn rewind(&mut self) -> Result<(), SessionError> {
        self.outlet.forget_table();
        self.outlet.restart();
        self.call("rewind", Instance::rewind)
    }

    /// What the committed table does with a request; both are JSON.
    pub fn explain(&mut self, request: &str) -> Result<String, SessionError> {
        self.call("explain a request", |instance| instance.explain(request))?
            .map_err(SessionError::Request)
    }

    /// The committed table as JSON.
    pub fn dump(&mut self) -> Result<String, SessionError> {
        self.call("dump the table", Instance::dump)
    }

    /// Changes to another translator.wasm. On an error the old one stays.
    pub fn replace(&mut self, module: TranslatorModule) -> Result<Commit, SessionError> {
        let recipe = Recipe {
            module,
            limits: self.recipe.limits.clone(),
            options: self.recipe.options.clone(),
        };
        let mut kept = Kept::default();
        let aside = self.aside.iter().map(|(key, aside)| (key, &aside.packed));
        for (key, packed) in self.kept.iter().chain(aside) {
            kept.insert(key.clone(), packed.clone());
        }
        let mut next = Self {
            recipe,
            instance: None,
            settled: false,
            kept,
            aside: BTreeMap::new(),
            pending: BTreeSet::new(),
            outlet: Outlet::default(),
            moved: BTreeSet::new(),
        };
        let commit = next.commit()?;
        let mut worse = next
            .aside
            .keys()
            .filter(|key| !self.aside.contains_key(key));
        if let Some(first) = worse.next() {
            return Err(SessionError::Worse {
                first: first.clone(),
                count: 1 + worse.count(),
            });
        }

        self.moved.extend(self.aside.keys().cloned());
        self.outlet.restart();
        self.recipe = next.recipe;
        self.instance = next.instance;
        self.settled = next.settled;
        self.kept = next.kept;
        self.aside = next.aside;
        self.pending.clear();
        Ok(commit)
    }

    /// Number of objects that are kept for replay, and their compressed bytes.
    pub fn kept(&self) -> (usize, usize) {
        self.kept.size()
    }

    /// A running instance with all kept objects applied.
    fn live(&mut self, what: &'static str) -> Result<&mut Instance, SessionError> {
        let instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.bring_up(what)?,
        };
        Ok(self.instance.insert(instance))
    }

    /// A new instance, for a second try.
    fn again(&mut self, what: &'static str) -> Result<&mut Instance, SessionError> {
        self.instance = None;
        self.live(what)
    }

    fn bring_up(&mut self, what: &'static str) -> Result<Instance, SessionError> {
        self.settled = false;
        self.outlet.restart();
        let mut said = String::new();
        for _ in 0..MAX_TRAPS {
            let mut instance = self.recipe.checked_start(what)?;
            let mut culprit = None;
            for (key, packed) in self.kept.iter() {
                match instance.apply(&packed.unpack()) {
                    Ok(_) => {}
                    Err(CallError::Trapped(said)) => {
                        culprit = Some((key.clone(), said));
                        break;
                    }
                    Err(error) => return Err(describe(error, what)),
                }
            }
            let Some((key, trap)) = culprit else {
                return Ok(instance);
            };
            if let Some(packed) = self.kept.remove(&key) {
                self.pending.remove(&key);
                self.set_aside(key, packed, &trap);
            }
            said = trap;
        }
        Err(SessionError::Broken { what, said })
    }

    /// An instance whose table is that of the kept objects.
    fn settle(&mut self) -> Result<(), SessionError> {
        self.live("commit")?;
        if !self.settled {
            self.commit()?;
        }
        Ok(())
    }

    /// A call that reads. It is tried again on a new instance if it fails.
    fn call<T>(
        &mut self,
        what: &'static str,
        call: impl Fn(&mut Instance) -> Result<T, CallError>,
    ) -> Result<T, SessionError> {
        if self.instance.is_none() {
            self.settle()?;
        }
        if let Ok(value) = call(self.live(what)?) {
            return Ok(value);
        }
        self.instance = None;
        self.settle()?;
        let result = call(self.live(what)?);
        result.map_err(|error| self.lost(error, what))
    }

    fn pieces(&mut self) -> Result<Vec<types::Changes>, CallError> {
        let Some(instance) = self.instance.as_mut() else {
            return Err(CallError::Trapped("there is no instance".to_owned()));
        };
        let mut pieces = Vec::new();
        loop {
            let piece = instance.take_changes()?;
            let more = piece.more;
            pieces.push(piece);
            if !more {
                return Ok(pieces);
            }
        }
    }

    fn remove(&mut self, key: &ObjectKey) -> Result<(), SessionError> {
        if self.live("delete")?.delete(&key.into()).is_err() {
            // The object is not kept any more, so a new instance is without it.
            self.kept.remove(key);
            self.again("delete")?;
        }
        Ok(())
    }

    /// Finds out which objects the commit traps on, and goes on without them.
    fn bisect(&mut self, said: &str) -> Result<(types::CommitSummary, Vec<Problem>), SessionError> {
        let suspects: Vec<_> = self.pending.iter().cloned().collect();
        let found = match bisect::search(&self.recipe, &self.kept, &suspects) {
            // Without the new objects it traps too, if something that they need was deleted.
            Err(SearchError::Base(_)) => {
                let all: Vec<_> = self.kept.keys().cloned().collect();
                bisect::search(&self.recipe, &self.kept, &all)
            }
            found => found,
        };
        let found = found.map_err(|error| match error {
            SearchError::Base(said) => SessionError::Broken {
                what: "commit",
                said,
            },
            SearchError::Call(error) => describe(error, "commit"),
        })?;
        if found.culprits.is_empty() && suspects.is_empty() {
            tracing::warn!(said, "a commit trapped that a new instance can do");
        }
        let mut problems = Vec::new();
        for (key, said) in found.culprits {
            if let Some(packed) = self.kept.remove(&key) {
                problems.push(self.set_aside(key, packed, &said));
            }
        }
        self.outlet.restart();
        let summary = self
            .instance
            .insert(found.instance)
            .commit()
            .map_err(|error| describe(error, "commit"))?;
        Ok((summary, problems))
    }

    fn set_aside(&mut self, key: ObjectKey, packed: Packed, said: &str) -> Problem {
        let problem = Problem::new(
            "ObjectTrappedTranslator",
            Severity::Error,
            format!("the translator cannot process this object: {said}"),
        )
        .hint("it is left out until it changes, all others are in effect; please report it")
        .about(key.clone());
        self.moved.insert(key.clone());
        self.aside.insert(
            key,
            Aside {
                packed,
                problem: problem.clone(),
            },
        );
        problem
    }

    /// After a call that nobody is blamed for: the next one gets a new instance.
    fn lost(&mut self, error: CallError, what: &'static str) -> SessionError {
        self.instance = None;
        describe(error, what)
    }
}

fn describe(error: CallError, what: &'static str) -> SessionError {
    match error {
        CallError::TimedOut => SessionError::TimedOut(what),
        CallError::Trapped(said) => SessionError::Broken { what, said },
        CallError::Host(error) => SessionError::Host(format!("{error:#}")),
    }
}

// === impl Recipe ===

impl Recipe {
    fn checked_start(&self, what: &'static str) -> Result<Instance, SessionError> {
        Instance::new(&self.module, &self.limits, &self.options)
            .map_err(|error| describe(error, what))?
            .map_err(SessionError::Options)
    }
}

impl Start for Recipe {
    fn start(&self) -> Result<Instance, CallError> {
        Instance::new(&self.module, &self.limits, &self.options)?.map_err(CallError::Trapped)
    }
}
