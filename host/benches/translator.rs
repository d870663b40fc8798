//! `cargo bench -p silverback --bench translator`: one object changes in a cluster of 100,000
//! routes. The same core natively and as translator.wasm, side by side.
#![allow(missing_docs, reason = "a bench has no readers of its documentation")]

use std::time::{Duration, Instant};

use silverback::object::ObjectKey;
use silverback::translator::{Compiler, Limits, Session, TranslatorEngine};
use silverback_core::translate::{Options, Translator};

const ROUTES: usize = 10_000;
const RULES: usize = 10;
const ROUNDS: usize = 300;
const OPTIONS: &str = r#"{"acceptAllClasses":true}"#;

/// Both ways to run the core.
enum Core {
    Native(Box<Translator>),
    Wasm(Box<Session>),
}

fn main() {
    println!(
        "{} routes: {ROUTES} HTTPRoutes of {RULES} rules, a host and a Service of 15 pods each",
        ROUTES * RULES
    );
    println!(
        "| core | load s | table MB | change | apply + commit + take, us: min | median | p99 |"
    );
    println!("|-|-|-|-|-|-|-|");
    let only: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| {
        let known = ["native", "wasm", "quick"];
        let named = |arg: &String| known.contains(&&**arg);
        !only.iter().any(named) || only.iter().any(|arg| arg == name)
    };
    if wanted("native") {
        let options: Options = serde_json::from_str(OPTIONS).expect("options");
        bench("native", Core::Native(Box::new(Translator::new(options))));
    }
    for (name, compiler) in [("wasm", Compiler::Optimizing), ("quick", Compiler::Quick)] {
        if !wanted(name) {
            continue;
        }
        let engine = TranslatorEngine::new(compiler).expect("engine");
        let start = Instant::now();
        let module = engine
            .compile(silverback_guests::TRANSLATOR_WASM)
            .expect("translator.wasm");
        let compiled = start.elapsed();
        println!(
            "| {name} | compiled in {compiled:.2?}{} | | | | | |",
            memory()
        );
        let session = Session::start(module, Limits::default(), OPTIONS).expect("session");
        bench(name, Core::Wasm(Box::new(session)));
    }
}

/// The process's memory now and at most, where Linux says so.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| {
        let of = |name: &str| line.starts_with(name);
        of("VmRSS") || of("VmHWM")
    });
    let said: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    format!("; memory: {}", said.join(" "))
}

fn bench(name: &str, mut core: Core) {
    let start = Instant::now();
    core.apply(&object(
        "gateway.networking.k8s.io/v1",
        "GatewayClass",
        "",
        "silverback",
        r#""spec":{"controllerName":"silverback.rs/gateway-controller"}"#,
    ));
    core.apply(&object(
        "gateway.networking.k8s.io/v1",
        "Gateway",
        "infra",
        "gateway",
        r#""spec":{"gatewayClassName":"silverback","listeners":[{"name":"http","port":80,"protocol":"HTTP","allowedRoutes":{"namespaces":{"from":"All"}}}]}"#,
    ));
    for i in 0..ROUTES {
        core.apply(&service(i));
        core.apply(&slice(i, 0));
        core.apply(&route(i, 0));
    }
    core.settle();
    let load = start.elapsed().as_secs_f64();
    let bytes = core.settle() as f64 / 1e6;
    println!("| {name} | loaded{} | | | | | |", memory());
    for (change, make) in [
        ("an EndpointSlice", slice as fn(usize, usize) -> Object),
        ("an HTTPRoute", route),
    ] {
        let mut times: Vec<Duration> = (1..=ROUNDS)
            .map(|round| {
                let object = make(round * 31 % ROUTES, round);
                let start = Instant::now();
                core.apply(&object);
                core.settle();
                start.elapsed()
            })
            .collect();
        times.sort();
        let at = |q: usize| times[(times.len() - 1) * q / 100].as_micros();
        println!(
            "| {name} | {load:.1} | {bytes:.1} | {change} | {} | {} | {} |",
            at(0),
            at(50),
            at(99)
        );
    }
}

impl Core {
    fn apply(&mut self, (key, json): &Object) {
        match self {
            Self::Native(translator) => {
                translator.apply(json.as_bytes());
            }
            Self::Wasm(session) => {
                session.apply(key, json.as_bytes()).expect("apply");
            }
        }
    }

    /// Commits and takes what changed; gives the bytes of the table.
    fn settle(&mut self) -> u64 {
        match self {
            Self::Native(translator) => {
                translator.commit();
                while translator.take_changes(1 << 20).more {}
                translator.table().root().table_bytes()
            }
            Self::Wasm(session) => {
                let commit = session.commit().expect("commit");
                session.take_changes().expect("changes");
                commit.table_bytes
            }
        }
    }
}

type Object = (ObjectKey, String);

fn object(api: &str, kind: &str, namespace: &str, name: &str, rest: &str) -> Object {
    let group = api.split_once('/').map_or("", |(group, _)| group);
    let key = ObjectKey {
        group: group.into(),
        kind: kind.into(),
        namespace: namespace.into(),
        name: name.into(),
    };
    let label = name.split_once('.').map_or(name, |(service, _)| service);
    let json = format!(
        r#"{{"apiVersion":"{api}","kind":"{kind}","metadata":{{"namespace":"{namespace}","name":"{name}","creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"kubernetes.io/service-name":"{label}"}}}},{rest}}}"#
    );
    (key, json)
}

fn namespace(i: usize) -> String {
    format!("team-{}", i % 97)
}

fn service(i: usize) -> Object {
    object(
        "v1",
        "Service",
        &namespace(i),
        &format!("service-{i}"),
        r#""spec":{"ports":[{"name":"http","port":80,"targetPort":8080}]}"#,
    )
}

/// The slice of a Service; `round` replaces one of its 15 pods.
fn slice(i: usize, round: usize) -> Object {
    let pods: Vec<String> = (0..15)
        .map(|pod| {
            let pod = if pod == 0 { 20 + round % 200 } else { pod };
            format!(
                r#"{{"addresses":["10.{}.{}.{pod}"],"conditions":{{"ready":true}}}}"#,
                i / 256,
                i % 256
            )
        })
        .collect();
    object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        &namespace(i),
        &format!("service-{i}.a"),
        &format!(
            r#""addressType":"IPv4","ports":[{{"name":"http","port":8080,"protocol":"TCP"}}],"endpoints":[{}]"#,
            pods.join(",")
        ),
    )
}

/// A route; `round` changes the path of one of its rules.
fn route(i: usize, round: usize) -> Object {
    let rules: Vec<String> = (0..RULES)
        .map(|rule| {
            let path = if rule == 0 {
                format!("/api/v{round}/changed")
            } else {
                format!("/api/v1/service-{rule}")
            };
            format!(
                r#"{{"matches":[{{"path":{{"type":"PathPrefix","value":"{path}"}}}}],"backendRefs":[{{"name":"service-{i}","port":80}}]}}"#
            )
        })
        .collect();
    object(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        &namespace(i),
        &format!("route-{i}"),
        &format!(
            r#""spec":{{"parentRefs":[{{"namespace":"infra","name":"gateway"}}],"hostnames":["app-{i}.team-{}.apps.example.com"],"rules":[{}]}}"#,
            i % 97,
            rules.join(",")
        ),
    )
}
