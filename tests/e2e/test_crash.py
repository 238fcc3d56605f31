# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random points of fills, evictions, reloads and restarts. G01.

After each kill the store must be in order once pullgate ran again, and what clients were told was
whole must have been so. PG_KILLS says how many times, PG_SEED where it begins.
"""
import os, random, threading, time

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


def test_G01_kills():
    rnd = random.Random(SEED)
    up = Upstream()
    images = []
    for n in range(6):
        image = up.image(f"library/app{n}", "v1", [rnd.randbytes(rnd.choice([100, 70_000, 1_500_000]))
                                                   for _ in range(4)])
        images.append((f"library/app{n}", image))
    pg = Pullgate(up, storage="max_size: 16MiB", more="tags: {ttl: 0s}")
    whole = 0
    for kill in range(KILLS):
        clients = Clients(pg, up, images, rnd)
        if rnd.random() < 0.3:
            pg.reload()
        try:                                        # a random moment, measured in work done
            pg.wait_metric('pullgate_requests_total{code="2xx"}', rnd.randrange(1, 60))
        finally:
            pg.kill()
            clients.end()
        assert not clients.wrong, (SEED, kill, clients.wrong)
        whole += clients.whole
        pg.start()
        in_order(pg, up)
        if kill % 5 == 4:
            pg.end()
            pg.fsck()
            for path in list(pg.files("blobs"))[::2]:       # begin anew with half
                os.unlink(path)
            pg.start()
    assert whole > KILLS
    for name, image in images:
        for d in [image.config, *image.layers]:
            assert pg.get(f"/v2/{name}/blobs/{d}") == (200, up.blobs[d])
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
