//! The filter's log lines, and a line for each request.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use silverback_emulator::{LogLevel, LogLine, LogSink};

use super::event::Event;
use crate::gateway::{AccessEvent, AccessHook, Answer};

/// Passes the filter's lines on to the host's own log.
#[derive(Debug)]
pub(super) struct FilterLog;

impl LogSink for FilterLog {
    fn log(&self, line: &LogLine) {
        let (worker, message) = (line.worker, &line.message);
        match line.level {
            LogLevel::Trace => tracing::trace!(target: "filter", worker, "{message}"),
            LogLevel::Debug => tracing::debug!(target: "filter", worker, "{message}"),
            LogLevel::Info => tracing::info!(target: "filter", worker, "{message}"),
            LogLevel::Warn => tracing::warn!(target: "filter", worker, "{message}"),
            LogLevel::Error | LogLevel::Critical => {
                tracing::error!(target: "filter", worker, "{message}");
            }
        }
    }
}

/// Makes a line of each request; whoever writes it is not the worker.
pub(super) fn access(events: Sender<Event>) -> AccessHook {
    let events = std::sync::Mutex::new(events);
    Arc::new(move |event| {
        let line = line(event);
        if let Ok(events) = events.lock() {
            let _ = events.send(Event::Request(line));
        }
    })
}

fn line(event: &AccessEvent<'_>) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).escape_debug().to_string();
    let by = match event.answer {
        Answer::Proxied => event
            .endpoint
            .map_or_else(String::new, |endpoint| format!(" by {endpoint}")),
        Answer::Local => " by the filter".to_owned(),
        Answer::Gateway => " by the gateway".to_owned(),
        Answer::Aborted => " (client went away)".to_owned(),
    };
    let route = match event.route {
        b"" => String::new(),
        route => format!(" ({})", text(route)),
    };
    format!(
        "{} {}{} {}{by}{route} in {:.1} ms",
        text(event.method),
        text(event.host),
        text(event.path),
        event.status,
        event.latency.as_secs_f64() * 1e3,
    )
}
