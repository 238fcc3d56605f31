# SPDX-License-Identifier: Apache-2.0
"""R1 to R11: what the reference registry gets wrong as a proxy. Each is done to pullgate and must hold.

    ./dev rivals        these tests, and a table: pullgate beside the reference registry. Where Debian's
                        docker-registry is installed, it gets the same faults; what it does is printed.
"""
import hashlib, os, random, shutil, subprocess, sys, tempfile, textwrap, threading, time

import pg as stage
from origin import Origin
from pg import Gate, Pullgate, Short, Upstream
from upstream import OCI_MANIFEST, cut, hold, instead, pause, sha256, status

DATA = random.Random(5).randbytes(2_000_000)
FLIPPED = DATA[:1_234_567] + bytes([DATA[1_234_567] ^ 1]) + DATA[1_234_568:]
APP = "/v2/library/app"
FAULTS = []


class Ours(Pullgate):
    def __init__(self, up):
        super().__init__(up)
        self.up = up

    def blob_files(self):
        return self.files("blobs")

    def name_of(self, path):
        return os.path.basename(path)

    def unfinished(self):
        return self.files("partial")

    def all_in(self, n, digest):
        self.wait_metric("pullgate_flight_followers_total", n - 1)

    def finish(self):
        self.stop()


class Reference(Origin):
    """Debian's docker-registry, as a pull-through proxy."""
    get, tls = Pullgate.get, None

    def __init__(self, up):
        stage.need("docker-registry")
        self.up, self.log = up, []
        self.dir = tempfile.mkdtemp(prefix="pg-reference-")
        self.config = os.path.join(self.dir, "config.yml")
        with open(self.config, "w") as f:
            f.write(f"version: 0.1\nlog: {{level: error}}\nproxy: {{remoteurl: '{up.url}'}}\n"
                    f"storage: {{filesystem: {{rootdirectory: {self.dir}/data}}}}\n"
                    f"http: {{addr: '127.0.0.1:0'}}\n")
        self.start()

    def start(self):
        self.port = self._start(self.config)

    def kill(self):
        self.die()

    def end(self):
        self.proc.terminate()
        self.proc.wait()

    def finish(self):
        self.die()
        shutil.rmtree(self.dir)

    def _below(self, word):
        return {os.path.join(d, f): os.path.getsize(os.path.join(d, f))
                for d, _, names in os.walk(self.dir + "/data") for f in names if word in d and f == "data"}

    def blob_files(self):
        return self._below("/v2/blobs/")

    def name_of(self, path):
        return os.path.basename(os.path.dirname(path))

    def unfinished(self):
        return self._below("/_uploads/")

    def blob_file(self, digest):
        return f"{self.dir}/data/docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data"

    def wait_true(self, look, what):
        end = time.monotonic() + stage.DEADLINE
        while not look():
            assert time.monotonic() < end, what
            threading.Event().wait(0.02)

    def all_in(self, n, digest):
        """It has no counter to tell: each of them comes to the gate, or half a second nobody does."""
        seen, since = -1, time.monotonic()
        while self.up.count("GET", digest) < n and time.monotonic() - since < 0.5:
            if (now := self.up.count("GET", digest)) != seen:
                seen, since = now, time.monotonic()
            threading.Event().wait(0.02)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def left_over(p):
    """Bytes on disk that are no whole blob, or not the one that they are called."""
    wrong = [n for path, n in p.blob_files().items()
             if hashlib.sha256(read(path)).hexdigest() != p.name_of(path)]
    return sum(wrong) + sum(p.unfinished().values())


def told(a, right=DATA):
    """What a client got, in a few words."""
    if isinstance(a.body, Short):
        own = os.path.commonprefix([bytes(a.body), right])
        return f"{a.status}, cut short at {len(a.body)} bytes" + (
            "" if len(own) == len(a.body) else f", of which {len(a.body) - len(own)} are not the blob's")
    if a.status in (200, 206):
        wrong = a.body != right and a.body not in right
        return f"{a.status}, complete, {len(a.body)} bytes" + (", WRONG" if wrong or not a.body else "")
    return f"{a.status}, {len(a.body)} bytes of error"


def honest(a, right=DATA):
    """The blob, or a beginning of it that cannot be taken for the whole, or an error."""
    if isinstance(a.body, Short):
        return right.startswith(a.body)
    return a.body == right if a.status == 200 else a.status >= 500


def fault(what, reference):
    """Makes a test of a fault: f(proxy) -> (what was seen, whether that is right)."""
    def decorate(f):
        def run(subject=Ours):
            up = Upstream()
            p = subject(up)
            p.image = up.image("library/app", "v1", [DATA])
            p.blob = f"{APP}/blobs/{sha256(DATA)}"
            saw, right = f(p, up)
            assert right or subject is not Ours, saw
            p.finish()
            return saw
        FAULTS.append((f.__name__.split("_")[1], what, reference, run))
        return run
    return decorate


def cached(p):
    """The blob is in the store, whole."""
    p.get(f"{APP}/manifests/v1")
    assert p.get(p.blob) == (200, DATA)
    path = p.blob_file(sha256(DATA))
    p.wait_true(lambda: os.path.exists(path) and os.path.getsize(path) == len(DATA), "it is not kept")
    p.end()                                         # also of what it still has in memory
    return path


def change(path, do):
    os.chmod(path, 0o600)
    with open(path, "r+b") as f:
        do(f)


@fault("upstream cuts a blob of 2,000,000 bytes after 1,000,000, again and again",
       "200, then 84 bytes of a JSON error inside of the blob")
def test_R1_not_a_byte_that_is_not_the_blobs(p, up):
    up.on(p.blob, cut(0))
    up.on(p.blob, cut(1_000_000), times=1)
    p.get(f"{APP}/manifests/v1")
    a = p.get(p.blob)
    return told(a), honest(a) and not (a.status == 200 and not isinstance(a.body, Short))


@fault("one bit of the blob is wrong, its size is right",
       "200, complete, wrong content; each try leaves 2,000,000 bytes on disk")
def test_R2_a_wrong_bit_never_makes_a_whole_answer(p, up):
    up.on(p.blob, instead(FLIPPED))
    p.get(f"{APP}/manifests/v1")
    answers = [p.get(p.blob) for _ in range(2)]
    p.end()
    left = left_over(p)
    p.start()
    return f"{told(answers[0])}; {left} bytes left after two tries", all(
        a.status >= 500 or (isinstance(a.body, Short) and len(a.body) < len(DATA)) for a in answers) and not left


@fault("a byte of a blob in the cache flips on disk", "200, complete, wrong content")
def test_R3_rot_is_not_served_and_fetched_again(p, up):
    path = cached(p)
    def flip(f):
        f.seek(1_234_567)
        f.write(FLIPPED[1_234_567:1_234_568])
    change(path, flip)
    p.start()
    first = p.get(p.blob)
    again = p.get(p.blob)
    return f"{told(first)}; then {told(again)}", honest(first) and again == (200, DATA)


@fault("the file of a blob in the cache is cut to nothing", "200, 0 bytes, a clean end")
def test_R4_a_file_that_is_empty_is_fetched_again(p, up):
    change(cached(p), lambda f: f.truncate(0))
    p.start()
    a = p.get(p.blob)
    return told(a), a == (200, DATA)


@fault("20 clients ask at once for a blob that is not cached", "20 GETs and 20 HEADs upstream")
def test_R5_twenty_clients_are_one_request(p, up):
    gate = Gate()
    up.on(p.blob, pause(gate))
    p.get(f"{APP}/manifests/v1")
    pulls = [stage.Pull(p, p.blob, None) for _ in range(20)]
    gate.wait_reached()
    p.all_in(20, p.blob)
    gate.open()
    right = [pull.done() for pull in pulls].count((200, DATA))
    gets, heads = up.count("GET", p.blob), up.count("HEAD", p.blob)
    return (f"{gets} GET{'s' * (gets != 1)}, {heads} HEAD{'s' * (heads != 1)}; {right} of 20 got it",
            gets + heads == 1 and right == 20)


@fault("Range: of a blob that is not cached", "200, the whole blob")
def test_R6_a_range_of_a_cold_blob_is_206(p, up):
    gate = Gate()
    up.on(p.blob, hold(gate), times=1)           # what is fetched ahead is not here yet
    p.get(f"{APP}/manifests/v1")
    pull = stage.Pull(p, p.blob, {"Range": "bytes=1000000-1000099"})
    gate.wait_reached()
    gate.open()
    a = pull.done()
    return told(a), a == (206, DATA[1_000_000:1_000_100]) and \
        a.headers["Content-Range"] == "bytes 1000000-1000099/2000000"


@fault("kill -9 in the middle of a download, a start, and the pull once more",
       "what was downloaded (798,304 bytes) stays on disk, for ever")
def test_R7_a_kill_leaves_nothing_that_is_nobodys(p, up):
    gate = Gate()
    up.on(p.blob, pause(gate))
    p.get(f"{APP}/manifests/v1")
    pull = stage.Pull(p, p.blob, None)
    gate.wait_reached()
    p.wait_true(lambda: sum(p.unfinished().values()) > 0, "nothing is written")
    p.kill()
    gate.open()
    pull.join()
    up.well()
    p.start()
    p.get(f"{APP}/blobs/{p.image.config}")          # half there, too, perhaps
    again = p.get(p.blob)
    for d in [p.image.config, sha256(DATA)]:
        p.wait_true(lambda: os.path.exists(p.blob_file(d)), "it is not kept")
    p.end()
    left = left_over(p)
    p.start()
    return f"{told(again)}; {left} bytes left", again == (200, DATA) and not left


@fault("upstream gives another manifest than the digest names", "404, and keeps the wrong one")
def test_R8_another_manifest_is_refused_and_not_kept(p, up):
    up.image("library/other", "v1", [b"other"])
    media, body = up.manifests["library/other", "v1"]
    up.on("/manifests/sha256:", instead(body, Content_Type=OCI_MANIFEST))
    a = p.get(f"{APP}/manifests/{p.image.digest}")
    p.end()
    kept = os.path.exists(p.blob_file(sha256(body)))
    p.start()
    return f"{told(a, p.image.body)}; the wrong one is {'KEPT' if kept else 'not kept'}", \
        a.status == 502 and not kept


@fault("GET of a manifest by a digest that is none (sha256:baddigeststring)", "500")
def test_R9_a_digest_that_is_none_is_400(p, up):
    a = p.get(f"{APP}/manifests/sha256:baddigeststring")
    code = a.code() if a.body.startswith(b"{") else "no OCI error"
    return f"{a.status} {code}", (a.status, code) == (400, "DIGEST_INVALID")


@fault("upstream answers 500 for a blob", "500, its error in the Content-Length of the blob: a short read")
def test_R10_an_upstream_error_is_a_clean_503(p, up):
    up.on(p.blob, status(500))
    p.get(f"{APP}/manifests/v1")
    a = p.get(p.blob)
    return told(a), a.status == 503 and a.code() == "UNAVAILABLE" and not isinstance(a.body, Short)


@fault("paths with .. and //", "301, to the path it cleaned")
def test_R11_paths_that_are_none_are_never_redirected(p, up):
    answers = [p.get(path) for path in ["/v2/..%2f..%2fetc/manifests/v1", "/v2/lib//ok/manifests/v1",
                                        "/v2/../v2/library/app/manifests/v1"]]
    return ", ".join(str(a.status) for a in answers), all(a.status in (400, 404) for a in answers) and \
        not any(a.headers["Location"] for a in answers) and not up.asked


# ---- the table

def attempt(run, subject):
    """(what was seen, whether it is as it should be)"""
    try:
        return run(subject), True
    except stage.Skip:
        return "not installed", True
    except Exception as e:
        return f"{type(e).__name__}: {e}"[:200], False


def table():
    """Prints what each does. What the reference does fails nothing; what pullgate does may."""
    installed = shutil.which("docker-registry")
    version = installed and subprocess.run(["docker-registry", "--version"], text=True,
                                           stdout=subprocess.PIPE).stdout.split()[-1]
    columns = ["", "fault", "distribution v3, on record", f"docker-registry {version or ''}, here", "pullgate, here"]
    widths = [4, 34, 34, 40, 36]
    bad = 0

    def row(cells):
        lines = [textwrap.wrap(c, w) or [""] for c, w in zip(cells, widths)]
        for n in range(max(map(len, lines))):
            print("  ".join((l[n] if n < len(l) else "").ljust(w) for l, w in zip(lines, widths)).rstrip())
        print("", flush=True)
    row(columns)
    for name, what, reference, run in FAULTS:
        ours, good = attempt(run, Ours)
        theirs = attempt(run, Reference)[0] if installed else "not installed"
        row([name, what, reference, theirs, ours if good else "FAILED: " + ours])
        bad += not good
    print(f"{len(FAULTS) - bad} of {len(FAULTS)} hold in pullgate", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    if sys.argv[1:] == ["--table"]:
        table()
    stage.main(globals())
