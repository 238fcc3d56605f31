#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What one warm request costs in instructions and in system calls, pullgate beside nginx.

usage: instructions.py [WORD...] [--requests N] [--servers pullgate,nginx] [--top N] [--keep FOLDER]

WORD is one of the paths below, all unless told. Instructions are counted by callgrind, those of the
process itself, the kernel's not; calls by strace. Both slow a server down and disturb no count, so
the figures do not depend on what else the machine does. One worker, or loop, in each server.
"""
import argparse, os, re, shutil, signal, subprocess, tempfile

import gated
from servers import MIB, Image, ab, fetch, start_nginx, start_origin, start_pullgate, wait_until_quiet

PATHS = ["manifest", "tag", "blob5k", "blob1m", "blob64m", "cold", "gated", "gatedblob"]
START = {"pullgate": (start_pullgate, 1), "nginx": (start_nginx, 0)}
CALLGRIND = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--dump-instr=yes"]


def ask(server, path, n, tls, head):
    """n requests over 8 connections."""
    if n == 0:
        return
    scheme, port = ("https", server.tls_port) if tls else ("http", server.port)
    command = ["ab", "-q", "-k", "-c", str(min(8, n)), "-n", str(n), "-s", "600", *(["-i"] if head else []),
               "-H", "Accept: */*", f"{scheme}://127.0.0.1:{port}{path}"]
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    assert re.search(rf"Complete requests:\s+{n}\n", said) and "Non-2xx" not in said, said


class Path:
    """One thing to ask for; how often, and which objects a cold run takes."""
    def __init__(self, word, tls, origin, requests, folder):
        self.word, self.tls, self.head = word, tls, word == "tag"
        self.image = image = Image(origin, "library/app", [5 << 10, MIB, 64 * MIB], 1)
        self.gated = word.startswith("gated")   # by a policy that wants it signed
        if self.gated:
            gated.sign(image, folder)
        self.at = {"manifest": image.manifest(), "tag": image.manifest("v1"), "blob5k": image.layer(0),
                   "blob1m": image.layer(1), "blob64m": image.layer(2), "cold": image.manifest("v1"), "gated": image.manifest(), "gatedblob": image.layer(0)}[word]
        self.n = 1 if word == "cold" else {"blob1m": requests // 10, "blob64m": 16}.get(word, requests)

    def warm_up(self, server):
        """All is there that may be asked for, and nothing is under way."""
        for at in [] if self.word == "cold" else [self.image.manifest(), *map(self.image.layer, range(3)),
                                                  self.image.manifest("v1"), self.at]:
            fetch(server.port, at)
        if self.word != "cold":
            ask(server, self.at, 16, self.tls, self.head)
        wait_until_quiet(server)

    def run(self, server):
        ask(server, self.at, self.n, self.tls, self.head)


def starter(name, path):
    start, workers = START[name]
    return (gated.start_gated if path.gated and name == "pullgate" else start), workers


def small_map(folder):
    out, source = folder + "/small_map.so", os.path.join(os.path.dirname(os.path.abspath(__file__)), "small_map.c")
    if not os.path.exists(out):
        subprocess.run(["cc", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", out, source], check=True)
    return out


def control(pid, *command):
    subprocess.run(["callgrind_control", *command, str(pid)], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True)


def instructions(name, path, origin, folder, top):
    """(for each request, lines of the top functions)"""
    start, workers = starter(name, path)
    out = f"{folder}/{name}.{path.word}{'.tls' if path.tls else ''}.callgrind"
    server = start(folder, origin, f"{name}-i-{path.word}-{path.tls}",
                   under=["env", "LD_PRELOAD=" + small_map(folder), *CALLGRIND, f"--callgrind-out-file={out}"],
                   workers=workers, **({"more": "sandbox: false\n"} if name == "pullgate" else {}))
    try:
        path.warm_up(server)
        control(server.proc.pid, "-i", "on")
        path.run(server)
        control(server.proc.pid, "-i", "off")
    finally:
        server.end()
    text = subprocess.run(["callgrind_annotate", "--threshold=99.9", out], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout
    rows = []
    for m in re.finditer(r"^\s*([\d,]+) \([^)]*\)\s+(.*)$", text, re.M):
        rows.append((int(m[1].replace(",", "")), m[2]))
    total = next((n for n, what in rows if what.startswith("PROGRAM TOTALS")), 0)
    rows = [(n, re.sub(r"^.*?([^/:]+):([^ ]+).*?(\[.*/([^/\]]+)\])?$", r"\2 \4", what))
            for n, what in rows if not what.startswith("PROGRAM TOTALS")]
    return total / path.n, [f"{n / path.n:10.0f} {n / max(total, 1):6.1%}  {what}" for n, what in rows[:top]]


def patiently(*what):
    """Now and then callgrind ends without a word: then once more."""
    for _ in range(5):
        total, rows = instructions(*what)
        if total:
            return total, rows
    raise SystemExit(f"instructions: callgrind says nothing of {what[0]}")


def calls(name, path, origin, folder):
    """{system call: times for each request}, of all threads."""
    start, workers = starter(name, path)
    out = f"{folder}/{name}.strace"
    server = start(folder, origin, f"{name}-c-{path.word}-{path.tls}", workers=workers)
    try:
        path.warm_up(server)
        tracer = subprocess.Popen(["strace", "-f", "-c", "-o", out, "-p", str(server.proc.pid)],
                                  stderr=subprocess.PIPE, text=True)
        while "attached" not in tracer.stderr.readline():
            pass
        path.run(server)
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()
    finally:
        server.end()
    found = {}
    with open(out) as f:
        for line in f:
            if m := re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", line):
                if m[2] != "total":
                    found[m[2]] = int(m[1]) / path.n
    return found


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("words", nargs="*", default=[*PATHS[:5], *("tls-" + p for p in PATHS[:5]), *PATHS[5:]])
    a.add_argument("--requests", type=int, default=2000)
    a.add_argument("--servers", default="pullgate,nginx")
    a.add_argument("--top", type=int, default=25)
    a.add_argument("--keep", help="the callgrind files go here, for callgrind_annotate or kcachegrind")
    args = a.parse_args()
    folder = tempfile.mkdtemp(prefix="pg-count-")
    table = []
    origin = start_origin(folder)
    try:
        for word in args.words:
            path = Path(word.removeprefix("tls-"), word.startswith("tls-"), origin, args.requests, folder)
            for name in args.servers.split(","):
                total, rows = patiently(name, path, origin, folder, args.top)
                each = calls(name, path, origin, folder)
                table.append((word, name, total, sum(each.values())))
                print(f"\n{word}, {name}: {total:.0f} instructions, {sum(each.values()):.2f} calls for each request")
                print("  " + ", ".join(f"{k} {v:.2f}" for k, v in sorted(each.items(), key=lambda i: -i[1]) if v >= 0.01))
                print("\n".join("  " + r for r in rows), flush=True)
        if args.keep:
            os.makedirs(args.keep, exist_ok=True)
            for f in os.listdir(folder):
                if f.endswith(".callgrind"):
                    shutil.copy(f"{folder}/{f}", args.keep)
    finally:
        origin.end()
        shutil.rmtree(folder, ignore_errors=True)
    print("\n| path | server | instructions | system calls |\n|---|---|---|---|")
    for word, name, total, each in table:
        print(f"| {word} | {name} | {total:.0f} | {each:.2f} |")


if __name__ == "__main__":
    main()
