//! What can happen while `dev` runs.

use std::sync::mpsc::Sender;
use std::time::Instant;

use super::modules::{Kind, Loaded};
use super::rebuild::Rebuild;

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
    /// A request is over; a line about it.
    Request(String),
    /// Somebody wants an end: Ctrl-C, SIGTERM.
    Stop,
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
