//! Counts ticks and requests, in its own memory and in shared data by compare-and-swap.
//!
//! Configuration, words: `tick=MS`, `tick-reset` (sets the period twice), `refuse`
//! (on_configure returns false), `panic`, `zone=NAME`, `grow=BYTES`.
//! Request header `x-do`: `panic`, `unreachable`, `grow`, `spin`, `delete`.

#![allow(
    missing_docs,
    reason = "proxy_wasm::main! makes a public function without any"
)]

use std::cell::Cell;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, Status};
use silverback_test_filters::{number, pair};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| Box::new(Root { id, key: "ticks".to_owned() }));
}}

thread_local! {
    /// What a trap loses: the instance's own memory.
    static REQUESTS: Cell<u32> = const { Cell::new(0) };
}

struct Root {
    id: u32,
    key: String,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, _: usize) -> bool {
        say(&format!("vm start {}", text(self.get_vm_configuration())));
        true
    }

    fn on_configure(&mut self, _: usize) -> bool {
        let configuration = text(self.get_plugin_configuration());
        say(&format!("configure {configuration}"));
        let mut accepted = true;
        for word in configuration.split_whitespace() {
            match pair(word) {
                ("tick", ms) => self.set_tick_period(Duration::from_millis(number(ms).into())),
                ("zone", zone) => self.key = format!("{zone}/ticks"),
                ("refuse", _) => accepted = false,
                ("panic", _) => panic!("told to panic in on_configure"),
                _ => {}
            }
        }
        accepted
    }

    fn on_tick(&mut self) {
        say(&format!("tick {:x}", self.id));
        add_one(&self.key);
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        say(&format!("create {id}"));
        Some(Box::new(Request {
            id,
            key: self.key.clone(),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Request {
    id: u32,
    key: String,
}

impl Context for Request {
    fn on_done(&mut self) -> bool {
        say(&format!("done {}", self.id));
        true
    }
}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        REQUESTS.set(REQUESTS.get() + 1);
        match self.get_http_request_header("x-do").as_deref() {
            Some("panic") => panic!("told to panic"),
            Some("grow") => std::mem::forget(std::hint::black_box(vec![1u8; 8 << 20])),
            Some("spin") => loop {
                std::hint::black_box(());
            },
            Some("add") => add_one(&self.key),
            Some("tick") => {
                let _ = hostcalls::set_tick_period(Duration::from_millis(5));
            }
            _ => {}
        }
        self.set_http_request_header("x-requests", Some(&REQUESTS.get().to_string()));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_response_header("x-filter", Some("was here"));
        Action::Continue
    }

    fn on_log(&mut self) {
        say(&format!("log {}", self.id));
    }
}

fn add_one(key: &str) {
    loop {
        let Ok((value, cas)) = hostcalls::get_shared_data(key) else {
            return;
        };
        let count = value
            .and_then(|v| v.try_into().ok())
            .map_or(0, u64::from_le_bytes);
        match hostcalls::set_shared_data(key, Some(&(count + 1).to_le_bytes()), cas) {
            Err(Status::CasMismatch) => say("cas mismatch"),
            _ => return,
        }
    }
}

fn text(bytes: Option<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

fn say(text: &str) {
    let _ = hostcalls::log(LogLevel::Info, text);
}
