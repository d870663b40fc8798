#!/usr/bin/env python3
"""Runs every example as its README says and compares what comes out.

In an example's README a ```console block has commands (`$ ...`) and what they print. The first
one runs `silverback dev`; the others run while it runs. `...` stands for any text within a line,
and a line that is only `...` for any number of lines. Commands without output are for people.
"""

import pathlib
import re
import signal
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / "target/release/silverback"
LIMIT_SECONDS = 60
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def local(command):
    """The README's command with the binary that is built already, and a curl without progress."""
    command = re.sub(r"cargo run --release( -q)? --", str(BINARY), command)
    return re.sub(r"^curl ", "curl -sS --max-time 20 ", command)


def fits(expected, actual):
    pattern = ""
    for line in expected.strip("\n").split("\n"):
        if line.strip() == "...":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("..."))
            pattern += r"[ \t]*\n"
    return re.fullmatch(pattern, actual.strip("\n") + "\n") is not None


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
            if line.startswith("ready after"):
                self.ready.set()
        self.ready.set()

    def said(self):
        return "".join(self.lines)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=LIMIT_SECONDS)


def differs(readme, command, expected, actual):
    return f"{readme}: {command}\n-- expected\n{expected}-- got\n{actual}"


def run(readme):
    blocks = BLOCK.findall(readme.read_text())
    commands = [command for block in blocks for command in COMMAND.findall(block)]
    commands = [(command, expected) for command, expected in commands if expected.strip()]
    if not commands:
        return [f"{readme}: no command with output in a ```console block"]
    wrong = []
    (command, expected), *others = commands
    dev = Dev(command)
    try:
        if not dev.ready.wait(LIMIT_SECONDS) or dev.process.poll() is not None:
            return [f"{readme}: dev did not start:\n{dev.said()}"]
        if fits(expected, dev.said()):
            print(f"ok  {readme.parent.name}: {command}")
        else:
            wrong.append(differs(readme, command, expected, dev.said()))
        for command, expected in others:
            done = subprocess.run(
                ["bash", "-c", local(command)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=LIMIT_SECONDS,
            )
            if done.returncode == 0 and fits(expected, done.stdout):
                print(f"ok  {readme.parent.name}: {command}")
            else:
                wrong.append(differs(readme, command, expected, done.stdout + done.stderr))
    finally:
        code = dev.stop()
        if code != 0:
            wrong.append(f"{readme}: dev ended with {code} on SIGTERM:\n{dev.said()}")
    return wrong


readmes = sorted((ROOT / "examples").glob("*/README.md"))
problems = [problem for readme in readmes for problem in run(readme)]
print("\n".join(problems))
print(f"{len(readmes)} examples, {len(problems)} problems")
sys.exit(bool(problems) or not readmes)
