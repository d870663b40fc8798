//! `silverback dev` as a process.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

/// A Service without endpoints, and an Ingress for it at `/cart`.
pub(crate) const MANIFESTS: &str = "\
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
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// A running `silverback dev`; it is ended with the test.
pub(crate) struct Dev {
    pub(crate) child: Child,
    /// Lines of both outputs.
    out: Receiver<String>,
    pub(crate) port: u16,
    pub(crate) seen: String,
}

/// Passes lines on as they come.
fn lines(from: impl Read + Send + 'static, to: Sender<String>) {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = String::new();
        while from.read_line(&mut line).is_ok_and(|read| read > 0) {
            if to.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

pub(crate) fn command(root: &Path, port: u16, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_silverback"));
    command
        .arg("dev")
        .arg(root)
        .args(["--ingress-port", &port.to_string(), "--workers", "1"])
        // The usual one is for one test at a time.
        .env("SILVERBACK_INGRESS_TLS_PORT", "0")
        .env("SILVERBACK_ADMIN_PORT", "off")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A directory with [`MANIFESTS`] in `shop.yaml`.
pub(crate) fn directory() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a directory");
    fs::write(root.path().join("shop.yaml"), MANIFESTS).expect("written");
    root
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A request, and all that comes back.
pub(crate) fn exchange(stream: &mut (impl Read + Write), host: &str, path: &str) -> String {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// A connection that does not wait for ever.
pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// The answer to a request at some port.
pub(crate) fn get(port: u16, host: &str, path: &str) -> String {
    exchange(&mut connect(port), host, path)
}

// === impl Dev ===

impl Dev {
    pub(crate) fn start(root: &Path, args: &[&str]) -> Self {
        let port = free_port();
        let mut child = command(root, port, args).spawn().expect("started");
        let (sender, out) = mpsc::channel();
        lines(child.stdout.take().expect("a pipe"), sender.clone());
        lines(child.stderr.take().expect("a pipe"), sender);
        let mut dev = Self {
            child,
            out,
            port,
            seen: String::new(),
        };
        dev.wait_for("ready after");
        dev
    }

    /// Reads lines up to one with this text.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = match self.out.recv_timeout(PATIENCE) {
                Ok(line) => line,
                Err(why) => panic!("no `{text}` ({why}) in:\n{}", self.seen),
            };
            self.seen += &line;
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn get(&self, host: &str, path: &str) -> String {
        get(self.port, host, path)
    }

    /// The status of what the shop answers.
    pub(crate) fn status(&self, path: &str) -> String {
        let answer = self.get("shop.example.com", path);
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// Sends a signal.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill").success());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
