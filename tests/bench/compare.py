#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds of pullgate, and nginx, in turn: CPU for each request, medians of many short runs.

usage: compare.py [--only WORD,...] [--rounds N] [--seconds N] [--connections N] SERVER...

A SERVER is the path of a pullgate, `nginx`, or `floor`: a server that receives and sends 1 KiB, no more. Each round asks each of them once, in a new order, so
that what else the machine does meets all alike. CPU is that of the kernel's scheduler (schedstat).
"""
import argparse, os, random, shutil, statistics, tempfile

from servers import MIB, Image, fetch, start_floor, start_nginx, start_origin, start_pullgate, wrk

WORDS = ["manifest", "tag", "blob5k", "blob1m", "blob64m"]


def compare(word, tls, image, servers, args):
    size = {"blob1m": MIB, "blob64m": 64 * MIB}.get(word, 0)
    at = {"manifest": image.manifest(), "tag": image.manifest("v1"), "blob5k": image.layer(0),
          "blob1m": image.layer(1), "blob64m": image.layer(2)}[word]
    connections = args.connections or {"blob1m": 8, "blob64m": 4}.get(word, 16)
    method = "HEAD" if word == "tag" else "GET"
    spent = {s: [] for s in servers}
    for s in servers:
        fetch(s.port, at)
        fetch(s.port, image.layer(2))
    for _ in range(args.rounds):
        for s in random.sample(servers, len(servers)):
            url = f"https://127.0.0.1:{s.tls_port}{at}" if tls else f"http://127.0.0.1:{s.port}{at}"
            before = s.cpu_ns()
            n, _, bad = wrk(url, args.seconds, connections, method)
            assert n and not bad, (s.name, bad)
            spent[s].append((s.cpu_ns() - before) / (n * size / 2**30 * 1e9 if size else n * 1000))
    last = statistics.median(spent[servers[-1]])
    for s in servers:
        mid = statistics.median(spent[s])
        print(f"{'tls-' if tls else ''}{word:9} {s.title:30} {mid:8.3f} {'s/GiB' if size else 'us'}  "
              f"{mid / last:5.3f} of the last; least {min(spent[s]):.3f}, "
              f"middle half {statistics.quantiles(spent[s], n=4)[0]:.3f} to "
              f"{statistics.quantiles(spent[s], n=4)[2]:.3f}", flush=True)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("servers", nargs="+")
    a.add_argument("--only", default=",".join(WORDS))
    a.add_argument("--rounds", type=int, default=9)
    a.add_argument("--seconds", type=int, default=1)
    a.add_argument("--connections", type=int)
    args = a.parse_args()
    folder, started = tempfile.mkdtemp(prefix="pg-compare-"), []
    os.chmod(folder, 0o755)
    try:
        started.append(origin := start_origin(folder))
        for no, title in enumerate(args.servers):
            start = {"nginx": start_nginx, "floor": start_floor}.get(title, start_pullgate)
            os.environ["PULLGATE"] = title
            started.append(start(folder, origin, f"s{no}"))
            started[-1].title = title
        image = Image(origin, "library/app", [5 << 10, MIB, 64 * MIB], 1)
        for word in args.only.split(","):
            compare(word.removeprefix("tls-"), word.startswith("tls-"), image, started[1:], args)
    finally:
        for s in started:
            s.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
