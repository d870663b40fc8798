#!/usr/bin/env python3
"""Checks every crate of Cargo.lock against deny.toml: licence, source, ban. Needs no network."""

import json
import re
import subprocess
import sys
import tomllib

with open("deny.toml", "rb") as file:
    rules = tomllib.load(file)

metadata = json.loads(
    subprocess.check_output(
        ["cargo", "metadata", "--format-version=1", "--locked", "--offline"], text=True
    )
)
allowed = set(rules["licenses"]["allow"])
banned = {ban["crate"]: ban["reason"] for ban in rules["bans"]["deny"]}
registries = set(rules["sources"]["allow-registry"])


def licensed(expression):
    """Is the SPDX expression satisfied by allowed licences? OR needs one side, AND both."""
    expression = expression.replace("/", " OR ")
    tokens = re.findall(r"\(|\)|[^\s()]+(?:\s+WITH\s+[^\s()]+)?", expression)

    def any_of():
        result = all_of()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            result = all_of() or result
        return result

    def all_of():
        result = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            result = one() and result
        return result

    def one():
        token = tokens.pop(0)
        if token == "(":
            result = any_of()
            tokens.pop(0)
            return result
        return re.sub(r"\s+", " ", token) in allowed

    return any_of()


wrong = []
for package in metadata["packages"]:
    name = f"{package['name']} {package['version']}"
    if package["source"] is None:
        if package["license"] != "Apache-2.0":
            wrong.append(f"{name}: our own crates are Apache-2.0, not {package['license']}")
        continue
    if package["source"] not in registries:
        wrong.append(f"{name}: source {package['source']} is not allowed")
    if package["name"] in banned:
        wrong.append(f"{name}: banned: {banned[package['name']]}")
    if not package["license"] or not licensed(package["license"]):
        wrong.append(f"{name}: licence {package['license']!r} is not allowed (deny.toml)")

print("\n".join(wrong) or f"{len(metadata['packages'])} crates: licences, sources and bans are fine")
sys.exit(bool(wrong))
