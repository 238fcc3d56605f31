#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The table in docs/clients.md is what the clients' tests saw.

usage: clients.py SEEN [--write]   run from the source root. SEEN: what `./dev test --interop` wrote
into build/clients.jsonl. Without --write: each client that was run has the cells that it had;
versions may differ, and clients that were not here are not looked at.
"""
import json, sys

DOC, BEGIN, END = "docs/clients.md", "<!-- seen: begin -->\n", "<!-- seen: end -->\n"
CLIENTS = ["dockerd", "dockerd with containerd store", "containerd", "containerd2",
           "Kubernetes with containerd", "Kubernetes with containerd2", "BuildKit", "podman", "buildah",
           "skopeo", "crane", "regctl", "oras", "helm", "cosign"]
COLUMNS = ["by name", "default upstream", "mirror", "?ns=", "cold, warm", "upstream down",
           "client killed", "upstream breaks off", "refusal is final", "artifacts"]


def table(seen, was):
    """Clients that were not here stay as they were."""
    lines = ["| client | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for client in CLIENTS:
        cells = seen.get(client, {})
        if cells:
            lines.append(f"| {client} {cells['version']} | " +
                         " | ".join(cells.get(c, "") for c in COLUMNS) + " |")
        elif client in was:
            lines.append("| " + " | ".join(was[client]) + " |")
    return "\n".join(lines) + "\n"


def read(path):
    seen = {}
    with open(path) as f:
        for line in f:
            row = json.loads(line)
            assert row["client"] in CLIENTS and row["column"] in COLUMNS, line
            one = seen.setdefault(row["client"], {})
            one["version"], one[row["column"]] = row["version"], row["value"]
    return seen


def rows(text):
    """client -> its cells; the first is its name with the version."""
    lines = [[c.strip() for c in l.strip("|\n").split("|")] for l in text.splitlines()[2:]]
    return {l[0].rsplit(" ", 1)[0]: l for l in lines}


def main(path, write=False):
    with open(DOC) as f:
        doc = f.read()
    begin, end = doc.index(BEGIN) + len(BEGIN), doc.index(END)
    seen, was, bad = read(path), rows(doc[begin:end]), 0
    if write:
        with open(DOC, "w") as f:
            f.write(doc[:begin] + table(seen, was) + doc[end:])
        return 0
    for client, cells in seen.items():
        for column, had in zip(COLUMNS, was.get(client, [""] * (len(COLUMNS) + 1))[1:]):
            if had != cells.get(column, ""):
                print(f"{DOC}: {client}, {column}: says {had or 'nothing'!r}, seen: "
                      f"{cells.get(column) or 'nothing'!r}; run: tests/check/clients.py {path} --write")
                bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--write" in sys.argv[2:]))
