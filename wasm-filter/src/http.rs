//! The context of one request.

use core::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::config::Config;
use crate::proxy::Host;
use crate::worker::{Next, Worker};

/// One request.
pub(crate) struct Http {
    worker: Rc<RefCell<Worker>>,
    config: Rc<Config>,
}

impl Http {
    pub(crate) fn new(worker: Rc<RefCell<Worker>>, config: Rc<Config>) -> Self {
        Self { worker, config }
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        match self.worker.try_borrow_mut() {
            Ok(mut worker) => match worker.request(&self.config, &Host) {
                Next::Continue => Action::Continue,
                Next::Answered => Action::Pause,
            },
            // Callbacks never nest. Without a plan the data plane answers 503.
            Err(_) => Action::Continue,
        }
    }
}
