//! `translator.wasm`, compiled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Strategy};

use super::bindings::TranslatorPre;
use super::instance::State;

/// How often the watchdog's clock ticks, and so how exact it is.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Why a translator cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The engine does not start.
    #[error("wasmtime cannot run here: {0:#}")]
    Engine(wasmtime::Error),
    /// The bytes are no component.
    #[error("translator.wasm cannot be compiled: {0:#}")]
    Compile(wasmtime::Error),
    /// Another interface, or imports.
    #[error(
        "translator.wasm does not fit this host: {0:#} (hint: it has to export the world of \
         wit/translator.wit and import nothing; rebuild both)"
    )]
    World(wasmtime::Error),
}

/// What becomes of a translator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// Code that runs fast, for whoever has a cluster to load (Cranelift).
    Optimizing,
    /// Code that is there soon, for whoever waits for it and has few objects (Winch; Cranelift where
    /// Winch does not know the processor).
    Quick,
}

/// Compiles translators. Cheap to clone.
#[derive(Clone)]
pub struct TranslatorEngine {
    engine: Engine,
    _clock: Arc<Clock>,
}

/// A translator that is compiled and fits; instances are made from it.
#[derive(Clone)]
pub struct TranslatorModule {
    pub(super) engine: TranslatorEngine,
    pub(super) pre: TranslatorPre<State>,
}

/// Advances the engine's epoch for as long as somebody uses it.
struct Clock {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

// === impl TranslatorEngine ===

impl TranslatorEngine {
    /// An engine with fuel and a clock.
    pub fn new(compiler: Compiler) -> Result<Self, ModuleError> {
        let engine = match compiler {
            Compiler::Optimizing => engine(Strategy::Cranelift),
            Compiler::Quick => engine(Strategy::Winch).or_else(|_| engine(Strategy::Cranelift)),
        };
        let engine = engine.map_err(ModuleError::Engine)?;
        let clock = Clock::start(&engine).map_err(|error| ModuleError::Engine(error.into()))?;
        Ok(Self {
            engine,
            _clock: Arc::new(clock),
        })
    }

    /// Compiles a component, and checks that it is a translator.
    pub fn compile(&self, wasm: &[u8]) -> Result<TranslatorModule, ModuleError> {
        let component = Component::from_binary(&self.engine, wasm).map_err(ModuleError::Compile)?;
        // Nothing is linked: a translator cannot read a clock, a file or the network.
        let linker = Linker::new(&self.engine);
        let pre = linker
            .instantiate_pre(&component)
            .and_then(TranslatorPre::new)
            .map_err(ModuleError::World)?;
        Ok(TranslatorModule {
            engine: self.clone(),
            pre,
        })
    }

    pub(super) fn wasmtime(&self) -> &Engine {
        &self.engine
    }
}

fn engine(strategy: Strategy) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .strategy(strategy)
        .consume_fuel(true)
        .epoch_interruption(true)
        .wasm_component_model(true)
        // Threads that optimize leave some 20 MB behind in the allocator, of a process that is there for
        // weeks; it takes a second longer, once.
        .parallel_compilation(strategy == Strategy::Winch);
    Engine::new(&config)
}

// === impl Clock ===

impl Clock {
    fn start(engine: &Engine) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let engine = engine.weak();
        let thread = thread::Builder::new()
            .name("translator-clock".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    thread::park_timeout(TICK);
                    match engine.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => break,
                    }
                }
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread does nothing that could fail.
            let _ = thread.join();
        }
    }
}
