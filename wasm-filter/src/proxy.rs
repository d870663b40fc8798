//! The whole boundary between the filter and the proxy that it runs in.

use core::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{LogLevel, MapType, MetricType, Status};
use silverback_core::node::pull::puller::Ask;
use silverback_core::route::edits::ResponseEdit;
use silverback_core::table::store::{SharedData, StoreError};

use crate::config::DataPlane;
use crate::envoy;
use crate::pull::config::PullConfig;

/// What the filter asks of the proxy. Every call is a host call, which costs 0.2 to 1.2 us in Kong
/// (Kong facts 3): the methods say what a request may need at most.
pub trait Proxy {
    /// `kong.silverback.request`; `None` if the data plane does not offer it. Once a request.
    fn request(&self) -> Option<Vec<u8>>;
    /// Sets `kong.silverback.plan`, once a request. False: the data plane has answered the request,
    /// because it cannot carry the plan out.
    fn set_plan(&self, plan: &[u8]) -> bool;
    /// `kong.silverback.result`. Once at the end of a request, only where a policy needs it.
    fn result(&self) -> Option<Vec<u8>>;
    /// The first value of a request header. Only for headers that a candidate rule asks for.
    fn header(&self, name: &str) -> Option<Vec<u8>>;
    /// A value of shared data and its cas. Once a request, more when the epoch has changed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn shared(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError>;
    /// Sets a value of shared data over the one with this cas, 0 = none. Only where the filter pulls.
    ///
    /// # Errors
    /// [`StoreError`].
    fn set_shared(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError>;
    /// Sends a request to the publisher; the token of its answer. Only where the filter pulls.
    fn send(&self, to: &PullConfig, ask: &Ask) -> Option<u32>;
    /// Milliseconds since 1970. Once a tick, and at the end of a request where a policy needs it.
    fn now(&self) -> u64;
    /// Answers the request.
    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]);
    /// Changes a header of the response. Only for rules that say so.
    fn edit_response(&self, edit: &ResponseEdit);
    /// The id of a metric. Once for each in a worker's life, in a tick.
    fn define_metric(&self, kind: MetricType, name: &str) -> Option<u32>;
    /// Adds to a counter. Only in a tick.
    fn increment_metric(&self, id: u32, by: u64);
    /// Sets a gauge. Only in a tick.
    fn record_metric(&self, id: u32, value: u64);
    /// Says something to the operator.
    fn log(&self, level: LogLevel, message: &str);
}

/// The proxy behind proxy-wasm's host functions.
#[derive(Debug, Default, Clone, Copy)]
pub struct Host {
    /// Who carries plans out.
    pub data_plane: DataPlane,
}

impl Proxy for Host {
    fn request(&self) -> Option<Vec<u8>> {
        match self.data_plane {
            DataPlane::Kong => {
                hostcalls::get_property(vec!["kong", "silverback", "request"]).ok()?
            }
            DataPlane::Envoy => envoy::request(self),
        }
    }

    fn set_plan(&self, plan: &[u8]) -> bool {
        match self.data_plane {
            DataPlane::Kong => {
                // The shim's setter never refuses: what it does not understand it answers with 500.
                let _ = hostcalls::set_property(vec!["kong", "silverback", "plan"], Some(plan));
                true
            }
            DataPlane::Envoy => envoy::carry_out(plan, self),
        }
    }

    fn result(&self) -> Option<Vec<u8>> {
        match self.data_plane {
            DataPlane::Kong => {
                hostcalls::get_property(vec!["kong", "silverback", "result"]).ok()?
            }
            DataPlane::Envoy => envoy::result(self),
        }
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name).ok()?
    }

    fn shared(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
        let key = core::str::from_utf8(key).map_err(|_| StoreError::Unavailable)?;
        match hostcalls::get_shared_data(key) {
            Ok((Some(value), cas)) => Ok(Some((value, cas.unwrap_or_default()))),
            Ok((None, _)) => Ok(None),
            Err(_) => Err(StoreError::Unavailable),
        }
    }

    fn set_shared(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError> {
        let key = core::str::from_utf8(key).map_err(|_| StoreError::Unavailable)?;
        hostcalls::set_shared_data(key, Some(value), Some(cas)).map_err(|status| match status {
            Status::CasMismatch => StoreError::CasMismatch,
            _ => StoreError::Unavailable,
        })
    }

    fn send(&self, to: &PullConfig, ask: &Ask) -> Option<u32> {
        let mut headers = vec![
            (":method", ask.method),
            (":path", &*ask.path),
            (":authority", &*to.authority),
            (":scheme", "http"),
        ];
        let token = ["Bearer ", &*to.token].concat();
        if !to.token.is_empty() {
            headers.push(("authorization", &*token));
        }
        let body = (!ask.body.is_empty()).then_some(&*ask.body);
        let timeout = Duration::from_millis(ask.timeout.into());
        hostcalls::dispatch_http_call(&to.upstream, headers, body, Vec::new(), timeout).ok()
    }

    fn now(&self) -> u64 {
        let now = hostcalls::get_current_time().ok();
        now.and_then(|now| now.duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|since| u64::try_from(since.as_millis()).ok())
            .unwrap_or_default()
    }

    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let _ = hostcalls::send_http_response(u32::from(status), headers.to_vec(), Some(body));
    }

    fn edit_response(&self, edit: &ResponseEdit) {
        let map = MapType::HttpResponseHeaders;
        let _ = match edit {
            ResponseEdit::Remove(name) => hostcalls::set_map_value_bytes(map, name, None),
            ResponseEdit::Set(name, value) => {
                hostcalls::set_map_value_bytes(map, name, Some(value))
            }
            ResponseEdit::Add(name, value) => hostcalls::add_map_value_bytes(map, name, value),
        };
    }

    fn define_metric(&self, kind: MetricType, name: &str) -> Option<u32> {
        hostcalls::define_metric(kind, name).ok()
    }

    fn increment_metric(&self, id: u32, by: u64) {
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        let _ = hostcalls::increment_metric(id, by);
    }

    fn record_metric(&self, id: u32, value: u64) {
        let _ = hostcalls::record_metric(id, value);
    }

    fn log(&self, level: LogLevel, message: &str) {
        let _ = hostcalls::log(level, message);
    }
}

impl envoy::Calls for Host {
    fn property(&self, path: [&str; 2]) -> Option<Vec<u8>> {
        hostcalls::get_property(path.to_vec()).ok()?
    }

    fn header(&self, name: &str) -> Option<Vec<u8>> {
        Proxy::header(self, name)
    }

    fn remove_header(&self, name: &str) {
        let _ = hostcalls::remove_map_value(MapType::HttpRequestHeaders, name);
    }

    fn add_header(&self, name: &str, value: &[u8]) {
        let _ = hostcalls::add_map_value_bytes(MapType::HttpRequestHeaders, name, value);
    }

    fn replace_header(&self, name: &str, value: &[u8]) {
        let _ = hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, Some(value));
    }

    fn refuse(&self) {
        let body = br#"{"message":"An unexpected error occurred"}"#;
        let kind = ("content-type", "application/json; charset=utf-8");
        Proxy::reply(self, 500, &[kind], body);
    }
}

/// Shared data through a proxy: requests read it, and the filter writes it where it pulls.
pub(crate) struct Shared<'p, P>(pub(crate) &'p P);

impl<P: Proxy> SharedData for Shared<'_, P> {
    fn get(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
        self.0.shared(key)
    }

    fn set(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError> {
        self.0.set_shared(key, value, cas)
    }
}
