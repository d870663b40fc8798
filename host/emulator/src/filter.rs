//! Compiled modules.

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasmtime::{Config, Engine, ExternType, InstancePre, Linker, Module};

use crate::error::CompileError;
use crate::host;
use crate::state::State;

/// The ABI version that a module says it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbiVersion {
    /// 0.1.0: request and response header callbacks without end of stream.
    V0_1_0,
    /// 0.2.0.
    V0_2_0,
    /// 0.2.1.
    V0_2_1,
}

/// How a callback that does not end can be stopped. It costs the guest some speed, and Kong has
/// nothing like it, so none is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interruption {
    /// Not at all.
    #[default]
    None,
    /// After a number of instructions: exact, repeatable.
    Fuel,
    /// After a time: cheaper, by a clock that ticks every millisecond.
    Epoch,
}

/// A compiled module. A clone is the same code.
#[derive(Clone)]
pub struct Filter(Arc<Compiled>);

struct Compiled {
    pre: InstancePre<State>,
    abi: AbiVersion,
    interruption: Interruption,
    unknown_imports: Vec<String>,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter")
            .field("abi", &self.0.abi)
            .field("interruption", &self.0.interruption)
            .finish()
    }
}

/// How long one tick of the epoch clock is.
pub(crate) const EPOCH_TICK: Duration = Duration::from_millis(1);

impl Filter {
    /// Compiles a module that is not interrupted.
    pub fn compile(wasm: &[u8]) -> Result<Self, CompileError> {
        Self::compile_with(wasm, Interruption::None)
    }

    /// Compiles a module that [`crate::Budget`] can interrupt.
    pub fn compile_with(wasm: &[u8], interruption: Interruption) -> Result<Self, CompileError> {
        let engine = engine(interruption)?;
        let module =
            Module::new(engine, wasm).map_err(|e| CompileError::Invalid(format!("{e:#}")))?;
        let abi = abi_version(&module).ok_or(CompileError::NoAbiVersion)?;
        if !matches!(module.get_export("memory"), Some(ExternType::Memory(memory)) if !memory.is_64())
        {
            return Err(CompileError::NoMemory);
        }
        for import in module.imports() {
            let kind = match import.ty() {
                ExternType::Func(_) => continue,
                ExternType::Memory(_) => "memory",
                ExternType::Table(_) => "table",
                ExternType::Global(_) => "global",
                _ => "item",
            };
            let (module, name) = (import.module().to_owned(), import.name().to_owned());
            return Err(CompileError::BadImport { module, name, kind });
        }
        let imports = |e: wasmtime::Error| CompileError::Imports(format!("{e:#}"));
        let mut linker = Linker::new(engine);
        host::link(&mut linker).map_err(imports)?;
        let unknown_imports = host::link_unknown(&mut linker, &module).map_err(imports)?;
        let pre = linker.instantiate_pre(&module).map_err(imports)?;
        Ok(Self(Arc::new(Compiled {
            pre,
            abi,
            interruption,
            unknown_imports,
        })))
    }

    /// The ABI version that it speaks.
    pub fn abi_version(&self) -> AbiVersion {
        self.0.abi
    }

    /// Imports that this host does not have: each answers `Unimplemented` here, while Kong does
    /// not load such a module.
    pub fn unknown_imports(&self) -> &[String] {
        &self.0.unknown_imports
    }

    pub(crate) fn interruption(&self) -> Interruption {
        self.0.interruption
    }

    pub(crate) fn pre(&self) -> &InstancePre<State> {
        &self.0.pre
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.0.pre.module().engine()
    }
}

fn abi_version(module: &Module) -> Option<AbiVersion> {
    let has = |name| module.get_export(name).is_some();
    if has("proxy_abi_version_0_2_1") {
        Some(AbiVersion::V0_2_1)
    } else if has("proxy_abi_version_0_2_0") {
        Some(AbiVersion::V0_2_0)
    } else if has("proxy_abi_version_0_1_0") {
        Some(AbiVersion::V0_1_0)
    } else {
        None
    }
}

/// One engine a process for each kind of interruption: code is compiled for one of them.
fn engine(interruption: Interruption) -> Result<&'static Engine, CompileError> {
    static PLAIN: OnceLock<Result<Engine, String>> = OnceLock::new();
    static FUEL: OnceLock<Result<Engine, String>> = OnceLock::new();
    static EPOCH: OnceLock<Result<Engine, String>> = OnceLock::new();
    let (cell, fuel, epoch) = match interruption {
        Interruption::None => (&PLAIN, false, false),
        Interruption::Fuel => (&FUEL, true, false),
        Interruption::Epoch => (&EPOCH, false, true),
    };
    let engine = cell.get_or_init(|| {
        let mut config = Config::new();
        config
            .wasm_backtrace_max_frames(NonZeroUsize::new(32))
            .consume_fuel(fuel)
            .epoch_interruption(epoch);
        let engine = Engine::new(&config).map_err(|e| format!("{e:#}"))?;
        if epoch {
            let weak = engine.weak();
            std::thread::Builder::new()
                .name("epoch".to_owned())
                .spawn(move || {
                    while let Some(engine) = weak.upgrade() {
                        engine.increment_epoch();
                        drop(engine);
                        std::thread::sleep(EPOCH_TICK);
                    }
                })
                .map_err(|e| e.to_string())?;
        }
        Ok(engine)
    });
    engine.as_ref().map_err(|e| CompileError::Engine(e.clone()))
}
