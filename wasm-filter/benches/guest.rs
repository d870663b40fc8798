//! `cargo bench -p silverback-filter --bench guest`: one lookup inside the wasm sandbox, compiled
//! as silverback.wasm is (profile `wasm`) and run by wasmtime. Beside the times it prints the fuel of
//! a lookup, about one unit a wasm instruction, which is the same on every machine however busy.
#![allow(missing_docs, reason = "a bench has no readers of its documentation")]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use wasmtime::{Config, Engine, Linker, Module, Store, TypedFunc};

const LOOKUPS: u32 = 200_000;
const ROUNDS: usize = 9;

struct Guest {
    store: Store<()>,
    setup: TypedFunc<(u32, u32), u64>,
    run: TypedFunc<(u32, u32), u32>,
}

fn main() {
    let engine = Engine::default();
    let file = build();
    let module = Module::from_file(&engine, &file).expect("the guest compiles");
    let counting = Engine::new(Config::new().consume_fuel(true)).expect("engine");
    let counted = Module::from_file(&counting, &file).expect("the guest compiles");
    println!("one lookup inside the guest, ns: minimum and median of {ROUNDS} rounds");
    println!(
        "| shape | routes | bytes a route | hit min | hit median | hit fuel | miss min | miss median | miss fuel |"
    );
    println!("|-|-|-|-|-|-|-|-|-|");
    const SIZES: &[u32] = &[100, 1_000, 10_000, 100_000];
    for (shape, name, sizes) in [
        (0, "10,000 hosts", SIZES),
        (1, "one host", SIZES),
        (2, "an Ingress a host", SIZES),
        (3, "5 hosts, every fifth a pattern", &[3_000]),
    ] {
        for &routes in sizes {
            let mut guest = Guest::new(&engine, &module);
            let bytes = guest
                .setup
                .call(&mut guest.store, (shape, routes))
                .expect("setup");
            let hit = guest.time(true);
            let miss = guest.time(false);
            let mut guest = Guest::new(&counting, &counted);
            guest.store.set_fuel(u64::MAX).expect("fuel");
            guest
                .setup
                .call(&mut guest.store, (shape, routes))
                .expect("setup");
            println!(
                "| {name} | {routes} | {:.1} | {:.0} | {:.0} | {} | {:.0} | {:.0} | {} |",
                bytes as f64 / f64::from(routes),
                hit.0,
                hit.1,
                guest.fuel(true),
                miss.0,
                miss.1,
                guest.fuel(false)
            );
        }
    }
}

impl Guest {
    fn new(engine: &Engine, module: &Module) -> Self {
        let mut store = Store::new(engine, ());
        let mut linker = Linker::new(engine);
        linker
            .define_unknown_imports_as_default_values(&mut store, module)
            .expect("imports are never called");
        let instance = linker.instantiate(&mut store, module).expect("instance");
        let setup = instance.get_typed_func(&mut store, "setup").expect("setup");
        let run = instance.get_typed_func(&mut store, "run").expect("run");
        Self { store, setup, run }
    }

    /// Minimum and median in nanoseconds.
    fn time(&mut self, known: bool) -> (f64, f64) {
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let start = Instant::now();
                let args = (LOOKUPS, u32::from(known));
                let hits = self.run.call(&mut self.store, args).expect("run");
                assert_eq!(hits, if known { LOOKUPS } else { 0 });
                start.elapsed().as_nanos() as f64 / f64::from(LOOKUPS)
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        (rounds[0], rounds[ROUNDS / 2])
    }
}

impl Guest {
    /// Fuel of one lookup.
    fn fuel(&mut self, known: bool) -> u64 {
        let before = self.store.get_fuel().expect("fuel");
        let args = (20_000, u32::from(known));
        self.run.call(&mut self.store, args).expect("run");
        (before - self.store.get_fuel().expect("fuel")) / 20_000
    }
}

/// Builds the guest in a target directory of its own.
fn build() -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target/guests-bench");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(&root)
        .args(["build", "--locked", "--profile", "wasm"])
        .args(["-p", "silverback-test-filters", "--example", "lookup_guest"])
        .args(["--target", "wasm32-wasip1"])
        .arg("--target-dir")
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    assert!(command.status().expect("cargo runs").success());
    target.join("wasm32-wasip1/wasm/examples/lookup_guest.wasm")
}
