# SPDX-License-Identifier: Apache-2.0
"""A disk that is really full (a small tmpfs), filesystems of other kinds, operators that take things
away in the middle of everything, clocks that are wrong. G03, G06, G12, G13, G15, G16, G20.

What is mounted is seen by this process and its children alone; that needs root.
"""
import ctypes, json, os, random, shutil, signal, subprocess, sys, tempfile, threading

import pg as stage
from pg import Gate, Pullgate, Shift, Short, Skip, Upstream
from upstream import DEADLINE, pause, sha256, status

RND = random.Random(11)
MARK = "PG_MOUNTS"


def enter():
    """This process goes on with mounts of its own, where it may."""
    inside = ["unshare", "--mount"]
    if not os.environ.get(MARK) and os.geteuid() == 0 and shutil.which("unshare") and \
            subprocess.run([*inside, "true"], stderr=subprocess.DEVNULL).returncode == 0:
        os.execvpe(inside[0], [*inside, sys.executable, *sys.argv], {**os.environ, MARK: "1"})


def mount(source, target, kind, options):
    if not os.environ.get(MARK):
        raise Skip("mounts of its own need root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode(), 0, options.encode()) < 0:
        raise Skip(f"no {kind}: {os.strerror(ctypes.get_errno())}")


def umount(target):
    ctypes.CDLL(None).umount2(target.encode(), 2)       # MNT_DETACH


class Small:
    """A pullgate whose store is a filesystem of so many bytes."""
    def __init__(self, up, options):
        self.shift = Shift()
        self.pg = Pullgate(up, env=self.shift.env)
        self.pg.end()
        self.data = self.pg.dir + "/data"
        shutil.rmtree(self.data)
        os.mkdir(self.data, 0o700)
        mount("none", self.data, "tmpfs", options + ",mode=0700")
        self.pg.start()
        self.ballast = os.path.join(self.data, "ballast")

    def fill(self):
        """Not a byte more goes onto it."""
        with open(self.ballast, "ab", 0) as f:
            for size in (65536, 4096):
                try:
                    while True:
                        f.write(b"x" * size)
                except OSError:
                    pass

    def free(self):
        os.unlink(self.ballast)

    def stop(self):
        self.pg.end()
        self.pg.fsck()
        umount(self.data)
        shutil.rmtree(self.pg.dir)


def is_degraded(pg):
    return pg.admin("/healthz").json()["status"] == "degraded"


def stored(pg, digest):
    return os.path.exists(pg.blob_file(digest))


def blob_of(up, nbytes):
    d = up.blob(RND.randbytes(nbytes))
    return d, f"/v2/library/app/blobs/{d}"


def recovers(small, up, path, digest):
    """With room again it keeps what it is asked for, without anybody's help."""
    pg = small.pg
    small.free()
    small.shift.by(10)                              # so long a full disk is believed to be so
    pg.wait_true(lambda: not is_degraded(pg), "it stays degraded: " + pg.said())
    assert pg.get(path) == (200, up.blobs[digest])
    pg.wait_true(lambda: stored(pg, digest), "it is not kept")


def test_G06_the_disk_is_full_in_the_middle_of_a_blob():
    up, gate = Upstream(), Gate()
    old, old_path = blob_of(up, 500_000)
    new, new_path = blob_of(up, 3_000_000)
    small = Small(up, "size=12m")
    pg = small.pg
    assert pg.get(old_path) == (200, up.blobs[old])
    pg.wait_true(lambda: stored(pg, old), "it is not kept")
    up.on(new, pause(gate))
    pull = pg.start_get(new_path)
    gate.wait_reached()
    small.fill()
    gate.open()
    assert pull.done() == (200, up.blobs[new])
    pg.wait_true(lambda: is_degraded(pg), "it says that all is well")
    assert not stored(pg, new)
    pg.wait_true(lambda: not pg.files("partial"), "half of it is kept")
    assert pg.get(new_path) == (200, up.blobs[new])         # and again, past the store
    assert stored(pg, old) and pg.get(old_path) == (200, up.blobs[old])
    assert up.count("GET", old) == 1
    up.well()
    recovers(small, up, new_path, new)
    small.stop()


def test_G06_the_disk_is_full_when_it_starts():
    up = Upstream()
    old, old_path = blob_of(up, 500_000)
    new, new_path = blob_of(up, 700_000)
    image = up.image("library/app", "v1", [b"layer"])
    small = Small(up, "size=12m")
    pg = small.pg
    assert pg.get(old_path) == (200, up.blobs[old])
    pg.wait_true(lambda: stored(pg, old), "it is not kept")
    pg.end()
    small.fill()
    pg.start()
    assert pg.get(old_path) == (200, up.blobs[old]) and up.count("GET", old) == 1
    assert pg.get(new_path) == (200, up.blobs[new])
    assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)
    pg.wait_true(lambda: is_degraded(pg), "it says that all is well")
    assert not stored(pg, new)
    recovers(small, up, new_path, new)
    small.stop()


def test_G06_no_inode_is_left():
    up = Upstream()
    new, new_path = blob_of(up, 300_000)
    small = Small(up, "size=12m,nr_inodes=120")
    pg, extra = small.pg, []
    try:
        while True:
            extra.append(os.path.join(small.data, f"extra{len(extra)}"))
            open(extra[-1], "x").close()
    except OSError:
        extra.pop()
    for _ in range(2):
        assert pg.get(new_path) == (200, up.blobs[new])
    pg.wait_true(lambda: is_degraded(pg), "it says that all is well")
    assert not stored(pg, new) and not pg.files("partial")
    for path in extra:
        os.unlink(path)
    open(small.ballast, "x").close()
    recovers(small, up, new_path, new)
    small.stop()


def test_G06_a_quota_and_a_disk_that_is_full_at_the_rename():
    up = Upstream()
    d, path = blob_of(up, 300_000)
    for fault in ["fill.pwrite:EDQUOT@1+", "publish.rename:ENOSPC@1+", "partial.open:EDQUOT@1+"]:
        pg = Pullgate(up, env={"PG_FAULTS": fault})
        assert pg.get(path) == (200, up.blobs[d]), fault
        pg.wait_true(lambda: is_degraded(pg), fault)
        pg.wait_true(lambda: not pg.files("blobs") and not pg.files("partial"), fault)
        pg.stop()


# ---- what an operator takes away

def images_of(up, n, shared):
    return {f"library/app{i}": up.image(f"library/app{i}", "v1", [shared, RND.randbytes(20_000)])
            for i in range(n)}


def pull_all(pg, up, images):
    for name, image in images.items():
        assert pg.get(f"/v2/{name}/manifests/v1") == (200, image.body), name
        for d in [image.config, *image.layers]:
            assert pg.get(f"/v2/{name}/blobs/{d}") == (200, up.blobs[d]), name


def test_G03_a_purge_that_is_killed_is_gone_on_with_and_loses_nothing_that_is_named():
    """kill -9 at random moments of a purge of half of what is there; then once more, to the end."""
    up, rnd = Upstream(), random.Random(3)
    images = images_of(up, 16, RND.randbytes(100_000))
    gone, stay = dict(list(images.items())[:8]), dict(list(images.items())[8:])
    pg = Pullgate(up)
    for _ in range(4):
        up.well()
        pull_all(pg, up, images)
        pg.landed(3 * 16 + 1)
        purge = subprocess.Popen([os.environ["PULLGATE"], "purge", "-c", pg.conf,
                                  *(f"origin.test/{name}" for name in gone)],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        left = rnd.randrange(25, 49)                        # blobs that are there when it dies
        pg.wait_metric("pullgate_store_blobs", left, at_least=False)
        pg.kill()
        purge.wait(DEADLINE)
        pg.start()
        pg.recovered()
        pg.end()
        pg.fsck()
        pg.start()
        code, out, err = pg.command("purge", *(f"origin.test/{name}" for name in gone))
        assert code in (0, 1), (out, err)                   # 1: some were gone already
        pg.wait_metric("pullgate_store_blobs", 3 * 8 + 1, at_least=False)
        up.on("", status(500), methods=("GET", "HEAD"))     # what is named is here, and whole
        pull_all(pg, up, stay)
    pg.stop()


def test_G12_what_is_gone_in_one_repository_is_not_had_through_another():
    up = Upstream()
    shared = RND.randbytes(50_000)
    images = images_of(up, 2, shared)
    one, two = images
    pg = Pullgate(up)
    pull_all(pg, up, images)
    pg.landed(3 * 2 + 1)
    code, out, err = pg.command("purge", f"origin.test/{one}")
    assert code == 0, (out, err)
    up.on(f"/v2/{one}/", status(404), methods=("GET", "HEAD"))          # deleted there, too
    asked = len(up.asked)
    assert pg.get(f"/v2/{two}/blobs/{sha256(shared)}") == (200, shared)
    assert len(up.asked) == asked
    for path in [f"blobs/{sha256(shared)}", f"manifests/{images[one].digest}", "manifests/v1"]:
        a = pg.get(f"/v2/{one}/{path}")
        assert a.status == 404, (path, a.status, a.body[:300], pg.said())
    assert pg.get(f"/v2/{two}/blobs/{sha256(shared)}") == (200, shared)
    assert pg.get(f"/v2/{one}/blobs/{sha256(shared)}").status == 404
    pg.stop()


def test_G13_what_a_purge_would_do_is_what_it_does_while_pulls_go_on():
    up = Upstream()
    images = images_of(up, 24, RND.randbytes(100_000))
    names = list(images)
    pg = Pullgate(up)
    pull_all(pg, up, images)
    pg.landed(3 * 24 + 1)
    wrong, over = [], threading.Event()

    def client():
        while not over.is_set():
            for name in names[12:]:
                for d in images[name].layers:
                    if (a := pg.get(f"/v2/{name}/blobs/{d}")) != (200, up.blobs[d]):
                        wrong.append((name, a.status))
    threads = [threading.Thread(target=client) for _ in range(2)]
    for t in threads:
        t.start()
    try:
        what = [f"origin.test/{name}" for name in names[:12]]
        code, plan, err = pg.command("purge", "--json", "--dry-run", *what)
        assert code == 0, err
        assert len(pg.files("blobs")) == 3 * 24 + 1
        code, act, err = pg.command("purge", "--json", *what)
        assert code == 0, err
    finally:
        over.set()
        for t in threads:
            t.join()
    told = lambda lines: [{k: v for k, v in json.loads(l).items() if k != "dry_run"} for l in lines.splitlines()]
    assert told(plan) == told(act) and len(told(plan)) == 12, (plan, act)
    pg.wait_true(lambda: len(pg.files("blobs")) == 3 * 12 + 1, "not all of it leaves the disk")
    assert not wrong, wrong[:3]
    pg.stop()


# ---- clocks

def test_G16_a_wall_clock_that_jumps_takes_nothing_away():
    """An hour back, ten years on, and back again: nothing is evicted, what is cached is served while
    upstream is dead, and what upstream says is heard when it is not."""
    shift, up = Shift(), Upstream()
    images = images_of(up, 3, RND.randbytes(30_000))
    pg = Pullgate(up, more="tags: {ttl: 60s}", env=shift.env)
    pull_all(pg, up, images)
    pg.landed(3 * 3 + 1)
    theirs = [d for i in images.values() for d in [i.config, *i.layers]]
    fetched = lambda: sum(up.count("GET", d) for d in set(theirs))
    blobs = fetched()
    for wall in [-3600, 3600 + 10 * 365 * 86400, -10 * 365 * 86400]:
        shift.by(1, wall)
        pull_all(pg, up, images)
        asked = len(up.asked)
        pull_all(pg, up, images)
        assert len(up.asked) == asked, "it asks for each pull"     # once was enough
        up.die()
        pull_all(pg, up, images)                    # confirmed a moment ago
        up.live()
        shift.by(60)                                # the breaker's patience, and tags.ttl
        up.image("library/app0", "v2", [b"new %d" % wall])
        pg.wait_true(lambda: pg.get("/v2/library/app0/manifests/v2").status == 200, "upstream is not heard")
        up.manifests.pop(("library/app0", "v2"))
        shift.by(61)
        pg.wait_true(lambda: pg.get("/v2/library/app0/manifests/v2").status == 404, "a tag that is gone stays")
        pull_all(pg, up, images)
    assert fetched() == blobs, (fetched(), blobs)
    assert pg.metric("pullgate_store_evicted_total") == 0
    pg.stop()


def read_only(data, size="96m"):
    """The store's directory becomes an ext4 of its own; what is returned makes it read-only as an error of
    the disk does, under whoever has files open."""
    image = data + ".ext4"
    with open(image, "wb") as f:
        f.truncate(int(size[:-1]) << 20)
    if not shutil.which("mkfs.ext4") or not os.environ.get(MARK):
        raise Skip("no mkfs.ext4, or mounts of its own need root")
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    if subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, data], stderr=subprocess.DEVNULL).returncode:
        raise Skip("no loop device, or no ext4")
    os.chmod(data, 0o700)
    os.rmdir(os.path.join(data, "lost+found"))
    device = next(l.split()[0] for l in open("/proc/mounts") if l.split()[1] == data)

    def strike():
        os.sync()                                   # pages that are mapped are clean: the next write to them fails
        with open(f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error", "w") as f:
            f.write("by the test")
    return strike


def test_G15_the_filesystem_becomes_read_only_at_its_work():
    up = Upstream()
    kept = [blob_of(up, 200_000) for _ in range(4)]
    image = up.image("library/app", "v1", [RND.randbytes(50_000)])
    pg = Pullgate(up)
    pg.end()
    data = pg.dir + "/data"
    shutil.rmtree(data)
    os.mkdir(data, 0o700)
    strike = read_only(data)
    pg.start()
    for d, path in kept:
        assert pg.get(path) == (200, up.blobs[d])
    assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)
    pg.landed(5)
    strike()
    before = len(up.asked)
    for _ in range(3):
        for d, path in kept:
            assert pg.get(path) == (200, up.blobs[d]), pg.said()
        assert pg.get(f"/v2/library/app/manifests/{image.digest}") == (200, image.body)
    assert len(up.asked) == before
    for _ in range(3):
        d, path = blob_of(up, 300_000)
        assert pg.get(path) == (200, up.blobs[d]), pg.said()
        assert not stored(pg, d)
    pg.wait_true(lambda: is_degraded(pg), "it says that all is well")
    assert "Read-only file system" in pg.said()
    pg.end()
    p = subprocess.run([*pg.program, "serve", "-c", pg.conf], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, timeout=DEADLINE)
    assert p.returncode == 2 and "Read-only file system" in p.stdout, p
    umount(data)
    os.unlink(data + ".ext4")
    shutil.rmtree(pg.dir)


# ---- filesystems

def test_G20_an_overlay_is_warned_of():
    pg = Pullgate(Upstream())
    assert "is on a filesystem of type" not in "".join(pg.log)
    pg.end()
    data, layers = pg.dir + "/data", tempfile.mkdtemp(prefix="pg-layers-")
    mount("none", layers, "tmpfs", "size=64m")
    for name in ("lower", "upper", "work"):
        os.mkdir(os.path.join(layers, name), 0o700)
    mount("overlay", data, "overlay", f"lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work")
    pg.start()
    pg.wait_log("is on a filesystem of type overlay.*use a local disk")
    assert pg.admin("/readyz").status == 200
    pg.end()
    umount(data)
    umount(layers)
    os.rmdir(layers)
    shutil.rmtree(pg.dir)


if __name__ == "__main__":
    enter()
    stage.main(globals())
