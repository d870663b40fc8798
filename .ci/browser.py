#!/usr/bin/env python3
"""Looks at the status page of `silverback dev` in a real browser: Debian's Chromium, headless, driven
through ChromeDriver by the WebDriver protocol (https://www.w3.org/TR/webdriver2/). Installs both if
they are missing.

SILVERBACK_BIN is the binary, target/release/silverback unless given. Screenshots go to
target/browser.
"""

import base64
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / os.environ.get("SILVERBACK_BIN", "target/release/silverback")
SHOTS = ROOT / "target/browser"
LIMIT_SECONDS = 60
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
CHROMIUM = "/usr/bin/chromium"
CHROMEDRIVER = "/usr/bin/chromedriver"
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage
    --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars
    --window-size=1280,1500 --force-color-profile=srgb""".split()


def until(what, probe):
    """Waits for a true value of the probe."""
    end = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < end:
        value = probe()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Process:
    """A process whose output is collected while it runs."""

    def __init__(self, *command):
        self.lines = []
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True).start()

    def says(self, pattern):
        def found():
            match = re.search(pattern, "".join(self.lines))
            if not match and self.process.poll() is not None:
                raise AssertionError(f"ended without {pattern!r}:\n{''.join(self.lines)}")
            return match

        return until(pattern, found)

    def stop(self):
        self.process.terminate()
        return self.process.wait(timeout=LIMIT_SECONDS)


class Browser:
    """A WebDriver session."""

    def __init__(self, port, profile):
        self.base = f"http://127.0.0.1:{port}"
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += f"/session/{session['sessionId']}"

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"content-type": "application/json"})
        request.method = method
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.read().decode()}") from None

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def script(self, code, *args):
        return self.call("POST", "/execute/sync", {"script": code, "args": args})

    def text(self, selector):
        """The text as it is seen; none if nothing is."""
        return self.script(
            "const e = document.querySelector(arguments[0]); return e && e.innerText;", selector
        )

    def element(self, selector):
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        return found[ELEMENT]

    def type(self, selector, text):
        self.call("POST", f"/element/{self.element(selector)}/value", {"text": text})

    def click(self, selector):
        self.call("POST", f"/element/{self.element(selector)}/click", {})

    def colours(self, scheme):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        command = {"cmd": "Emulation.setEmulatedMedia", "params": media}
        self.call("POST", "/goog/cdp/execute", command)

    def screenshot(self, name):
        SHOTS.mkdir(parents=True, exist_ok=True)
        png = base64.b64decode(self.call("GET", "/screenshot"))
        (SHOTS / f"{name}.png").write_bytes(png)

    def complaints(self):
        log = self.call("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]

    def quit(self):
        self.call("DELETE", "")


def send(port, head):
    """Sends a request as bytes and returns the status."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_SECONDS) as client:
        client.sendall(head.encode())
        return int(client.makefile("rb").readline().split()[1])


def admin(port, method="GET", path="/", **headers):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_SECONDS)
    client.request(method, path, headers=headers)
    answer = client.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def check(what, good, seen=""):
    if not good:
        raise AssertionError(f"{what}; seen:\n{seen}")
    print(f"ok  {what}", flush=True)
    check.count += 1


check.count = 0


def look(browser, manifests, ingress, port):
    page = f"http://127.0.0.1:{port}/"
    browser.colours("light")
    browser.open(page)
    routes = browser.text("#routes")
    check("routes are shown", "shop.example.com" in routes and "Ingress shop/shop #0" in routes, routes)
    endpoints = browser.text("#endpoints")
    row = r"shop/cart:80\s+127\.64\.0\.\d+:80\s*echo\s+untried"
    check("endpoints are shown", re.search(row, endpoints), endpoints)
    errors = "return document.querySelectorAll('#problems .problem.error').length"
    check("no error is shown", browser.script(errors) == 0, browser.text("#problems"))
    until("the live tail", lambda: browser.text("#live-state") == "live")

    status = send(ingress, "GET /cart/7?token=s3cret HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n")
    check("a request is answered", status == 200, status)
    tail = until("the request", lambda: browser.text("#tail"))
    check("it is in the live tail", "GET shop.example.com/cart/7?token=*" in tail and "shop/cart:80" in tail, tail)
    check("the query's value is not", "s3cret" not in tail, tail)
    row = r"shop/cart:80\s+127\.64\.0\.\d+:80\s*echo\s+healthy\s+answered 200 at"
    until("health", lambda: re.search(row, browser.text("#endpoints")))
    check("its endpoint is healthy now, without a reload", True)

    # A host with a space is refused; what it was is in the tail all the same.
    attack = "<script>document.title='hit'<script> <img src=x onerror=document.title='hit'>"
    status = send(ingress, f"GET / HTTP/1.1\r\nHost: {attack}\r\nConnection: close\r\n\r\n")
    check("a strange host is refused", status == 400, status)
    tail = until("the strange host", lambda: "onerror" in browser.text("#tail") and browser.text("#tail"))
    check("it is shown as text", attack in tail, tail)
    in_page = browser.script("return document.querySelectorAll('main script, main img').length")
    check("and is none of the page's elements", in_page == 0, in_page)

    browser.type("form [name=url]", "http://shop.example.com/cart/<script>document.title='hit'</script>")
    browser.type("form [name=header]", "x-canary: always")
    browser.click("form button")
    answer = until("an answer", lambda: browser.text("#answer"))
    check("explain answers", "goes to a backend" in answer and "shop/cart:80" in answer, answer)
    check("a path with <script> is shown as text", "/cart/<script>document.title" in answer, answer)
    html = admin(port, path="/?url=http://a/%3Cscript%3Ex%3C/script%3E")[2]
    check("in the page's source it is escaped", "<script>x" not in html and "&lt;script&gt;x" in html, html)
    check("the tail has what came before", "/cart/7?token=*" in browser.text("#tail"), browser.text("#tail"))
    check("nothing of it ran", browser.script("return document.title") == "Silverback")
    browser.open(page + "?url=ftp://x/")
    refused = browser.text("#answer")
    check("what cannot be explained is said", "http or https" in refused, refused)

    browser.open(page)
    until("the live tail", lambda: browser.text("#live-state") == "live")
    ingress_file = manifests / "ingress.yaml"
    good = ingress_file.read_text()
    broken = good.replace("host: shop.example.com", "host: SHOP_example.com", 1)
    check("the example has the host that is broken here", broken != good)
    ingress_file.write_text(broken)
    until("the problem", lambda: browser.script(errors) > 0)
    problems = browser.text("#problems")
    check("a problem appears, with a hint and a place", "Hint:" in problems and "ingress.yaml:" in problems, problems)
    browser.screenshot("light")
    browser.colours("dark")
    browser.screenshot("dark")
    ingress_file.write_text(good)
    until("the end of the problem", lambda: browser.script(errors) == 0)
    check("it goes when the manifest is mended", True)
    complaints = browser.complaints()
    check("the browser complains of nothing", not complaints, "\n".join(complaints))


def ask(port):
    status, headers, _ = admin(port)
    check("the page has a policy", status == 200 and "default-src 'none'" in headers["content-security-policy"])
    for host in ("example.com", "127.0.0.1.example.com", "127.0.0.1:80:80"):
        status, headers, _ = admin(port, Host=host)
        check(f"host {host} is refused", status == 421, status)
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        status, headers, _ = admin(port, method)
        check(f"{method} is refused", status == 405 and headers["allow"] == "GET", status)
    _, headers, _ = admin(port, path="/status", Origin="http://example.com")
    check("no other origin may read", "access-control-allow-origin" not in headers, headers)


def main():
    if not BINARY.exists():
        sys.exit(f"no {BINARY} (hint: cargo build --release, or SILVERBACK_BIN=target/debug/silverback)")
    if not (os.path.exists(CHROMIUM) and os.path.exists(CHROMEDRIVER)):
        quiet = {"stdout": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], check=True, **quiet)
        packages = ["chromium", "chromium-driver", "fonts-dejavu-core"]
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], check=True, **quiet)

    with tempfile.TemporaryDirectory() as temporary:
        manifests = pathlib.Path(temporary) / "quickstart"
        shutil.copytree(ROOT / "examples/quickstart", manifests)
        ingress = free_port()
        options = ["--ingress-port", str(ingress), "--ingress-tls-port", "0", "--admin-port", "0"]
        # Any other than the usual one, which somebody may be using.
        options += ["--port-offset", str(20000 + free_port() % 20000)]
        dev = Process(BINARY, "dev", manifests, *options)
        driver = Process(CHROMEDRIVER, "--port=0")
        browser = None
        try:
            port = int(dev.says(r"http://127\.0\.0\.1:(\d+)\s+status page")[1])
            dev.says("ready after")
            ask(port)
            driven = int(driver.says(r"started successfully on port (\d+)")[1])
            browser = Browser(driven, pathlib.Path(temporary) / "profile")
            look(browser, manifests, ingress, port)
        finally:
            if browser:
                browser.quit()
            driver.stop()
            ended = dev.stop()
        check("dev ends well", ended == 0, "".join(dev.lines))
    print(f"{check.count} passed, 0 failed")


main()
