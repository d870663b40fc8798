#!/usr/bin/env python3
"""The plugin in a real nginx with Debian's Lua module: shared dictionaries, timers, upstreams, several workers.

Kong's modules are stand-ins (stub.lua). Debian's nginx lacks OpenResty's patch for statuses in the balancer phase,
so what Kong answers with 502, 503 or 504 from there is 500 here; the counters tell them apart.
"""

import http.client
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

PLUGIN = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = PLUGIN.parent / "core/testdata/node/script.json"
LIMIT_SECONDS = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition):
    """Waits for a condition and gives its value."""
    end = time.monotonic() + LIMIT_SECONDS
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not in {LIMIT_SECONDS} s")
        time.sleep(0.02)
    return value


def runs(parts):
    return b"".join(bytes.fromhex(p) if isinstance(p, str) else bytes([p[1]]) * p[0] for p in parts)


def endpoints(*addresses):
    return b"".join(b"\x04" + socket.inet_aton(ip) + struct.pack("<H", port) for ip, port in addresses)


def plan(*fields):
    body = b"".join(bytes([tag]) + struct.pack("<H", len(value)) + value for tag, value in fields)
    return (b"\x01" + struct.pack("<QQ", 7, 9) + body).hex()


class Silent:
    """A server that accepts and never answers."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)

    def close(self):
        self.listener.close()


class Nginx:
    def __init__(self, directory, **environment):
        self.dir = pathlib.Path(directory)
        self.environment = {**os.environ, **environment}
        self.proxy, self.admin, self.backend = free_port(), free_port(), free_port()
        text = (PLUGIN / "spec/nginx/nginx.conf").read_text()
        names = {"DIR": self.dir, "PLUGIN": PLUGIN, "PROXY": self.proxy, "ADMIN": self.admin, "BACKEND": self.backend}
        if os.geteuid() == 0:
            # Workers read the plugin where it is checked out.
            text = "user root;\n" + text
        for name, value in names.items():
            text = text.replace(f"@{name}@", str(value))
        (self.dir / "nginx.conf").write_text(text)
        self.start()

    def start(self):
        command = ["nginx", "-p", self.dir, "-c", self.dir / "nginx.conf", "-g", "daemon off;"]
        self.process = subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL)
        until(self.answers)

    def answers(self):
        try:
            return self.node("GET", "status")[0] in (200, 503)
        except OSError:
            return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(LIMIT_SECONDS)

    def log(self):
        return (self.dir / "error.log").read_text()

    def request(self, port, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_SECONDS)
        connection.putrequest(method, path, skip_accept_encoding=True)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, content

    def node(self, method, path, body=None):
        headers = [("Content-Type", "multipart/form-data")]
        status, content = self.request(self.admin, method, f"/silverback/v1/{path}", body, headers)
        return status, json.loads(content)

    def send(self, *fields, path="/client?x=1", method="GET", body=None, headers=()):
        """A request whose filter makes this plan: status and what the upstream saw."""
        all_headers = [("x-plan", plan(*fields)), *headers]
        status, content = self.request(self.proxy, method, path, body, all_headers)
        return status, json.loads(content) if status == 200 else content

    def here(self, ip="127.0.0.1"):
        return 1, endpoints((ip, self.backend))

    def count(self, name):
        return self.node("GET", "status")[1]["counters"].get(name, 0)


class Case(unittest.TestCase):
    environment = {}

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.nginx = Nginx(cls.directory.name, **cls.environment)

    @classmethod
    def tearDownClass(cls):
        cls.nginx.stop()
        cls.directory.cleanup()


class NodeTest(Case):
    def test_the_node_answers_as_rust_s_whichever_worker_is_asked(self):
        nginx = self.nginx
        for step in json.loads(SCRIPT.read_text())[1:-1]:
            query = "?" + step["query"] if step["query"] else ""
            status, answer = nginx.node(step["method"], step["path"] + query, runs(step["body"]))
            answer.pop("message", None)
            answer.pop("hint", None)
            self.assertEqual((status, answer), (step["status"], step["answer"]), step["name"])
        epoch = nginx.node("GET", "status")[1]["epoch"]

        # Each worker reads the table within a second or two.
        def all_have_it():
            status, ready = nginx.node("GET", "ready")
            return status == 200 and all(worker.get("epoch") == epoch for worker in ready["workers"])

        until(all_have_it)
        self.assertEqual(nginx.node("POST", "commit", b"x" * 300_000)[0], 413)

        # A killed worker comes back with the zone's table, a new nginx with the snapshot's.
        children = pathlib.Path(f"/proc/{nginx.process.pid}/task/{nginx.process.pid}/children")
        before = children.read_text().split()
        os.kill(int(before[0]), signal.SIGKILL)
        until(lambda: len(now := children.read_text().split()) == 2 and now != before)
        until(all_have_it)
        file = nginx.dir / "silverback.table"
        # The file lags behind by about a second; its first bytes are the epoch record.
        until(lambda: struct.unpack("<Q", file.read_bytes()[8:16]) == (epoch,))
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        nginx.stop()
        nginx.start()
        # A worker says so when it starts, which may be after the ports are open.
        until(lambda: f"epoch {epoch} read from" in nginx.log())
        until(all_have_it)
        self.assertEqual(nginx.node("GET", "status")[1]["epoch"], epoch)


class ChainTest(Case):
    def test_tries_go_on_to_the_next_endpoint_with_the_same_host(self):
        dead = endpoints(("127.0.0.1", free_port()))
        fields = [(1, dead + endpoints(("127.0.0.2", self.nginx.backend))), (3, b"\x02"), (5, b"b.test"), (6, b"/new?y")]
        for method, body in [("GET", None), ("POST", b"z" * 100_000)]:
            status, seen = self.nginx.send(*fields, method=method, body=body)
            self.assertEqual((status, seen["address"], seen["uri"]), (200, "127.0.0.2", "/new?y"))
            self.assertEqual(seen["headers"]["host"], "b.test")
        until(lambda: "result=01c8000200010100" in self.nginx.log())

    def test_headers_are_removed_set_and_added(self):
        fields = [self.nginx.here(), (7, b"cookie"), (9, b"\x03x-aset"), (10, b"\x03x-amore"), (10, b"\x03x-bnew")]
        headers = [("x-a", "1"), ("x-a", "2"), ("cookie", "c=1"), ("x-b", "old")]
        _, seen = self.nginx.send(*fields, headers=headers)
        self.assertEqual(seen["headers"]["x-a"], ["set", "more"])
        self.assertEqual(seen["headers"]["x-b"], ["old", "new"])
        self.assertNotIn("cookie", seen["headers"])

    def test_timeouts_and_deadlines_end_tries(self):
        silent = Silent()
        self.addCleanup(silent.close)
        slow = endpoints(("127.0.0.1", silent.port))
        start = time.monotonic()
        self.assertEqual(self.nginx.send((1, slow), (2, struct.pack("<III", 300, 300, 300)))[0], 504)
        before = self.nginx.count("deadline_over")
        status, _ = self.nginx.send((1, slow), (3, b"\x09"), (11, struct.pack("<II", 500, 200)))
        self.assertIn(status, (500, 504))
        self.assertEqual(self.nginx.count("deadline_over"), before + 1)
        self.assertLess(time.monotonic() - start, 5)
        fields = [(1, slow + self.nginx.here()[1]), (3, b"\x02"), (11, struct.pack("<II", 0, 200))]
        self.assertEqual(self.nginx.send(*fields)[0], 200)

    def test_everything_fails_closed(self):
        nginx = self.nginx
        for name, headers, counter in [
            ("no plan", [], "no_plan"),
            ("no filter", [("x-no-chain", "1")], "not_loaded"),
            ("a bad plan", [("x-plan", "02")], "bad_plans"),
            ("no way to speak it", [("x-plan", plan(nginx.here(), (4, b"\x04")))], "no_h2c"),
            ("another policy", [("x-plan", plan(nginx.here(), (4, b"\x01"), (8, b"12345678")))], "tls_unknown"),
            ("another route", [("x-plan", plan(nginx.here(), (14, b"12345678"), (128, b"rule")))], "wrong_route"),
        ]:
            before = nginx.count(counter)
            status, _ = nginx.request(nginx.proxy, "GET", "/", None, headers)
            self.assertGreaterEqual(status, 500, name)
            self.assertEqual(nginx.count(counter), before + 1, name)
        fields = [nginx.here(), (14, b"12345678"), (128, b"rule"), (129, b"backend")]
        self.assertEqual(nginx.send(*fields, headers=[("x-route", "rule")])[0], 200)
        until(lambda: "service=backend" in nginx.log())


class EarlyTest(Case):
    environment = {"SILVERBACK_ATTACH": "early"}

    def test_the_upstream_gets_the_plan_s_path_and_query(self):
        for uri in [b"/new?y=2", b"/new", b"/new?a?b", b"/%2f?%3f"]:
            for path in ["/client?x=1", "/client", "/client?"]:
                status, seen = self.nginx.send(self.nginx.here(), (6, uri), path=path)
                self.assertEqual((status, seen["uri"].rstrip("?")), (200, uri.decode()), path)
        _, seen = self.nginx.send(self.nginx.here())
        self.assertEqual(seen["uri"], "/client?x=1")

    def test_a_client_never_chooses_its_plugins(self):
        for name in ["silverbackset", "SilverbackSet", "SILVERBACKSET"]:
            headers = [(name, "00000000000000ff"), (name, "1")]
            _, seen = self.nginx.send(self.nginx.here(), headers=headers)
            self.assertEqual(seen["headers"]["silverbackset"], "0" * 16)
            fields = [self.nginx.here(), (14, struct.pack("<Q", 0xAB))]
            _, seen = self.nginx.send(*fields, headers=headers)
            self.assertEqual(seen["headers"]["silverbackset"], "00000000000000ab")
        # More headers than Kong's router looks at by default.
        headers = [("silverbackset", "00000000000000ff")] * 60 + [(f"x-{n}", "1") for n in range(60)]
        _, seen = self.nginx.send(self.nginx.here(), headers=headers)
        self.assertEqual(seen["headers"]["silverbackset"], "0" * 16)

    def test_tries_go_on_to_the_next_endpoint(self):
        fields = [(1, endpoints(("127.0.0.1", free_port())) + self.nginx.here("127.0.0.2")[1]), (3, b"\x02")]
        status, seen = self.nginx.send(*fields)
        self.assertEqual((status, seen["address"]), (200, "127.0.0.2"))

    def test_without_a_plan_there_is_503_and_a_bad_one_is_500(self):
        nginx = self.nginx
        self.assertEqual(nginx.request(nginx.proxy, "GET", "/")[0], 503)
        self.assertEqual(nginx.request(nginx.proxy, "GET", "/", None, [("x-plan", "02")])[0], 500)


if __name__ == "__main__":
    unittest.main()
