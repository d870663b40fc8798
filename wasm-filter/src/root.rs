//! The root context: takes the configuration and makes a context for each request.

use core::cell::RefCell;
#[cfg(not(feature = "standalone"))]
use core::hash::BuildHasher as _;
use core::time::Duration;
#[cfg(not(feature = "standalone"))]
use std::hash::RandomState;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

use crate::config::Config;
use crate::http::Http;
use crate::proxy::{Host, Proxy as _};
#[cfg(not(feature = "standalone"))]
use crate::pull::PULL_TICK;
use crate::pull::Pull;
use crate::worker::{TICK, Worker};

thread_local! {
    /// One for all root contexts of the instance. Kong makes a root for each filter chain and for
    /// each new configuration, and keeps the old ones; they share what was read of the table.
    static WORKER: Rc<RefCell<Worker>> = Rc::default();
    /// One for all root contexts, by the configuration that came last. One that says nothing of
    /// pulling leaves it: another filter chain's may.
    static PULL: RefCell<Option<Pull>> = const { RefCell::new(None) };
}

/// One root context.
#[derive(Default)]
pub(crate) struct Root {
    config: Rc<Config>,
    #[cfg(feature = "standalone")]
    standalone: Option<Rc<crate::standalone::Standalone>>,
}

/// More lines of one configuration would only fill the log.
#[cfg(feature = "standalone")]
const MAX_REPORT: usize = 20;

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        // Without headers there is no answer (Kong facts 5), and in Envoy nothing that may be asked.
        let answer = match headers {
            0 => None,
            _ => Host::default().call_response(body),
        };
        let answer = (answer.as_ref()).map(|(status, bytes)| (*status, &**bytes));
        PULL.with_borrow_mut(|pull| {
            if let Some(pull) = pull {
                pull.answered(token, answer, &Host::default());
            }
        });
    }
}

impl Root {
    /// Pulls from now on if the configuration says so; how often ticks are needed.
    #[cfg(not(feature = "standalone"))]
    fn pull(&self, config: &Config) -> Duration {
        let Some(config) = &config.pull else {
            return TICK;
        };
        PULL.with_borrow_mut(|pull| match pull {
            Some(pull) if pull.is_of(config) => {}
            pull => {
                let seed = RandomState::new().hash_one(Host::default().now());
                *pull = Some(Pull::new(Rc::clone(config), seed));
            }
        });
        PULL_TICK
    }

    /// The table is in the configuration: there is nothing to pull.
    #[cfg(feature = "standalone")]
    fn pull(&self, _: &Config) -> Duration {
        TICK
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let json = match size {
            0 => Some(Vec::new()),
            size => Host::default().configuration(size),
        };
        let Some(json) = json else {
            // Without the map of ports it would serve what others shall not see.
            Host::default().log(
                LogLevel::Error,
                "silverback: the configuration cannot be read",
            );
            return false;
        };
        #[cfg(feature = "standalone")]
        let parsed = crate::standalone::Standalone::parse(&json).map(|(config, standalone)| {
            for line in standalone.report(MAX_REPORT) {
                Host::default().log(LogLevel::Warn, &format!("silverback: {line}"));
            }
            self.standalone = Some(Rc::new(standalone));
            config
        });
        #[cfg(not(feature = "standalone"))]
        let parsed = Config::parse(&json);
        match parsed {
            Ok(config) => {
                let period = self.pull(&config);
                self.config = Rc::new(config);
                Host::default().tick_every(period);
                true
            }
            Err(error) => {
                Host::default().log(LogLevel::Error, &format!("silverback: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        PULL.with_borrow_mut(|pull| {
            if let Some(pull) = pull {
                pull.tick(&Host::default());
            }
        });
        WORKER.with(|worker| {
            // Callbacks never nest.
            if let Ok(mut worker) = worker.try_borrow_mut() {
                worker.tick(&Host::default());
            }
        });
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let worker = WORKER.with(Rc::clone);
        let http = Http::new(worker, Rc::clone(&self.config));
        #[cfg(feature = "standalone")]
        let http = http.with_table(self.standalone.clone());
        Some(Box::new(http))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
