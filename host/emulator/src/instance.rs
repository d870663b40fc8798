//! One instance of a module, with its callbacks looked up once.

use wasmtime::{Instance as WasmInstance, Store, TypedFunc, WasmParams, WasmResults};

use crate::error::{StartError, Trap};
use crate::filter::{AbiVersion, EPOCH_TICK, Filter, Interruption};
use crate::options::Budget;
use crate::state::State;

/// A callback that the module may leave out.
pub(crate) type Callback<P, R = ()> = Option<TypedFunc<P, R>>;

/// The callbacks of the ABI.
pub(crate) struct Callbacks {
    pub(crate) context_create: Callback<(u32, u32)>,
    pub(crate) vm_start: Callback<(u32, u32), u32>,
    pub(crate) configure: Callback<(u32, u32), u32>,
    pub(crate) tick: Callback<u32>,
    pub(crate) queue_ready: Callback<(u32, u32)>,
    pub(crate) request_headers: HeadersCallback,
    pub(crate) request_body: Callback<(u32, u32, u32), u32>,
    pub(crate) request_trailers: Callback<(u32, u32), u32>,
    pub(crate) response_headers: HeadersCallback,
    pub(crate) response_body: Callback<(u32, u32, u32), u32>,
    pub(crate) response_trailers: Callback<(u32, u32), u32>,
    pub(crate) http_call_response: Callback<(u32, u32, u32, u32, u32)>,
    pub(crate) done: Callback<u32, u32>,
    pub(crate) log: Callback<u32>,
    pub(crate) delete: Callback<u32>,
}

/// ABI 0.1.0 says no end of stream.
pub(crate) enum HeadersCallback {
    Absent,
    WithoutEnd(TypedFunc<(u32, u32), u32>),
    WithEnd(TypedFunc<(u32, u32, u32), u32>),
}

impl HeadersCallback {
    pub(crate) fn call(
        &self,
        store: &mut Store<State>,
        id: u32,
        count: u32,
        end: bool,
    ) -> wasmtime::Result<u32> {
        match self {
            Self::Absent => Ok(0),
            Self::WithoutEnd(f) => f.call(store, (id, count)),
            Self::WithEnd(f) => f.call(store, (id, count, end.into())),
        }
    }
}

/// Calls a callback; one that is left out answers 0, which is "go on".
pub(crate) fn call<P: WasmParams, R: WasmResults + Default>(
    callback: &Callback<P, R>,
    store: &mut Store<State>,
    parameters: P,
) -> wasmtime::Result<R> {
    match callback {
        Some(f) => f.call(store, parameters),
        None => Ok(R::default()),
    }
}

/// An instance and the store it lives in.
pub(crate) struct Instance {
    pub(crate) store: Store<State>,
    pub(crate) callbacks: Callbacks,
    pub(crate) trapped: bool,
}

impl Instance {
    /// Instantiates the module and runs `_initialize` or `_start`. When it fails the state comes
    /// back with the error.
    pub(crate) fn new(filter: &Filter, mut state: State) -> Result<Self, (Box<State>, StartError)> {
        let budget = state.options.budget;
        let fits = match budget {
            Budget::Unlimited => true,
            Budget::Fuel(_) => filter.interruption() == Interruption::Fuel,
            Budget::Time(_) => filter.interruption() == Interruption::Epoch,
        };
        if !fits {
            return Err((
                Box::new(state),
                StartError::Budget {
                    compiled: filter.interruption(),
                },
            ));
        }
        state.memory = None;
        state.allocate = None;
        state.generation += 1;
        state.lines.clear();
        let mut store = Store::new(filter.engine(), state);
        store.limiter(|state| state);
        match initialize(filter, &mut store) {
            Ok(callbacks) => Ok(Self {
                store,
                callbacks,
                trapped: false,
            }),
            Err(error) => Err((Box::new(store.into_data()), error)),
        }
    }
}

/// Sets what the next callback may use.
pub(crate) fn refill(filter: &Filter, store: &mut Store<State>) -> Result<(), wasmtime::Error> {
    match store.data().options.budget {
        // A filter that can be interrupted and is not to be gets all there is.
        Budget::Unlimited => match filter.interruption() {
            Interruption::None => {}
            Interruption::Fuel => store.set_fuel(u64::MAX)?,
            Interruption::Epoch => store.set_epoch_deadline(u64::MAX / 2),
        },
        Budget::Fuel(fuel) => store.set_fuel(fuel)?,
        Budget::Time(time) => {
            let ticks = time.as_nanos().div_ceil(EPOCH_TICK.as_nanos());
            store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX / 2).max(1) + 1);
        }
    }
    Ok(())
}

fn initialize(filter: &Filter, store: &mut Store<State>) -> Result<Callbacks, StartError> {
    let failed = |e: wasmtime::Error| StartError::Instantiate(format!("{e:#}"));
    refill(filter, store).map_err(failed)?;
    let instance = filter.pre().instantiate(&mut *store).map_err(failed)?;
    let memory = instance.get_memory(&mut *store, "memory");
    store.data_mut().memory = memory;
    let allocate = match callback(&instance, store, "proxy_on_memory_allocate")? {
        Some(allocate) => Some(allocate),
        None => callback(&instance, store, "malloc")?,
    };
    store.data_mut().allocate = allocate;
    let callbacks = Callbacks {
        context_create: callback(&instance, store, "proxy_on_context_create")?,
        vm_start: callback(&instance, store, "proxy_on_vm_start")?,
        configure: callback(&instance, store, "proxy_on_configure")?,
        tick: callback(&instance, store, "proxy_on_tick")?,
        queue_ready: callback(&instance, store, "proxy_on_queue_ready")?,
        request_headers: headers_callback(filter, &instance, store, "proxy_on_request_headers")?,
        request_body: callback(&instance, store, "proxy_on_request_body")?,
        request_trailers: callback(&instance, store, "proxy_on_request_trailers")?,
        response_headers: headers_callback(filter, &instance, store, "proxy_on_response_headers")?,
        response_body: callback(&instance, store, "proxy_on_response_body")?,
        response_trailers: callback(&instance, store, "proxy_on_response_trailers")?,
        http_call_response: callback(&instance, store, "proxy_on_http_call_response")?,
        done: callback(&instance, store, "proxy_on_done")?,
        log: callback(&instance, store, "proxy_on_log")?,
        delete: callback(&instance, store, "proxy_on_delete")?,
    };
    if store.data().options.strict && callbacks.request_body.is_none() {
        return Err(StartError::MissingCallback("proxy_on_request_body"));
    }
    for name in ["_initialize", "_start"] {
        if let Some(start) = callback::<(), ()>(&instance, store, name)? {
            let started = start.call(&mut *store, ());
            started.map_err(|e| {
                StartError::Trapped(Trap::new(&e, std::mem::take(&mut store.data_mut().lines)))
            })?;
            break;
        }
    }
    Ok(callbacks)
}

fn callback<P: WasmParams, R: WasmResults>(
    instance: &WasmInstance,
    store: &mut Store<State>,
    name: &'static str,
) -> Result<Callback<P, R>, StartError> {
    let Some(function) = instance.get_func(&mut *store, name) else {
        return Ok(None);
    };
    match function.typed(&*store) {
        Ok(function) => Ok(Some(function)),
        Err(e) => Err(StartError::BadExport {
            name,
            reason: format!("{e:#}"),
        }),
    }
}

fn headers_callback(
    filter: &Filter,
    instance: &WasmInstance,
    store: &mut Store<State>,
    name: &'static str,
) -> Result<HeadersCallback, StartError> {
    Ok(match filter.abi_version() {
        AbiVersion::V0_1_0 => callback(instance, store, name)?
            .map_or(HeadersCallback::Absent, HeadersCallback::WithoutEnd),
        AbiVersion::V0_2_0 | AbiVersion::V0_2_1 => callback(instance, store, name)?
            .map_or(HeadersCallback::Absent, HeadersCallback::WithEnd),
    })
}
