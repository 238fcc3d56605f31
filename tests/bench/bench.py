#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pullgate beside nginx, varnish and docker-registry, each as a cache before one origin, in one run.

usage: bench.py [--seconds N] [--only WORD] [--out FILE]     as --only manifest, --only tls

Every server gets the same requests from wrk on this machine. What counts is the CPU time that the
server's own processes spent (utime + stime of /proc), for each request or GiB: it is less noisy
than throughput, which is printed beside it. All logs are on, to a file, as in production.
"""
import argparse, concurrent.futures, os, random, re, resource, shutil, socket, statistics, subprocess
import tempfile, time, zlib

from servers import MIB, STARTERS, Image, fetch, start_origin, status_kib, write, wrk


class Table:
    def __init__(self, names):
        self.names, self.rows = names, []

    def add(self, what, cells, unit):
        """cells: {server: (number, text)}; the ratio to nginx stands beside pullgate's."""
        self.rows.append((what, unit, cells))
        print(f"  {what}: " + ", ".join(f"{n} {cells[n][1]}" for n in self.names if n in cells), flush=True)

    def text(self):
        head = ["", "unit", *self.names, "pullgate / nginx"]
        lines = [head]
        for what, unit, cells in self.rows:
            ratio = ""
            if "pullgate" in cells and cells.get("nginx", (0,))[0]:
                ratio = f"{cells['pullgate'][0] / cells['nginx'][0]:.2f}"
            lines.append([what, unit, *(cells.get(n, (0, "-"))[1] for n in self.names), ratio])
        width = [max(len(l[i]) for l in lines) for i in range(len(head))]
        out = ["| " + " | ".join(c.ljust(w) for c, w in zip(l, width)) + " |" for l in lines]
        out.insert(1, "|" + "|".join("-" * (w + 2) for w in width) + "|")
        return "\n".join(out)


def warm(servers, table, what, path, seconds, connections, size=0, method="GET", tls=False):
    """CPU for each request (or GiB), and throughput."""
    cpu, rate = {}, {}
    for s in servers:
        if tls and not s.tls_port:
            continue
        url = f"https://127.0.0.1:{s.tls_port}{path}" if tls else f"http://127.0.0.1:{s.port}{path}"
        try:
            fetch(s.port, path)
            wrk(url, 1, connections, method)
            before = s.cpu()
            n, took, bad = wrk(url, seconds, connections, method)
            spent = s.cpu() - before
        except (AssertionError, OSError, subprocess.CalledProcessError) as e:
            print(f"  {s.name} cannot: {e}")
            continue
        if bad or not n:
            print(f"  {s.name}: {bad} answers were errors")
            continue
        if size:
            gib = n * size / (1 << 30)
            cpu[s.name] = (spent / gib, f"{spent / gib:.3f}")
            rate[s.name] = (gib / took, f"{gib / took:.2f}")
        else:
            cpu[s.name] = (spent / n * 1e6, f"{spent / n * 1e6:.1f}")
            rate[s.name] = (n / took, f"{n / took:.0f}")
    table.add(what + ", CPU", cpu, "s/GiB" if size else "us/request")
    table.add(what + ", rate", rate, "GiB/s" if size else "requests/s")


def pull(port, image):
    """As a client does: manifest, then config and layers, three at a time."""
    began = time.monotonic()
    fetch(port, image.manifest("v1"))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda d: fetch(port, f"/v2/{image.repo}/blobs/{d['digest']}"),
                      [image.config, *image.layers]))
    return time.monotonic() - began


def cold(origin, servers, table, rounds, repo, what):
    """Ratio to direct, of medians, each round with an image nobody has pulled."""
    times = {"direct": [], **{s.name: [] for s in servers}}
    for n in range(rounds):
        seed = zlib.crc32(f"{repo}{n}".encode())    # no two calls share a blob: the store would have it
        image = Image(origin, f"{repo}{n}", [40 * MIB, 20 * MIB, 10 * MIB], seed)
        order = [("direct", origin), *((s.name, s) for s in servers)]
        random.Random(n).shuffle(order)
        for name, s in order:
            times[name].append(pull(s.port, image))
    direct = statistics.median(times.pop("direct"))
    table.add(f"cold pull of 70 MiB / direct{what}", {n: (statistics.median(t) / direct,
              f"{statistics.median(t) / direct:.2f}") for n, t in times.items()}, "ratio")


def herd(origin, servers, table, clients):
    """How many GETs reach the origin when all want one cold blob."""
    image, cells = Image(origin, "library/herd", [32 * MIB] * len(servers), 77), {}
    for n, s in enumerate(servers):
        fetch(s.port, image.manifest())
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            list(pool.map(lambda _: fetch(s.port, image.layer(n)), range(clients)))
        with open(origin.dir + "/access.log") as f:
            gets = len(re.findall(rf'"GET {re.escape(image.layer(n))} ', f.read()))
        cells[s.name] = (gets, str(gets))
    table.add(f"{clients} clients on a cold blob", cells, "origin GETs")


def idle(servers, table, count):
    """Memory of a connection that did one request and waits."""
    cells = {}
    for s in servers:
        before, held = status_kib(s.proc.pid, "RssAnon"), []
        try:
            for _ in range(count):
                c = socket.create_connection(("127.0.0.1", s.port), 10)
                c.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
                held.append(c)
            for c in held:
                c.recv(4096)
            each = (status_kib(s.proc.pid, "RssAnon") - before) / count
            cells[s.name] = (each, f"{each:.2f}")
        finally:
            for c in held:
                c.close()
    table.add(f"idle connection ({count})", cells, "KiB each")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--seconds", type=int, default=4)
    a.add_argument("--only", default="")
    a.add_argument("--servers", default=",".join(STARTERS))
    a.add_argument("--out")
    args = a.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = tempfile.mkdtemp(prefix="pg-bench-")
    os.chmod(folder, 0o755)                     # varnish reads as another user
    names = [n for n in args.servers.split(",") if n in STARTERS]
    table, started = Table(names), []
    wanted = lambda word: args.only in word
    try:
        started.append(origin := start_origin(folder))
        started += (servers := [STARTERS[n](folder, origin) for n in names])
        image = Image(origin, "library/app", [5 << 10, MIB, 64 * MIB], 1)
        for tls, word, how in [(False, "", ""), (True, "tls ", ", TLS")]:
            look = lambda name, what, *args, **more: wanted(word + name) and warm(
                servers, table, what + how, *args, tls=tls, **more)
            look("manifest", "manifest by digest", image.manifest(), args.seconds, 16)
            look("tag", "tag HEAD", image.manifest("v1"), args.seconds, 16, method="HEAD")
            look("blob5k", "5 KiB blob", image.layer(0), args.seconds, 16)
            look("blob1m", "1 MiB blob", image.layer(1), args.seconds, 8, size=MIB)
            look("blob64m", "64 MiB blob", image.layer(2), args.seconds, 4, size=64 * MIB)
        if wanted("herd"):
            herd(origin, servers, table, 32)
        if wanted("cold"):
            cold(origin, servers, table, 5, "link/cold", ", paced to 20 MiB/s a connection")
            cold(origin, servers, table, 5, "slow/cold", ", paced to 85 MiB/s a connection")
            cold(origin, servers, table, 7, "library/cold", ", unlimited loopback")
        if wanted("idle"):
            idle(servers, table, 2000)
        table.add("peak memory of it all", {s.name: (status_kib(s.proc.pid, "VmHWM") / 1024,
                  f"{status_kib(s.proc.pid, 'VmHWM') / 1024:.0f}") for s in servers}, "MiB")
    finally:
        for s in started:
            s.end()
        shutil.rmtree(folder, ignore_errors=True)
    print("\n" + table.text())
    if args.out:
        write(args.out, table.text() + "\n")


if __name__ == "__main__":
    main()
