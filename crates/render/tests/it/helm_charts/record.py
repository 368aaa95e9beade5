#!/usr/bin/env python3
"""Records what kustomize makes of the charts in `cases.json` beside this file.

    record.py KUSTOMIZE HELM

KUSTOMIZE is the official program, version 5.8.1, HELM that of version 4.2.4. Every case is built in a folder of its own,
with the files that all share and its own; its key "kustomize" then has "build" or "error".
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile


def record(programs, shared, case):
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for file, content in (shared | case["files"]).items():
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode())
        kustomize, helm = programs
        command = [kustomize, "build", case.get("folder", "."), "--helm-command", helm, *case["flags"]]
        done = subprocess.run(command, cwd=root, capture_output=True, timeout=60, check=False)
        if done.returncode == 0:
            return {"build": done.stdout.decode()}
        error = done.stderr.decode().strip().replace(os.path.realpath(root), "").replace(helm, "helm")
        return {"error": re.sub("kustomize-helm-[0-9]+", "kustomize-helm", error)[-300:]}


def main():
    programs = [os.path.abspath(name) for name in sys.argv[1:3]]
    path = pathlib.Path(__file__).parent / "cases.json"
    table = json.loads(path.read_text())
    for case in table["cases"]:
        case["kustomize"] = record(programs, table["files"], case)
    path.write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    print(f"{len(table['cases'])} cases")


main()
