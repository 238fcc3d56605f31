# SPDX-License-Identifier: Apache-2.0
"""A store of many small blobs, emptied by a rule while somebody pulls: how long, how much memory, how pulls fare.
MAKE_STORE is the program that fills the store; PG_BLOBS how many blobs, ten to an image."""
import json, os, subprocess, threading, time

import pg as stage
from pg import Pullgate, Upstream

BLOBS = int(os.environ.get("PG_BLOBS", "2000"))
RULES = """retention:
  schedule: never
  rules:
    - {name: made, match: {repositories: ["origin.test/made/*"]}, delete: {beyond_newest: 0}}
"""


class Crowded(Pullgate):
    def write(self, text):
        with open(os.path.join(self.dir, "rules.yaml"), "w") as f:
            f.write(RULES)
        super().write(text)

    def memory(self, what):
        with open(f"/proc/{self.proc.pid}/status") as f:
            return next(int(line.split()[1]) / 1024 for line in f if line.startswith(what + ":"))


def p99_ms(took):
    return sorted(took)[len(took) * 99 // 100] * 1000


class Puller(threading.Thread):
    """Pulls one image over and over."""
    def __init__(self, pg, paths):
        super().__init__(daemon=True)
        self.pg, self.paths, self.took, self.wrong, self.enough = pg, paths, [], [], threading.Event()

    def run(self):
        while not self.enough.is_set():
            for path in self.paths:
                began = time.monotonic()
                answer = self.pg.get(path)
                self.took.append(time.monotonic() - began)
                if answer.status != 200:
                    self.wrong.append(answer)

    def done(self, count=0):
        while len(self.took) < count and self.is_alive():
            self.join(0.05)
        self.enough.set()
        self.join()
        assert not self.wrong, self.wrong[:3]
        return p99_ms(self.took)


def test_G13_many_images_removed_beside_pulls():
    up = Upstream()
    up.image("library/app", "prod-1", [b"kept" * 20_000])
    pg = Crowded(up, more="retention: {rules: {dir}/rules.yaml}\n")
    m = pg.get("/v2/library/app/manifests/prod-1").json()
    paths = ["/v2/library/app/manifests/prod-1", *(f"/v2/library/app/blobs/{b['digest']}" for b in [m["config"], *m["layers"]])]
    for path in paths:
        assert pg.get(path).status == 200
    pg.landed(3)
    pg.end()
    subprocess.run([os.environ["MAKE_STORE"], os.path.join(pg.dir, "data"), "origin.test", "0", str(BLOBS)], check=True,
                   stdout=subprocess.DEVNULL)
    pg.start()
    pg.recovered()
    images = BLOBS // 10
    stored = pg.metric("pullgate_store_blobs")
    assert stored == BLOBS + images + 3, stored
    before, memory = (lambda p: (p.start(), p.done(2000))[1])(Puller(pg, paths)), pg.memory("RssAnon")

    beside, began, visible = Puller(pg, paths), time.monotonic(), None
    beside.start()
    assert pg.control("POST", "/api/v1/gc").status == 200
    peak = memory
    while pg.metric("pullgate_retention_runs_total") < 1:
        peak = max(peak, pg.memory("RssAnon"))
        if visible is None and pg.metric("pullgate_store_blobs") < stored:
            visible = time.monotonic() - began
        assert pg.proc.poll() is None
    took, p99 = time.monotonic() - began, beside.done(1)
    run = json.loads(pg.command("gc", "--json")[1])["run"]
    assert run["result"] == "ok" and run["removed"] == run["going"] == images, run
    assert run["failed"] == run["spared"] == 0, run
    assert pg.metric("pullgate_store_blobs") == 3
    print(f"{images} images of {BLOBS} blobs: the first left after {visible or took:.2f} s, all after {took:.1f} s; "
          f"{memory:.0f} MiB before, {peak:.0f} at most; p99 of {len(beside.took)} requests {before:.2f} ms before, "
          f"{p99:.2f} beside")
    asked = len(up.asked)
    for path in paths:
        assert pg.get(path).status == 200
    assert not [a for a in up.asked[asked:] if a[0] == "GET"], up.asked[asked:]
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
