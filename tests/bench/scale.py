# SPDX-License-Identifier: Apache-2.0
"""What happens when there is much of something: connections, downloads, slow readers, blobs."""
import contextlib, json, os, random, socket, statistics, subprocess, tempfile, time

from servers import MIB, OCI_MANIFEST, Image, Server, fetch, has_ended, insecure, pg_config, said_by_wrk, status_kib, wrk

LIMIT = 256 * MIB


# ---- connections --------------------------------------------------------------------------------

def connect(server, tls):
    c = socket.create_connection(("127.0.0.1", server.tls_port if tls else server.port), 20)
    return insecure().wrap_socket(c) if tls else c


def idle(servers, table, count, tls=False):
    """Memory of a connection that did one request and waits."""
    cells = {}
    for s in servers:
        s = s.over_tls() if tls else s
        if s is None:
            continue
        before, held = status_kib(s.proc.pid, "RssAnon"), []
        try:
            for _ in range(count):
                c = connect(s, tls)
                held.append(c)
                c.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
            for c in held:
                c.recv(4096)
            each = (status_kib(s.proc.pid, "RssAnon") - before) / count
            cells[s.title] = (each, f"{each:.2f}")
        except OSError as e:
            print(f"  {s.title}: {e} at connection {len(held)}")
        finally:
            for c in held:
                c.close()
    table.add(f"idle connection{', TLS' if tls else ''} ({count:,})", cells, "KiB each")


def hold_downloads(server, path, count):
    """That many clients have asked, and read nothing."""
    held = []
    for _ in range(count):
        c = socket.socket()
        c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        c.connect(("127.0.0.1", server.port))
        c.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        held.append(c)
    return held


def slow_readers(servers, table, image, rounds=5, count=200):
    """Fast downloads beside clients that have asked for 64 MiB and read nothing, and without, in turn."""
    speed, memory = {}, {}
    for s in servers:
        path, rates, failed = image.layer(1), {True: [], False: []}, 0
        fetch(s.port, path)
        fetch(s.port, image.layer(2))
        before, grown = status_kib(s.proc.pid, "RssAnon"), 0
        for beside in [False, True] * rounds:
            held = hold_downloads(s, image.layer(2), count if beside else 0)
            n, took, bad = wrk(f"http://127.0.0.1:{s.port}{path}", 1, 4)
            grown = max(grown, status_kib(s.proc.pid, "RssAnon") - before)
            for c in held:
                c.close()
            rates[beside].append(n / took)
            failed += bad
        if not failed:
            ratio = statistics.median(rates[True]) / statistics.median(rates[False])
            speed[s.title], memory[s.title] = (ratio, f"{ratio:.2f}"), (grown / count, f"{grown / count:.1f}")
    table.add(f"fast downloads beside {count} that do not read / alone", speed, "ratio of rates")
    table.add("a download that does not read", memory, "KiB each")


def by_connections(servers, table, image, seconds, counts):
    """CPU for each manifest, and memory, as connections become more."""
    cpu, memory = {}, {}
    for count in counts:
        row, rss = {}, {}
        for s in servers:
            url = f"http://127.0.0.1:{s.port}{image.manifest()}"
            fetch(s.port, image.manifest())
            before = s.cpu()
            n, _, bad = wrk(url, seconds, count)
            if not n or bad > n / 100:
                continue
            row[s.title] = ((s.cpu() - before) / n * 1e6, f"{(s.cpu() - before) / n * 1e6:.1f}")
            rss[s.title] = (status_kib(s.proc.pid, "RssAnon") / 1024, f"{status_kib(s.proc.pid, 'RssAnon') / 1024:.1f}")
        table.add(f"{count:,} connections, CPU of a manifest", row, "us/request")
        table.add(f"{count:,} connections, memory afterwards", rss, "MiB")
        for name, (value, _) in row.items():
            cpu.setdefault(name, {})[count] = value
        for name, (value, _) in rss.items():
            memory.setdefault(name, {})[count] = value
    table.line("connections-cpu", "CPU of a manifest, as connections become more", "us for each request", cpu)
    table.line("connections-memory", "Memory, as connections become more", "MiB of the process's own", memory)


# ---- a small box --------------------------------------------------------------------------------

class Box:
    """A cgroup of 256 MiB: v1's memory controller or v2's, whichever is here; else none."""
    def __init__(self):
        self.path, self.what = None, "no cgroup"
        for root, limit, peak, what in [
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes", "cgroup v1"),
                ("/sys/fs/cgroup", "memory.max", "memory.peak", "cgroup v2")]:
            path = f"{root}/pullgate-bench-{os.getpid()}"
            try:
                os.mkdir(path)
            except OSError:
                continue
            try:
                with open(f"{path}/{limit}", "w") as f:
                    f.write(str(LIMIT))
                self.path, self.what, self.peak_file = path, what, f"{path}/{peak}"
                return
            except OSError:
                os.rmdir(path)

    def under(self):
        """What starts a process inside."""
        return ["sh", "-c", f'echo $$ >{self.path}/cgroup.procs; exec "$@"', "sh"] if self.path else []

    def close(self):
        if self.path is None:
            return
        with open(self.path + "/cgroup.procs") as f:
            for pid in f.read().split():        # what a server has started, and left
                has_ended(int(pid), 10)
        with contextlib.suppress(OSError):
            os.rmdir(self.path)


LUA = """wrk.headers["Accept"] = "{accept}, */*"
local paths, at = {{{paths}}}, 0
request = function() at = at + 1; return wrk.format("GET", paths[at % #paths + 1]) end
"""


def asked_for(url, paths, seconds, connections):
    """One path after the other: (requests, seconds, errors, GiB that came)"""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as f:
        f.write(LUA.format(accept=OCI_MANIFEST, paths=",".join(f'"{p}"' for p in paths)))
        f.flush()
        return said_by_wrk(url, seconds, connections, f.name)


def many_downloads(folder, origin, starters, table, seconds, count=1000):
    """1,000 clients at a time, each with one of 64 blobs of 8 MiB, cold at first: 512 MiB in all."""
    image = Image(origin, "library/many", [8 * MIB] * 64, 99)
    paths = [image.layer(i) for i in range(64)]
    for tls, how in [(False, ""), (True, ", TLS")]:
        peaks, failures, rates = {}, {}, {}
        for name, start in starters.items():
            box = Box()
            s = start(folder, origin, f"{name}-box{how.strip(', ')}", under=box.under())
            s.title, side = name, None
            try:
                side = s.over_tls() if tls else s
                if side is None:
                    continue
                url = f"https://127.0.0.1:{side.tls_port}" if tls else f"http://127.0.0.1:{side.port}"
                fetch(s.port, image.manifest())
                _, took, bad, gib = asked_for(url, paths, seconds, count)
                alive = side.proc.poll() is None
                peak = status_kib(side.proc.pid, "VmHWM") / 1024 if alive else LIMIT / MIB
                peaks[name] = (peak, f"{peak:.0f}" if alive else "killed")
                failures[name] = (bad if alive else count, str(bad) if alive else "killed")
                rates[name] = (gib / took, f"{gib / took:.2f}")
            finally:
                s.end()
                box.close()
        table.add(f"1,000 downloads in 256 MiB{how}, peak memory", peaks, f"MiB ({box.what})")
        table.add(f"1,000 downloads in 256 MiB{how}, failed", failures, "downloads")
        table.add(f"1,000 downloads in 256 MiB{how}, rate", rates, "GiB/s")


# ---- blobs --------------------------------------------------------------------------------------

def wait_until_recovered(binary, conf, pid):
    """It looks through its store while it serves: that is not what a request costs."""
    while True:
        said = subprocess.run([binary, "status", "-c", conf, "--json"], stdout=subprocess.PIPE, text=True).stdout
        if json.loads(said)["store"]["recovered"]:
            return
        if has_ended(pid, 0.2):
            raise SystemExit("bench: pullgate has ended")


def by_blobs(folder, origin, table, seconds, counts, binary):
    """pullgate alone, as its store grows: CPU of requests for 90 of it at random (and for 900, more than
    stay open), memory, time to be ready."""
    s = Server("pullgate-blobs", folder)
    conf = pg_config(s, origin)
    maker = os.environ.get("MAKE_STORE", "build/release/tests/bench.make_store")
    s.spawn(binary, "serve", "-c", conf)        # makes the store
    s.end()
    series = {"manifest, us": {}, "blob of 64 bytes, us": {}, "one of 900 blobs, us": {}, "memory, MiB": {}}
    paths, have, cells = [], 0, {}
    for count in counts:
        made = subprocess.run([maker, s.dir + "/store", "origin.test", str(have), str(count)], stdout=subprocess.PIPE,
                              text=True, check=True).stdout.splitlines()
        have, paths = count, paths + [line.split() for line in made]
        began = time.monotonic()
        s.spawn(binary, "serve", "-c", conf)
        ready = time.monotonic() - began
        wait_until_recovered(binary, conf, s.proc.pid)
        for what, which, of in [("manifest, us", 0, 90), ("blob of 64 bytes, us", 1, 90),
                                ("one of 900 blobs, us", 1, 900)]:
            some = random.Random(count).sample(paths, min(of, len(paths)))
            if len(some) < of:
                continue
            url = f"http://127.0.0.1:{s.port}"
            asked_for(url, [p[which] for p in some], 2, 16)
            spent = []
            for _ in range(5):
                before = s.cpu_ns()
                n, _, bad, _ = asked_for(url, [p[which] for p in some], seconds, 16)
                assert n and not bad, (count, what, bad)
                spent.append((s.cpu_ns() - before) / n / 1000)
            series[what][count] = statistics.median(spent)
        series["memory, MiB"][count] = status_kib(s.proc.pid, "RssAnon") / 1024
        s.end()
        row = {k: v[count] for k, v in series.items() if count in v}
        cells[count] = row
        table.add(f"ready with {count:,} blobs", {"pullgate": (ready, f"{ready:.2f}")}, "s")
        for what, value in row.items():
            table.add(f"{count:,} blobs, {what}", {"pullgate": (value, f"{value:.2f}")}, what.split(", ")[1])
    first, last = counts[0], counts[-1]
    ratio = cells[last]["manifest, us"] / cells[first]["manifest, us"]
    table.add(f"{last:,} blobs / {first:,}, CPU of a manifest", {"pullgate": (ratio, f"{ratio:.2f}")}, "ratio")
    table.line("blobs", "As blobs become more", "us for each request; MiB of the process's own", series)
