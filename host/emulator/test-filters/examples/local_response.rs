//! Answers by itself: `x-answer: headers|body|response|twice` says in which callback,
//! `x-action: continue` that it returns Continue afterwards.

#![allow(
    missing_docs,
    reason = "proxy_wasm::main! makes a public function without any"
)]

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, GrpcStatusCode};

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| Box::new(Answer::default()));
}}

#[derive(Default)]
struct Answer {
    when: String,
    action: Option<String>,
}

impl Context for Answer {}

impl Answer {
    fn answer(&self) -> Action {
        let headers = vec![("x-a", "1"), ("X-A", "2"), ("x-b", "3")];
        self.send_http_response(418, headers, Some(b"short and stout"));
        if self.when == "twice" {
            self.send_http_response(419, vec![], None);
        }
        if self.action.as_deref() == Some("continue") {
            Action::Continue
        } else {
            Action::Pause
        }
    }
}

impl HttpContext for Answer {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.when = self.get_http_request_header("x-answer").unwrap_or_default();
        self.action = self.get_http_request_header("x-action");
        match self.when.as_str() {
            "headers" | "twice" => self.answer(),
            "grpc" => {
                self.send_grpc_response(
                    GrpcStatusCode::Unavailable,
                    Some("later"),
                    vec![("k", b"v")],
                );
                Action::Pause
            }
            _ => Action::Continue,
        }
    }

    fn on_http_request_body(&mut self, _: usize, _: bool) -> Action {
        if self.when == "body" {
            self.answer()
        } else {
            Action::Continue
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if self.when == "response" {
            self.answer()
        } else {
            Action::Continue
        }
    }

    fn on_http_response_body(&mut self, _: usize, _: bool) -> Action {
        if self.when == "too-late" {
            self.answer()
        } else {
            Action::Continue
        }
    }
}
