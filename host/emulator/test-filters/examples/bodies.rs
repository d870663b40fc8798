//! Notes what it sees of the request body in headers of the response, and changes bodies:
//! `x-request-body: prepend|append|replace`, `x-response-body` the same, with `<>` as the text.

#![allow(
    missing_docs,
    reason = "proxy_wasm::main! makes a public function without any"
)]

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| Box::new(Bodies::default()));
}}

#[derive(Default)]
struct Bodies {
    request: Option<String>,
    response: Option<String>,
    seen: Vec<String>,
    pieces: usize,
}

impl Context for Bodies {}

impl HttpContext for Bodies {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.request = self.get_http_request_header("x-request-body");
        self.response = self.get_http_request_header("x-response-body");
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let body = self.get_http_request_body(0, usize::MAX);
        let tail = self.get_http_request_body(2, 3);
        let text = |body: Option<Vec<u8>>| match body {
            None => "(none)".to_owned(),
            Some(body) if body.len() > 16 => format!("({} bytes)", body.len()),
            Some(body) => String::from_utf8_lossy(&body).into_owned(),
        };
        self.seen.push(format!(
            "{size} {end_of_stream} {} {}",
            text(body),
            text(tail)
        ));
        match self.request.as_deref() {
            Some("prepend") => self.set_http_request_body(0, 0, b"<>"),
            Some("append") => self.set_http_request_body(size, 0, b"<>"),
            Some("replace") => self.set_http_request_body(0, size, b"<>"),
            Some("middle") => self.set_http_request_body(1, 2, b"<>"),
            Some("longer") => self.set_http_request_body(0, size, b"<longer>"),
            _ => {}
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        for seen in &self.seen {
            self.add_http_response_header("x-seen", seen);
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.pieces += 1;
        match self.response.as_deref() {
            Some("pause") if !end_of_stream => return Action::Pause,
            Some("prepend") => self.set_http_response_body(0, 0, b"<>"),
            Some("append") => self.set_http_response_body(size, 0, b"<>"),
            Some("replace") => self.set_http_response_body(0, size, b"<>"),
            _ => {}
        }
        Action::Continue
    }
}
