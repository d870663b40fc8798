//! Makes HTTP calls: one on each tick if the configuration says `tick`, and as many as the
//! request header `x-calls` says. What a call brought goes to the request header `x-called`, and,
//! for ticks, to the log.

#![allow(
    missing_docs,
    reason = "proxy_wasm::main! makes a public function without any"
)]

use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use silverback_test_filters::number;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

fn called(context: &dyn Context, headers: usize, body: usize, trailers: usize) -> String {
    let status = context
        .get_http_call_response_header(":status")
        .unwrap_or_default();
    let own = context
        .get_http_call_response_header("x-own")
        .unwrap_or_default();
    let body_text = context
        .get_http_call_response_body(0, body)
        .unwrap_or_default();
    let body_text = String::from_utf8_lossy(&body_text).into_owned();
    format!("{status} {own} {body_text} {headers}/{body}/{trailers}")
}

impl Context for Root {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body: usize, trailers: usize) {
        let text = called(self, headers, body, trailers);
        let _ = hostcalls::log(LogLevel::Info, &format!("tick call: {text}"));
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        if size > 0 && self.get_plugin_configuration().as_deref() == Some(b"tick") {
            self.set_tick_period(Duration::from_millis(100));
        }
        true
    }

    fn on_tick(&mut self) {
        let headers = vec![(":method", "GET"), (":path", "/tick"), (":authority", "a")];
        let _ = self.dispatch_http_call(
            "127.0.0.1:80",
            headers,
            None,
            vec![],
            Duration::from_secs(1),
        );
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request { waiting: 0 }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Request {
    waiting: u32,
}

impl Context for Request {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body: usize, trailers: usize) {
        let text = called(self, headers, body, trailers);
        self.add_http_request_header("x-called", &text);
        self.waiting -= 1;
        if self.waiting == 0 {
            self.resume_http_request();
        }
    }
}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.waiting = self
            .get_http_request_header("x-calls")
            .map_or(0, |n| number(&n));
        let method = self
            .get_http_request_header("x-method")
            .unwrap_or("POST".to_owned());
        for _ in 0..self.waiting {
            let headers = vec![
                (":method", method.as_str()),
                (":path", "/a"),
                (":authority", "a"),
                ("x-k", "v"),
            ];
            let dispatched = self.dispatch_http_call(
                "127.0.0.1:80",
                headers,
                Some(b"body"),
                vec![("t", "1")],
                Duration::from_millis(250),
            );
            if let Err(status) = dispatched {
                self.add_http_request_header("x-failed", &format!("{status:?}"));
            }
        }
        if self.get_http_request_header("x-then-answer").is_some() {
            self.send_http_response(200, vec![], None);
        }
        if self.waiting > 0 {
            Action::Pause
        } else {
            Action::Continue
        }
    }
}
