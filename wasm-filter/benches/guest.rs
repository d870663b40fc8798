//! `cargo bench -p silverback-filter --bench guest`: one lookup inside the wasm sandbox, compiled
//! as silverback.wasm is (profile `wasm`) and run by wasmtime. Beside the times it prints the fuel of
//! a lookup, about one unit a wasm instruction, which is the same on every machine however busy.
//!
//! Writing the requests is timed too and subtracted. `read` is the baseline of the machine: one
//! dependent read of a cache line among as many as the table has, in the same guest.
#![allow(missing_docs, reason = "a bench has no readers of its documentation")]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use wasmtime::{Config, Engine, Linker, Module, Store, TypedFunc};

/// A multiple of the guest's batch of 32.
const LOOKUPS: u32 = 192_000;
const ROUNDS: usize = 15;

struct Guest {
    store: Store<()>,
    setup: TypedFunc<(u32, u32), u64>,
    run: TypedFunc<(u32, u32, u32), u32>,
    setup_walk: TypedFunc<u32, ()>,
    walk: TypedFunc<u32, u32>,
}

/// Minimum and median of the rounds, in nanoseconds.
#[derive(Clone, Copy)]
struct Times {
    min: f64,
    median: f64,
}

fn main() {
    let engine = Engine::default();
    let file = build();
    let module = Module::from_file(&engine, &file).expect("the guest compiles");
    let counting = Engine::new(Config::new().consume_fuel(true)).expect("engine");
    let counted = Module::from_file(&counting, &file).expect("the guest compiles");
    println!("one lookup inside the guest, ns: minimum and median of {ROUNDS} rounds");
    println!(
        "| shape | routes | bytes a route | hit min | hit median | hit fuel | miss min | miss median | miss fuel | read min |"
    );
    println!("|-|-|-|-|-|-|-|-|-|-|");
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
            let hit = guest.lookup(true);
            let miss = guest.lookup(false);
            let read = guest.read(bytes);
            let mut guest = Guest::new(&counting, &counted);
            guest.store.set_fuel(u64::MAX).expect("fuel");
            guest
                .setup
                .call(&mut guest.store, (shape, routes))
                .expect("setup");
            println!(
                "| {name} | {routes} | {:.1} | {:.0} | {:.0} | {} | {:.0} | {:.0} | {} | {:.0} |",
                bytes as f64 / f64::from(routes),
                hit.min,
                hit.median,
                guest.fuel(true),
                miss.min,
                miss.median,
                guest.fuel(false),
                read.min,
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
        Self {
            setup: instance.get_typed_func(&mut store, "setup").expect("setup"),
            run: instance.get_typed_func(&mut store, "run").expect("run"),
            setup_walk: (instance.get_typed_func(&mut store, "setup_walk")).expect("setup_walk"),
            walk: instance.get_typed_func(&mut store, "walk").expect("walk"),
            store,
        }
    }

    /// A lookup, without the writing of its request.
    fn lookup(&mut self, known: bool) -> Times {
        let hits = if known { LOOKUPS } else { 0 };
        let run = self.run.clone();
        let whole = self.time(|store| {
            let args = (LOOKUPS, u32::from(known), 1);
            assert_eq!(run.call(store, args).expect("run"), hits);
        });
        let own = self.time(|store| {
            run.call(store, (LOOKUPS, u32::from(known), 0))
                .expect("run");
        });
        Times {
            min: whole.min - own.min,
            median: whole.median - own.median,
        }
    }

    /// A dependent read of one line among those that have `bytes`.
    fn read(&mut self, bytes: u64) -> Times {
        let lines = u32::try_from(bytes / 64).expect("a wasm memory");
        let (setup, walk) = (self.setup_walk.clone(), self.walk.clone());
        setup.call(&mut self.store, lines).expect("walk");
        self.time(|store| {
            walk.call(store, LOOKUPS).expect("walk");
        })
    }

    fn time(&mut self, mut work: impl FnMut(&mut Store<()>)) -> Times {
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let start = Instant::now();
                work(&mut self.store);
                start.elapsed().as_nanos() as f64 / f64::from(LOOKUPS)
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        Times {
            min: rounds[0],
            median: rounds[ROUNDS / 2],
        }
    }

    /// Fuel of one lookup, without the writing of its request.
    fn fuel(&mut self, known: bool) -> u64 {
        const COUNT: u32 = 19_200;
        let mut used = |look_up| {
            let before = self.store.get_fuel().expect("fuel");
            let args = (COUNT, u32::from(known), look_up);
            self.run.call(&mut self.store, args).expect("run");
            before - self.store.get_fuel().expect("fuel")
        };
        (used(1) - used(0)) / u64::from(COUNT)
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
