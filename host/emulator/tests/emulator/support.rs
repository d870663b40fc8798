//! Builds the test filters, and the usual worker around one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use silverback_emulator::{
    Action, ContextId, Eviction, Exchange, Filter, ManualClock, MemoryLog, Metrics, SharedStore,
    StartError, StoreOptions, Trap, Worker, WorkerOptions,
};

const TARGET: &str = "wasm32-wasip1";

/// A test filter, compiled once in this process.
pub(crate) fn filter(example: &'static str) -> Filter {
    static COMPILED: Mutex<Option<HashMap<&'static str, Filter>>> = Mutex::new(None);
    let mut compiled = COMPILED.lock().expect("no test panics while it compiles");
    let filters = compiled.get_or_insert_default();
    let compile = || Filter::compile(&wasm(example)).expect("a test filter compiles");
    filters.entry(example).or_insert_with(compile).clone()
}

/// The module of a test filter.
pub(crate) fn wasm(example: &str) -> Vec<u8> {
    let path = examples().join(format!("{example}.wasm"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Builds all test filters, once in this process, and says where they are.
fn examples() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .expect("host/emulator has two parents");
        add_target(workspace);
        let target = workspace.join("target/guests-tests");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args([
            "build",
            "--offline",
            "--locked",
            "--package",
            "silverback-test-filters",
            "--examples",
        ]);
        cargo
            .args(["--release", "--target", TARGET, "--target-dir"])
            .arg(&target);
        run(clean(&mut cargo).current_dir(workspace));
        target.join(TARGET).join("release/examples")
    })
}

/// What the outer cargo or a coverage tool sets is for the host, not for the guests.
fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let kept = ["CARGO_HOME", "CARGO_NET_OFFLINE"].contains(&text.as_ref());
        if !kept
            && (text.starts_with("CARGO")
                || text.starts_with("RUSTFLAGS")
                || text.starts_with("RUSTC"))
        {
            command.env_remove(&name);
        }
    }
    command
}

/// Adds the wasm target if it is missing, rustup manages the toolchain, and the network may be used.
fn add_target(workspace: &Path) {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(workspace)
        .output();
    let Ok(sysroot) = sysroot else { return };
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    let offline = std::env::var_os("SILVERBACK_OFFLINE").is_some_and(|v| v == "1");
    if sysroot.join("lib/rustlib").join(TARGET).exists() || offline {
        return;
    }
    let _ = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(workspace)
        .status();
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A worker with what a test looks at.
pub(crate) struct Bench {
    pub(crate) worker: Worker,
    pub(crate) store: SharedStore,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) metrics: Metrics,
}

/// How the worker is to be made.
pub(crate) struct Setup {
    pub(crate) options: WorkerOptions,
    pub(crate) store: SharedStore,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) log: Arc<MemoryLog>,
}

/// As in Kong, with a zone `*` of 1 MiB.
pub(crate) fn strict() -> Setup {
    setup(true)
}

/// As the ABI says.
pub(crate) fn lenient() -> Setup {
    setup(false)
}

fn setup(strict: bool) -> Setup {
    let clock = Arc::new(ManualClock::at(Duration::new(1_700_000_000, 123_456_789)));
    let log = Arc::new(MemoryLog::default());
    let zones = StoreOptions::new()
        .zone("*", 1 << 20, Eviction::None)
        .strict(strict);
    let options = WorkerOptions {
        strict,
        clock: clock.clone(),
        log: log.clone(),
        ..WorkerOptions::default()
    };
    Setup {
        options,
        store: SharedStore::new(zones),
        clock,
        log,
    }
}

impl Setup {
    pub(crate) fn configuration(mut self, configuration: &str) -> Self {
        self.options.configuration = configuration.into();
        self
    }

    pub(crate) fn zones(mut self, options: StoreOptions) -> Self {
        self.store = SharedStore::new(options.strict(self.options.strict));
        self
    }

    pub(crate) fn start(self, example: &'static str) -> Bench {
        self.try_start(&filter(example)).expect("the filter starts")
    }

    pub(crate) fn try_start(self, filter: &Filter) -> Result<Bench, StartError> {
        let metrics = self.options.metrics.clone();
        let worker = Worker::start(filter, self.store.clone(), self.options)?;
        Ok(Bench {
            worker,
            store: self.store,
            clock: self.clock,
            log: self.log,
            metrics,
        })
    }
}

impl Bench {
    /// Opens a context and runs its request headers.
    pub(crate) fn request(&mut self, exchange: &mut Exchange) -> Result<(ContextId, Action), Trap> {
        let id = self.worker.open()?;
        let action = self.worker.on_request_headers(id, exchange)?;
        Ok((id, action))
    }

    /// A GET with these `x-do` headers, and what the filter left in `x-got`.
    pub(crate) fn told(&mut self, words: &[&str]) -> Result<Vec<String>, Trap> {
        let mut exchange = doing(words);
        self.request(&mut exchange)?;
        Ok(values(&exchange, "x-got"))
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.log
            .take()
            .into_iter()
            .map(|line| line.message)
            .collect()
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }
}

/// A GET with these `x-do` headers.
pub(crate) fn doing(words: &[&str]) -> Exchange {
    let exchange = Exchange::new("GET", "/a?b=c").header("host", "shop.example.com");
    words
        .iter()
        .fold(exchange, |exchange, word| exchange.header("x-do", *word))
}

/// All values of a request header.
pub(crate) fn values(exchange: &Exchange, name: &str) -> Vec<String> {
    all(exchange.request_headers.get_all(name.as_bytes()))
}

/// Bytes as text.
pub(crate) fn all<'a>(values: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    values
        .map(|v| String::from_utf8_lossy(v).into_owned())
        .collect()
}
