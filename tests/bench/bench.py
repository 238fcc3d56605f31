#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pullgate beside nginx, varnish and docker-registry, each as a cache before one origin, in one run.

usage: bench.py [--all] [--seconds N] [--only WORD] [--servers NAME,...] [--out FOLDER]
       as --only manifest, --only tls, --only cold, --only gated, --only blobs

Every server gets the same requests from wrk on this machine. What counts is the CPU time that the
server's own processes spent, for each request or GiB: it is less noisy than throughput, which is
printed beside it. All logs are on, to a file, as in production. At the end: a table, and for each bar
of the design whether this run held it. --all adds what takes long: thousands of connections, downloads
in a small cgroup, a million blobs. --out writes the table (Markdown, CSV) and the figures (SVG).
"""
import argparse, concurrent.futures, csv, http.client, os, platform, random, re, resource, shutil
import statistics, subprocess, tempfile, time, zlib

import bars, figure, gated, scale
from servers import MIB, STARTERS, Image, fetch, start_origin, status_kib, write, wrk


class Table:
    """Rows of cells {server: (number, text)}, and the figures that are made of them."""
    def __init__(self, names):
        self.names, self.rows, self.figures = names, [], {}

    def add(self, what, cells, unit):
        self.rows.append((what, unit, cells))
        print(f"  {what}: " + ", ".join(f"{n} {cells[n][1]}" for n in self.names if n in cells), flush=True)

    def line(self, name, title, unit, series):
        self.figures[name] = figure.lines(title, unit, series)

    def bars(self, name, title, rows):
        """rows: {row of the table: what it is called below its bars}; one unit for all."""
        found = [(short, unit, cells) for what, unit, cells in self.rows
                 for row, short in rows.items() if row == what and cells]
        if found:
            self.figures[name] = figure.bars(title, found[0][1], {
                short: {n: value for n, (value, _) in cells.items()} for short, _, cells in found})

    def lines_of_text(self):
        """The ratio to nginx stands beside pullgate's."""
        lines = [["", "unit", *self.names, "pullgate / nginx"]]
        for what, unit, cells in self.rows:
            ratio = ""
            if "pullgate" in cells and cells.get("nginx", (0,))[0]:
                ratio = f"{cells['pullgate'][0] / cells['nginx'][0]:.2f}"
            lines.append([what, unit, *(cells.get(n, (0, "-"))[1] for n in self.names), ratio])
        return lines


# ---- what is measured ---------------------------------------------------------------------------

def warm(servers, table, what, path, seconds, connections, size=0, method="GET", tls=False):
    """CPU for each request (or GiB), and throughput."""
    cpu, rate = {}, {}
    for s in servers:
        s = s.over_tls() if tls else s
        if s is None:
            continue
        url = f"https://127.0.0.1:{s.tls_port}{path}" if tls else f"http://127.0.0.1:{s.port}{path}"
        try:
            fetch(s.tls_port if tls else s.port, path, tls)
            wrk(url, 1, connections, method)
            before = s.cpu()
            n, took, bad = wrk(url, seconds, connections, method)
            spent = s.cpu() - before
        except (AssertionError, OSError, subprocess.CalledProcessError) as e:
            print(f"  {s.title} cannot: {e}")
            continue
        if bad or not n:
            print(f"  {s.title}: {bad} answers were errors")
            continue
        if size:
            gib = n * size / (1 << 30)
            cpu[s.title] = (spent / gib, f"{spent / gib:.3f}")
            rate[s.title] = (gib / took, f"{gib / took:.2f}")
        else:
            cpu[s.title] = (spent / n * 1e6, f"{spent / n * 1e6:.1f}")
            rate[s.title] = (n / took, f"{n / took:.0f}")
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
    times = {"direct": [], **{s.title: [] for s in servers}}
    for n in range(rounds):
        seed = zlib.crc32(f"{repo}{n}".encode())    # no two calls share a blob: the store would have it
        image = Image(origin, f"{repo}{n}", [40 * MIB, 20 * MIB, 10 * MIB], seed)
        order = [("direct", origin), *((s.title, s) for s in servers)]
        random.Random(n).shuffle(order)
        for name, s in order:
            times[name].append(pull(s.port, image))
    direct = statistics.median(times.pop("direct"))
    table.add(f"cold pull of 70 MiB / direct{what}", {n: (statistics.median(t) / direct,
              f"{statistics.median(t) / direct:.2f}") for n, t in times.items()}, "ratio")


def first_byte(origin, servers, table, rounds=15):
    """How much later the first byte of a cold blob comes than from the origin itself."""
    def wait(port, path):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        began = time.monotonic()
        c.request("GET", path)
        r = c.getresponse()
        r.read(1)
        took = time.monotonic() - began
        while r.read(MIB):
            pass
        c.close()
        return took * 1000
    late = {s.title: [] for s in servers}
    image = Image(origin, "slow/first", [2 * MIB] * rounds * len(servers), 55)
    for n, s in [(n, s) for n in range(rounds) for s in servers]:
        path = image.layer(n * len(servers) + servers.index(s))
        late[s.title].append(wait(s.port, path) - wait(origin.port, path))
    table.add("first byte of a cold blob, behind direct",
              {n: (statistics.median(t), f"{statistics.median(t):.1f}") for n, t in late.items()}, "ms")


def herd(origin, servers, table, clients):
    """How many GETs reach the origin when all want one cold blob."""
    image, cells = Image(origin, "library/herd", [6 * MIB] * len(servers), 77), {}
    for n, s in enumerate(servers):
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            list(pool.map(lambda _: fetch(s.port, image.layer(n)), range(clients)))
        with open(origin.dir + "/access.log") as f:
            gets = len(re.findall(rf'"GET {re.escape(image.layer(n))} ', f.read()))
        cells[s.title] = (gets, str(gets))
    table.add(f"{clients} clients on a cold blob", cells, "origin GETs")


# ---- the run ------------------------------------------------------------------------------------

def everyday(wanted, table, origin, servers, args):
    image = Image(origin, "library/app", [5 << 10, MIB, 64 * MIB], 1)
    for tls, word, how in [(False, "", ""), (True, "tls ", ", TLS")]:
        look = lambda name, what, *more, **named: wanted(word + name) and warm(
            servers, table, what + how, *more, tls=tls, **named)
        look("manifest", "manifest by digest", image.manifest(), args.seconds, 16)
        look("tag", "tag HEAD", image.manifest("v1"), args.seconds, 16, method="HEAD")
        look("blob5k", "5 KiB blob", image.layer(0), args.seconds, 16)
        look("blob1m", "1 MiB blob", image.layer(1), args.seconds, 8, size=MIB)
        look("blob64m", "64 MiB blob", image.layer(2), args.seconds, 4, size=64 * MIB)
        table.bars("cpu-small" + word.strip(), "CPU of a request" + how, {
            f"manifest by digest{how}, CPU": "manifest", f"tag HEAD{how}, CPU": "HEAD of a tag",
            f"5 KiB blob{how}, CPU": "5 KiB blob"})
        table.bars("cpu-large" + word.strip(), "CPU of bytes" + how, {
            f"1 MiB blob{how}, CPU": "1 MiB blob", f"64 MiB blob{how}, CPU": "64 MiB blob"})
    if wanted("herd"):
        herd(origin, servers, table, 100)
    if wanted("first"):
        first_byte(origin, servers, table)
    if wanted("cold"):
        cold(origin, servers, table, 3, "link/cold", ", paced to 20 MiB/s a connection")
        cold(origin, servers, table, 5, "slow/cold", ", paced to 85 MiB/s a connection")
        cold(origin, servers, table, 5, "library/cold", ", unlimited loopback")
        table.bars("cold", "Cold pull of 70 MiB, beside direct (1)", {
            f"cold pull of 70 MiB / direct, {how}": short for how, short in [
                ("paced to 20 MiB/s a connection", "20 MiB/s a connection"),
                ("paced to 85 MiB/s a connection", "85 MiB/s a connection"),
                ("unlimited loopback", "unlimited")]})
    if wanted("slow"):
        scale.slow_readers(servers, table, image)
    table.add("peak memory of it all", {s.title: (status_kib(s.proc.pid, "VmHWM") / 1024,
              f"{status_kib(s.proc.pid, 'VmHWM') / 1024:.0f}") for s in servers}, "MiB")
    if not args.all and wanted("idle"):
        scale.idle(servers, table, 1000)
        scale.idle(servers, table, 1000, tls=True)


def governed(wanted, table, folder, origin, names, args):
    if wanted("gated") and "pullgate" in names:
        gated.compare(folder, origin, table, args.seconds)


def anew(folder, origin, name):
    s = STARTERS[name](folder, origin, name + "-anew")
    for one in [s, s.over_tls() or s]:
        one.title = name
    return s


def at_scale(wanted, table, origin, servers, args):
    image = Image(origin, "library/app", [5 << 10, MIB, 64 * MIB], 1)
    if wanted("connections"):                   # before idle: what a heap once was it stays
        scale.by_connections(servers, table, image, args.seconds, [1, 10, 100, 1000, 10000])
    if wanted("idle"):
        scale.idle(servers, table, 10000)
        scale.idle(servers, table, 10000, tls=True)
        table.bars("idle", "Memory of an idle connection", {
            "idle connection (10,000)": "plain", "idle connection, TLS (10,000)": "TLS"})


def apart(wanted, table, folder, origin, names, args):
    """What needs servers of its own."""
    if wanted("box"):
        scale.many_downloads(folder, origin, {n: STARTERS[n] for n in names}, table, 3 * args.seconds)
        table.bars("downloads", "Memory of 1,000 downloads at a time, in 256 MiB", {
            f"1,000 downloads in 256 MiB{how}, peak memory": short for how, short in [("", "plain"), (", TLS", "TLS")]})
    if wanted("blobs") and "pullgate" in names:
        scale.by_blobs(folder, origin, table, 1, [1000, 10000, 100000, 1000000],
                       os.environ.get("PULLGATE", "build/release/pullgate"))


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    load = " ".join(f"{n:.1f}" for n in os.getloadavg())
    return (f"{os.cpu_count()} CPUs ({model[1] if model else platform.machine()}), Linux {platform.release()}; "
            f"load averages {load}")


def write_results(folder, table, checked, heading):
    os.makedirs(folder, exist_ok=True)
    shown = [*table.figures]
    write(f"{folder}/results.md", "\n\n".join([
        "# Results of a run of ./dev bench", heading, figure.columns(table.lines_of_text()),
        "## Bars", figure.columns(checked), "## Figures", "\n".join(f"![{n}]({n}.svg)" for n in shown)]) + "\n")
    with open(f"{folder}/results.csv", "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(["what", "unit", "server", "value"])
        for what, unit, cells in table.rows:
            out.writerows([what, unit, name, f"{value:.6g}"] for name, (value, _) in cells.items())
    for name, svg in table.figures.items():
        write(f"{folder}/{name}.svg", svg)


def arguments():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--all", action="store_true")
    a.add_argument("--seconds", type=int, default=3)
    a.add_argument("--only", default="")
    a.add_argument("--servers", default=",".join(STARTERS))
    a.add_argument("--out", help="a folder, made if need be")
    return a.parse_args()


def main():
    args = arguments()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = tempfile.mkdtemp(prefix="pg-bench-")
    os.chmod(folder, 0o755)                     # varnish reads as another user
    names = [n for n in args.servers.split(",") if n in STARTERS]
    table, started, began = Table(names), [], time.monotonic()
    wanted = lambda word: args.only in word
    heading = f"Begun with: {machine()}."
    try:
        started.append(origin := start_origin(folder))
        started += (servers := [STARTERS[n](folder, origin) for n in names])
        everyday(wanted, table, origin, servers, args)
        governed(wanted, table, folder, origin, names, args)
        if args.all:
            for s in servers:                   # anew: what they have used so far is not of idle connections
                s.end()
            started[1:] = servers = [anew(folder, origin, n) for n in names]
            at_scale(wanted, table, origin, servers, args)
            for s in started[1:]:
                s.end()
            del started[1:]
            apart(wanted, table, folder, origin, names, args)
        heading += f" Ended after {(time.monotonic() - began) / 60:.0f} minutes with: {machine()}."
        checked = bars.verdicts(table, args.all)
        print("\n" + heading + "\n\n" + figure.columns(table.lines_of_text()) + "\n\n" + figure.columns(checked))
        if args.out:
            write_results(args.out, table, checked, heading)
    finally:
        for s in started:
            s.end()
        shutil.rmtree(folder, ignore_errors=True)   # of a million files that takes minutes


if __name__ == "__main__":
    main()
