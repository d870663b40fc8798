#!/usr/bin/env python3
"""Runs every example as its README says and compares what comes out.

In an example's README the first ```sh block starts `silverback dev`; every further ```sh block is
run while it runs, and the block after it is what must come out. In an expected block `…` stands
for any text within a line, and a line that is only `…` for any number of lines. JSON is compared
as a value (a string of `…` fits anything; a key that is not shown does not count).
"""

import json
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / "target/release/silverback"
READY_SECONDS = 60
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def local(command):
    """The README's command with the binary that is built already."""
    return command.replace("cargo run --release --", str(BINARY)).replace(
        "cargo run --release -q --", str(BINARY)
    )


def fits_text(expected, actual):
    pattern = ""
    for line in expected.strip("\n").split("\n"):
        if line.strip() == "…":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ \t]*\n"
    return re.fullmatch(pattern, actual.strip("\n") + "\n") is not None


def fits_json(expected, actual):
    if expected == "…":
        return True
    if isinstance(expected, dict) and isinstance(actual, dict):
        return all(key in actual and fits_json(value, actual[key]) for key, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(fits_json, expected, actual))
    return expected == actual


def fits(language, expected, actual):
    if language != "json":
        return fits_text(expected, actual)
    try:
        return fits_json(json.loads(expected), json.loads(actual))
    except json.JSONDecodeError:
        return False


class Dev:
    """`silverback dev` running; its output is collected while it runs."""

    def __init__(self, command):
        self.lines = []
        self.ready = threading.Event()
        self.process = subprocess.Popen(
            ["bash", "-c", "exec " + local(command)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            # The line to copy is the last that a start prints.
            if re.search(r"silverback explain |watching|ready", line):
                self.ready.set()
        self.ready.set()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def run(readme):
    blocks = BLOCK.findall(readme.read_text())
    commands = [i for i, (language, _) in enumerate(blocks) if language == "sh"]
    if not commands:
        return [f"{readme}: no ```sh block"]
    wrong = []
    dev = Dev(blocks[commands[0]][1].strip())
    try:
        if not dev.ready.wait(READY_SECONDS) or dev.process.poll() is not None:
            return [f"{readme}: dev did not start:\n{''.join(dev.lines)}"]
        time_limit = time.monotonic() + READY_SECONDS
        for i in commands[1:]:
            command = blocks[i][1].strip()
            language, expected = blocks[i + 1] if i + 1 < len(blocks) else ("", "")
            done = subprocess.run(
                ["bash", "-c", local(command)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=max(1, time_limit - time.monotonic()),
            )
            if done.returncode != 0 or not fits(language, expected, done.stdout):
                wrong.append(
                    f"{readme}: {command}\n-- expected\n{expected}-- got (exit {done.returncode})\n"
                    f"{done.stdout}{done.stderr}"
                )
            else:
                print(f"ok  {readme.parent.name}: {command}")
    finally:
        code = dev.stop()
        if code not in (0, 130, 143):
            wrong.append(f"{readme}: dev ended with {code}:\n{''.join(dev.lines)}")
    return wrong


problems = []
readmes = sorted((ROOT / "examples").glob("*/README.md"))
for readme in readmes:
    problems += run(readme)
print("\n".join(problems))
print(f"{len(readmes)} examples, {len(problems)} problems")
sys.exit(bool(problems) or not readmes)
