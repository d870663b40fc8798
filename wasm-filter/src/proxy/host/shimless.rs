//! The host functions as data planes without the shim need them.

use super::{
    Host, NOT_FOUND, OK, REQUEST_HEADERS, done, header, property, proxy_add_header_map_value,
    proxy_remove_header_map_value, proxy_replace_header_map_value, set_property,
};
use crate::proxy::{NotAnswered, Proxy};
use crate::{envoy, minimal};

impl envoy::Calls for Host {
    fn property(&self, path: [&str; 2]) -> Option<Vec<u8>> {
        property(path.join("\0").as_bytes())
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        header(REQUEST_HEADERS, name).ok()?
    }

    fn remove_header(&self, name: &str) -> bool {
        // SAFETY: see the reason in `host`.
        let status =
            unsafe { proxy_remove_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len()) };
        matches!(status, OK | NOT_FOUND)
    }

    fn add_header(&self, name: &str, value: &[u8]) -> bool {
        add_request_header(name, value).is_ok()
    }

    fn replace_header(&self, name: &str, value: &[u8]) -> bool {
        set_request_header(name, value).is_ok()
    }

    fn refuse(&self) {
        refuse(*self);
    }
}

impl minimal::Calls for Host {
    // ngx_wasm_module takes the names with dots too.
    fn property(&self, name: &str) -> Option<Vec<u8>> {
        property(name.as_bytes())
    }

    fn set_property(&self, name: &str, value: &[u8]) -> Result<(), NotAnswered> {
        set_property(name.as_bytes(), value)
    }

    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, NotAnswered> {
        header(REQUEST_HEADERS, name)
    }

    fn set_header(&self, name: &str, value: &[u8]) -> Result<(), NotAnswered> {
        set_request_header(name, value)
    }

    fn add_header(&self, name: &str, value: &[u8]) -> Result<(), NotAnswered> {
        add_request_header(name, value)
    }

    fn refuse(&self) {
        refuse(*self);
    }
}

#[inline(never)]
fn set_request_header(name: &str, value: &[u8]) -> Result<(), NotAnswered> {
    let (map, len) = (REQUEST_HEADERS, name.len());
    // SAFETY: see the reason in `host`.
    done(unsafe {
        proxy_replace_header_map_value(map, name.as_ptr(), len, value.as_ptr(), value.len())
    })
}

#[inline(never)]
fn add_request_header(name: &str, value: &[u8]) -> Result<(), NotAnswered> {
    let (map, len) = (REQUEST_HEADERS, name.len());
    // SAFETY: see the reason in `host`.
    done(unsafe {
        proxy_add_header_map_value(map, name.as_ptr(), len, value.as_ptr(), value.len())
    })
}

/// Answers 500.
#[cold]
fn refuse(host: Host) {
    let body = br#"{"message":"An unexpected error occurred"}"#;
    let kind = ("content-type", "application/json; charset=utf-8");
    // Answered or not: the request goes nowhere.
    let _ = Proxy::reply(&host, 500, &[kind], body);
}
