# SPDX-License-Identifier: Apache-2.0
"""An upstream that is dead for an hour, in each way there is; and clocks that go wrong. G16.

The hour is the server's alone: its clocks are moved (pg.Shift).
"""
import random, socket, threading, time

import pg as stage
from pg import Gate, Pullgate, Shift, Short, Upstream
from upstream import hold, reset, sha256

IMAGES, CLIENTS, HERD = 4, 2, 100


def library(up):
    rnd = random.Random(7)
    return {f"library/app{n}": up.image(f"library/app{n}", "v1", [rnd.randbytes(3000), rnd.randbytes(90_000)])
            for n in range(IMAGES)}


def pulls(images, up):
    """(path, body) of all that a client of each image asks for."""
    for name, image in images.items():
        yield f"/v2/{name}/manifests/v1", image.body
        yield f"/v2/{name}/manifests/{image.digest}", image.body
        for d in [image.config, *image.layers]:
            yield f"/v2/{name}/blobs/{d}", up.blobs[d]


def at_once(pg, wanted, nclients=CLIENTS):
    """Each client pulls all of it; how long each pull took, and what was wrong."""
    took, wrong = [], []

    def client(seed):
        mine = list(wanted)
        random.Random(seed).shuffle(mine)
        for path, body in mine:
            began = time.monotonic()
            a = pg.get(path)
            took.append(time.monotonic() - began)
            if a != (200, body):
                wrong.append((path, a.status, len(a.body)))
    threads = [threading.Thread(target=client, args=(n,)) for n in range(nclients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong[:3]
    return sorted(took)


def p99(took):
    return f"p99 {took[int(len(took) * 0.99)] * 1000:.0f} ms, p50 {took[len(took) // 2] * 1000:.0f} ms"


class Hole:
    """A port that drops whoever wants to connect: its line of those who wait is full."""
    def __init__(self, port):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.socket.listen(0)
        self.waiting = []
        for _ in range(3):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", port))
            self.waiting.append(s)

    def end(self):
        for s in [*self.waiting, self.socket]:
            s.close()


def an_hour(kind, dies, lives):
    """dies(upstream) and lives(upstream) end and begin it."""
    shift, up = Shift(), Upstream()
    images = library(up)
    pg = Pullgate(up, more="tags: {ttl: 30s}", env=shift.env)
    wanted = list(pulls(images, up))
    healthy = at_once(pg, wanted)
    pg.landed(4 * IMAGES)
    shift.by(60)                                    # all tags have expired
    tried = pg.metric("pullgate_upstream_requests_total")
    dies(up)
    first = at_once(pg, wanted)
    later = []
    for _ in range(60):
        shift.by(60)
        later += at_once(pg, wanted)
    tried = pg.metric("pullgate_upstream_requests_total") - tried
    lives(up)
    up.asked.clear()
    shift.by(60)
    herd = at_once(pg, wanted, HERD)
    heads, blobs = up.count("HEAD", "/manifests/v1"), up.count("GET", "/blobs/")
    print(f"{kind}: before {p99(healthy)}; at first notice {p99(first)}; then for an hour "
          f"{p99(sorted(later))}, {tried:.0f} tries upstream; back: {HERD} clients, {heads} HEADs, "
          f"{len(up.asked)} requests in all, {p99(herd)}")
    assert tried <= 60 * 3, tried                   # thousands of pulls wanted to know
    assert not blobs and len(up.asked) <= 3 * IMAGES, [(m, p) for m, p, _ in up.asked]
    shift.by(60)
    pg.wait_true(lambda: pg.get("/v2/library/app0/manifests/v1").headers["Cache-Status"].find("stale; detail") < 0,
                 "it stays stale")
    pg.stop()


def test_an_hour_of_connections_refused():
    an_hour("refused", Upstream.die, Upstream.live)


def test_an_hour_of_resets():
    an_hour("reset", lambda up: up.on("", reset(), methods=("GET", "HEAD")), Upstream.well)


def test_an_hour_of_silence():
    gate = Gate()

    def lives(up):
        up.well()
        gate.open()
    an_hour("silent", lambda up: up.on("", hold(gate), methods=("GET", "HEAD")), lives)


def test_an_hour_without_a_route():
    hole = []

    def dies(up):
        port = up.port
        up.die()
        hole.append(Hole(port))

    def lives(up):
        hole.pop().end()
        up.live()
    an_hour("dropped", dies, lives)


def test_what_was_not_confirmed_for_eight_days_is_served_while_upstream_is_silent():
    """By then upstream is asked whether it may still be read; nobody waits long for that either."""
    shift, up, gate = Shift(), Upstream(), Gate()
    images = library(up)
    pg = Pullgate(up, more="tags: {ttl: 30s, max_stale: 30d}", env=shift.env)
    wanted = list(pulls(images, up))
    at_once(pg, wanted)
    pg.landed(4 * IMAGES)
    shift.by(8 * 86400)
    up.on("", hold(gate), methods=("GET", "HEAD"))
    blobs = [w for w in wanted if "/blobs/" in w[0]]
    first, later = at_once(pg, blobs), []
    for _ in range(2):
        shift.by(60)
        later += at_once(pg, wanted)
    print(f"eight days: at first notice {p99(first)}; then {p99(sorted(later))}")
    gate.open()
    up.well()
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
