//! `silverback dev`: manifests in, a working gateway out.
//!
//! ```text
//! files -watch-> manifests -> translator.wasm -> shared data -> silverback.wasm in each worker
//!                    └ stubs: echo and --backend          └ gateway: a real proxy
//! ```
//!
//! All changes go through one loop, one after the other; what cannot be done is said, and what ran
//! before goes on.

mod admin;
mod certificates;
mod client_auth;
mod config;
mod conflicts;
mod event;
mod log;
mod modules;
mod names;
mod observe;
mod ports;
mod pull;
mod rebuild;
mod running;
mod show;
mod stubs;
mod upstream_tls;
mod watch;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use anyhow::{Context, anyhow};

use self::admin::Admin;
use self::config::Config;
use self::event::Event;
use self::modules::{Kind, Loaded, Loader};
use self::names::Names;
use self::observe::{Observed, Observer};
use self::pull::Pull;
use self::rebuild::Rebuilder;
use self::running::Running;
use self::stubs::Addresses;
use self::watch::{Watch, Watched};
use super::Failure;
use crate::args::DevArgs;
use crate::manifests::ManifestSet;
use crate::object::ObjectKey;
use crate::offline::Offline;
use crate::problem::Problem;

/// What events are about.
struct Dev {
    running: Running,
    watch: Option<Watch>,
    loader: Loader,
    observed: Arc<Observed>,
}

pub(super) fn run(args: &DevArgs, verbose: u8) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let mut config = Config::new(args, verbose).map_err(Failure::usage)?;
    let (sender, events) = mpsc::channel();
    event::signals(sender.clone()).context("cannot wait for signals")?;
    let observed = Observed::new();
    let (on_access, observer) = observed
        .observe(config.access_log)
        .context("cannot start the access log")?;
    let admin = Admin::bind(args.admin_port).map_err(anyhow::Error::from)?;
    config.admin = admin.as_ref().map(|admin| admin.address);
    let pull = Pull::bind(&args.pull).map_err(Failure::usage)?;
    config.pull = pull.as_ref().map(|pull| pull.address);
    let questions = sender.clone();

    let watched = Watched {
        manifests: config.paths.clone(),
        filter: module(
            config.filter_wasm.as_deref(),
            silverback_guests::FILTER_PATH,
        ),
        translator: module(
            config.translator_wasm.as_deref(),
            silverback_guests::TRANSLATOR_PATH,
        ),
    };
    // Before the files are read, so that no change falls in between.
    let seen = |path: &Option<PathBuf>| {
        let wasm = path.as_ref().and_then(|path| std::fs::read(path).ok());
        (
            path.clone(),
            wasm.map_or_else(String::new, |wasm| modules::id(&wasm)),
        )
    };
    let (filter, translator) = (seen(&watched.filter), seen(&watched.translator));
    let there = |path: &PathBuf| path.exists() || is_stdin(path);
    let watch = match config.watch && config.paths.iter().all(there) {
        true => Some(
            Watch::start(watched, sender.clone())
                .context("cannot watch the files (hint: --no-watch)")?,
        ),
        false => None,
    };
    let rebuilder = match &config.rebuild {
        Some(command) => Some(
            Rebuilder::start(command, &config.sources, sender.clone())
                .context("cannot watch the sources of --rebuild-on")?,
        ),
        None => None,
    };
    let names = Names::new(sender.clone());
    let metrics = observed.metrics.clone();
    let mut running = Running::start(config, names, Some(on_access), metrics, pull)?;
    running
        .notes
        .extend(admin.as_ref().and_then(|admin| admin.note.clone()));
    observed.start(&running.config);
    observed.update(&running);
    let loader = Loader::new(running.engine(), sender, filter, translator);
    // Whoever has connected by now has waited for what there is to tell.
    if let Some(admin) = admin {
        let served = admin.serve(Arc::clone(&observed), questions);
        served.context("cannot serve the admin port")?;
    }
    show::banner(&mut running.config.out(), &running, begun.elapsed())?;
    let mut dev = Dev {
        running,
        watch,
        loader,
        observed,
    };
    dev.follow(&events)?;
    drop(rebuilder);
    drop(dev.watch);
    finish(dev.running, observer)
}

/// The endpoints that the echo has for Services of these files that have none.
pub(super) fn echoes(set: &ManifestSet) -> Vec<(ObjectKey, Arc<[u8]>)> {
    let mut objects = stubs::of(set);
    stubs::add(&mut objects, &[], true, &mut Addresses::default());
    let files = set.objects();
    objects.retain(|key, _| !files.contains_key(key));
    objects.into_iter().collect()
}

/// What the gateway would say about the certificates of these files.
pub(super) fn certificate_problems(set: &ManifestSet, offline: &Offline) -> Vec<Problem> {
    certificates::problems(set, offline)
}

// === impl Dev ===

impl Dev {
    /// Handles events until the end.
    fn follow(&mut self, events: &Receiver<Event>) -> Result<(), Failure> {
        while let Ok(event) = events.recv() {
            let result = match event {
                Event::Stop => break,
                Event::Explain(question) => {
                    // Who asked may have gone.
                    let answer = self.running.explain(&question.request);
                    let _ = question.reply.send(answer);
                    continue;
                }
                Event::Manifests(since) => {
                    if self.renew() {
                        self.look_at_modules(since);
                    }
                    self.reload(since)
                }
                Event::Module(kind, since) => {
                    if self.renew() {
                        self.look_at_modules(since);
                        self.reload(since)
                    } else {
                        self.loader.changed(kind, since);
                        Ok(())
                    }
                }
                Event::Loaded(loaded) => {
                    let kind = loaded.kind;
                    let replaced = self.replace(*loaded);
                    self.loader.done(kind);
                    replaced
                }
                Event::Rebuild(rebuild) => {
                    let config = &self.running.config;
                    let command = config.rebuild.as_deref().unwrap_or_default();
                    show::rebuild(&mut config.out(), command, &rebuild).map_err(Failure::from)
                }
            };
            let failure = match result {
                // Nobody reads any more: no reason to stop serving.
                Err(failure) if !failure.is_broken_pipe() => Some(failure),
                Ok(()) | Err(_) => None,
            };
            if let Some(failure) = &failure {
                self.observed.failed(&failure.to_string());
            }
            self.observed.update(&self.running);
            if let Some(failure) = failure {
                show::error(&mut anstream::stderr(), &failure.to_string())?;
            }
        }
        Ok(())
    }

    fn reload(&mut self, since: Instant) -> Result<(), Failure> {
        let effect = self.running.reload(since)?;
        for error in &effect.errors {
            self.observed.failed(error);
        }
        let mut out = self.running.config.out();
        Ok(show::effect(&mut out, &self.running.config, &effect)?)
    }

    fn look_at_modules(&mut self, since: Instant) {
        for kind in [Kind::Filter, Kind::Translator] {
            self.loader.changed(kind, since);
        }
    }

    /// Puts a module in place, if it is one and starts.
    fn replace(&mut self, loaded: Loaded) -> Result<(), Failure> {
        let Loaded {
            kind,
            path,
            since,
            id,
            module,
            compiling,
        } = loaded;
        // Everything that can be wrong has one line: what runs is what ran before.
        let refused = |why: String| {
            let path = path.display();
            Failure::from(anyhow!("{path}: {why}; the {} before goes on", kind.file()))
        };
        let replaced = match module {
            Ok(module) => self
                .running
                .replace(module)
                .map_err(|failure| refused(modules::one_line(&failure))),
            Err(fault) => Err(refused(fault.to_string())),
        };
        let observed = match kind {
            Kind::Filter => &self.observed.filter,
            Kind::Translator => &self.observed.translator,
        };
        let published = observed.note(replaced, &id)?;
        let mut out = self.running.config.out();
        let took = since.elapsed();
        show::replaced(&mut out, kind, &id, published.as_ref(), took, compiling)?;
        Ok(())
    }

    /// Before files are read after a change. True: other directories are watched than before. What
    /// has happened to anything in between may have been taken for nothing: all is to be read.
    fn renew(&mut self) -> bool {
        match self.watch.as_mut().map(Watch::renew) {
            None => false,
            Some(Ok(elsewhere)) => elsewhere,
            Some(Err(error)) => {
                tracing::warn!(%error, "not everything can be watched");
                true
            }
        }
    }
}

fn finish(running: Running, observer: Observer) -> Result<ExitCode, Failure> {
    let mut err = anstream::stderr();
    writeln!(err, "stopping")?;
    let cut = running.stop();
    let written = observer.finish();
    if cut > 0 {
        let cut = crate::render::plural(cut, "connection");
        writeln!(err, "{cut} had to be cut")?;
    }
    if written {
        io::stdout().flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The file to watch for a module: the one that was named, or where the build puts it.
fn module(named: Option<&Path>, built: &str) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path.to_owned()),
        None => Some(PathBuf::from(built)).filter(|path| path.exists()),
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == crate::manifests::STDIN
}
