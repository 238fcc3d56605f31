# SPDX-License-Identifier: Apache-2.0
"""A new process takes over from an old one, and clients notice nothing."""
import ctypes, http.client, os, re, select, shutil, signal, subprocess, sys, tempfile, threading

from pg import DEADLINE, Gate, Pullgate, Upstream, main
from test_login import MANIFEST, Door, basic, helper, says
from upstream import pause

# An heir is no child of ours; when those who started it have ended, it becomes one.
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Process:
    """The part of Popen that is needed, for a process that somebody else started."""
    def __init__(self, pid):
        self.pid, self.fd = pid, os.pidfd_open(pid)

    def send_signal(self, sig):
        signal.pidfd_send_signal(self.fd, sig)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout=None):
        """Its exit status, minus the signal that killed it."""
        if not select.select([self.fd], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("pullgate", timeout)
        try:
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:               # who started it lives yet, and takes note
            return 0


class Old:
    """Who was served by before; it ends when its clients are served."""
    def __init__(self, pg):
        self.proc, self.gone = pg.proc, pg._gone

    def kill(self):
        self.proc.kill()
        self.proc.wait()

    def ended(self):
        status = self.proc.wait(DEADLINE * 3)
        os.close(self.gone)
        assert status == 0, status


def said(pg, pattern):
    return [m for m in (re.search(pattern, l) for l in list(pg.log)) if m]


def upgrade(pg, by_signal=True):
    """pg is the heir from now on; returns the old one."""
    done, pattern = len(said(pg, "serves now")), r"upgrade: process (\d+) serves now"
    if by_signal:
        pg.proc.send_signal(signal.SIGUSR2)
    else:
        answer = pg.control("POST", "/api/v1/upgrade")
        assert answer.status == 200, answer
    pg.wait_true(lambda: len(said(pg, "serves now")) > done, "nobody took over: " + pg.said())
    old = Old(pg)
    pg.proc = Process(int(said(pg, pattern)[-1][1]))
    pg._gone = os.pidfd_open(pg.proc.pid)
    return old


class Load(threading.Thread):
    """Asks again and again, and writes down what was not answered as it should be."""
    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask, self.bad, self.done, self.over = ask, [], 0, threading.Event()
        self.start()

    def run(self):
        while not self.over.is_set():
            try:
                why = self.ask()
            except (OSError, http.client.HTTPException) as e:
                why = repr(e)
            self.done += 1
            if why:
                self.bad.append(why)

    def stop(self):
        self.over.set()
        self.join(DEADLINE * 2)
        assert not self.bad, (len(self.bad), self.done, self.bad[:3])
        assert self.done > 10, self.done


class KeepAlive:
    """A client that keeps its connection for as long as it may, and never tries again."""
    def __init__(self, pg, path, want):
        self.port, self.path, self.want, self.c = pg.port, path, want, None

    def __call__(self):
        self.c = self.c or http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE * 2)
        self.c.request("GET", self.path)
        r = self.c.getresponse()
        body = r.read()
        if r.will_close:
            self.c.close()
            self.c = None
        if (r.status, body) != (200, self.want):
            return f"{r.status}, {len(body)} of {len(self.want)} bytes: {body[:200]}"


def test_five_upgrades_under_load_fail_no_request():
    up = Upstream()
    image = up.image("library/app", "v1", [os.urandom(300_000)])
    pg = Pullgate(up, more="tags: {ttl: 0s}")
    layer = up.blobs[image.layers[0]]
    once = lambda path, want: lambda: None if pg.get(path) == (200, want) else "wrong"
    names = iter(range(1_000_000))

    def cold():
        data = b"%d" % next(names) * 20_000
        return None if pg.get(f"/v2/library/app/blobs/{up.blob(data)}") == (200, data) else "cold"

    assert pg.get(f"/v2/library/app/blobs/{image.layers[0]}").status == 200
    loads = [Load(once(f"/v2/library/app/blobs/{image.layers[0]}", layer)),
             Load(once("/v2/library/app/manifests/v1", image.body)), Load(cold),
             Load(KeepAlive(pg, f"/v2/library/app/blobs/{image.layers[0]}", layer)),
             Load(KeepAlive(pg, f"/v2/library/app/manifests/{image.digest}", image.body))]
    for i in range(5):
        gate = Gate()
        d = up.blob(os.urandom(1_000_000))
        up.on(f"/blobs/{d}", pause(gate), times=1)
        pull = pg.start_get(f"/v2/library/app/blobs/{d}")
        gate.wait_reached()
        pg.recovered()
        old = upgrade(pg, by_signal=i % 2 == 0)
        gate.open()
        assert pull.done() == (200, up.blobs[d])        # by the old one, to its last byte
        old.ended()
        pg.wait_true(lambda: len(said(pg, "whose heir this is has ended")) > i, "the end is not seen")
        assert pg.get(f"/v2/library/app/blobs/{d}") == (200, up.blobs[d])
        assert up.count("GET", d) == 1                  # what the old one fetched is not lost
    for load in loads:
        load.stop()
    assert pg.metric("pullgate_sandboxed") == 1 or said(pg, "not closed off")
    pg.stop()


def test_what_a_killed_predecessor_had_half_is_resumed():
    up, gate = Upstream(), Gate()
    d = up.blob(os.urandom(2_000_000))
    up.on(f"/blobs/{d}", pause(gate), times=1)
    pg = Pullgate(up)
    pull = pg.start_get(f"/v2/library/app/blobs/{d}")
    gate.wait_reached()
    pg.wait_true(lambda: sum(pg.files("partial").values()) > 500_000, "nothing is kept")
    pg.recovered()
    old = upgrade(pg)
    assert any("given-" in f for f in pg.files("partial")), pg.files("partial")
    old.kill()
    pull.join(DEADLINE)
    gate.open()
    pg.wait_log("whose heir this is has ended")
    pg.wait_true(lambda: not any("given-" in f for f in pg.files("partial")), "the folder stays")
    assert pg.get(f"/v2/library/app/blobs/{d}") == (200, up.blobs[d])
    ranges = [h.get("Range") for m, p, h in up.asked if d in p and m == "GET"]
    assert ranges[0] is None and re.match(r"bytes=[1-9]", ranges[-1]), ranges
    pg.stop()


def test_an_heir_that_is_killed_leaves_a_store_in_order():
    up, gate = Upstream(), Gate()
    d, e = up.blob(os.urandom(1_000_000)), up.blob(os.urandom(1_000_000))
    up.on(f"/blobs/{d}", pause(gate), times=1)
    pg = Pullgate(up)
    pull = pg.start_get(f"/v2/library/app/blobs/{d}")
    gate.wait_reached()
    pg.recovered()
    old = upgrade(pg)
    assert pg.get(f"/v2/library/app/blobs/{e}") == (200, up.blobs[e])
    pg.landed(1)
    pg.kill()
    gate.open()
    assert pull.done() == (200, up.blobs[d])
    old.ended()
    pg.fsck()
    pg.start()
    for blob in (d, e):
        assert pg.get(f"/v2/library/app/blobs/{blob}") == (200, up.blobs[blob])
        assert up.count("GET", blob) == 1
    pg.stop()


def test_what_a_predecessor_leaves_after_its_heir_was_killed_is_taken_by_the_next_start():
    up, gate = Upstream(), Gate()
    d = up.blob(os.urandom(1_000_000))
    up.on(f"/blobs/{d}", pause(gate), times=1)
    pg = Pullgate(up)
    pull = pg.start_get(f"/v2/library/app/blobs/{d}")
    gate.wait_reached()
    pg.recovered()
    old = upgrade(pg)
    pg.kill()
    pg.start()                                          # the old one drains yet
    assert any("given-" in f for f in pg.files("partial")), pg.files("partial")
    gate.open()
    assert pull.done() == (200, up.blobs[d])
    old.ended()
    pg.wait_true(lambda: not any("given-" in f for f in pg.files("partial")), "the folder stays")
    assert pg.get(f"/v2/library/app/blobs/{d}") == (200, up.blobs[d])
    assert up.count("GET", d) == 1
    pg.stop()


def still_serves(pg, up):
    """Hits, misses and what they leave in the store."""
    d = up.blob(os.urandom(100_000))
    assert pg.get(f"/v2/library/app/blobs/{d}") == (200, up.blobs[d])
    pg.wait_true(lambda: os.path.exists(pg.blob_file(d)), "the blob does not land")
    pg.stop()


def refused(pg, why):
    answer = pg.control("POST", "/api/v1/upgrade")
    assert answer.status >= 500 and re.search(why, answer.message()), answer
    pg.wait_log("the upgrade failed: .*this process goes on")


def test_an_upgrade_to_a_bad_configuration_changes_nothing():
    up = Upstream()
    pg = Pullgate(up)
    pg.recovered()
    with open(pg.conf) as f:
        good = f.read()
    pg.write(good + "nonsense: 1\n")
    refused(pg, "the configuration is not good")
    pg.wait_log(r"nonsense")
    pg.write(good)
    upgrade(pg).ended()                       # and once it is mended, it works
    still_serves(pg, up)


def with_copy(up):
    """A pullgate whose program can be replaced."""
    pg = Pullgate.__new__(Pullgate)
    program = "/tmp/pg-e2e-program-%d" % os.getpid()
    shutil.copy(os.environ["PULLGATE"], program)
    was, os.environ["PULLGATE"] = os.environ["PULLGATE"], program
    try:
        pg.__init__(up)
    finally:
        os.environ["PULLGATE"] = was
    pg.recovered()
    return pg, program


def replace(program, text, mode=0o700):
    os.remove(program)
    with open(program, "w") as f:
        f.write(text)
    os.chmod(program, mode)


def test_an_upgrade_to_a_bad_program_changes_nothing():
    up = Upstream()
    pg, program = with_copy(up)
    for text, mode, why in [("no program", 0o700, "ended before it served"),
                            ("#!/bin/true\n", 0o600, "ended before it served"),
                            ("#!/bin/false\n", 0o700, "ended before it served")]:
        replace(program, text, mode)
        refused(pg, why)
    os.remove(program)
    refused(pg, "ended before it served")
    pg.wait_log("the program cannot be run: No such file or directory")
    still_serves(pg, up)


HEIR = """#!%s
import socket, struct, sys
s = socket.socket(fileno=3)
what = lambda m: struct.unpack_from("II", m)[1]
said = lambda w: struct.pack("II", 1, w).ljust(SIZE, b"\\0")
m = s.recv(4096)
SIZE = len(m)
while what(m) != 2: m = s.recv(4096)
s.send(said(3))                                # prepared
if what(s.recv(4096)) == 4: %s
"""


def test_an_heir_that_dies_with_the_store_in_its_hands_is_succeeded_by_the_old_one():
    up = Upstream()
    pg, program = with_copy(up)
    for then, why in [("sys.exit(0)", "ended before it served"),
                      ("s.send(said(3))", "confused"),
                      ("s.send(b'nonsense')", "version that cannot be spoken with"),
                      ("s.send(said(6)[:272] + b'no luck'.ljust(SIZE - 272, b'\\0'))", "failed: no luck")]:
        gate = Gate()
        d = up.blob(os.urandom(400_000))
        up.on(f"/blobs/{d}", pause(gate), times=1)
        pull = pg.start_get(f"/v2/library/app/blobs/{d}")
        gate.wait_reached()
        replace(program, HEIR % (sys.executable, then))
        refused(pg, why)
        gate.open()
        assert pull.done() == (200, up.blobs[d])       # a download across the attempt
        pg.wait_true(lambda: os.path.exists(pg.blob_file(d)), "the blob does not land")
        assert not any("given-" in f for f in pg.files("partial"))
    os.remove(program)
    still_serves(pg, up)


def test_a_store_of_another_layout_takes_a_restart():
    up = Upstream()
    pg = Pullgate(up)
    pg.recovered()
    version = os.path.join(pg.dir, "data/version")
    now = open(version).read()
    with open(version, "w") as f:
        f.write("%d\n" % (int(now.split()[0]) - 1))
    refused(pg, "that takes a restart")
    with open(version, "w") as f:
        f.write(now)
    still_serves(pg, up)


def test_a_stop_during_an_upgrade_stops_both():
    up = Upstream()
    pg, program = with_copy(up)
    replace(program, "#!/bin/sh\nexec cat <&3 >/dev/null\n")
    pg.proc.send_signal(signal.SIGUSR2)
    pg.wait_log("upgrade: starting")
    pg.end()
    pg.fsck()
    os.remove(program)
    shutil.rmtree(pg.dir)


def test_a_helper_that_is_new_waits_for_an_upgrade():
    with tempfile.TemporaryDirectory() as d:
        up = Upstream()
        image = up.image("library/app", "v1")
        Door(up, basic("robot", "hunter2"))
        pg = Pullgate(up)
        pg.recovered()
        with open(pg.conf) as f:
            text = f.read()
        assert pg.get(MANIFEST).status != 200           # nobody is logged in
        path = helper(d, f"touch {d}/ran", says("robot", "hunter2"))
        url = f'url: "{up.url}"'
        assert url in text, text
        pg.write(text.replace(url, f"{url}, credential_helper: {path}"))
        assert pg.control("POST", "/api/v1/reload").status == 200
        a = pg.get(MANIFEST)
        assert a.status == 503 and "an upgrade or a restart takes it in" in a.message(), a
        assert not os.path.exists(f"{d}/ran")           # who took the server over could not, either
        old = upgrade(pg)
        old.ended()
        assert pg.get(MANIFEST) == (200, image.body)
        pg.stop()


if __name__ == "__main__":
    main(globals())
