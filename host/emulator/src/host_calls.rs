//! How often each host function was called.

macro_rules! host_calls {
    ($($variant:ident = $name:literal,)*) => {
        /// A function that a filter can call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum HostCall {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl HostCall {
            /// Every function.
            pub const ALL: &'static [HostCall] = &[$(HostCall::$variant,)*];

            /// The name that the filter imports.
            pub const fn name(self) -> &'static str {
                match self { $(HostCall::$variant => $name,)* }
            }
        }
    };
}

host_calls! {
    Log = "proxy_log",
    GetLogLevel = "proxy_get_log_level",
    GetCurrentTime = "proxy_get_current_time_nanoseconds",
    SetTickPeriod = "proxy_set_tick_period_milliseconds",
    SetEffectiveContext = "proxy_set_effective_context",
    Done = "proxy_done",
    GetBuffer = "proxy_get_buffer_bytes",
    SetBuffer = "proxy_set_buffer_bytes",
    GetHeaderPairs = "proxy_get_header_map_pairs",
    SetHeaderPairs = "proxy_set_header_map_pairs",
    GetHeader = "proxy_get_header_map_value",
    AddHeader = "proxy_add_header_map_value",
    ReplaceHeader = "proxy_replace_header_map_value",
    RemoveHeader = "proxy_remove_header_map_value",
    GetProperty = "proxy_get_property",
    SetProperty = "proxy_set_property",
    GetSharedData = "proxy_get_shared_data",
    SetSharedData = "proxy_set_shared_data",
    RegisterQueue = "proxy_register_shared_queue",
    ResolveQueue = "proxy_resolve_shared_queue",
    Enqueue = "proxy_enqueue_shared_queue",
    Dequeue = "proxy_dequeue_shared_queue",
    ContinueStream = "proxy_continue_stream",
    CloseStream = "proxy_close_stream",
    SendLocalResponse = "proxy_send_local_response",
    HttpCall = "proxy_http_call",
    GrpcCall = "proxy_grpc_call",
    GrpcStream = "proxy_grpc_stream",
    GrpcSend = "proxy_grpc_send",
    GrpcCancel = "proxy_grpc_cancel",
    GrpcClose = "proxy_grpc_close",
    GetStatus = "proxy_get_status",
    CallForeignFunction = "proxy_call_foreign_function",
    DefineMetric = "proxy_define_metric",
    GetMetric = "proxy_get_metric",
    RecordMetric = "proxy_record_metric",
    IncrementMetric = "proxy_increment_metric",
    GetConfiguration = "proxy_get_configuration",
    ContinueRequest = "proxy_continue_request",
    ContinueResponse = "proxy_continue_response",
    ClearRouteCache = "proxy_clear_route_cache",
    Wasi = "wasi_snapshot_preview1",
    Unknown = "(unknown)",
}

const COUNT: usize = HostCall::ALL.len();

/// Counts by function, a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostCalls([u64; COUNT]);

impl Default for HostCalls {
    fn default() -> Self {
        Self([0; COUNT])
    }
}

impl HostCalls {
    /// How often the function was called.
    pub fn get(&self, call: HostCall) -> u64 {
        self.0[call as usize]
    }

    /// Adds what another counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (own, more) in self.0.iter_mut().zip(other.0) {
            *own += more;
        }
    }

    /// How many calls there were in all, WASI's included.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The functions that were called, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (HostCall, u64)> + '_ {
        HostCall::ALL
            .iter()
            .map(|&call| (call, self.get(call)))
            .filter(|&(_, n)| n > 0)
    }

    pub(crate) fn count(&mut self, call: HostCall) {
        self.0[call as usize] += 1;
    }
}
