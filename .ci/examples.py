#!/usr/bin/env python3
"""Runs every example as its README says and compares what comes out.

In an example's README a ```console block has commands (`$ ...`) and what they print. They run one
after the other; `silverback dev`, and what ends in ` &`, until the end of the example. A block
without a command is what dev goes on to print. `...` stands for any text within a line, and a line
that is only `...` for any number of lines. Commands without output are for people.

SILVERBACK_BIN is the binary, target/release/silverback unless given. The arguments are the names
of examples; without any, all are run.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / os.environ.get("SILVERBACK_BIN", "target/release/silverback")
LIMIT_SECONDS = 60
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def local(command):
    """The README's command with the binary that is built already, and a curl without progress."""
    command = re.sub(r"cargo run --release( -q)? --", str(BINARY), command)
    return re.sub(r"^curl ", "curl -sS --max-time 20 ", command)


def is_dev(command):
    return local(command).startswith(f"{BINARY} dev ")


def fits(expected, actual):
    pattern = ""
    for line in expected.strip("\n").split("\n"):
        if line.strip() == "...":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("..."))
            pattern += r"[ \t]*\n"
    return re.fullmatch(pattern, actual.strip("\n") + "\n") is not None


class Running:
    """A command that runs on; its output is collected while it runs."""

    def __init__(self, command):
        self.command = command
        self.lines = []
        self.process = subprocess.Popen(
            ["bash", "-c", "exec " + local(command.removesuffix(" &"))],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def said(self):
        return "".join(self.lines)

    def is_ready(self):
        return not is_dev(self.command) or "\nready after" in self.said()

    def says(self, expected):
        """Whether it prints that before it ends or the time is over."""
        end = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < end:
            ended = not self.reader.is_alive()
            if self.is_ready() and fits(expected, self.said()):
                return True
            if ended:
                return False
            time.sleep(0.05)
        return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=LIMIT_SECONDS)
        return code == 0 or not is_dev(self.command)


def differs(readme, command, expected, actual):
    return f"{readme}: {command}\n-- expected\n{expected}-- got\n{actual}"


def steps(text):
    """Commands and what they print; None for what dev goes on to print."""
    for block in BLOCK.findall(text):
        if block.startswith("$ "):
            yield from ((cmd, out) for cmd, out in COMMAND.findall(block) if out.strip())
        else:
            yield None, block


def run(readme):
    wrong = []
    running = []

    def check(good, command, expected, actual):
        if good:
            print(f"ok  {readme.parent.name}: {command}", flush=True)
        else:
            wrong.append(differs(readme, command, expected, actual))

    all_steps = list(steps(readme.read_text()))
    if not all_steps:
        return [f"{readme}: no command with output in a ```console block"]
    try:
        for command, expected in all_steps:
            if command is None:
                dev = next((process for process in running if is_dev(process.command)), None)
                good = dev is not None and dev.says(f"...\n{expected}...")
                check(good, "dev goes on", expected, dev.said() if dev else "no dev\n")
            elif is_dev(command) or command.endswith(" &"):
                running.append(Running(command))
                check(running[-1].says(expected), command, expected, running[-1].said())
                if running[-1].process.poll() is not None:
                    return wrong
            else:
                done = subprocess.run(
                    ["bash", "-c", local(command)],
                    cwd=ROOT,
                    capture_output=True,
                    text=True,
                    timeout=LIMIT_SECONDS,
                )
                good = done.returncode == 0 and fits(expected, done.stdout)
                check(good, command, expected, done.stdout + done.stderr)
    finally:
        for process in reversed(running):
            if not process.stop():
                wrong.append(f"{readme}: dev failed at its end:\n{process.said()}")
    return wrong


if not BINARY.exists():
    sys.exit(f"no {BINARY} (hint: cargo build --release, or SILVERBACK_BIN=target/debug/silverback)")
named = sys.argv[1:] or ["*"]
readmes = sorted(path for name in named for path in (ROOT / "examples").glob(f"{name}/README.md"))
problems = [problem for readme in readmes for problem in run(readme)]
print("\n".join(problems))
print(f"{len(readmes)} examples, {len(problems)} problems")
sys.exit(bool(problems) or not readmes)
