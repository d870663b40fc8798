#!/usr/bin/env python3
"""Mutation test of matching and ranking: `just mutants`, docs/mutants.md.

cargo-mutants says which mutants there are (files: .cargo/mutants.toml). It would build the crate
once for each; here all mutants of a function are built into it at once, in a copy of the sources,
and SILVERBACK_MUTANT says which of them runs:

    fn f(..) -> T { match crate::mutant::active() { 17 => { body of mutant 17 }, _ => { body } } }

So there are a handful of builds instead of hundreds. A mutant that does not compile is found by
the lines of the errors, left out, and counted as unviable. Mutants outside of functions
(constants) are built one by one. A mutant is caught as soon as one test fails, aborts, or takes
more processor time than its limit (timeout).
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = "silverback-core"
CORE = "wasm-filter/core"
# What is run against each mutant, the quick first: test target, arguments, environment.
STAGES = [
    ("lib", ["route::", "table::", "regex::"], {}),
    ("table", ["--skip", "robust", "--skip", "store"], {"SILVERBACK_STEPS": "400"}),
    ("table", ["robust", "store"], {}),
    ("regex", [], {}),
    ("explain", [], {}),
    ("spec", ["--skip", "malformed"], {"SILVERBACK_STEPS": "150"}),
]
# A test program takes up to four seconds; an endless loop is ended at this many.
CPU_SECONDS = 12
MEMORY = 4 << 30
SELECTOR = """
/// Which mutant runs (.ci/mutants.py).
#[doc(hidden)]
pub mod mutant {
    /// Its number; 0: none.
    #[must_use]
    pub fn active() -> u32 {
        static ACTIVE: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
        *ACTIVE.get_or_init(|| {
            let text = std::env::var("SILVERBACK_MUTANT").unwrap_or_default();
            text.parse().unwrap_or(0)
        })
    }

    /// Iterators of different types as one.
    pub fn boxed<'a, T>(iter: impl Iterator<Item = T> + 'a) -> Box<dyn Iterator<Item = T> + 'a> {
        Box::new(iter)
    }
}
"""
# Only the mutated crate, so that what it needs is shared with other builds.
PROFILE = f"""
[profile.dev.package.{PACKAGE}]
opt-level = 1
"""


class Source:
    """A file, and places in it by line and column."""

    def __init__(self, text):
        self.text = text
        self.starts = [0] + [m.end() for m in re.finditer("\n", text)]

    def at(self, place):
        return self.starts[place["line"] - 1] + place["column"] - 1

    def span(self, span):
        return self.at(span["start"]), self.at(span["end"])

    def body(self, function):
        """From behind the `{` of a function to its `}`."""
        start, end = self.span(function["span"])
        name = function["function_name"].split("::")[-1]
        head = re.compile(rf"\bfn {re.escape(name)}\b").search(self.text, start, end)
        return self.text.index("{", head.end()) + 1, end - 1


def arm(function, body):
    """A body as an expression of the function's type."""
    item = re.fullmatch(r"-> impl Iterator<Item =(.*?)>(\+use<.*>)?", function["return_type"])
    if item is None:
        return "{" + body + "}"
    return "{ crate::mutant::boxed::<" + item[1] + ">({" + body + "}) }"


def mutate(source, mutants):
    """The file with all these mutants, each between two lines that name it."""
    functions = {}
    for mutant in mutants:
        functions.setdefault(json.dumps(mutant["function"]["span"]), []).append(mutant)
    text = source.text
    for group in sorted(functions.values(), key=lambda g: -source.body(g[0]["function"])[0]):
        function = group[0]["function"]
        start, end = source.body(function)
        arms = []
        for mutant in group:
            low, high = source.span(mutant["span"])
            body = source.text[start:low] + mutant["replacement"] + source.text[high:end]
            number = mutant["number"]
            arms.append(f"\n// BEGIN {number}\n{number} => {arm(function, body)},\n// END\n")
        whole = arm(function, source.text[start:end])
        dispatch = f" match crate::mutant::active() {{{''.join(arms)}_ => {whole} }} "
        text = text[:start] + dispatch + text[end:]
    return text


class Tree:
    """The copy of the sources; those in `mutated` are written later."""

    def __init__(self, path, mutated):
        self.path = path
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True)
        files = [f for f in listed.stdout.split("\0") if f and (ROOT / f).is_file()]
        for stale in self.path.glob(f"{CORE}/**/*.rs"):
            if str(stale.relative_to(self.path)) not in files:
                stale.unlink()
        more = {"Cargo.toml": PROFILE, f"{CORE}/src/lib.rs": SELECTOR}
        for file in files:
            if file not in mutated:
                self.write(file, (ROOT / file).read_bytes() + more.get(file, "").encode())

    def write(self, file, content):
        """Writes what has changed: cargo looks at the times."""
        content = content.encode() if isinstance(content, str) else content
        to = self.path / file
        if not to.exists() or to.read_bytes() != content:
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(content)

    def build(self, targets):
        """(test programs by name, errors). An error: its text, and its places as (file, line)."""
        args = ["cargo", "test", "-p", PACKAGE, "--no-run", "--message-format", "json"]
        for target in targets:
            args += ["--lib"] if target == "lib" else ["--test", target]
        run = subprocess.run(args, cwd=self.path, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        programs, errors = {}, []
        for line in run.stdout.splitlines():
            message = json.loads(line)
            if message["reason"] == "compiler-artifact" and message.get("executable"):
                target = message["target"]
                name = "lib" if "lib" in target["kind"] else target["name"]
                programs[name] = message["executable"]
            if message["reason"] == "compiler-message" and message["message"]["level"] == "error":
                error = message["message"]
                places = []
                for span in error["spans"]:
                    while span:
                        places.append((span["is_primary"], span["file_name"], span["line_start"]))
                        span = (span.get("expansion") or {}).get("span")
                places.sort(key=lambda place: not place[0])
                errors.append((error["rendered"], [place[1:] for place in places]))
        if run.returncode != 0 and not errors:
            sys.exit(run.stderr)
        return programs, errors

    def test(self, program, args, env, number, cpu):
        """`ok`, `caught` or `timeout`."""
        def limit():
            resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        env = {**os.environ, "RUST_BACKTRACE": "0", "INSTA_UPDATE": "no", "CI": "1",
               "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "1",
               "CARGO_MANIFEST_DIR": str(self.path / CORE), **env,
               "SILVERBACK_MUTANT": str(number)}
        child = subprocess.Popen([program, *args], cwd=self.path / CORE, env=env,
                                 preexec_fn=limit, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        failed = None
        for line in child.stdout:
            # The rest of the tests cannot change the outcome.
            if line.rstrip().endswith("FAILED"):
                failed = line.removeprefix("test ").split(" ... ")[0]
                child.kill()
                break
        code = child.wait()
        child.stdout.close()
        if failed:
            return "caught", failed
        if code == -24:
            return "timeout", "processor time"
        return ("ok", "") if code == 0 else ("caught", f"exit {code}")


class Run:
    def __init__(self, tree, out, stages):
        self.tree = tree
        self.out = out
        self.stages = stages

    def stages_of(self, programs, number):
        for name, args, env in self.stages:
            if name in programs:
                outcome, by = self.tree.test(programs[name], args, env, number, CPU_SECONDS)
                if outcome != "ok":
                    return outcome, f"{name} {by}"
        return "missed", ""

    def viable(self, mutants):
        """Builds all of them; gives the programs and those that compile."""
        known_file = self.out / "unviable.json"
        known = set(json.loads(known_file.read_text())) if known_file.exists() else set()
        sources = {m["file"]: Source((ROOT / m["file"]).read_text()) for m in mutants}

        def key(m):
            body = sources[m["file"]]
            low, high = body.span(m["function"]["span"])
            # One line may have the same change at two places, and only one of them not compile.
            place = body.at(m["span"]["start"]) - low
            text = f"{body.text[low:high]}{m['name'].split(': ', 1)[1]}{place}"
            return hashlib.sha256(text.encode()).hexdigest()[:16]

        bad = {m["number"] for m in mutants if key(m) in known}
        while True:
            lines = {}
            for file, source in sources.items():
                here = [m for m in mutants if m["file"] == file and m["number"] not in bad]
                text = mutate(source, here)
                self.tree.write(file, text)
                number = None
                for at, line in enumerate(text.split("\n"), 1):
                    if line.startswith("// BEGIN "):
                        number = int(line.split()[-1])
                    elif line == "// END":
                        number = None
                    lines[file, at] = number
            began = time.time()
            programs, errors = self.tree.build(sorted({s[0] for s in self.stages}))
            print(f"build: {time.time() - began:.0f} s, {len(errors)} errors", flush=True)
            if not errors:
                break
            found = set()
            for text, places in errors:
                owners = [lines.get(place) for place in places]
                found |= {next((o for o in owners if o), None)}
                if not any(owners) and places:
                    print(text)
            found.discard(None)
            if not found:
                sys.exit("errors outside of every mutant:\n" + "\n".join(e[0] for e in errors[:5]))
            bad |= found
            known |= {key(m) for m in mutants if m["number"] in bad}
            known_file.write_text(json.dumps(sorted(known)))
        return programs, bad

    def one_by_one(self, mutant):
        source = Source((ROOT / mutant["file"]).read_text())
        low, high = source.span(mutant["span"])
        self.tree.write(mutant["file"],
                        source.text[:low] + mutant["replacement"] + source.text[high:])
        programs, errors = self.tree.build(sorted({s[0] for s in self.stages}))
        self.tree.write(mutant["file"], source.text)
        return ("unviable", "") if errors else self.stages_of(programs, 0)


def listed():
    """All mutants, numbered."""
    out = subprocess.run(["cargo", "mutants", "-p", PACKAGE, "--list", "--json"],
                         cwd=ROOT, check=True, capture_output=True, text=True).stdout
    mutants = json.loads(out)
    for number, mutant in enumerate(mutants, 1):
        mutant["number"] = number
        del mutant["diff"]
    return mutants


def report(rows):
    kinds = ["caught", "timeout", "unviable", "missed"]
    print("| file | mutants | " + " | ".join(kinds) + " |")
    print("|-|-|" + "-|" * len(kinds))
    file_of = {row["name"]: row["name"].split(":")[0] for row in rows}
    for file in [*dict.fromkeys(file_of.values()), "all"]:
        here = [row["outcome"] for row in rows if file in (file_of[row["name"]], "all")]
        counts = " | ".join(str(here.count(kind)) for kind in kinds)
        print(f"| {file.removeprefix(CORE + '/src/')} | {len(here)} | {counts} |")
    for row in rows:
        if row["outcome"] == "missed":
            print("missed:", row["name"].removeprefix(CORE + "/src/"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--file", action="append", help="only files whose path has this in it")
    parser.add_argument("--re", default="", help="only mutants whose name matches")
    parser.add_argument("--jobs", type=int, default=2, help="mutants that run at one time")
    parser.add_argument("--stages", type=int, default=len(STAGES), help="only the first stages")
    parser.add_argument("--missed", action="store_true",
                        help="only those that the runs before missed or left out")
    parser.add_argument("--no-constants", action="store_true",
                        help="without the mutants that need a build each")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "target/mutants")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    mutants = listed()
    results = args.out / "outcomes.json"
    order = {mutant["name"]: mutant["number"] for mutant in mutants}
    mutants = [m for m in mutants if re.search(args.re, m["name"])
               and any(file in m["file"] for file in args.file or [""])]
    rows = {}
    if args.missed:
        rows = {row["name"]: row for row in json.loads(results.read_text()) if row["name"] in order}
        mutants = [m for m in mutants if rows.get(m["name"], {}).get("outcome") in (None, "missed")]
    inside = [m for m in mutants if m["function"]]
    tree = Tree(args.out / "tree", {m["file"] for m in inside})
    run = Run(tree, args.out, STAGES[: args.stages])

    def judged(mutant, outcome, by=""):
        rows[mutant["name"]] = {"name": mutant["name"], "outcome": outcome, "by": by}

    if inside:
        programs, bad = run.viable(inside)
        outcome, by = run.stages_of(programs, 0)
        if outcome != "missed":
            sys.exit(f"without a mutant: {outcome} by {by}")
        for mutant in inside:
            if mutant["number"] in bad:
                judged(mutant, "unviable")

        def judge(mutant):
            began = time.time()
            outcome, by = run.stages_of(programs, mutant["number"])
            took = time.time() - began
            print(f"{outcome:8} {took:5.1f} s {mutant['name']} <- {by}", flush=True)
            judged(mutant, outcome, by)

        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            list(pool.map(judge, [m for m in inside if m["number"] not in bad]))
    constants = [] if args.no_constants else [m for m in mutants if not m["function"]]
    if constants:
        for file in {m["file"] for m in inside}:
            tree.write(file, (ROOT / file).read_bytes())
    for mutant in constants:
        outcome, by = run.one_by_one(mutant)
        print(f"{outcome:8} {mutant['name']} <- {by}", flush=True)
        judged(mutant, outcome, by)
    ordered = sorted(rows.values(), key=lambda row: order[row["name"]])
    results.write_text(json.dumps(ordered, indent=1))
    report(ordered)


if __name__ == "__main__":
    main()
