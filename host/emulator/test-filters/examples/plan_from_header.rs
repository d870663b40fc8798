//! Does to a request what its headers say, by Silverback's contract: the gateway's tests and bench
//! run it. With a plan (hexadecimal) as its configuration it gives that to every request.
//!
//! | request header | effect |
//! |---|---|
//! | `x-test-plan: HEX` | sets this plan |
//! | `x-test-local: STATUS` | answers; the body is the request message in hexadecimal |
//! | `x-test-trap: request\|response\|log` | traps there |
//! | `x-test-set: NAME=VALUE` | sets a request header |
//! | `x-test-body: 1` | waits for the body, then gives the plan if the body says `go` |
//! | `x-test-response: NAME=VALUE` | sets a response header |
//! | `x-test-nothing: 1` | neither answers nor gives a plan |

#![allow(
    missing_docs,
    reason = "proxy_wasm::main! makes a public function without any"
)]

use std::fmt::Write as _;
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MapType};
use silverback_test_filters::pair;

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

#[derive(Default)]
struct Root {
    plan: Rc<[u8]>,
}

struct Request {
    plan: Rc<[u8]>,
    /// The plan comes from the configuration: headers are not looked at.
    configured: bool,
    trap: Option<String>,
    response: Option<String>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match unhex(&self.get_plugin_configuration().unwrap_or_default()) {
            Some(plan) => {
                self.plan = plan.into();
                true
            }
            None => false,
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request {
            plan: Rc::clone(&self.plan),
            configured: !self.plan.is_empty(),
            trap: None,
            response: None,
        }))
    }
}

impl Context for Request {}

impl Request {
    fn give_plan(&self) {
        if !self.plan.is_empty() {
            self.set_property(vec!["kong.silverback.plan"], Some(&self.plan));
        }
    }

    fn maybe_trap(&self, phase: &str) {
        assert!(
            self.trap.as_deref() != Some(phase),
            "trapped in {phase} as told"
        );
    }

    fn instructed(&mut self) -> Action {
        let header = |name| {
            hostcalls::get_map_value(MapType::HttpRequestHeaders, name)
                .ok()
                .flatten()
        };
        if let Some(plan) = header("x-test-plan") {
            self.plan = unhex(plan.as_bytes()).unwrap_or_default().into();
        }
        self.trap = header("x-test-trap");
        self.response = header("x-test-response");
        if let Some(set) = header("x-test-set") {
            let (name, value) = pair(&set);
            self.set_http_request_header(name, Some(value));
        }
        if let Some(status) = header("x-test-local") {
            let request = self.get_property(vec!["kong.silverback.request"]);
            let body = hex(&request.unwrap_or_default());
            let headers = vec![("x-twice", "1"), ("x-twice", "2")];
            self.send_http_response(status.parse().unwrap_or(0), headers, Some(body.as_bytes()));
            return Action::Pause;
        }
        if header("x-test-body").is_some() {
            return Action::Pause;
        }
        self.maybe_trap("request");
        if header("x-test-nothing").is_none() {
            self.give_plan();
        }
        Action::Continue
    }
}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        if self.configured {
            // The least that a filter must do, for the bench: one read, one write.
            let request = self.get_property(vec!["kong.silverback.request"]);
            if request.is_some() {
                self.give_plan();
            }
            return Action::Continue;
        }
        self.instructed()
    }

    fn on_http_request_body(&mut self, size: usize, _: bool) -> Action {
        let body = self.get_http_request_body(0, size).unwrap_or_default();
        if body.starts_with(b"go") {
            self.give_plan();
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.maybe_trap("response");
        if let Some(set) = &self.response {
            let (name, value) = pair(set);
            self.set_http_response_header(name, Some(value));
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        if self.configured {
            return;
        }
        self.maybe_trap("log");
        let result = self.get_property(vec!["kong.silverback.result"]);
        let line = format!("result {}", hex(&result.unwrap_or_default()));
        let _ = hostcalls::log(LogLevel::Debug, &line);
    }
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    text.chunks(2)
        .map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
