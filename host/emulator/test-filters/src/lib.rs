//! What the test filters share. The filters themselves are the examples of this crate, one
//! subject each:
//!
//! | example | subject |
//! |---|---|
//! | `headers` | every header operation, told by request headers |
//! | `bodies` | request and response bodies |
//! | `local_response` | responses of the filter itself |
//! | `callout` | HTTP calls from requests and ticks |
//! | `counter` | ticks, shared data with compare-and-swap, traps on demand |
//! | `queue` | shared queues |
//! | `metrics` | counters, gauges, histograms |
//! | `script` | any host call, as a small language in a request header says |

/// Splits `a=b` at the first `=`; without one the value is empty.
pub fn pair(text: &str) -> (&str, &str) {
    text.split_once('=').unwrap_or((text, ""))
}

/// A number, or 0.
pub fn number(text: &str) -> u32 {
    text.parse().unwrap_or(0)
}
