//! The whole boundary between the filter and the proxy that it runs in.

#[cfg(target_family = "wasm")]
mod host;

#[cfg(target_family = "wasm")]
pub(crate) use host::Host;

use proxy_wasm::types::{LogLevel, MetricType};
use silverback_core::node::pull::puller::Ask;
use silverback_core::route::edits::ResponseEdit;
use silverback_core::table::store::{SharedData, StoreError};

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
    ///
    /// # Errors
    /// [`NotAnswered`]: nobody knows whether there is one.
    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, NotAnswered>;
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
    ///
    /// # Errors
    /// [`NotAnswered`]: the client gets nothing from here.
    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), NotAnswered>;
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

/// The data plane did not do what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnswered;

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
