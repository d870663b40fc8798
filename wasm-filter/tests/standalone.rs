//! `silverback-standalone.wasm`: objects in the configuration, nothing else; natively and as the
//! real .wasm in strict mode.

#[path = "support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use silverback_core::contract::plan::OwnedPlan;
use silverback_core::contract::request::RequestInfo;
use silverback_emulator::{Exchange, Filter, Properties, SharedStore, StoreOptions, Worker};
use silverback_emulator::{LocalResponse, WorkerOptions};
use silverback_filter::standalone::Standalone;

const OBJECTS: &str = include_str!("standalone/objects.json");

/// What a request came to: the first endpoint, or a status.
fn outcome(plan: Option<Vec<u8>>, reply: Option<LocalResponse>) -> String {
    match (plan, reply) {
        (Some(plan), None) => {
            let plan = OwnedPlan::decode(&plan).expect("a plan");
            format!(
                "{} {}",
                plan.endpoints[0],
                String::from_utf8_lossy(&plan.route_name)
            )
        }
        (None, Some(reply)) => reply.status.to_string(),
        other => panic!("neither plan nor reply, or both: {other:?}"),
    }
}

fn ask(worker: &mut Worker, host: &str, path: &str) -> String {
    let info = RequestInfo {
        port: 8000,
        host: host.as_bytes(),
        path: path.as_bytes(),
        method: b"GET",
        ..RequestInfo::default()
    };
    let mut message = Vec::new();
    info.encode(&mut message).expect("a request");
    let mut properties = Properties::with_shim();
    properties.set(silverback_core::contract::REQUEST_PROPERTY, message);
    let mut exchange = Exchange::new("GET", path).properties(properties);
    let id = worker.open().expect("a context");
    worker
        .on_request_headers(id, &mut exchange)
        .expect("no trap");
    worker.on_log(id, &mut exchange).expect("no trap");
    worker.close(id, &mut exchange).expect("no trap");
    let plan = exchange
        .properties
        .get(silverback_core::contract::PLAN_PROPERTY);
    outcome(plan.map(<[u8]>::to_vec), exchange.local_response.take())
}

/// Builds the module as `just standalone` does.
fn module() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = workspace.join("target/guests");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .current_dir(&workspace)
        .args([
            "build",
            "--offline",
            "--locked",
            "--profile",
            "wasm",
            "--lib",
        ])
        .args(["--package", "silverback-filter", "--features", "standalone"])
        .args(["--target", "wasm32-wasip1", "--target-dir"])
        .arg(target.join("standalone"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        // What the outer cargo sets is for the host. What rustup sets stays: without it rustup would
        // choose a toolchain anew, and perhaps fetch one.
        let kept = ["CARGO_HOME", "CARGO_NET_OFFLINE"].contains(&&*text);
        let flags = text.starts_with("RUSTFLAGS") || text.starts_with("RUSTC");
        if !kept && (text.starts_with("CARGO") || flags) {
            cargo.env_remove(&name);
        }
    }
    let output = cargo.output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    target.join("standalone/wasm32-wasip1/wasm/silverback_filter.wasm")
}

#[test]
fn objects_in_the_configuration_are_all_it_needs() {
    // Built by hand here: the host does not carry this module.
    silverback_guests::FILTER_WASM
        .first()
        .expect("the wasm target is there");
    let wasm = std::fs::read(module()).expect("the module");
    let filter = Filter::compile(&wasm).expect("a filter");
    let options = WorkerOptions {
        root_id: "silverback".to_owned(),
        configuration: OBJECTS.as_bytes().to_vec(),
        ..WorkerOptions::default()
    };
    let store = SharedStore::new(StoreOptions::default());
    let mut worker = Worker::start(&filter, store, options).expect("starts");
    for (host, path, expected) in [
        (
            "shop.test",
            "/cart/7",
            "10.0.0.1:8080 default.web.cart.shop.test.80",
        ),
        (
            "shop.test",
            "/",
            "10.0.0.2:8080 default.web.web.shop.test.80",
        ),
        (
            "api.test",
            "/v1/users",
            "10.0.0.1:8080 httproute.default.api.0.0",
        ),
        ("api.test", "/v2", "404"),
        ("other.test", "/", "404"),
        ("bad host", "/", "400"),
    ] {
        assert_eq!(ask(&mut worker, host, path), expected, "{host}{path}");
    }
    // Another configuration replaces the table; a broken one is refused and changes nothing.
    assert!(worker.reconfigure(b"{\"objects\": 1}".to_vec()).is_err());
    assert_eq!(ask(&mut worker, "shop.test", "/")[..4], *"10.0");
    worker
        .reconfigure(b"{\"objects\": []}".to_vec())
        .expect("empty");
    assert_eq!(ask(&mut worker, "shop.test", "/"), "404");
}

#[test]
fn the_same_configuration_is_read_natively() {
    let (config, standalone) = Standalone::parse(OBJECTS.as_bytes()).expect("a configuration");
    assert_eq!(config.entry(8000).listener, Some(80));
    let errors: Vec<_> = standalone.report(10);
    assert_eq!(errors, [] as [&str; 0]);
}
