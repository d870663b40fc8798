//! What can go wrong between the embedder and a filter.

use crate::log::LogLine;

/// The bytes are no filter that this host can run.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// Not WebAssembly, or WebAssembly that does not validate.
    #[error(
        "not a valid WebAssembly module: {0} (hint: a core module for wasm32-wasip1, not a component)"
    )]
    Invalid(String),
    /// No export says which proxy-wasm ABI it speaks.
    #[error(
        "the module exports none of proxy_abi_version_0_1_0, proxy_abi_version_0_2_0, \
         proxy_abi_version_0_2_1 (hint: is it a proxy-wasm filter?)"
    )]
    NoAbiVersion,
    /// No exported linear memory named `memory`.
    #[error("the module exports no memory named `memory`")]
    NoMemory,
    /// It imports something that is not a function.
    #[error(
        "the module imports {kind} `{module}.{name}`; a host of proxy-wasm offers functions only"
    )]
    BadImport {
        /// Import module.
        module: String,
        /// Import name.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// An import that this host offers has another type in the module.
    #[error("the module's imports do not fit: {0}")]
    Imports(String),
    /// The engine could not be made on this machine.
    #[error("no WebAssembly engine: {0}")]
    Engine(String),
}

/// A filter does not start. In Kong a filter that does not start is left out and requests are
/// proxied without it (Kong facts 5): here the embedder decides.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `on_vm_start` returned false.
    #[error("the filter's on_vm_start returned false{}", lines(log))]
    VmStartRefused {
        /// What it logged.
        log: Vec<LogLine>,
    },
    /// `on_configure` returned false.
    #[error("the filter refused its configuration{}", lines(log))]
    ConfigurationRefused {
        /// What it logged.
        log: Vec<LogLine>,
    },
    /// It trapped.
    #[error("the filter trapped while starting: {0}")]
    Trapped(#[from] Trap),
    /// A callback is exported with another type than the ABI's.
    #[error("export `{name}` is not a function of the ABI's type: {reason}")]
    BadExport {
        /// The export.
        name: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// Strict mode: without this callback Kong's worker crashes (Kong facts 6).
    #[error(
        "the module does not export `{0}`: it would crash Kong's workers (hint: do not strip callbacks)"
    )]
    MissingCallback(&'static str),
    /// The instance could not be made.
    #[error("cannot instantiate the filter: {0}")]
    Instantiate(String),
    /// The options ask for a budget that the filter was not compiled for.
    #[error(
        "the filter was compiled with {compiled:?}, the options ask for another budget (hint: Filter::compile_with)"
    )]
    Budget {
        /// What it was compiled for.
        compiled: crate::filter::Interruption,
    },
}

/// A trap: the client gets a 500, the instance is gone with all of its contexts (Kong facts 5).
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}{}", lines(log))]
pub struct Trap {
    /// What happened.
    pub message: String,
    /// Where in the module, innermost frame first; empty if unknown.
    pub backtrace: String,
    /// What the filter logged in the callback that trapped: a panic's text is here.
    pub log: Vec<LogLine>,
}

/// A trap that a host function raises.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct HostTrap(pub(crate) String);

fn lines(log: &[LogLine]) -> String {
    log.iter()
        .map(|line| format!("; it logged: {}", line.message))
        .collect()
}

impl Trap {
    pub(crate) fn new(error: &wasmtime::Error, log: Vec<LogLine>) -> Self {
        let backtrace = error
            .downcast_ref::<wasmtime::WasmBacktrace>()
            .map(ToString::to_string)
            .unwrap_or_default();
        Self {
            message: error.root_cause().to_string(),
            backtrace,
            log,
        }
    }

    pub(crate) fn plain(message: impl Into<String>, log: Vec<LogLine>) -> Self {
        Self {
            message: message.into(),
            backtrace: String::new(),
            log,
        }
    }
}
