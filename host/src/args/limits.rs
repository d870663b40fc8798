//! Limits of `silverback dev`.

use std::time::Duration;

use clap::Args;

use crate::gateway::Limits;

/// What clients may do, and how long they may take.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Limits (docs/gateway.md lists them all)")]
pub struct LimitArgs {
    /// At the end (SIGTERM, Ctrl-C), requests in flight may finish for this long; then they are cut.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        value_parser = time,
        env = "SILVERBACK_DRAIN_TIMEOUT"
    )]
    pub drain_timeout: Duration,

    /// Connections of one listener; more are closed at once. 0 = no limit.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 16_384,
        env = "SILVERBACK_MAX_CONNECTIONS"
    )]
    pub max_connections: usize,

    /// A request's headers, the pause before them included: the keep-alive timeout too.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = time,
        env = "SILVERBACK_HEADER_TIMEOUT"
    )]
    pub header_timeout: Duration,

    /// A pause within a request's body.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = time,
        env = "SILVERBACK_BODY_TIMEOUT"
    )]
    pub body_timeout: Duration,

    /// A client that takes nothing of a response.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = time,
        env = "SILVERBACK_WRITE_TIMEOUT"
    )]
    pub write_timeout: Duration,

    /// An HTTP/2 connection without a request.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = time,
        env = "SILVERBACK_IDLE_TIMEOUT"
    )]
    pub idle_timeout: Duration,

    /// Bytes of a request's line and headers; more is answered with 431.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "64k",
        value_parser = header_bytes,
        env = "SILVERBACK_MAX_HEADER_SIZE"
    )]
    pub max_header_size: usize,

    /// Bytes of a request's body; more is answered with 413. 0 = no limit.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "0",
        value_parser = bytes,
        env = "SILVERBACK_MAX_BODY_SIZE"
    )]
    pub max_body_size: usize,
}

/// hyper reads headers into a buffer that is never smaller.
const MIN_HEADER_BYTES: usize = 8 * 1024;

// === impl LimitArgs ===

impl LimitArgs {
    /// The gateway's limits; those without a flag are as they always are.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits {
            max_connections: self.max_connections,
            header_read_timeout: self.header_timeout,
            body_read_timeout: self.body_timeout,
            write_timeout: self.write_timeout,
            max_header_bytes: self.max_header_size,
            max_body_bytes: self.max_body_size as u64,
            ..Limits::default()
        };
        limits.http2.idle_timeout = self.idle_timeout;
        limits
    }
}

/// A time as nginx has it: a number, and `ms`, `s`, `m` or `h`; without a unit it is seconds.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("not a time (hint: 500ms, 10s, 2m)".to_owned()),
    };
    let wrong = || "not a time (hint: 500ms, 10s, 2m)".to_owned();
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    // Longer than a year is a mistake, and clocks can add it.
    let ms = number
        .checked_mul(unit)
        .filter(|ms| *ms <= 365 * 86_400_000);
    ms.map(Duration::from_millis).ok_or_else(wrong)
}

fn bytes(text: &str) -> Result<usize, String> {
    size(text).ok_or_else(|| "not a size (hint: 64k, 8m)".to_owned())
}

fn header_bytes(text: &str) -> Result<usize, String> {
    let bytes = bytes(text)?;
    if bytes < MIN_HEADER_BYTES {
        return Err("less than 8k, which every client needs".to_owned());
    }
    Ok(bytes)
}

/// A size as nginx has it: a number, and `k`, `m` or `g`.
pub(crate) fn size(text: &str) -> Option<usize> {
    let text = text.trim().to_ascii_lowercase();
    let (digits, shift) = match text.strip_suffix(['k', 'm', 'g']) {
        None => (&*text, 0),
        Some(digits) if text.ends_with('k') => (digits, 10),
        Some(digits) if text.ends_with('m') => (digits, 20),
        Some(digits) => (digits, 30),
    };
    digits.parse::<usize>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let ms = Duration::from_millis;
        assert_eq!(time("500ms"), Ok(ms(500)));
        assert_eq!((time("10s"), time("10")), (Ok(ms(10_000)), Ok(ms(10_000))));
        assert_eq!(
            (time("2m"), time("1h")),
            (Ok(ms(120_000)), Ok(ms(3_600_000)))
        );
        assert_eq!(time("0"), Ok(Duration::ZERO));
        for wrong in [
            "",
            "s",
            "-1s",
            "1.5s",
            "1d",
            "10 s",
            "99999999999999999999s",
            "9999999h",
        ] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn headers_need_some_room() {
        assert_eq!(header_bytes("8k"), Ok(8192));
        assert!(header_bytes("1k").is_err());
    }

    #[test]
    fn sizes() {
        assert_eq!(size("64m"), Some(64 << 20));
        assert_eq!(size("1024K"), Some(1 << 20));
        assert_eq!(size("7"), Some(7));
        for wrong in ["", "m", "-1", "1t", "99999999999g"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
