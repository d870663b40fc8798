//! The numbers of the proxy-wasm ABI 0.2.1: statuses, actions, map and buffer types.

/// What a host function answers to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// No such key, header, property, queue or metric.
    NotFound = 1,
    /// An argument that makes no sense here.
    BadArgument = 2,
    /// A value could not be written in the wire format.
    SerializationFailure = 3,
    /// Bytes from the guest could not be parsed.
    ParseFailure = 4,
    /// A pointer or length that leaves linear memory.
    InvalidMemoryAccess = 6,
    /// A queue with nothing in it.
    Empty = 7,
    /// A shared-data value changed in between.
    CasMismatch = 8,
    /// Anything else that went wrong in the host.
    InternalFailure = 10,
    /// The function exists in the ABI and does nothing here.
    Unimplemented = 12,
}

/// What a callback asks the data plane to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Go on with the request or response.
    Continue,
    /// Wait until the filter resumes it, or send its local response.
    Pause,
}

/// Severity of a log line, least severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum LogLevel {
    /// Finest detail.
    Trace = 0,
    /// For debugging.
    Debug = 1,
    /// Ordinary events.
    Info = 2,
    /// Something odd.
    Warn = 3,
    /// Something failed.
    Error = 4,
    /// The filter cannot go on; a Rust panic is logged so.
    Critical = 5,
}

impl LogLevel {
    /// The level of an ABI number.
    pub fn from_abi(level: u32) -> Option<Self> {
        Some(match level {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return None,
        })
    }
}

/// The header maps that a filter can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MapType {
    RequestHeaders,
    RequestTrailers,
    ResponseHeaders,
    ResponseTrailers,
    CallResponseHeaders,
    CallResponseTrailers,
    /// gRPC metadata and numbers that no ABI version defines.
    Other(u32),
}

impl From<u32> for MapType {
    fn from(n: u32) -> Self {
        match n {
            0 => Self::RequestHeaders,
            1 => Self::RequestTrailers,
            2 => Self::ResponseHeaders,
            3 => Self::ResponseTrailers,
            6 => Self::CallResponseHeaders,
            7 => Self::CallResponseTrailers,
            n => Self::Other(n),
        }
    }
}

/// The buffers that a filter can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BufferType {
    RequestBody,
    ResponseBody,
    CallResponseBody,
    VmConfiguration,
    PluginConfiguration,
    /// Stream data, gRPC messages and numbers that no ABI version defines.
    Other(u32),
}

impl From<u32> for BufferType {
    fn from(n: u32) -> Self {
        match n {
            0 => Self::RequestBody,
            1 => Self::ResponseBody,
            4 => Self::CallResponseBody,
            6 => Self::VmConfiguration,
            7 => Self::PluginConfiguration,
            n => Self::Other(n),
        }
    }
}

/// The callback that is running: it decides what a host function allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Start-up: context creation, `on_vm_start`, `on_configure`.
    Start,
    Tick,
    QueueReady,
    CallResponse,
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    Log,
    Done,
}
