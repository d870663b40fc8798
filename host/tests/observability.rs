//! What can be seen of `silverback dev`: access log, admin port, `silverback status`. The page itself is
//! looked at by a browser (.ci/browser.py).
#![cfg(feature = "dev")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use silverback::gateway::{Gateway, GatewayOptions, ListenerSpec};

#[path = "gateway/filter.rs"]
mod filter;

const MANIFESTS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: shop}
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /cart, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
";

/// Longer than anything here takes on a busy machine; what does not come at all fails the test.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running `silverback dev`; it is ended with the test.
struct Dev {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    port: u16,
    admin: u16,
    /// What it said until it was ready.
    banner: String,
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn silverback() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_silverback"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SILVERBACK_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

fn command(root: &Path, port: u16, args: &[&str]) -> Command {
    let mut command = silverback();
    command
        .arg("dev")
        .arg(root)
        .args(["--ingress-port", &port.to_string()])
        .args(["--ingress-tls-port", "0", "--workers", "1"])
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The lines as they come.
fn lines(out: impl Read + Send + 'static, sender: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
}

/// Waits for a line with this text, and returns all up to it.
fn wait_for(lines: &Receiver<String>, text: &str) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => seen.push(line),
            Err(why) => panic!("no `{text}` ({why}) in:\n{}", seen.join("\n")),
        }
        if seen.last().is_some_and(|line| line.contains(text)) {
            return seen;
        }
    }
}

fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Dev {
    /// `json`: its own words are on the standard error.
    fn start(root: &Path, json: bool, args: &[&str]) -> Self {
        let port = free_port();
        let mut child = command(root, port, args).spawn().expect("started");
        let (sender, out) = channel();
        lines(child.stdout.take().expect("a pipe"), sender);
        let (sender, err) = channel();
        lines(child.stderr.take().expect("a pipe"), sender);
        let mut dev = Self {
            child,
            out,
            err,
            port,
            admin: 0,
            banner: String::new(),
        };
        let words = if json { &dev.err } else { &dev.out };
        dev.banner = wait_for(words, "ready after").join("\n");
        let admin = dev.banner.lines().find(|line| line.contains("status page"));
        let admin = admin.and_then(|line| line.split_whitespace().next()?.rsplit_once(':'));
        dev.admin = admin.map_or(0, |(_, port)| port.parse().expect("a port"));
        dev
    }

    fn get(&self, host: &[u8], path: &str) -> String {
        let head = format!("GET {path} HTTP/1.1\r\nConnection: close\r\nHost: ");
        ask(self.port, &[head.as_bytes(), host, b"\r\n\r\n"].concat())
    }

    /// Body of an answer of the admin port.
    fn admin(&self, path: &str) -> String {
        let (head, body) = get(self.admin, path);
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        body
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.admin("/status")).expect("JSON")
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).expect("connected");
    let set = stream.set_read_timeout(Some(PATIENCE));
    set.expect("a timeout");
    stream
}

/// Everything that comes until the end.
fn ask(port: u16, request: &[u8]) -> String {
    let mut stream = connect(port);
    stream.write_all(request).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(port: u16, path: &str) -> (String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = ask(port, request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

fn run(command: &mut Command) -> (Output, String, String) {
    let output = command.output().expect("ended");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

fn directory() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    fs::write(root.path().join("shop.yaml"), MANIFESTS).expect("written");
    root
}

fn read(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|why| panic!("no JSON ({why}): {line}"))
}

#[test]
fn a_request_is_in_the_log_the_tail_the_metrics_and_the_status() {
    let root = directory();
    let module = root.path().join("silverback.wasm");
    fs::write(&module, silverback_guests::FILTER_WASM).expect("written");
    let named = module.to_str().expect("a name");
    let args = [
        "--access-log",
        "json",
        "--admin-port",
        "0",
        "--filter-wasm",
        named,
    ];
    let dev = Dev::start(root.path(), true, &args);
    let untried = dev.status();
    assert_eq!(untried["services"][0]["endpoints"][0]["health"], "untried");
    assert_eq!(untried["table"]["routes"], 1);

    let mut tail = BufReader::new(connect(dev.admin));
    let request = "GET /requests HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    tail.get_mut().write_all(request.as_bytes()).expect("sent");
    let mut next = |text: &str| loop {
        let mut line = String::new();
        assert_ne!(tail.read_line(&mut line).expect("a line"), 0, "no {text}");
        if line.starts_with(text) {
            break line;
        }
    };
    next(": watching");

    let answer = dev.get(b"shop.example.com", "/cart/7?token=secret&x");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let body = answer.split_once("\r\n\r\n").expect("a body").1.len();
    let line = dev.out.recv_timeout(PATIENCE).expect("a line");
    assert!(!line.contains("secret"), "{line}");
    let entry = read(&line);
    for (name, value) in [
        ("schemaVersion", json!(1)),
        ("method", json!("GET")),
        ("scheme", json!("http")),
        ("host", json!("shop.example.com")),
        ("path", json!("/cart/7?token=*&*")),
        ("port", json!(dev.port)),
        ("protocol", json!("HTTP/1.1")),
        ("status", json!(200)),
        ("answer", json!("upstream")),
        ("rule", json!("Ingress shop/shop#0")),
        ("backend", json!("shop/web:80")),
        ("endpoint", json!("127.64.0.1:80")),
        ("tries", json!(1)),
        ("request_bytes", json!(0)),
        ("response_bytes", json!(body)),
        ("worker", json!(0)),
        ("epoch", json!(1)),
        ("client", json!("127.0.0.1")),
    ] {
        assert_eq!(entry[name], value, "{name} in {line}");
    }
    let millis = |name: &str| entry[name].as_f64().expect("a number");
    assert!(millis("upstream_ms") > 0.0 && millis("duration_ms") >= millis("upstream_ms"));
    next("event: request");
    let data = next("data: ");
    assert_eq!(read(data.trim_start_matches("data: ")), entry);

    // A host that would clear the screen; a control character above ASCII, which HTTP lets pass.
    let answer = dev.get(b"a\xc2\x9b2Jb", "/");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let line = dev.out.recv_timeout(PATIENCE).expect("a line");
    assert!(line.contains(r#""host":"a\u009b2Jb""#), "{line}");
    assert_eq!(read(&line)["answer"], "filter");
    assert_eq!(read(&line)["rule"], Value::Null);

    // The filter tells what it counted once a second.
    let told = r#"silverback_filter_requests_total{outcome="bad_request"} 1"#;
    let told = |metrics: &String| metrics.lines().any(|line| line == told);
    let metrics = until("the metrics", || Some(dev.admin("/metrics")).filter(told));
    for line in [
        r#"silverback_requests_total{answer="upstream",class="2xx"} 1"#,
        r#"silverback_requests_total{answer="filter",class="4xx"} 1"#,
        "silverback_request_duration_seconds_count 2",
        r#"silverback_request_duration_seconds_bucket{le="+Inf"} 2"#,
        "silverback_upstream_duration_seconds_count 1",
        r#"silverback_upstream_tries_total{outcome="answered"} 1"#,
        r#"silverback_filter_traps_total{worker="0"} 0"#,
        r#"silverback_filter_requests_total{outcome="proxied"} 1"#,
        "silverback_table_epoch 1",
        "silverback_table_routes 1",
        r#"silverback_problems{severity="error"} 0"#,
        r#"silverback_dropped_lines_total{stage="write"} 0"#,
        "# EOF",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} in\n{metrics}"
        );
    }

    let status = dev.status();
    let endpoint = &status["services"][0]["endpoints"][0];
    assert_eq!(
        (&endpoint["health"], &endpoint["lastStatus"]),
        (&json!("healthy"), &json!(200))
    );
    assert_eq!(
        (&endpoint["answered"], &endpoint["echo"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(status["workers"][0]["requests"], 2);
    assert_eq!(
        status["listeners"][0]["address"],
        format!("127.0.0.1:{}", dev.port)
    );

    // The same answer as on the command line.
    let files = root.path().to_str().expect("a name");
    let url = "http://shop.example.com/cart";
    let (_, answer, err) =
        run(silverback().args(["explain", "-f", files, "--echo", "-o", "json", url]));
    let page = dev.admin(&format!("/explain?url={url}&header=x:%201"));
    let (mut cli, mut page) = (read(&answer), read(&page));
    assert_eq!(page["request"]["headers"]["x"], json!(["1"]), "{err}");
    for answer in [&mut cli, &mut page] {
        answer["request"]["headers"] = Value::Null;
    }
    assert_eq!(page, cli);

    // A change reaches everything.
    fs::write(
        root.path().join("shop.yaml"),
        MANIFESTS.replace("shop.example", "SHOP_example"),
    )
    .expect("written");
    next("event: change");
    let broken = dev.status();
    assert_eq!(broken["problems"][0]["code"], "InvalidHost", "{broken}");
    assert_eq!(
        broken["table"],
        json!({"epoch": 2, "digest": broken["table"]["digest"],
        "bytes": broken["table"]["bytes"], "routes": 0})
    );
    // So does what does not work.
    fs::write(&module, "no module").expect("written");
    let broken = until("the refused module", || {
        let status = dev.status();
        (status["modules"][0]["refused"] != 0 && status["notes"] != json!([])).then_some(status)
    });
    let note = broken["notes"][0].as_str().expect("a note");
    assert!(
        note.contains("silverback.wasm: it is no WebAssembly"),
        "{note}"
    );
    let (_, table, _) = run(silverback().args(["status", "--admin-url", &dev.url()]));
    for text in [
        "error[InvalidHost] Ingress shop/shop",
        "shop.yaml:",
        "WORKER",
        "Ingress",
    ] {
        assert!(table.contains(text), "{text} in\n{table}");
    }
    let (_, printed, _) =
        run(silverback().args(["status", "-o", "json", "--admin-url", &dev.url()]));
    assert_eq!(read(&printed)["problems"], broken["problems"]);
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_request() {
    let root = directory();
    let (port, admin) = (free_port(), free_port().to_string());
    let args = ["--access-log", "text", "--admin-port", &admin];
    // Its standard output is a pipe that nobody reads.
    let mut child = command(root.path(), port, &args).spawn().expect("started");
    let admin: u16 = admin.parse().expect("a port");
    let address = SocketAddr::from(([127, 0, 0, 1], admin));
    until("the admin port", || TcpStream::connect(address).ok());
    let dropped = || {
        let (_, body) = get(admin, "/status");
        read(&body)["dropped"].as_u64().expect("a number")
    };
    assert_eq!(dropped(), 0);

    let mut client = BufReader::new(connect(port));
    let request = "HEAD /cart HTTP/1.1\r\nHost: shop.example.com\r\n\r\n";
    let end = Instant::now() + PATIENCE;
    // The queue and the pipe fill up first.
    while dropped() == 0 {
        assert!(Instant::now() < end, "nothing was dropped");
        for _ in 0..500 {
            client
                .get_mut()
                .write_all(request.as_bytes())
                .expect("sent");
            let mut line = String::new();
            client.read_line(&mut line).expect("an answer");
            assert!(line.starts_with("HTTP/1.1 200"), "{line}");
            while line != "\r\n" {
                line.clear();
                client.read_line(&mut line).expect("a head");
            }
        }
    }
    // Nor does it hold up the end.
    if cfg!(unix) {
        let pid = child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("kill").success());
        let code = until("the end", || child.try_wait().expect("a child"));
        assert_eq!(code.code(), Some(0));
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn the_text_log_is_for_terminals_and_those_who_ask_for_it() {
    let root = directory();
    let quiet = Dev::start(root.path(), false, &["--admin-port", "off"]);
    assert!(!quiet.banner.contains("status page"), "{}", quiet.banner);
    let loud = Dev::start(
        root.path(),
        false,
        &["--admin-port", "off", "--access-log", "text"],
    );
    for dev in [&quiet, &loud] {
        let answer = dev.get(b"shop.example.com", "/cart");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let lines = wait_for(&loud.out, "GET shop.example.com/cart");
    let line = lines.last().expect("a line");
    for part in [
        " 200 GET shop.example.com/cart -> shop/web:80 at 127.64.0.1:80 [Ingress shop/shop#0] ",
        " ms (upstream ",
        ", 0 B in, ",
        " B out, HTTP/1.1, worker 0",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    // What it says next is about a file: there was no line in between.
    fs::write(
        root.path().join("shop.yaml"),
        MANIFESTS.replace("/cart", "/x"),
    )
    .expect("written");
    let lines = wait_for(&quiet.out, "~ Ingress shop/shop");
    assert!(!lines.iter().any(|line| line.contains("GET ")), "{lines:?}");
}

#[test]
fn the_admin_port_is_another_only_if_nobody_asked_for_it() {
    let root = directory();
    // Ours, or somebody else's: it is in use.
    let _taken = TcpListener::bind("127.0.0.1:9080");
    let dev = Dev::start(root.path(), false, &[]);
    let note = format!(
        "admin port 9080 is in use, another silverback dev perhaps: it is {} this time",
        dev.admin
    );
    assert!(dev.banner.contains(&note), "{}", dev.banner);
    assert!(
        dev.banner.contains(&format!("--admin-url {}", dev.url())),
        "{}",
        dev.banner
    );
    assert_eq!(dev.status()["notes"].as_array().map(Vec::len), Some(1));

    let (output, _, err) = run(&mut command(
        root.path(),
        free_port(),
        &["--admin-port", &dev.admin.to_string()],
    ));
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains(&format!("admin port {}: ", dev.admin)),
        "{err}"
    );
    assert!(err.contains("--admin-port PORT takes another"), "{err}");

    let (output, _, err) = run(silverback().args([
        "status",
        "--admin-url",
        &format!("http://127.0.0.1:{}", dev.port),
    ]));
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("is it the admin port of silverback dev?"),
        "{err}"
    );
}

#[test]
fn explain_says_what_dev_does_with_plugins() {
    let root = directory();
    let plugin = "---
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: limit, namespace: shop}
plugin: rate-limiting
";
    let ingress = MANIFESTS.replace(
        "kind: Ingress\nmetadata: {",
        "kind: Ingress\nmetadata: {annotations: {konghq.com/plugins: limit}, ",
    );
    fs::write(root.path().join("shop.yaml"), format!("{ingress}{plugin}")).expect("written");
    for (args, outcome) in [(&[][..], "respond"), (&["--ignore-plugins"], "route")] {
        let dev = Dev::start(root.path(), false, args);
        let answer = read(&dev.admin("/explain?url=http://shop.example.com/cart"));
        assert_eq!(answer["outcome"], outcome, "{answer}");
        let note = answer["note"].as_str().expect("a note");
        assert!(note.contains("--ignore-plugins"), "{note}");
        // As it is.
        let status = dev.get(b"shop.example.com", "/cart");
        let expected = if outcome == "route" {
            "HTTP/1.1 200"
        } else {
            "HTTP/1.1 500"
        };
        assert!(status.starts_with(expected), "{status}");
    }
}

#[test]
fn status_without_anybody_to_ask_says_so() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let (output, out, err) = run(silverback().args(["status", "--admin-url", &url]));
    assert_eq!((output.status.code(), &*out), (Some(1), ""));
    assert!(err.contains("is `silverback dev` running?"), "{err}");
    let (output, _, err) = run(silverback().args(["status", "--admin-url", "localhost"]));
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("hint: http://127.0.0.1:9080"), "{err}");
}

/// What this process logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_trap_is_logged_once_with_where_it_happened() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .init();
    let options = GatewayOptions {
        workers: 1,
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(&filter::filter(), options).expect("started");
    let spec = ListenerSpec::http(SocketAddr::from(([127, 0, 0, 1], 0)));
    gateway.set_listeners(&[spec]).expect("a port");
    let port = gateway.listeners()[0].addr.port();
    for phase in ["request", "request", "request", "log"] {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-test-trap";
        let answer = ask(port, format!("{head}: {phase}\r\n\r\n").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 50"), "{answer}");
    }
    until("all traps", || (gateway.stats().traps == 4).then_some(()));
    // The worker has ended: nothing more comes.
    gateway.shutdown(Duration::ZERO);
    let log = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lines = String::from_utf8(log).expect("text");
    let lines = lines.lines().map(read);
    let traps: Vec<_> = lines
        .map(|line| line["fields"].clone())
        .filter(|fields| fields["callback"].is_string())
        .collect();
    let callbacks: Vec<_> = traps.iter().map(|trap| &trap["callback"]).collect();
    assert_eq!(callbacks, ["on_request_headers", "on_log"], "{traps:?}");
    for trap in &traps {
        let text = |name: &str| trap[name].as_str().unwrap_or_default();
        assert!(text("backtrace").contains("wasm"), "{trap}");
        assert!(text("message").contains("as told"), "{trap}");
        assert_eq!(trap["worker"], 0);
    }
}
