//! Where the filter's log lines go.

use std::sync::Mutex;

use crate::abi::LogLevel;
use crate::sync::lock;

/// One line that a filter (or the emulator on its behalf) logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Severity.
    pub level: LogLevel,
    /// Number of the worker.
    pub worker: usize,
    /// The text; bytes that are no UTF-8 are replaced.
    pub message: String,
}

/// A destination of log lines. Called on the worker's thread: it must not block.
pub trait LogSink: Send + Sync {
    /// Takes one line.
    fn log(&self, line: &LogLine);

    /// The least severe level that is of interest; `proxy_get_log_level` answers it.
    fn level(&self) -> LogLevel {
        LogLevel::Info
    }
}

/// Drops every line.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLog;

impl LogSink for NoLog {
    fn log(&self, _line: &LogLine) {}
}

/// Keeps every line in memory.
#[derive(Debug, Default)]
pub struct MemoryLog(Mutex<Vec<LogLine>>);

impl MemoryLog {
    /// The lines so far.
    pub fn lines(&self) -> Vec<LogLine> {
        lock(&self.0).clone()
    }

    /// The lines so far; they are forgotten.
    pub fn take(&self) -> Vec<LogLine> {
        std::mem::take(&mut lock(&self.0))
    }

    /// Whether some line contains the text.
    pub fn contains(&self, text: &str) -> bool {
        lock(&self.0).iter().any(|line| line.message.contains(text))
    }
}

impl LogSink for MemoryLog {
    fn log(&self, line: &LogLine) {
        lock(&self.0).push(line.clone());
    }

    fn level(&self) -> LogLevel {
        LogLevel::Trace
    }
}
