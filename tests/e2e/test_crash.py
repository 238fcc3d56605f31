# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random points of fills, evictions, reloads and restarts. G01, G02.

After each kill the store must be in order once pullgate ran again, and what clients were told was
whole must have been so. PG_KILLS says how many times, PG_SEED where it begins.
"""
import os, random, select, subprocess, threading, time

import pg as stage
from pg import Pullgate, Short, Upstream
from upstream import DEADLINE, sha256

KILLS = int(os.environ.get("PG_KILLS", "20"))
SEED = int(os.environ.get("PG_SEED", "1"))


class Clients:
    """Pull random blobs and manifests until they are told to stop; remember what was wrong."""
    def __init__(self, pg, up, images, rnd):
        self.pg, self.up, self.images = pg, up, images
        self.wrong, self.whole, self.stop = [], 0, threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(random.Random(rnd.random()),), daemon=True)
                        for _ in range(4)]
        for t in self.threads:
            t.start()

    def run(self, rnd):
        while not self.stop.is_set():
            name, image = rnd.choice(self.images)
            kind, d = rnd.choice([("manifests", image.digest), ("manifests", "v1"),
                                  *(("blobs", l) for l in [image.config, *image.layers])])
            try:
                a = self.pg.get(f"/v2/{name}/{kind}/{d}")
            except OSError:
                return                              # it was killed
            except Exception as e:
                if not self.stop.is_set():
                    return
                raise e
            if a.status == 200 and not isinstance(a.body, Short):
                self.whole += 1
                if sha256(a.body) != (image.digest if d == "v1" else d):
                    self.wrong.append((name, d, len(a.body)))

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join(DEADLINE * 2)


def read(path):
    """None: it was evicted meanwhile."""
    try:
        with open(path, "rb") as f:
            return f.read()
    except FileNotFoundError:
        return None


def in_order(pg, up):
    """After recovery: every file is what its name says, and nothing is left over."""
    pg.wait_true(lambda: pg.admin("/readyz").status == 200, "not ready")
    pg.recovered()
    for path in pg.files("blobs"):
        data = read(path)
        assert data is None or "sha256:" + os.path.basename(path) == sha256(data), path
    for path in pg.files("partial"):
        name = os.path.basename(path).replace("-", ":")
        assert up.blobs[name].startswith(read(path) or b""), path    # a prefix, to be gone on with


def moment(pg, rnd, longest):
    """A random one, unless pullgate ends by itself before; it is no wait for anything."""
    assert not select.select([pg._gone], [], [], rnd.random() * longest)[0], pg.said()


def until_fill(pg, rnd):
    pg.wait_metric('pullgate_requests_total{code="2xx"}', rnd.randrange(1, 60))


def until_evict(pg, rnd):
    pg.wait_metric("pullgate_store_evicted_total", rnd.randrange(1, 8))
    moment(pg, rnd, 0.005)


def until_reload(pg, rnd):
    until_fill(pg, rnd)
    pg.reload()
    moment(pg, rnd, 0.02)


def until_restart(pg, rnd):
    """Killed at its work, and again while it recovers."""
    until_fill(pg, rnd)
    pg.kill()
    pg.proc = subprocess.Popen([*pg.program, "serve", "-c", pg.conf], env=pg.env,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pg._gone = os.pidfd_open(pg.proc.pid)
    moment(pg, rnd, 0.1)


KINDS = {"fill": until_fill, "evict": until_evict, "reload": until_reload, "restart": until_restart}


def library(up, rnd):
    """Two and a half times what the store holds, so that it always evicts."""
    images = []
    for n in range(12):
        image = up.image(f"library/app{n}", "v1", [rnd.randbytes(rnd.choice([100, 70_000, 2_500_000]))
                                                   for _ in range(3)] + [rnd.randbytes(1_500_000)])
        images.append((f"library/app{n}", image))
    return images


def test_G01_G02_kills():
    """Of fills, evictions, reloads and starts, in turn."""
    rnd, up = random.Random(SEED), Upstream()
    images = library(up, rnd)
    pg = Pullgate(up, storage="max_size: 16MiB", more="tags: {ttl: 0s}")
    whole, slowest, done = 0, 0, dict.fromkeys(KINDS, 0)
    for kill in range(KILLS):
        kind = list(KINDS)[kill % len(KINDS)]
        clients = Clients(pg, up, images, rnd)
        try:
            KINDS[kind](pg, rnd)
        finally:
            pg.kill()
            clients.end()
        done[kind] += 1
        assert not clients.wrong, (SEED, kill, kind, clients.wrong)
        whole += clients.whole
        began = time.monotonic()
        pg.start()
        slowest = max(slowest, time.monotonic() - began)
        try:
            in_order(pg, up)
            pg.end()
            pg.fsck()
        except AssertionError as e:
            raise AssertionError(f"seed {SEED}, kill {kill}, {kind}: {e}") from e
        pg.start()
        if kill % 100 == 99:
            print(f"{kill + 1} kills, {whole} whole answers, the slowest start {slowest:.2f} s", flush=True)
    print(f"seed {SEED}: kills {done}, {whole} whole answers, none wrong; slowest start {slowest:.2f} s")
    assert whole > KILLS
    for name, image in images:
        for d in [image.config, *image.layers]:
            assert pg.get(f"/v2/{name}/blobs/{d}") == (200, up.blobs[d])
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
