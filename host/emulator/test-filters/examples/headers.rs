//! Does with headers what the request's `x-do` headers say, one after the other:
//! `set NAME=VALUE`, `add NAME=VALUE`, `remove NAME`, `get NAME` (the answer goes to `x-got`),
//! `replace-all NAME=VALUE`, `count`. `x-do-response` is for the response.

#![allow(
    missing_docs,
    reason = "proxy_wasm::main! makes a public function without any"
)]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, MapType};
use silverback_test_filters::pair;

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| Box::new(Headers { num_headers: 0, response: Vec::new() }));
}}

struct Headers {
    num_headers: usize,
    response: Vec<String>,
}

impl Context for Headers {}

impl HttpContext for Headers {
    fn on_http_request_headers(&mut self, num_headers: usize, end_of_stream: bool) -> Action {
        self.num_headers = num_headers;
        let map = self.get_http_request_headers();
        let told = |name: &str| {
            map.iter()
                .filter(|(n, _)| n == name)
                .map(|(_, v)| v.clone())
                .collect::<Vec<_>>()
        };
        self.response = told("x-do-response");
        for what in told("x-do") {
            self.act(MapType::HttpRequestHeaders, &what);
        }
        self.add_http_request_header(
            "x-end-of-stream",
            if end_of_stream { "true" } else { "false" },
        );
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        for what in std::mem::take(&mut self.response) {
            self.act(MapType::HttpResponseHeaders, &what);
        }
        Action::Continue
    }
}

impl Headers {
    fn act(&self, map: MapType, what: &str) {
        let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
        let (name, value) = pair(rest);
        let done = match verb {
            "set" => hostcalls::set_map_value(map, name, Some(value)),
            "add" => hostcalls::add_map_value(map, name, value),
            "remove" => hostcalls::remove_map_value(map, name),
            "replace-all" => hostcalls::set_map(map, vec![(name, value)]),
            "get" => hostcalls::get_map_value(map, name).and_then(|v| {
                hostcalls::add_map_value(map, "x-got", v.as_deref().unwrap_or("(none)"))
            }),
            "count" => hostcalls::add_map_value(map, "x-got", &self.num_headers.to_string()),
            _ => Ok(()),
        };
        if let Err(status) = done {
            let _ = hostcalls::add_map_value(map, "x-failed", &format!("{verb} {status:?}"));
        }
    }
}
