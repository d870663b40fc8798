//! Pull mode: the filter asks a publisher for the table (docs/node-protocol.md).
//!
//! What to ask and what to do with answers is `silverback_core::node::pull`; this sends, and tells the
//! log.

pub mod config;

use core::time::Duration;
use std::rc::Rc;

use proxy_wasm::types::LogLevel;
use silverback_core::node::pull::failure::Failure;
use silverback_core::node::pull::puller::{Options, Outcome, Puller};

use self::config::PullConfig;
use crate::proxy::{Proxy, Shared};

/// How often [`Pull::tick`] is to be called: what a change waits for where answers are not held.
pub const PULL_TICK: Duration = Duration::from_millis(100);

/// One worker's pull.
#[derive(Debug)]
pub struct Pull {
    config: Rc<PullConfig>,
    puller: Puller,
    /// Of the request that is not answered.
    token: Option<u32>,
    /// What was logged last; `None`: that there is a table.
    logged: Option<Failure>,
    /// A table was published since the start.
    published: bool,
}

// === impl Pull ===

impl Pull {
    /// A pull of a worker that has the `seed` for itself.
    #[must_use]
    pub fn new(config: Rc<PullConfig>, seed: u64) -> Self {
        let options = Options {
            pages: config.pages,
            wait: config.wait_seconds.saturating_mul(1000),
            seed,
        };
        Self {
            config,
            puller: Puller::new(options),
            token: None,
            logged: None,
            published: false,
        }
    }

    /// Is it this configuration's?
    #[must_use]
    pub fn is_of(&self, config: &PullConfig) -> bool {
        *self.config == *config
    }

    /// Asks if it is time to; more often does no harm.
    pub fn tick(&mut self, proxy: &impl Proxy) {
        let now = proxy.now();
        let (ask, outcome) = self.puller.tick(now, &Shared(proxy));
        self.tell(outcome, proxy);
        let Some(ask) = ask else {
            return;
        };
        self.token = proxy.send(&self.config, &ask);
        if self.token.is_none() {
            let outcome = self.puller.unsent(now);
            self.tell(outcome, proxy);
        }
    }

    /// An answer, status and body; `None`: there is none. Asks on at once.
    pub fn answered(&mut self, token: u32, answer: Option<(u16, &[u8])>, proxy: &impl Proxy) {
        // One that was given up.
        if self.token != Some(token) {
            return;
        }
        self.token = None;
        let outcome = self.puller.answered(proxy.now(), &Shared(proxy), answer);
        self.tell(outcome, proxy);
        self.tick(proxy);
    }

    /// A failure is told once, and once more when it is over.
    fn tell(&mut self, outcome: Outcome, proxy: &impl Proxy) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Published(published) => {
                if self.logged.take().is_some() || !self.published {
                    let epoch = published.epoch;
                    proxy.log(
                        LogLevel::Info,
                        &format!("silverback: pulled a table, it is in effect as epoch {epoch}"),
                    );
                }
                self.published = true;
            }
            Outcome::Failed(failure, _) => {
                if self.logged != Some(failure) {
                    self.logged = Some(failure);
                    let hint = failure.hint();
                    proxy.log(
                        LogLevel::Warn,
                        &format!(
                            "silverback: the table cannot be pulled: {failure} (hint: {hint})"
                        ),
                    );
                }
            }
        }
    }
}
