//! Any host call, one for each `x-do` header, its result in an `x-got` header. Words:
//! `get-property A.B`, `set-property A.B=V`, `clear-property A.B`, `get KEY`, `set KEY=V CAS`,
//! `delete KEY CAS`, `call NAME=ARGS`, `time`, `level`, `done`, `close`, `grpc`, `random`, `print`,
//! `exit`.

#![allow(
    missing_docs,
    reason = "proxy_wasm::main! makes a public function without any"
)]

use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MapType};
use silverback_test_filters::{number, pair};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        for what in text(self.get_plugin_configuration()).lines() {
            let got = act(what);
            let _ = hostcalls::log(LogLevel::Info, &format!("{what}: {got}"));
        }
        true
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Request;

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let map = self.get_http_request_headers();
        for (_, what) in map.iter().filter(|(name, _)| name == "x-do") {
            let got = act(what);
            self.add_http_request_header("x-got", &got);
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, _: usize, _: bool) -> Action {
        // Not allowed any more: headers of the request are gone.
        let _ = hostcalls::set_map_value(MapType::HttpRequestHeaders, "x-late", Some("1"));
        Action::Continue
    }
}

fn act(what: &str) -> String {
    let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
    let path = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
    match verb {
        "get-property" => {
            let path = path(rest);
            format!(
                "{:?}",
                hostcalls::get_property(path.iter().map(String::as_str).collect()).map(some_text)
            )
        }
        "set-property" => {
            let (name, value) = pair(rest);
            let path = path(name);
            let set = hostcalls::set_property(
                path.iter().map(String::as_str).collect(),
                Some(value.as_bytes()),
            );
            format!("{set:?}")
        }
        "clear-property" => {
            let path = path(rest);
            format!(
                "{:?}",
                hostcalls::set_property(path.iter().map(String::as_str).collect(), None)
            )
        }
        "get" => format!(
            "{:?}",
            hostcalls::get_shared_data(rest).map(|(v, cas)| (some_text(v), cas))
        ),
        "set" => {
            let (key, value) = pair(rest);
            let (value, cas) = value.rsplit_once(' ').unwrap_or((value, "0"));
            format!(
                "{:?}",
                hostcalls::set_shared_data(key, Some(value.as_bytes()), Some(number(cas)))
            )
        }
        "delete" => {
            let (key, cas) = rest.rsplit_once(' ').unwrap_or((rest, "0"));
            format!(
                "{:?}",
                hostcalls::set_shared_data(key, None, Some(number(cas)))
            )
        }
        "call" => {
            let (name, args) = pair(rest);
            format!(
                "{:?}",
                hostcalls::call_foreign_function(name, Some(args.as_bytes())).map(some_text)
            )
        }
        "time" => match hostcalls::get_current_time().map(|t| t.duration_since(UNIX_EPOCH)) {
            Ok(Ok(time)) => time.as_nanos().to_string(),
            other => format!("{other:?}"),
        },
        "level" => format!("{:?}", hostcalls::get_log_level()),
        "done" => format!("{:?}", hostcalls::done()),
        "close" => format!("{:?}", hostcalls::reset_http_request()),
        "grpc" => {
            let call =
                hostcalls::dispatch_grpc_call("u", "s", "m", vec![], None, Duration::from_secs(1));
            format!("{call:?}")
        }
        "print" => {
            println!("{rest}");
            eprintln!("{rest} too");
            "printed".to_owned()
        }
        "env" => std::env::var("HOME").unwrap_or("(no environment)".to_owned()),
        "exit" => std::process::exit(3),
        other => format!("unknown word {other}"),
    }
}

fn some_text(value: Option<Vec<u8>>) -> Option<String> {
    value.map(|v| String::from_utf8_lossy(&v).into_owned())
}

fn text(value: Option<Vec<u8>>) -> String {
    some_text(value).unwrap_or_default()
}
