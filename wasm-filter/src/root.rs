//! The root context: takes the configuration and makes a context for each request.

use core::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel};

use crate::config::Config;
use crate::http::Http;
use crate::proxy::{Host, Proxy as _};
use crate::worker::Worker;

/// One root context; Kong makes one for each filter chain.
#[derive(Default)]
pub(crate) struct Root {
    worker: Rc<RefCell<Worker>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let json = if size == 0 {
            Vec::new()
        } else {
            hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size)
                .ok()
                .flatten()
                .unwrap_or_default()
        };
        match Config::parse(&json) {
            Ok(config) => {
                if let Ok(mut worker) = self.worker.try_borrow_mut() {
                    worker.configure(config);
                }
                true
            }
            Err(error) => {
                Host.log(LogLevel::Error, &format!("silverback: {error}"));
                false
            }
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http::new(Rc::clone(&self.worker))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
