#!/usr/bin/env python3
"""Reads the #include lines of src/ and fails on an arrow that runs up the floors, and on what CONTRIBUTING.md forbids by number.

usage: layers_test.py [SOURCE_DIR]
"""
import os
import re
import sys

# The floor of a file is that of the longest prefix here. ARCHITECTURE.md has the same table for people.
FLOORS = {
    "base": 1, "os": 2, "format": 3, "language": 3, "crypto": 3, "store": 4, "record": 5, "flow": 6, "edge": 7, "app": 8,
}
# os/ needs digests for TLS and mail; crypto/ is pure code without files and sockets, so this arrow cannot come back.
ALLOWED_UP = {("os", "crypto")}
# Headers that cost much to include, and who may: only sources, never headers.
HEAVY = {"filesystem", "regex", "iostream", "spdlog/spdlog.h", "CLI/CLI.hpp", "toml++/toml.h", "simdjson.h"}
# The one header that lends a heavy one to the few sources that parse TOML.
HEAVY_LENDERS = {"format/toml/config_reader.h"}
LINES_MAX, TEST_LINES_MAX, WIDTH_MAX = 800, 1500, 120

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def floor_of(path):
    return FLOORS.get(path.split("/", 1)[0])


def check_file(root, path):
    complaints = []
    is_header = path.endswith(".h")
    with open(os.path.join(root, "src", path), encoding="utf-8") as file:
        lines = file.read().split("\n")
    top = path.split("/", 1)[0]
    edge = path.split("/")[1] if top == "edge" else None
    for number, line in enumerate(lines, 1):
        where = f"src/{path}:{number}"
        if len(line) > WIDTH_MAX:
            complaints.append(f"{where}: {len(line)} characters, at most {WIDTH_MAX}")
        match = INCLUDE.match(line)
        if not match:
            continue
        kind, name = match.groups()
        if name == "regex":
            complaints.append(f"{where}: <regex> is not used here (slow, recursive)")
        if kind == "<":
            if is_header and name in HEAVY and path not in HEAVY_LENDERS:
                complaints.append(f"{where}: <{name}> stays in .cpp files")
            continue
        target_floor = floor_of(name)
        if target_floor is None:
            complaints.append(f"{where}: \"{name}\" is not a path from src/")
            continue
        target = name.split("/", 1)[0]
        if target_floor > floor_of(path) and (top, target) not in ALLOWED_UP:
            complaints.append(f"{where}: {top}/ (floor {floor_of(path)}) includes {target}/ (floor {target_floor})")
        if edge and target == "edge" and name.split("/")[1] != edge:
            complaints.append(f"{where}: edge/{edge} includes edge/{name.split('/')[1]}; edges never include one another")
    limit = TEST_LINES_MAX if path.endswith("_test.cpp") else LINES_MAX
    if len(lines) > limit:
        complaints.append(f"src/{path}: {len(lines)} lines, at most {limit}")
    if is_header and "#pragma once" not in lines:
        complaints.append(f"src/{path}: no #pragma once")
    return complaints


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("MINATO_SOURCE_DIR", ".")
    complaints, files = [], 0
    for directory, _, names in os.walk(os.path.join(root, "src")):
        for name in sorted(names):
            if name.endswith((".h", ".cpp")):
                files += 1
                path = os.path.relpath(os.path.join(directory, name), os.path.join(root, "src"))
                complaints += check_file(root, path)
    for complaint in complaints:
        print(complaint)
    print(f"{files} files read, {len(complaints)} complaints")
    return 1 if complaints or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
