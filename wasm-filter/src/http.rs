//! The context of one request.

use core::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use silverback_core::route::balance::Ticket;
use silverback_core::route::edits::ResponseEdits;

#[cfg(feature = "standalone")]
use silverback_core::table::store::view::Segments;

use crate::config::Config;
use crate::proxy::{Host, Proxy as _};
use crate::worker::{Next, Worker};

/// One request.
pub(crate) struct Http {
    worker: Rc<RefCell<Worker>>,
    config: Rc<Config>,
    #[cfg(feature = "standalone")]
    standalone: Option<Rc<crate::standalone::Standalone>>,
    /// What is changed in the response.
    response: ResponseEdits,
    /// What the worker wants to know of when the request is over.
    ticket: Option<Box<Ticket>>,
}

impl Http {
    pub(crate) fn new(worker: Rc<RefCell<Worker>>, config: Rc<Config>) -> Self {
        Self {
            worker,
            config,
            #[cfg(feature = "standalone")]
            standalone: None,
            response: ResponseEdits::new(),
            ticket: None,
        }
    }

    /// The table is the configuration's own.
    #[cfg(feature = "standalone")]
    pub(crate) fn with_table(
        mut self,
        standalone: Option<Rc<crate::standalone::Standalone>>,
    ) -> Self {
        self.standalone = standalone;
        self
    }

    fn host(&self) -> Host {
        Host {
            data_plane: self.config.data_plane,
        }
    }

    fn decide(&self, worker: &mut Worker) -> Next {
        let host = self.host();
        #[cfg(feature = "standalone")]
        if let Some(standalone) = &self.standalone {
            let table = (standalone.table() as &dyn Segments, standalone.number());
            return worker.request_with(&self.config, table, &host);
        }
        worker.request(&self.config, &host)
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        match self.worker.try_borrow_mut() {
            Ok(mut worker) => match self.decide(&mut worker) {
                Next::Continue { response, ticket } => {
                    self.response = response;
                    self.ticket = ticket;
                    Action::Continue
                }
                Next::Answered => Action::Pause,
            },
            // Callbacks never nest. Without a plan the data plane answers 503.
            Err(_) => Action::Continue,
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        for edit in core::mem::take(&mut self.response) {
            self.host().edit_response(&edit);
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        if let Some(ticket) = self.ticket.take()
            && let Ok(mut worker) = self.worker.try_borrow_mut()
        {
            worker.done(&ticket, &self.host());
        }
    }
}
