//! The root context: takes the configuration and makes a context for each request.

use core::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};

use crate::config::Config;
use crate::http::Http;
use crate::proxy::{Host, Proxy as _};
use crate::worker::{TICK, Worker};

thread_local! {
    /// One for all root contexts of the instance. Kong makes a root for each filter chain and for
    /// each new configuration, and keeps the old ones; they share what was read of the table.
    static WORKER: Rc<RefCell<Worker>> = Rc::default();
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

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let json = match size {
            0 => Some(Vec::new()),
            size => Host.configuration(size),
        };
        let Some(json) = json else {
            // Without the map of ports it would serve what others shall not see.
            Host.log(
                LogLevel::Error,
                "silverback: the configuration cannot be read",
            );
            return false;
        };
        #[cfg(feature = "standalone")]
        let parsed = crate::standalone::Standalone::parse(&json).map(|(config, standalone)| {
            for line in standalone.report(MAX_REPORT) {
                Host.log(LogLevel::Warn, &format!("silverback: {line}"));
            }
            self.standalone = Some(Rc::new(standalone));
            config
        });
        #[cfg(not(feature = "standalone"))]
        let parsed = Config::parse(&json);
        match parsed {
            Ok(config) => {
                self.config = Rc::new(config);
                Host.tick_every(TICK);
                true
            }
            Err(error) => {
                Host.log(LogLevel::Error, &format!("silverback: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        WORKER.with(|worker| {
            // Callbacks never nest.
            if let Ok(mut worker) = worker.try_borrow_mut() {
                worker.tick(&Host);
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
