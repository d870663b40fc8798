//! A shared queue: requests put their path in, ticks take one item out, and so does
//! `on_queue_ready`; what comes out is logged. The configuration is the queue's name.

#![allow(
    missing_docs,
    reason = "proxy_wasm::main! makes a public function without any"
)]

use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { queue: 0 }));
}}

struct Root {
    queue: u32,
}

impl Root {
    fn take(&self, who: &str) {
        let text = match self.dequeue_shared_queue(self.queue) {
            Ok(Some(item)) => String::from_utf8_lossy(&item).into_owned(),
            Ok(None) => "(empty)".to_owned(),
            Err(status) => format!("{status:?}"),
        };
        let _ = hostcalls::log(LogLevel::Info, &format!("{who}: {text}"));
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let name = self.get_plugin_configuration().unwrap_or_default();
        self.queue = self.register_shared_queue(&String::from_utf8_lossy(&name));
        self.set_tick_period(Duration::from_millis(10));
        true
    }

    fn on_tick(&mut self) {
        self.take("tick");
    }

    fn on_queue_ready(&mut self, queue: u32) {
        assert_eq!(queue, self.queue);
        self.take("ready");
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request { queue: self.queue }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Request {
    queue: u32,
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        if let Some(name) = self.get_http_request_header("x-resolve") {
            let found = self.resolve_shared_queue("", &name);
            self.add_http_request_header("x-resolved", &format!("{found:?}"));
        }
        let path = self.get_http_request_header(":path").unwrap_or_default();
        if let Err(status) = self.enqueue_shared_queue(self.queue, Some(path.as_bytes())) {
            self.add_http_request_header("x-failed", &format!("{status:?}"));
        }
        Action::Continue
    }
}
