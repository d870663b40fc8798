//! The functions that a filter imports.

mod buffers;
mod context;
mod foreign;
mod guest;
mod maps;
mod metrics;
mod properties;
mod queues;
mod response;
mod shared_data;
mod wasi;

use wasmtime::{Caller, ExternType, Linker, Module, Val, ValType};

use crate::abi::Status;
use crate::host_calls::HostCall;
use crate::state::State;
pub(crate) use guest::{Guest, Reply};

/// Links functions of the form `fn(&mut Guest, args) -> Result<(), Reply>`: each call is counted,
/// and its reply becomes a status or a trap.
macro_rules! functions {
    ($linker:ident, $($call:ident($($arg:ident: $type:ty),*) => $function:path;)*) => {
        $($linker.func_wrap("env", HostCall::$call.name(), |caller: Caller<'_, State>, $($arg: $type),*| -> wasmtime::Result<u32> {
            let mut guest = Guest::enter(caller, HostCall::$call);
            let reply = match guest.fault() {
                Some(fault) => fault,
                None => $function(&mut guest, $($arg),*),
            };
            guest.answer(reply)
        })?;)*
    };
}

/// Links every function that the ABI's versions name.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    functions! { linker,
        Log(level: u32, text: u32, text_len: u32) => context::log;
        GetLogLevel(out: u32) => context::get_log_level;
        GetCurrentTime(out: u32) => context::get_current_time;
        SetTickPeriod(period: u32) => context::set_tick_period;
        SetEffectiveContext(id: u32) => context::set_effective_context;
        Done() => context::done;
        ContinueStream(stream: u32) => context::continue_stream;
        CloseStream(stream: u32) => context::close_stream;
        ContinueRequest() => context::continue_request;
        ContinueResponse() => context::continue_response;
        ClearRouteCache() => context::clear_route_cache;
        GetBuffer(buffer: u32, start: u32, max: u32, out: u32, out_len: u32) => buffers::get;
        SetBuffer(buffer: u32, start: u32, size: u32, data: u32, len: u32) => buffers::set;
        GetConfiguration(out: u32, out_len: u32) => buffers::get_configuration;
        GetHeaderPairs(map: u32, out: u32, out_len: u32) => maps::get_pairs;
        SetHeaderPairs(map: u32, data: u32, len: u32) => maps::set_pairs;
        GetHeader(map: u32, name: u32, name_len: u32, out: u32, out_len: u32) => maps::get;
        AddHeader(map: u32, name: u32, name_len: u32, value: u32, value_len: u32) => maps::add;
        ReplaceHeader(map: u32, name: u32, name_len: u32, value: u32, value_len: u32) => maps::replace;
        RemoveHeader(map: u32, name: u32, name_len: u32) => maps::remove;
        GetProperty(path: u32, path_len: u32, out: u32, out_len: u32) => properties::get;
        SetProperty(path: u32, path_len: u32, value: u32, value_len: u32) => properties::set;
        GetSharedData(key: u32, key_len: u32, out: u32, out_len: u32, cas: u32) => shared_data::get;
        SetSharedData(key: u32, key_len: u32, value: u32, value_len: u32, cas: u32) => shared_data::set;
        RegisterQueue(name: u32, name_len: u32, out: u32) => queues::register;
        ResolveQueue(vm: u32, vm_len: u32, name: u32, name_len: u32, out: u32) => queues::resolve;
        Enqueue(queue: u32, value: u32, value_len: u32) => queues::enqueue;
        Dequeue(queue: u32, out: u32, out_len: u32) => queues::dequeue;
        SendLocalResponse(status: u32, reason: u32, reason_len: u32, body: u32, body_len: u32, headers: u32, headers_len: u32, grpc: i32) => response::send_local;
        HttpCall(upstream: u32, upstream_len: u32, headers: u32, headers_len: u32, body: u32, body_len: u32, trailers: u32, trailers_len: u32, timeout: u32, out: u32) => response::http_call;
        GrpcCall(_a: u32, _b: u32, _c: u32, _d: u32, _e: u32, _f: u32, _g: u32, _h: u32, _i: u32, _j: u32, _k: u32, _l: u32) => unimplemented12;
        GrpcStream(_a: u32, _b: u32, _c: u32, _d: u32, _e: u32, _f: u32, _g: u32, _h: u32, _i: u32) => unimplemented9;
        GrpcSend(_a: u32, _b: u32, _c: u32, _d: u32) => unimplemented4;
        GrpcCancel(_a: u32) => unimplemented1;
        GrpcClose(_a: u32) => unimplemented1;
        GetStatus(_a: u32, _b: u32, _c: u32) => unimplemented3;
        CallForeignFunction(name: u32, name_len: u32, args: u32, args_len: u32, out: u32, out_len: u32) => foreign::call;
        DefineMetric(kind: u32, name: u32, name_len: u32, out: u32) => metrics::define;
        GetMetric(id: u32, out: u32) => metrics::get;
        RecordMetric(id: u32, value: u64) => metrics::record;
        IncrementMetric(id: u32, by: i64) => metrics::increment;
    }
    wasi::link(linker)
}

/// gRPC is "not yet implemented" in ngx_wasm_module: a trap in strict mode, `Unimplemented` else.
fn unimplemented(guest: &mut Guest<'_>) -> Result<(), Reply> {
    guest.not_in_kong()?;
    Err(Reply::Status(Status::Unimplemented))
}

macro_rules! unimplemented_with {
    ($($name:ident($($arg:ident),*);)*) => {
        $(
            #[allow(clippy::too_many_arguments, reason = "the ABI's")]
            fn $name(guest: &mut Guest<'_>, $($arg: u32),*) -> Result<(), Reply> {
                unimplemented(guest)
            }
        )*
    };
}
unimplemented_with! {
    unimplemented1(_a);
    unimplemented3(_a, _b, _c);
    unimplemented4(_a, _b, _c, _d);
    unimplemented9(_a, _b, _c, _d, _e, _f, _g, _h, _i);
    unimplemented12(_a, _b, _c, _d, _e, _f, _g, _h, _i, _j, _k, _l);
}

/// Links what the module imports and nobody knows: such a function answers `Unimplemented`
/// (WASI: `ENOSYS`), or zeros if it does not answer a number. Returns their names.
pub(crate) fn link_unknown(
    linker: &mut Linker<State>,
    module: &Module,
) -> wasmtime::Result<Vec<String>> {
    let mut unknown = Vec::new();
    for import in module.imports() {
        let ExternType::Func(ty) = import.ty() else {
            continue;
        };
        if known(import.module(), import.name()) {
            continue;
        }
        let code = if import.module().starts_with("wasi_") {
            wasi::ENOSYS
        } else {
            Status::Unimplemented as u32
        };
        unknown.push(format!("{}.{}", import.module(), import.name()));
        let results: Vec<ValType> = ty.results().collect();
        linker.func_new(
            import.module(),
            import.name(),
            ty,
            move |mut caller, _args, out| {
                caller.data_mut().counts.count(HostCall::Unknown);
                for (place, ty) in out.iter_mut().zip(&results) {
                    *place = match ty {
                        ValType::I32 => Val::I32(code.cast_signed()),
                        ty => Val::default_for_ty(ty).unwrap_or(Val::I32(0)),
                    };
                }
                Ok(())
            },
        )?;
    }
    Ok(unknown)
}

fn known(module: &str, name: &str) -> bool {
    match module {
        "env" => HostCall::ALL.iter().any(|call| call.name() == name),
        "wasi_snapshot_preview1" | "wasi_unstable" => wasi::NAMES.contains(&name),
        _ => false,
    }
}
