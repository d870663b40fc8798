//! Carries a plan out: try after try, endpoint after endpoint.
//!
//! The rules of a retry are nginx's `proxy_next_upstream error timeout`: what could not be sent
//! goes to the next endpoint; what was sent goes there too if doing it twice is harmless. An
//! answer, 5xx included, is an answer, unless the plan lists its status.

use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use silverback_core::contract::plan::{Deadlines, OwnedPlan};
use silverback_core::contract::result::Outcome;

use super::attempt::{self, NoAnswer, Patience};
use super::errors::Refusal;
use super::mirror;
use super::outgoing::{Peer, Template};
use super::request::TOO_LARGE;
use super::transaction::Transaction;

pub(super) use super::attempt::Answered;

const NO_PLUGINS: Refusal = Refusal::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    "this rule needs Kong plugins, which silverback dev cannot run (hint: --ignore-plugins proxies without them)",
);
const NO_POLICY: Refusal = Refusal::new(
    StatusCode::BAD_GATEWAY,
    "the TLS policy for the upstream is not known or cannot be used",
);
const NO_AUTHORITY: Refusal = Refusal::new(
    StatusCode::BAD_REQUEST,
    "the host cannot be sent to an upstream over HTTP/2",
);
pub(super) const BAD_GATEWAY: Refusal = Refusal::new(
    StatusCode::BAD_GATEWAY,
    "An invalid response was received from the upstream server",
);
const GATEWAY_TIMEOUT: Refusal = Refusal::new(
    StatusCode::GATEWAY_TIMEOUT,
    "The upstream server is timing out",
);
const BAD_BODY: Refusal = Refusal::closing(
    StatusCode::BAD_REQUEST,
    "the request body is malformed or did not come in time",
);
pub(super) const BAD_PLAN: Refusal = Refusal::new(
    StatusCode::INTERNAL_SERVER_ERROR,
    "the filter's plan cannot be carried out",
);

/// The longest pause between two tries, unless the plan's first is longer than a tenth of it.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The plan's deadlines at work.
#[derive(Clone, Copy)]
struct Clock {
    request: Option<Instant>,
    attempt: Option<Duration>,
}

/// Carries out the transaction's plan.
pub(super) async fn execute(tx: &mut Transaction, plan: &OwnedPlan) -> Result<Answered, Refusal> {
    let shared = Rc::clone(&tx.shared);
    let clock = Clock::start(plan.deadlines);
    if plan.plugin_set != 0 && !shared.ignore_plugins {
        return Err(NO_PLUGINS);
    }
    let template = Template::new(plan).ok_or(BAD_PLAN)?;
    mirror::copies(tx, plan, &template);
    let mut number = 0;
    let mut kept = true;
    loop {
        let index = number % plan.endpoints.len();
        let Some(&endpoint) = plan.endpoints.get(index) else {
            return Err(BAD_PLAN);
        };
        let peer = Peer::new(endpoint, plan.protocol, plan.tls.as_ref());
        if let Some(tls) = &peer.key.tls
            && !shared.dialer.knows(tls.policy)
        {
            return Err(NO_POLICY);
        }
        tx.endpoint = Some(endpoint);
        let body = tx.out.body.clone();
        let answer = attempt::attempt(
            &shared,
            &peer,
            &Patience::new(plan, clock.try_until()),
            kept,
            body.as_deref(),
            || template.request(tx, &peer),
        )
        // Not by another name first: the future would have two places.
        .await;
        let replayable = tx.out.body.as_ref().is_none_or(|body| body.replayable());
        let left = number + 1 < usize::from(plan.tries);
        let pause = pause(plan, number);
        let failure = match answer {
            Ok(answered) => {
                let status = answered.response.status().as_u16();
                let retry = plan.retry.as_ref();
                let listed = retry.is_some_and(|retry| retry.codes.contains(&status));
                if !(listed && left && replayable && clock.allows(pause)) {
                    tx.tried(index, Outcome::Answered);
                    return Ok(answered);
                }
                tx.tried(index, Outcome::Failed);
                answered.discard(&shared, tx.out.body.as_deref());
                None
            }
            Err(NoAnswer::NoAuthority) => {
                return Err(if plan.host.is_some() {
                    BAD_PLAN
                } else {
                    NO_AUTHORITY
                });
            }
            Err(NoAnswer::Failed(failure)) => Some(failure),
        };
        if let Some(failure) = failure {
            if let Some(body) = tx.out.body.as_ref().filter(|body| body.failed()) {
                return Err(if body.too_large() {
                    TOO_LARGE
                } else {
                    BAD_BODY
                });
            }
            let again = replayable && (!failure.sent || tx.out.method.is_idempotent());
            if failure.stale && again && kept {
                // Not the endpoint's fault: the same one again, over a new connection, and it is
                // not one of the plan's tries (nginx does the same for a cached peer). Once: of
                // HTTP/2 the new one may be another request's, and close like the one before.
                shared.counters.stale_connections.inc();
                kept = false;
                continue;
            }
            tx.tried(index, failure.outcome);
            let timed_out = failure.outcome == Outcome::TimedOut || clock.is_over();
            let in_time = clock.allows(pause);
            if !left || !again || !in_time {
                shared.counters.upstream_failures.inc();
                let would_be_late = left && again && !in_time;
                return Err(if timed_out || would_be_late {
                    GATEWAY_TIMEOUT
                } else {
                    BAD_GATEWAY
                });
            }
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        shared.counters.retries.inc();
        kept = true;
        number += 1;
    }
}

/// The pause after the try of this number, from 0.
fn pause(plan: &OwnedPlan, number: usize) -> Duration {
    let Some(retry) = &plan.retry else {
        return Duration::ZERO;
    };
    let first = Duration::from_millis(retry.backoff.into());
    let factor = u32::try_from(number)
        .ok()
        .and_then(|n| 1_u32.checked_shl(n))
        .unwrap_or(u32::MAX);
    let longest = LONGEST_PAUSE.max(first.saturating_mul(10));
    first.saturating_mul(factor).min(longest)
}

// === impl Clock ===

impl Clock {
    fn start(deadlines: Deadlines) -> Self {
        let some = |ms: u32| (ms > 0).then(|| Duration::from_millis(ms.into()));
        Self {
            request: some(deadlines.request).map(|limit| Instant::now() + limit),
            attempt: some(deadlines.attempt),
        }
    }

    /// When a try that starts now must be over.
    fn try_until(self) -> Option<Instant> {
        let attempt = self.attempt.map(|limit| Instant::now() + limit);
        match (attempt, self.request) {
            (Some(attempt), Some(request)) => Some(attempt.min(request)),
            (attempt, request) => attempt.or(request),
        }
    }

    fn is_over(self) -> bool {
        !self.allows(Duration::ZERO)
    }

    /// Whether there is time for a pause and then another try.
    fn allows(self, pause: Duration) -> bool {
        self.request
            .is_none_or(|request| Instant::now() + pause < request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use silverback_core::contract::plan::{Plan, RetryOn};

    #[test]
    fn a_pause_is_doubled_and_has_an_end() {
        let endpoints = [([10, 0, 0, 1], 80).into()];
        let pauses = |backoff: u32| {
            let plan = Plan {
                retry: Some(RetryOn {
                    backoff,
                    codes: &[],
                }),
                ..Plan::to(1, 1, &endpoints)
            };
            let mut bytes = Vec::new();
            plan.encode(&mut bytes).unwrap();
            let plan = OwnedPlan::decode(&bytes).unwrap();
            [0, 1, 2, 9, 10, 31, 32, 254].map(|n| pause(&plan, n).as_millis())
        };
        assert_eq!(pauses(0), [0; 8]);
        assert_eq!(
            pauses(10),
            [10, 20, 40, 5120, 10_000, 10_000, 10_000, 10_000]
        );
        assert_eq!(pauses(20_000)[..3], [20_000, 40_000, 80_000]);
        assert_eq!(pauses(20_000)[3..], [200_000; 5]);
    }
}
