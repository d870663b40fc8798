//! A counter, a gauge and a histogram; `x-do` asks for what each does not have.

#![allow(
    missing_docs,
    reason = "proxy_wasm::main! makes a public function without any"
)]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, MetricType};

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| Box::new(Request));
}}

struct Request;

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let define = |kind, name| hostcalls::define_metric(kind, name).unwrap_or(u32::MAX);
        let requests = define(MetricType::Counter, "requests");
        let last = define(MetricType::Gauge, "last");
        let sizes = define(MetricType::Histogram, "sizes");
        let path = self.get_http_request_header(":path").unwrap_or_default();
        let _ = hostcalls::increment_metric(requests, 1);
        let _ = hostcalls::record_metric(last, path.len() as u64);
        let _ = hostcalls::record_metric(sizes, path.len() as u64);
        let value = hostcalls::get_metric(requests);
        self.add_http_request_header("x-count", &format!("{value:?}"));
        let odd = match self.get_http_request_header("x-do").as_deref() {
            Some("record-counter") => hostcalls::record_metric(requests, 1),
            Some("read-histogram") => hostcalls::get_metric(sizes).map(drop),
            Some("unknown") => hostcalls::get_metric(4711).map(drop),
            Some("long-name") => {
                hostcalls::define_metric(MetricType::Gauge, &"x".repeat(300)).map(drop)
            }
            _ => Ok(()),
        };
        if let Err(status) = odd {
            self.add_http_request_header("x-failed", &format!("{status:?}"));
        }
        Action::Continue
    }
}
