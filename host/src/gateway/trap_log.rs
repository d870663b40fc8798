//! Traps of one worker's filter in the log.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use silverback_emulator::Trap;

/// A filter that traps with every request must not fill the log: the same trap is logged once in
/// this time, with how many there were since.
const PERIOD: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct TrapLog {
    last: RefCell<Option<Logged>>,
}

#[derive(Debug)]
struct Logged {
    callback: &'static str,
    /// Where it was; the message may have something of a request in it.
    place: String,
    at: Instant,
    /// The same since then, which are in no line.
    unsaid: u64,
}

// === impl TrapLog ===

impl TrapLog {
    /// Logs a trap with where in the filter it happened, unless the same one was logged just now.
    pub(super) fn log(&self, worker: usize, trap: &Trap, callback: &'static str) {
        if let Some(unsaid) = self.due(trap, callback, Instant::now()) {
            tracing::error!(
                worker,
                callback,
                unsaid,
                backtrace = %trap.backtrace,
                "the filter trapped: {trap}"
            );
        }
    }

    /// How many of them are in no line, if this one shall be in one.
    fn due(&self, trap: &Trap, callback: &'static str, now: Instant) -> Option<u64> {
        let place = match &*trap.backtrace {
            "" => &trap.message,
            backtrace => backtrace,
        };
        let mut last = self.last.borrow_mut();
        let same = last
            .as_mut()
            .filter(|last| last.callback == callback && last.place == *place);
        let unsaid = match same {
            Some(last) if now.saturating_duration_since(last.at) < PERIOD => {
                last.unsaid += 1;
                return None;
            }
            Some(last) => last.unsaid,
            None => 0,
        };
        *last = Some(Logged {
            callback,
            place: place.to_owned(),
            at: now,
            unsaid: 0,
        });
        Some(unsaid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trap(message: &str, backtrace: &str) -> Trap {
        Trap {
            message: message.to_owned(),
            backtrace: backtrace.to_owned(),
            log: Vec::new(),
        }
    }

    #[test]
    fn the_same_trap_is_logged_once_in_a_while() {
        let log = TrapLog::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (one, other) = (trap("for /a", "0: here"), trap("for /b", "0: there"));
        assert_eq!(log.due(&one, "on_log", at(0)), Some(0));
        assert_eq!(log.due(&trap("for /c", "0: here"), "on_log", at(1)), None);
        assert_eq!(log.due(&one, "on_log", at(9)), None);
        assert_eq!(log.due(&one, "on_log", at(10)), Some(2));
        assert_eq!(log.due(&one, "on_tick", at(10)), Some(0), "elsewhere");
        assert_eq!(log.due(&other, "on_tick", at(10)), Some(0));
        assert_eq!(log.due(&trap("a", ""), "on_tick", at(10)), Some(0));
        assert_eq!(log.due(&trap("b", ""), "on_tick", at(10)), Some(0));
        assert_eq!(log.due(&trap("b", ""), "on_tick", at(11)), None);
    }
}
