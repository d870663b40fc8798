//! `silverback dev`: manifests in, a working gateway out.
//!
//! ```text
//! files -watch-> manifests -> translator.wasm -> shared data -> silverback.wasm in each worker
//!                    └ stubs: echo and --backend          └ gateway: a real proxy
//! ```
//!
//! All changes go through one loop, one after the other; what cannot be done is said, and what ran
//! before goes on.

mod certificates;
mod config;
mod event;
mod log;
mod names;
mod ports;
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

use anyhow::Context;

use self::config::Config;
use self::event::Event;
use self::names::Names;
use self::running::Running;
use self::stubs::Addresses;
use self::watch::Watched;
use super::Failure;
use crate::args::DevArgs;
use crate::manifests::ManifestSet;
use crate::object::ObjectKey;

pub(super) fn run(args: &DevArgs, verbose: u8) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let config = Config::new(args, verbose).map_err(Failure::usage)?;
    let (sender, events) = mpsc::channel();
    event::signals(sender.clone()).context("cannot wait for signals")?;
    let on_access = (verbose > 0).then(|| log::access(sender.clone()));

    // Before the files are read, so that no change falls in between.
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
    let names = Names::new(sender.clone());
    let watch = match config.watch
        && config
            .paths
            .iter()
            .all(|path| path.exists() || is_stdin(path))
    {
        true => Some(
            watch::start(&watched, sender).context("cannot watch the files (hint: --no-watch)")?,
        ),
        false => {
            drop(sender);
            None
        }
    };
    let mut running = Running::start(config, names, on_access)?;
    show::banner(&mut anstream::stdout().lock(), &running, begun.elapsed())?;
    follow(&mut running, &events, &watched)?;
    drop(watch);
    finish(running)
}

/// The endpoints that the echo has for Services of these files that have none.
pub(super) fn echoes(set: &ManifestSet) -> Vec<(ObjectKey, Arc<[u8]>)> {
    let mut objects = stubs::of(set);
    stubs::add(&mut objects, &[], true, &mut Addresses::default());
    let files = set.objects();
    objects.retain(|key, _| !files.contains_key(key));
    objects.into_iter().collect()
}

/// Handles events until the end.
fn follow(
    running: &mut Running,
    events: &Receiver<Event>,
    watched: &Watched,
) -> Result<(), Failure> {
    while let Ok(event) = events.recv() {
        let begun = Instant::now();
        let result = match event {
            Event::Stop => break,
            Event::Request(line) => writeln!(anstream::stdout(), "{line}").map_err(Failure::from),
            Event::Manifests(since) => running.reload(since).and_then(|effect| {
                let mut out = anstream::stdout().lock();
                Ok(show::effect(&mut out, &running.config, &effect)?)
            }),
            Event::Filter => replace(watched.filter.as_deref(), |path| {
                let id = running.replace_filter(path)?;
                let took = begun.elapsed();
                let mut out = anstream::stdout().lock();
                Ok(show::replaced(
                    &mut out,
                    "silverback.wasm",
                    &id,
                    None,
                    took,
                )?)
            }),
            Event::Translator => replace(watched.translator.as_deref(), |path| {
                let (id, published) = running.replace_translator(path)?;
                let took = begun.elapsed();
                let mut out = anstream::stdout().lock();
                show::replaced(&mut out, "translator.wasm", &id, published.as_ref(), took)?;
                Ok(())
            }),
        };
        if let Err(failure) = result {
            // Nobody reads any more: no reason to stop serving.
            if failure.is_broken_pipe() {
                continue;
            }
            show::error(&mut anstream::stderr(), &failure.to_string())?;
        }
    }
    Ok(())
}

fn finish(running: Running) -> Result<ExitCode, Failure> {
    let mut err = anstream::stderr();
    writeln!(err, "stopping")?;
    let cut = running.stop();
    if cut > 0 {
        let cut = crate::render::plural(cut, "connection");
        writeln!(err, "{cut} had to be cut")?;
    }
    io::stdout().flush()?;
    Ok(ExitCode::SUCCESS)
}

fn replace(
    path: Option<&Path>,
    replace: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // A build removes the file before it writes the new one.
    match path.filter(|path| path.exists()) {
        Some(path) => replace(path),
        None => Ok(()),
    }
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
