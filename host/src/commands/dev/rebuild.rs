//! Builds the modules again when their sources change (`--rebuild`).
//!
//! The command is anything that a shell takes. It writes the modules, which are watched as ever;
//! what it says is for people and goes straight to the terminal. One runs at a time, and one
//! more after it if something changed meanwhile.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};

use super::event::Event;
use super::watch::mutating;

/// A change of branches touches many files; building takes much longer than this.
const SETTLE: Duration = Duration::from_millis(200);

/// How often a running command is looked at.
const POLL: Duration = Duration::from_millis(50);

/// What happens to the command.
#[derive(Debug)]
pub(super) enum Rebuild {
    Began,
    Succeeded(Duration),
    /// With why.
    Failed(String),
}

/// Builds for as long as it lives.
pub(super) struct Rebuilder {
    /// Before the thread: its end is what the thread waits for.
    debouncer: Option<Debouncer<RecommendedWatcher, RecommendedCache>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

// === impl Rebuilder ===

impl Rebuilder {
    /// Watches the sources.
    ///
    /// # Errors
    /// A source that cannot be watched, or no thread.
    pub(super) fn start(
        command: &str,
        sources: &[PathBuf],
        events: Sender<Event>,
    ) -> notify::Result<Self> {
        let (changed, changes) = mpsc::channel();
        // The debouncer's callback may be shared with threads of the system's watcher.
        let changed = Mutex::new(changed);
        let mut debouncer = new_debouncer(SETTLE, None, move |result: DebounceEventResult| {
            let any = match &result {
                Ok(events) => events.iter().any(|event| mutating(&event.kind)),
                Err(_) => true,
            };
            if any {
                let changed = changed.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = changed.send(());
            }
        })?;
        for source in sources {
            let result = debouncer.watch(source, RecursiveMode::Recursive);
            result.map_err(|error| error.add_path(source.clone()))?;
        }
        let stop = Arc::<AtomicBool>::default();
        let (stopped, command) = (Arc::clone(&stop), command.to_owned());
        let thread = thread::Builder::new()
            .name("rebuild".to_owned())
            .spawn(move || build_again(&command, &changes, &events, &stopped))
            .map_err(notify::Error::io)?;
        Ok(Self {
            debouncer: Some(debouncer),
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Rebuilder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.debouncer = None;
        if let Some(thread) = self.thread.take() {
            // It ends within a poll; there is nothing in it that could be lost.
            let _ = thread.join();
        }
    }
}

fn build_again(command: &str, changes: &Receiver<()>, events: &Sender<Event>, stop: &AtomicBool) {
    while changes.recv().is_ok() {
        // What has changed so far is in this build.
        while changes.try_recv().is_ok() {}
        if events.send(Event::Rebuild(Rebuild::Began)).is_err() {
            return;
        }
        let begun = Instant::now();
        let ended = match build(command, stop) {
            Ok(()) => Rebuild::Succeeded(begun.elapsed()),
            Err(why) => Rebuild::Failed(why),
        };
        if stop.load(Ordering::Relaxed) || events.send(Event::Rebuild(ended)).is_err() {
            return;
        }
    }
}

fn build(command: &str, stop: &AtomicBool) -> Result<(), String> {
    let mut child = shell(command).map_err(|error| error.to_string())?;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(status.to_string()),
            Ok(None) if stop.load(Ordering::Relaxed) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("stopped".to_owned());
            }
            Ok(None) => thread::sleep(POLL),
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn shell(command: &str) -> std::io::Result<Child> {
    let (shell, flag) = match cfg!(windows) {
        true => ("cmd", "/C"),
        false => ("sh", "-c"),
    };
    let mut shell = Command::new(shell);
    shell.arg(flag).arg(command).stdin(Stdio::null()).spawn()
}
