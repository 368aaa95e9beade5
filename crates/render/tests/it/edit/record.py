#!/usr/bin/env python3
"""Records what kustomize makes of the cases in the tables beside this file.

    record.py KUSTOMIZE [TABLE.json ...]

KUSTOMIZE is the official program, version 5.8.1. Every case is run in a folder of its own; its key "kustomize" then has
either "error", or "text" (the kustomization as kustomize wrote it), "others" (files that changed with it) and, where the
result builds, "build".
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

NAMES = ["kustomization.yaml", "kustomization.yml", "Kustomization"]


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())


def call(program, arguments, folder):
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def record(program, case):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        write(root, case["files"])
        folder = root / case.get("folder", "")
        code, _, error = call(program, case["run"], folder)
        if code != 0:
            reasons = [line for line in error.splitlines() if line.startswith("Error: ")]
            return {"error": reasons[0].removeprefix("Error: ").replace(os.path.realpath(root), "")}
        there = [folder / name for name in NAMES if (folder / name).is_file()]
        found = {"text": there[0].read_bytes().decode()}
        others = {name: (root / name).read_bytes().decode() for name in case["files"] if root / name != there[0]}
        others = {name: text for name, text in others.items() if text != case["files"][name]}
        found |= {"others": others} if others else {}
        code, build, _ = call(program, ["build", "."], folder)
        return found | ({"build": build} if code == 0 else {})


def main():
    program = os.path.abspath(sys.argv[1])
    here = pathlib.Path(__file__).parent
    for table in [pathlib.Path(name) for name in sys.argv[2:]] or sorted(here.glob("*.json")):
        cases = json.loads(table.read_text())
        for case in cases:
            case["kustomize"] = record(program, case)
        table.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")
        print(f"{table.name}: {len(cases)} cases")


main()
