# SPDX-License-Identifier: Apache-2.0
"""Many at once, and some who want too much. K01, K05, K07, K08, K11, K13, K15.

PG_IDLE (300) idle connections, PG_SOAK (5) seconds of mixed load; more for a release.
"""
import os, random, resource, shutil, socket, ssl, subprocess, tempfile, threading, time

import pg as stage
from pg import HERE, Gate, Pullgate, Short, Upstream, compile_to, need, preload, tls_files
from upstream import DEADLINE, hold, pause, sha256

IDLE = int(os.environ.get("PG_IDLE", "300"))
SOAK = float(os.environ.get("PG_SOAK", "5"))
RND = random.Random(5)
TLS = "tls: {cert: %s, key: %s}\n"
HANG = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
/* A resolver that never answers for names that end in .hang.test. */
int getaddrinfo(const char *n, const char *s, const struct addrinfo *h, struct addrinfo **r)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    size_t len = n ? strlen(n) : 0;
    while (len > 10 && strcmp(n + len - 10, ".hang.test") == 0)
        poll(NULL, 0, -1);          // what the sandbox lets it do
    return real(n, s, h, r);
}
"""


def is_sanitized():
    return b"libasan" in subprocess.run(["ldd", os.environ["PULLGATE"]], stdout=subprocess.PIPE).stdout


def status_of(pg, field):
    with open(f"/proc/{pg.proc.pid}/status") as f:
        return next(int(l.split()[1]) * 1024 for l in f if l.startswith(field + ":"))


def descriptors(pg):
    return len(os.listdir(f"/proc/{pg.proc.pid}/fd"))


def tls_stand(up, **more):
    pg = Pullgate(up, more=TLS % tls_files()[:2], **more)
    pg.tls = ssl.create_default_context(cafile=tls_files()[2])
    return pg


def test_K01_idle_tls_connections_cost_little_and_disturb_nobody():
    up = Upstream()
    image = up.image("library/app", "v1", [RND.randbytes(1_000_000)])
    pg = tls_stand(up)
    for _ in range(3):
        assert pg.get("/v2/library/app/manifests/v1").status == 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    before, idle = status_of(pg, "VmRSS"), []
    for _ in range(IDLE):
        s = pg.connect()
        s.sendall(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200")
        idle.append(s)
    pg.wait_metric("pullgate_connections", IDLE)
    each = (status_of(pg, "VmRSS") - before) / IDLE
    took = []
    for _ in range(20):
        began = time.monotonic()
        assert pg.get(f"/v2/library/app/blobs/{image.layers[0]}").status == 200
        took.append(time.monotonic() - began)
    print(f"{IDLE} idle over TLS: {each / 1024:.1f} KiB each; 1 MiB pulls beside them p50 {sorted(took)[10] * 1000:.1f} ms")
    assert is_sanitized() or each <= 48 * 1024, each
    for s in idle:                                  # each still serves
        s.sendall(b"HEAD /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200")
        s.close()
    pg.stop()


def test_K05_resolvers_that_hang_hold_up_no_other_upstream():
    need("cc")
    up = Upstream()
    images = [up.image(f"library/app{n}", "v1", [RND.randbytes(300_000)]) for n in range(8)]
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "hang.c")
        with open(source, "w") as f:
            f.write(HANG)
        library = compile_to(folder, "hang.so", source, "-shared", "-fPIC")
        hanging = "\n".join(f'r{n}.hang.test: {{url: "https://r{n}.hang.test"}}' for n in range(12))
        pg = Pullgate(up, env=preload(library), upstreams=hanging, more="limits: {answer_timeout: 60s}")
        lost = [socket.create_connection(("127.0.0.1", pg.port)) for _ in range(48)]
        for n, s in enumerate(lost):                # far more than a pool of libuv's has threads
            s.sendall(f"GET /v2/r{n % 12}.hang.test/a/b{n}/manifests/v1 HTTP/1.1\r\nHost: l\r\n\r\n".encode())
        pg.wait_true(lambda: pg.admin("/debug/requests").body.count(b'.hang.test') >= 48, "they are not asked for")
        for n, image in enumerate(images):          # cold, then from the disk
            for _ in range(2):
                assert pg.get(f"/v2/library/app{n}/manifests/v1") == (200, image.body)
                for d in [image.config, *image.layers]:
                    assert pg.get(f"/v2/library/app{n}/blobs/{d}") == (200, up.blobs[d])
        for s in lost:
            s.close()
        pg.end()
        pg.fsck()
        shutil.rmtree(pg.dir)


class Busy:
    """Counts who is at the upstream at a time."""
    def __init__(self):
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def __call__(self, x):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            x.serve()
        finally:
            with self.lock:
                self.now -= 1
        return True


def test_K07_a_thousand_cold_blobs_wait_in_line():
    up, busy = Upstream(), Busy()
    blobs = [up.blob(RND.randbytes(2000)) for _ in range(1000)]
    up.on("/blobs/", busy, methods=("GET", "HEAD"))
    pg = Pullgate(up, origin=", max_connections: 4", more="limits: {answer_timeout: 60s}")
    conns = [pg.connect(DEADLINE * 4) for _ in range(100)]
    wanted = iter(blobs)
    wrong, lock = [], threading.Lock()

    def client():
        while True:
            with lock:
                d = next(wanted, None)
            if d is None:
                return
            a = pg.get(f"/v2/library/app/blobs/{d}")
            if a != (200, up.blobs[d]):
                wrong.append((d, a.status))
    threads = [threading.Thread(target=client) for _ in range(100)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for s in conns:
        s.close()
    assert not wrong, wrong[:3]
    assert busy.most <= 4, busy.most
    assert sum(up.count("GET", d) for d in blobs) == 1000
    pg.stop()


def test_K07_who_waits_in_vain_is_told_so_and_the_line_moves_on():
    up, gate = Upstream(), Gate()
    blobs = [up.blob(RND.randbytes(2000)) for _ in range(40)]
    up.on("/blobs/", hold(gate), methods=("GET", "HEAD"))
    pg = Pullgate(up, origin=", max_connections: 2", more="limits: {answer_timeout: 1s}")
    answers = [p.done() for p in [pg.start_get(f"/v2/library/app/blobs/{d}") for d in blobs]]
    assert {a.status for a in answers} <= {503, 504}, {a.status for a in answers}
    assert all(a.code() for a in answers)
    gate.open()
    up.well()
    pg.wait_true(lambda: pg.get(f"/v2/library/app/blobs/{blobs[0]}") == (200, up.blobs[blobs[0]]), "it stays so")
    pg.stop()


def test_K08_many_large_pulls_take_no_memory():
    """24 clients each of a blob of 48 MiB, cold and then warm; the bench has the full size in a cgroup."""
    up = Upstream()
    big = RND.randbytes(1 << 20) * 48
    d = up.blob(big)
    pg = Pullgate(up)
    assert pg.get("/v2/").status == 200
    before = status_of(pg, "VmRSS")
    wrong = []

    def client():
        s = pg.connect(DEADLINE * 4)
        s.sendall(f"GET /v2/library/app/blobs/{d} HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n".encode())
        n, buffer = 0, bytearray(1 << 20)
        while got := s.recv_into(buffer):
            n += got
        if n < len(big):
            wrong.append(n)
    for _ in range(2):
        threads = [threading.Thread(target=client) for _ in range(24)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    grown = status_of(pg, "VmHWM") - before
    print(f"24 x 48 MiB, cold and warm: {grown >> 20} MiB of memory more at the most")
    assert not wrong, wrong
    assert pg.metric("pullgate_fetched_bytes_total") == len(big)     # perhaps in parts, but once
    assert grown < (256 << 20 if is_sanitized() else 48 << 20), grown >> 20
    pg.stop()


def test_K11_a_soak_leaves_nothing_behind():
    """Cold and warm pulls, clients that leave, evictions and reloads; then all is as it was."""
    up = Upstream()
    images = {f"library/app{n}": up.image(f"library/app{n}", "v1", [RND.randbytes(s) for s in (900, 700_000, 2_000_000)])
              for n in range(12)}
    pg = Pullgate(up, storage="max_size: 16MiB", more="tags: {ttl: 1s}")
    over, wrong = threading.Event(), []

    def client(seed):
        rnd = random.Random(seed)
        while not over.is_set():
            name, image = rnd.choice(list(images.items()))
            d = rnd.choice([image.config, *image.layers])
            if rnd.random() < 0.2:                  # leaves in the middle
                with pg.connect() as s:
                    s.sendall(f"GET /v2/{name}/blobs/{d} HTTP/1.1\r\nHost: l\r\n\r\n".encode())
                    s.recv(rnd.randrange(1, 5000))
                continue
            for path, body in [(f"/v2/{name}/manifests/v1", image.body), (f"/v2/{name}/blobs/{d}", up.blobs[d])]:
                if (a := pg.get(path)) != (200, body):
                    wrong.append((path, a.status, len(a.body)))

    def soak(seconds):
        over.clear()
        threads = [threading.Thread(target=client, args=(n,)) for n in range(3)]
        for t in threads:
            t.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            loaded = pg.metric("pullgate_config_reloads_total")
            pg.reload()
            pg.wait_metric("pullgate_config_reloads_total", loaded + 1)
            over.wait(min(1, seconds / 5))
        over.set()
        for t in threads:
            t.join()
        pg.wait_metric("pullgate_flights", 0, at_least=False)
        pg.wait_metric("pullgate_connections", 1, at_least=False)
    soak(SOAK / 3)
    fds, rss = descriptors(pg), status_of(pg, "RssAnon")
    soak(SOAK)
    pg.wait_true(lambda: descriptors(pg) <= fds + 16 + 8,   # idle connections to upstream stay
                 f"descriptors: {fds}, then {descriptors(pg)}")
    grown = status_of(pg, "RssAnon") - rss      # not the index, which is a file
    print(f"{SOAK:.0f} s: {grown >> 10} KiB grown, {pg.metric('pullgate_store_evicted_total'):.0f} evictions, "
          f"{pg.metric('pullgate_config_reloads_total'):.0f} reloads")
    assert not wrong, wrong[:3]
    assert is_sanitized() or grown < 16 << 20, grown
    pg.stop()


def test_K13_a_flood_of_handshakes_and_records_of_one_byte():
    up = Upstream()
    image = up.image("library/app", "v1")
    pg = tls_stand(up)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        pg.tls.maximum_version = version
        with pg.connect() as s:                     # each send is a record
            for byte in b"GET /v2/library/app/manifests/v1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n":
                s.sendall(bytes([byte]))
            got = b""
            while chunk := s.recv(65536):
                got += chunk
            assert got.endswith(image.body)
    over, flooded = threading.Event(), [0]

    def flood():
        while not over.is_set():
            for whole in (True, False):             # a whole handshake, or half a one
                with socket.create_connection(("127.0.0.1", pg.port), DEADLINE) as s:
                    if whole:
                        pg.tls.wrap_socket(s, server_hostname="127.0.0.1").close()
                    else:
                        s.sendall(b"\x16\x03\x01\x02\x00\x01")
            flooded[0] += 1
    threads = [threading.Thread(target=flood) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        for _ in range(30):
            assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)
    finally:
        over.set()
        for t in threads:
            t.join()
    assert flooded[0] > 0
    pg.wait_metric("pullgate_connections", 1, at_least=False)     # the one that asks
    pg.stop()


def test_K13_nobody_renegotiates():
    need("openssl")
    pg = tls_stand(Upstream())
    p = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{pg.port}", "-tls1_2"], text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    late = threading.Timer(DEADLINE, p.kill)
    late.start()
    p.stdin.write("R\n")                            # its input stays open: it ends by what it is told
    p.stdin.flush()
    said = p.stdout.read()
    late.cancel()
    assert p.wait() != -9 and "RENEGOTIATING" in said, said[-800:]
    assert "no renegotiation" in said or "handshake failure" in said, said[-800:]
    assert pg.get("/v2/").status == 200
    pg.stop()


def test_K15_one_who_wants_everything_leaves_room_for_another():
    """60 downloads of one client stand in line before another comes: it is among the first all the same."""
    up, gate = Upstream(), Gate()
    hogs = [up.blob(RND.randbytes(5000)) for _ in range(60)]
    wish = up.blob(RND.randbytes(5000))
    up.on("/blobs/", hold(gate), methods=("GET",))
    pg = Pullgate(up, origin=", max_connections: 2, fetch_ahead: false", more="limits: {answer_timeout: 60s}")
    hog = [pg.start_get(f"/v2/library/app/blobs/{d}") for d in hogs]
    pg.wait_true(lambda: pg.metric("pullgate_flights") >= 60, "they are not all in line")
    other = socket.create_connection(("127.0.0.1", pg.port), DEADLINE * 4, source_address=("127.0.0.3", 0))
    other.sendall(f"GET /v2/library/app/blobs/{wish} HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n".encode())
    pg.wait_true(lambda: pg.metric("pullgate_flights") >= 61, "it is not in line")
    gate.open()
    got = b""
    while chunk := other.recv(65536):
        got += chunk
    assert got.endswith(up.blobs[wish])
    for pull in hog:
        assert pull.done().status == 200
    order = [p.rsplit("/", 1)[1] for m, p, _ in up.asked if m == "GET"]
    assert order.index(wish) <= 6, order.index(wish)
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
