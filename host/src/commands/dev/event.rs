//! What can happen while `dev` runs.

use std::sync::mpsc::Sender;
use std::time::Instant;

use tokio::sync::oneshot;

use super::modules::{Kind, Loaded};
use super::rebuild::Rebuild;
use crate::translator::SessionError;

/// Something happened.
#[derive(Debug)]
pub(super) enum Event {
    /// Manifests, or the addresses of names, changed, first at this time.
    Manifests(Instant),
    /// The file of a module changed, first at this time.
    Module(Kind, Instant),
    /// It was read and compiled, or could not be.
    Loaded(Box<Loaded>),
    /// The command that builds the modules began, or ended.
    Rebuild(Rebuild),
    /// Somebody asks what the table does with a request.
    Explain(Question),
    /// Somebody wants an end: Ctrl-C, SIGTERM.
    Stop,
}

/// What somebody asks, and where the answer goes; both are JSON.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) request: String,
    pub(super) reply: oneshot::Sender<Result<String, SessionError>>,
}

/// Turns signals into events. The second one ends the process at once.
pub(super) fn signals(events: Sender<Event>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                if let Err(error) = signal().await {
                    tracing::warn!(%error, "no signals");
                    return;
                }
                let _ = events.send(Event::Stop);
                if signal().await.is_ok() {
                    std::process::exit(130);
                }
            });
        })?;
    Ok(())
}

#[cfg(unix)]
async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
