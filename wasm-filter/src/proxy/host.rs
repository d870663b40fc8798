//! The proxy behind proxy-wasm's host functions.
//!
//! The functions are called here and not through the SDK, whose wrappers panic when the host answers a
//! status that they do not expect. A panic is a trap, and with a trap a worker loses its instance and
//! every request in it. Here each status but Ok is one thing: the call was not done.
#![allow(
    unsafe_code,
    reason = "host functions take pointers; each call passes those of living values with their lengths"
)]

mod shimless;

use core::ptr::{null, null_mut};
use core::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{LogLevel, MetricType};
use silverback_core::node::pull::puller::Ask;
use silverback_core::route::edits::ResponseEdit;
use silverback_core::table::store::StoreError;

use super::{NotAnswered, Proxy};
use crate::config::DataPlane;
use crate::pull::config::PullConfig;
use crate::{envoy, minimal};

/// The proxy that the module runs in.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Host {
    /// Who carries plans out.
    pub(crate) data_plane: DataPlane,
}

/// A status of the ABI. Only three mean something here; others may be numbers that nobody has named.
type Status = u32;

const OK: Status = 0;
const NOT_FOUND: Status = 1;
const CAS_MISMATCH: Status = 8;

const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const CALL_RESPONSE_HEADERS: u32 = 6;
const CALL_RESPONSE_BODY: u32 = 4;
const PLUGIN_CONFIGURATION: u32 = 7;

const REQUEST: &[u8] = b"kong\0silverback\0request";
const PLAN: &[u8] = b"kong\0silverback\0plan";
const RESULT: &[u8] = b"kong\0silverback\0result";

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, text: *const u8, len: usize) -> Status;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> Status;
    fn proxy_set_tick_period_milliseconds(period: u32) -> Status;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        value: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
    fn proxy_get_property(
        path: *const u8,
        path_len: usize,
        value: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
    fn proxy_set_property(path: *const u8, path_len: usize, value: *const u8, len: usize)
    -> Status;
    fn proxy_get_shared_data(
        key: *const u8,
        key_len: usize,
        value: *mut *mut u8,
        len: *mut usize,
        cas: *mut u32,
    ) -> Status;
    fn proxy_set_shared_data(
        key: *const u8,
        key_len: usize,
        value: *const u8,
        len: usize,
        cas: u32,
    ) -> Status;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        value: *mut *mut u8,
        len: *mut usize,
    ) -> Status;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        value: *const u8,
        len: usize,
    ) -> Status;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_len: usize,
        value: *const u8,
        len: usize,
    ) -> Status;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_len: usize) -> Status;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_len: usize,
        body: *const u8,
        body_len: usize,
        headers: *const u8,
        headers_len: usize,
        grpc_status: i32,
    ) -> Status;
    fn proxy_define_metric(kind: u32, name: *const u8, name_len: usize, id: *mut u32) -> Status;
    fn proxy_increment_metric(id: u32, by: i64) -> Status;
    fn proxy_record_metric(id: u32, value: u64) -> Status;
}

/// Where the host says which memory it has filled.
struct Given {
    value: *mut u8,
    len: usize,
}

impl Given {
    const NOTHING: Self = Self {
        value: null_mut(),
        len: 0,
    };

    /// What was given; `None` if the host said Ok and gave nothing.
    fn take(self) -> Option<Vec<u8>> {
        // SAFETY: the host asks `proxy_on_memory_allocate` for memory and says where it was; the SDK
        // allocates a boxed slice of exactly `len` bytes there and gives it up.
        (!self.value.is_null())
            .then(|| unsafe { Vec::from_raw_parts(self.value, self.len, self.len) })
    }
}

/// Names and values with their lengths, as the ABI writes header maps.
fn pairs(headers: &[(&str, &str)]) -> Vec<u8> {
    // Ours are few and short.
    let number = |number: usize| u32::try_from(number).unwrap_or_default().to_le_bytes();
    let mut out = number(headers.len()).to_vec();
    for (name, value) in headers {
        out.extend_from_slice(&number(name.len()));
        out.extend_from_slice(&number(value.len()));
    }
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        out.extend_from_slice(text.as_bytes());
        out.push(0);
    }
    out
}

#[inline(never)]
fn property(path: &[u8]) -> Option<Vec<u8>> {
    let mut given = Given::NOTHING;
    // SAFETY: see the module's reason.
    let status =
        unsafe { proxy_get_property(path.as_ptr(), path.len(), &mut given.value, &mut given.len) };
    if status == OK { given.take() } else { None }
}

/// The first value of a header; `None` if there is none.
#[inline(never)]
fn header(map: u32, name: &str) -> Result<Option<Vec<u8>>, NotAnswered> {
    let mut given = Given::NOTHING;
    // SAFETY: see the module's reason.
    let status = unsafe {
        proxy_get_header_map_value(
            map,
            name.as_ptr(),
            name.len(),
            &mut given.value,
            &mut given.len,
        )
    };
    match status {
        OK => Ok(given.take()),
        NOT_FOUND => Ok(None),
        _ => Err(NotAnswered),
    }
}

fn buffer(buffer: u32, size: usize) -> Option<Vec<u8>> {
    let mut given = Given::NOTHING;
    // SAFETY: see the module's reason.
    let status =
        unsafe { proxy_get_buffer_bytes(buffer, 0, size, &mut given.value, &mut given.len) };
    if status == OK { given.take() } else { None }
}

#[inline(never)]
fn set_property(path: &[u8], value: &[u8]) -> Result<(), NotAnswered> {
    // SAFETY: see the module's reason.
    done(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

fn done(status: Status) -> Result<(), NotAnswered> {
    if status == OK {
        Ok(())
    } else {
        Err(NotAnswered)
    }
}

impl Host {
    /// The configuration of the filter, `size` bytes; `None` if it cannot be had.
    pub(crate) fn configuration(self, size: usize) -> Option<Vec<u8>> {
        buffer(PLUGIN_CONFIGURATION, size)
    }

    /// Status and body, `size` bytes, of the answer to a call, while its callback runs; `None` if they
    /// cannot be had.
    pub(crate) fn call_response(self, size: usize) -> Option<(u16, Vec<u8>)> {
        let status = header(CALL_RESPONSE_HEADERS, ":status").ok()??;
        let status = core::str::from_utf8(&status).ok()?.parse().ok()?;
        let body = match size {
            0 => Vec::new(),
            size => buffer(CALL_RESPONSE_BODY, size)?,
        };
        Some((status, body))
    }

    /// Asks to be called every `period`. A host without timers has no metrics; requests need none.
    pub(crate) fn tick_every(self, period: Duration) {
        let period = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
        // SAFETY: no pointer.
        let _ = unsafe { proxy_set_tick_period_milliseconds(period) };
    }
}

impl Proxy for Host {
    fn request(&self) -> Option<Vec<u8>> {
        match self.data_plane {
            DataPlane::Kong => property(REQUEST),
            DataPlane::Envoy => envoy::request(self),
            DataPlane::KongMinimal => minimal::request(self),
        }
    }

    fn set_plan(&self, plan: &[u8]) -> bool {
        match self.data_plane {
            DataPlane::Kong => {
                // The shim's setter never refuses: what it does not understand it answers with 500.
                let _ = set_property(PLAN, plan);
                true
            }
            DataPlane::Envoy => envoy::carry_out(plan, self),
            DataPlane::KongMinimal => minimal::carry_out(plan, self),
        }
    }

    fn result(&self) -> Option<Vec<u8>> {
        match self.data_plane {
            DataPlane::Kong => property(RESULT),
            DataPlane::Envoy => envoy::result(self),
            // Kong says 502 of a try that failed and of an upstream that answers it.
            DataPlane::KongMinimal => None,
        }
    }

    fn header(&self, name: &str) -> Result<Option<Vec<u8>>, NotAnswered> {
        header(REQUEST_HEADERS, name)
    }

    fn shared(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, StoreError> {
        let (mut given, mut cas) = (Given::NOTHING, 0);
        // SAFETY: see the module's reason.
        let status = unsafe {
            proxy_get_shared_data(
                key.as_ptr(),
                key.len(),
                &mut given.value,
                &mut given.len,
                &mut cas,
            )
        };
        match status {
            OK => Ok(given.take().map(|value| (value, cas))),
            NOT_FOUND => Ok(None),
            _ => Err(StoreError::Unavailable),
        }
    }

    fn set_shared(&self, key: &[u8], value: &[u8], cas: u32) -> Result<(), StoreError> {
        // SAFETY: see the module's reason.
        let status = unsafe {
            proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
        };
        match status {
            OK => Ok(()),
            CAS_MISMATCH => Err(StoreError::CasMismatch),
            _ => Err(StoreError::Unavailable),
        }
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
        // Through the SDK: it hands an answer on only if it knows the call. Neither Kong's nor Envoy's
        // function answers a status that it does not expect.
        hostcalls::dispatch_http_call(&to.upstream, headers, body, Vec::new(), timeout).ok()
    }

    fn now(&self) -> u64 {
        let mut nanoseconds = 0;
        // SAFETY: see the module's reason.
        let status = unsafe { proxy_get_current_time_nanoseconds(&mut nanoseconds) };
        if status == OK {
            nanoseconds / 1_000_000
        } else {
            0
        }
    }

    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), NotAnswered> {
        let headers = pairs(headers);
        // SAFETY: see the module's reason; no details are a null pointer with no length.
        let status = unsafe {
            proxy_send_local_response(
                u32::from(status),
                null(),
                0,
                body.as_ptr(),
                body.len(),
                headers.as_ptr(),
                headers.len(),
                -1,
            )
        };
        done(status)
    }

    fn edit_response(&self, edit: &ResponseEdit) {
        let map = RESPONSE_HEADERS;
        // SAFETY: see the module's reason.
        let _ = match edit {
            ResponseEdit::Remove(name) => unsafe {
                proxy_remove_header_map_value(map, name.as_ptr(), name.len())
            },
            ResponseEdit::Set(name, value) => unsafe {
                proxy_replace_header_map_value(
                    map,
                    name.as_ptr(),
                    name.len(),
                    value.as_ptr(),
                    value.len(),
                )
            },
            ResponseEdit::Add(name, value) => unsafe {
                proxy_add_header_map_value(
                    map,
                    name.as_ptr(),
                    name.len(),
                    value.as_ptr(),
                    value.len(),
                )
            },
        };
    }

    fn define_metric(&self, kind: MetricType, name: &str) -> Option<u32> {
        let mut id = 0;
        // SAFETY: see the module's reason.
        let status =
            unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut id) };
        (status == OK).then_some(id)
    }

    fn increment_metric(&self, id: u32, by: u64) {
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        // SAFETY: no pointer.
        let _ = unsafe { proxy_increment_metric(id, by) };
    }

    fn record_metric(&self, id: u32, value: u64) {
        // SAFETY: no pointer.
        let _ = unsafe { proxy_record_metric(id, value) };
    }

    fn log(&self, level: LogLevel, message: &str) {
        // SAFETY: see the module's reason.
        let _ = unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
    }
}
