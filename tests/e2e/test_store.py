# SPDX-License-Identifier: Apache-2.0
"""The store: what is damaged is not served, what is lost is found again, what is full makes room."""
import json, os, random, re, shutil, socket, subprocess, time

import pg as stage
from pg import Pullgate, Short, Upstream
from upstream import sha256, status

DATA = random.Random(3).randbytes(1_000_000)


def stand(**more):
    up = Upstream()
    image = up.image("library/app", "v1", [DATA])
    pg = Pullgate(up, **more)
    blob = f"/v2/library/app/blobs/{sha256(DATA)}"
    pg.get("/v2/library/app/manifests/v1")
    pg.get(f"/v2/library/app/blobs/{image.config}")
    assert pg.get(blob) == (200, DATA)
    pg.landed(3)
    return up, pg, image, blob


def damage(pg, digest, change):
    path = pg.blob_file(digest)
    os.chmod(path, 0o600)
    with open(path, "r+b") as f:
        change(f)


def flip(f):
    f.seek(500_000)
    byte = f.read(1)
    f.seek(500_000)
    f.write(bytes([byte[0] ^ 1]))


def test_R3_a_flipped_bit_is_never_served():
    up, pg, image, blob = stand()
    pg.end()
    damage(pg, sha256(DATA), flip)
    pg.start()
    a = pg.get(blob)
    assert a == (200, DATA) or isinstance(a.body, Short) or a.status >= 500, a.status
    assert a.status != 200 or DATA.startswith(a.body)
    pg.wait_true(lambda: pg.get(blob) == (200, DATA), "it was not fetched again")
    assert up.count("GET", blob) == 2
    pg.stop()


def test_R4_a_blob_cut_or_gone_is_fetched_again():
    for change in [lambda f: f.truncate(0), lambda f: f.truncate(999_999), lambda f: f.write(b"x" * 2_000_000), None]:
        up, pg, image, blob = stand()
        if change:
            damage(pg, sha256(DATA), change)
        else:
            os.unlink(pg.blob_file(sha256(DATA)))
        pg.wait_true(lambda: pg.get(blob) == (200, DATA), "it was not fetched again")
        assert up.count("GET", blob) == 2
        pg.stop()


def test_G11_a_shared_layer_outlives_the_first_image():
    """One image is evicted; the other, which shares a layer, is whole."""
    up = Upstream()
    shared, own = random.Random(1).randbytes(300_000), [b"one" * 1000, b"two" * 1000]
    one = up.image("library/one", "v1", [shared, own[0]])
    two = up.image("library/two", "v1", [shared, own[1]])
    pg = Pullgate(up)
    for name, image in [("one", one), ("two", two)]:
        pg.get(f"/v2/library/{name}/manifests/v1")
        for d in [image.config, *image.layers]:
            assert pg.get(f"/v2/library/{name}/blobs/{d}").status == 200
    assert up.count("GET", sha256(shared)) == 1
    pg.landed(7)
    pg.end()
    for d in [one.layers[1], one.digest]:
        os.unlink(pg.blob_file(d))
    pg.start()
    for d in [two.config, *two.layers]:
        assert pg.get(f"/v2/library/two/blobs/{d}") == (200, up.blobs[d])
    assert up.count("GET", sha256(shared)) == 1
    pg.stop()


def test_G17_a_second_process_refuses():
    up, pg, image, blob = stand()
    p = subprocess.run([os.environ["PULLGATE"], "serve", "-c", pg.conf], text=True, timeout=stage.DEADLINE,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == 2 and "lock" in p.stderr, (p.returncode, p.stderr)
    code, out, err = pg.command("fsck", "--repair")
    assert code == 2 and "lock" in err, (code, out, err)
    assert pg.get(blob) == (200, DATA)
    pg.stop()


def test_G21_the_index_is_lost():
    up, pg, image, blob = stand()
    up.image("library/other", "v1", [b"other"])
    pg.end()
    shutil.rmtree(pg.dir + "/data/index")
    pg.start()
    pg.recovered()
    assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)
    assert pg.get(blob) == (200, DATA)
    assert up.count("GET", blob) == 1                       # no blob was lost
    up.on("/v2/library/other/", status(404))
    assert pg.get(f"/v2/library/other/blobs/{sha256(DATA)}").status == 404      # no right was won
    pg.stop()


def test_a_damaged_index_is_rebuilt():
    up, pg, image, blob = stand()
    pg.end()
    with open(pg.dir + "/data/index/data.mdb", "r+b") as f:
        f.write(b"\xff" * 16384)
    pg.start()
    pg.recovered()
    assert pg.get(blob) == (200, DATA) and pg.get("/v2/library/app/manifests/v1") == (200, image.body)
    assert up.count("GET", blob) == 1
    pg.stop()


def test_a_missing_journal_stops_serving_until_the_loss_is_accepted():
    up, pg, image, blob = stand()
    pg.end()
    shutil.rmtree(pg.dir + "/data/journal")
    p = subprocess.run([os.environ["PULLGATE"], "serve", "-c", pg.conf], text=True, timeout=stage.DEADLINE,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == 2 and "--accept-loss" in p.stderr, (p.returncode, p.stderr)
    code, out, err = pg.command("fsck", "--repair", "--accept-loss")
    assert code in (0, 1), (out, err)
    pg.start()
    assert pg.get(blob) == (200, DATA)
    pg.stop()


def test_a_full_store_evicts_the_least_recently_used():
    up = Upstream()
    pg = Pullgate(up, storage="max_size: 16MiB")
    blobs = [up.blob(random.Random(n).randbytes(3 << 20)) for n in range(12)]
    for n, d in enumerate(blobs):
        assert pg.get(f"/v2/library/app/blobs/{d}") == (200, up.blobs[d])
        pg.wait_true(lambda: os.path.exists(pg.blob_file(d)), "it does not land")   # what has not cannot go
        assert pg.get(f"/v2/library/app/blobs/{blobs[0]}").status == 200         # in use
    pg.wait_true(lambda: sum(pg.files("blobs").values()) <= 16 << 20, "it stays too large")
    pg.wait_metric("pullgate_store_evicted_total", 6)
    gone = next(d for d in blobs if not os.path.exists(pg.blob_file(d)))
    asked = up.count("GET", gone)
    assert pg.get(f"/v2/library/app/blobs/{gone}") == (200, up.blobs[gone])      # can be had again
    assert up.count("GET", gone) == asked + 1
    pg.stop()


def degraded(pg):
    return pg.admin("/healthz").json()["status"] == "degraded"


def test_G06_a_disk_that_is_full_in_the_middle_costs_the_client_nothing():
    up = Upstream()
    d = up.blob(DATA)
    for fault in ["fill.pwrite:ENOSPC@2+", "fill.pwrite:EIO@1+", "partial.open:EROFS@1+",
                  "publish.rename:ENOSPC@1+", "publish.fdatasync:EIO@1+", "index.commit:ENOSPC@3+"]:
        pg = Pullgate(up, env={"PG_FAULTS": fault})
        for _ in range(2):
            assert pg.get(f"/v2/library/app/blobs/{d}") == (200, DATA), fault
        # publishing follows the answer; a disk that is well again in between is asked once more
        pg.wait_true(lambda: degraded(pg) or not pg.get(f"/v2/library/app/blobs/{d}"), fault)
        pg.wait_log("is not kept: ")
        assert not pg.files("blobs") and not pg.files("partial"), fault
        pg.stop()


def test_G06_what_is_larger_than_the_store_is_served_and_evicts_nothing():
    up = Upstream()
    kept, large = up.blob(DATA), up.blob(random.Random(8).randbytes(80 << 20))
    pg = Pullgate(up, storage="max_size: 16MiB")
    assert pg.get(f"/v2/library/app/blobs/{kept}") == (200, DATA)
    pg.landed(1)
    assert pg.get(f"/v2/library/app/blobs/{large}") == (200, up.blobs[large])
    assert os.path.exists(pg.blob_file(kept)) and not pg.files("partial")
    pg.stop()


def test_G06_a_full_disk_is_a_clean_503_and_passes_by_itself():
    """What fits into memory goes through; for the rest there is a word before there is a head."""
    up = Upstream()
    small, large = up.blob(DATA), up.blob(random.Random(8).randbytes(80 << 20))
    pg = Pullgate(up)
    with open(pg.conf) as f:
        roomy = f.read()
    full = roomy.replace("reserve: 0", "reserve: 1048576TiB")
    assert full != roomy

    def reload(conf):
        pg.write(conf)
        loaded = pg.metric("pullgate_config_reloads_total")
        pg.reload()
        pg.wait_metric("pullgate_config_reloads_total", loaded + 1)
    reload(full)
    a = pg.get(f"/v2/library/app/blobs/{large}")
    assert a.status == 503 and a.code() == "UNAVAILABLE" and "full" in a.message(), a[:2]
    assert up.count("GET", large) == 0                      # nothing is fetched in vain
    assert degraded(pg)
    assert pg.get(f"/v2/library/app/blobs/{small}") == (200, DATA)
    assert not pg.files("partial")
    reload(roomy)
    pg.wait_true(lambda: not degraded(pg), "it stays degraded")
    for d in [small, large]:
        assert pg.get(f"/v2/library/app/blobs/{d}") == (200, up.blobs[d])
    pg.landed(2)
    pg.stop()


def stall(pg, path):
    """A client that takes the head and then nothing more, with as small a buffer as there is."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(stage.DEADLINE * 2)
    s.connect(("127.0.0.1", pg.port))
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert s.recv(12) == b"HTTP/1.1 200", path
    return s


def test_H03_no_read_transaction_is_open_while_a_client_is_slow():
    """A million tags, a manifest as large as they come, and a blob, each to clients that stall."""
    tags = [f"t{n:06d}" for n in range(1_000_000)]
    up = Upstream()
    image = up.image("library/app", "v1", [DATA], annotations={"x": "y" * 3_000_000})

    def page(x):
        last = re.search(r"last=t(\d+)", x.path)
        first = int(last[1]) + 1 if last else 0
        body = json.dumps({"name": "library/app", "tags": tags[first:first + 20_000]}).encode()
        end = first + 20_000
        more = {"Link": f'</v2/library/app/tags/list?n=20000&last=t{end - 1:06d}>; rel="next"'}
        x.answer(200, {"Content-Type": "application/json", **(more if end < len(tags) else {})}, body)
        return True
    up.on("/tags/list", page)
    pg = Pullgate(up)
    manifest = "/v2/library/app/manifests/" + image.digest
    blob = "/v2/library/app/blobs/" + sha256(DATA)
    assert pg.get(manifest).status == 200 and pg.get(blob).status == 200
    pg.landed(2)
    slow = [stall(pg, path) for path in ["/v2/library/app/tags/list?n=10000", manifest, blob] for _ in range(3)]
    began = time.monotonic()
    while time.monotonic() - began < 1:                     # what were open would be so for as long
        assert pg.get(manifest, method="HEAD").status == 200
    assert 0 < pg.metric("pullgate_store_read_txn_max_seconds") < 0.1
    assert pg.get("/v2/library/app/tags/list?n=2&last=t999997").json()["tags"] == tags[-2:]
    for s in slow:
        s.close()
    pg.stop()


def test_ready_at_once_however_many_blobs():
    """After kill -9: all of them known; half of them to be adopted. PG_BLOBS=100000 is the bar."""
    half = int(os.environ.get("PG_BLOBS", "4000")) // 2
    pg = Pullgate(Upstream())
    pg.end()

    def put(numbers):
        for n in numbers:
            path = pg.blob_file(sha256(b"%d" % n))
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(path, "wb") as f:
                f.write(b"%d" % n)
    def start():
        began = time.monotonic()
        pg.start()
        assert pg.admin("/readyz").status == 200
        took = time.monotonic() - began
        print(f"{pg.metric('pullgate_store_blobs'):.0f} known, {len(pg.files('blobs'))} there: ready in {took:.2f} s")
        return took
    put(range(half))
    assert start() < 2
    pg.landed(half)
    pg.kill()
    put(range(half, 2 * half))
    assert start() < 2
    pg.landed(2 * half)
    pg.recovered()
    pg.kill()
    assert start() < 2
    pg.stop(fsck=False)


def test_fsck_finds_and_repairs():
    up, pg, image, blob = stand()
    pg.end()
    pg.fsck()
    damage(pg, sha256(DATA), flip)
    code, out, err = pg.command("fsck", "--deep", "--json")
    assert code == 1, (out, err)
    assert sha256(DATA)[7:] in out and json.loads(out)
    code, out, err = pg.command("fsck")                     # without --deep sizes alone are looked at
    assert code == 0, (out, err)
    code, out, err = pg.command("fsck", "--deep", "--repair")
    assert code in (0, 1), (out, err)
    pg.fsck()
    with open(pg.dir + "/data/blobs/sha256/orphan", "w") as f:
        f.write("x")
    assert pg.command("fsck")[0] == 1
    pg.command("fsck", "--repair")
    pg.fsck()
    pg.start()
    assert pg.get(blob) == (200, DATA)
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
