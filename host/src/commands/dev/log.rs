//! The filter's log lines.

use silverback_emulator::{LogLevel, LogLine, LogSink};

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
