# SPDX-License-Identifier: Apache-2.0
"""Images that are pulled are scanned by the server: when, by whom, again, and what becomes of failures."""
import atexit, glob, json, os, re, shutil, tempfile

import gated
import pg as stage
from pg import Pullgate
from test_audit import entries
from upstream import OCI_MANIFEST, Upstream

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
FIXTURES = os.path.join(ROOT, "tests/fixtures/scan")
DEBIAN = "sha256:6c92e9b24397fd54302543fa7d0ba90a68e39a441c03ac65f97c8d678d813ca6"
CLEAN = "sha256:9176531de02ce5dd90b11c881141396e5d9c173746c36adab73cfa880eead772"
GOOD, FAILED, OURS = (f'pullgate_scans_total{{result="{r}"}}' for r in ("good", "failed", "ours"))


def offer(up):
    """The two images of the fixtures, as library/NAME:v1."""
    for name, digest in ("debian12", DEBIAN), ("clean", CLEAN):
        for path in glob.glob(f"{FIXTURES}/oci/{name}/blobs/sha256/*"):
            with open(path, "rb") as f:
                data = f.read()
            if digest.endswith(os.path.basename(path)):
                up.manifest(f"library/{name}", "v1", data)
            else:
                up.blob(data)


class Scanner:
    """A program with the command line of Trivy or Grype, and its database."""
    def __init__(self, kind="trivy"):
        self.kind = kind
        self.dir = tempfile.mkdtemp(prefix="pg-scans-")
        atexit.register(shutil.rmtree, self.dir)
        self.database, self.command = f"{self.dir}/database", f"{self.dir}/{kind}"
        shutil.copytree(FIXTURES, f"{self.database}/fixtures")
        os.symlink(os.path.join(ROOT, "tests/fakes/scanner.py"), self.command)
        os.mkdir(f"{self.database}/db")
        self.renew(1)

    def renew(self, when):
        """The database is another one."""
        with open(f"{self.database}/db/metadata.json", "w") as f:
            f.write("{}")
        os.utime(f"{self.database}/db/metadata.json", (when, when))

    def mode(self, text):
        with open(f"{self.database}/mode", "w") as f:
            f.write(text)

    def runs(self):
        try:
            with open(f"{self.database}/runs") as f:
                return f.read().split()
        except FileNotFoundError:
            return []

    def config(self, more=""):
        return f"- {{command: {self.command}, database: {self.database}{more}}}\n"


def start(up, *scanners, **more):
    return Pullgate(up, more="scanners:\n" + "".join(s.config(**more) for s in scanners))


def pull(pg, name):
    answer = pg.get(f"/v2/library/{name}/manifests/v1", {"Accept": OCI_MANIFEST})
    assert answer.status == 200, answer
    manifest = answer.json()
    for part in [manifest["config"], *manifest["layers"]]:
        assert pg.get(f"/v2/library/{name}/blobs/{part['digest']}").status == 200


def wait(pg, metric, value):
    """After the clock was moved, which ends connections that are under way."""
    def look():
        try:
            return pg.metric(metric) >= value
        except (ConnectionError, stage.http.client.HTTPException):
            return False
    pg.wait_true(look, f"{metric} never came to {value}")
    pg.wait_metric("pullgate_scans_waiting", 0, at_least=False)     # and when to try again is known


def report(pg, scanner, digest):
    with open(f"{pg.dir}/data/scanners/{scanner}/reports/{digest.replace(':', '-')}.json") as f:
        return json.load(f)


def test_what_is_pulled_is_scanned_once_by_each_scanner():
    up, trivy, grype = Upstream(), Scanner("trivy"), Scanner("grype")
    offer(up)
    pg = start(up, trivy, grype)
    pull(pg, "debian12")
    pg.wait_metric(GOOD, 2)
    for _ in range(3):
        pull(pg, "debian12")
    pg.wait_metric("pullgate_scans_waiting", 0, at_least=False)
    assert trivy.runs() == grype.runs() == [DEBIAN], (trivy.runs(), grype.runs())
    assert report(pg, "trivy", DEBIAN)["SchemaVersion"] == 2 and report(pg, "grype", DEBIAN)["matches"]
    assert not pg.files("data/scanners/trivy/view/blobs/sha256")
    pg.restart()                                        # a result is newer than the database: it holds
    pull(pg, "debian12")
    pull(pg, "clean")
    pg.wait_metric(FAILED, 2)                           # no packages: that is not a clean image
    assert trivy.runs() == grype.runs() == [DEBIAN, CLEAN], (trivy.runs(), grype.runs())
    pg.stop()


def test_a_newer_database_scans_again():
    up, s = Upstream(), Scanner()
    offer(up)
    clock = stage.Shift()
    pg = Pullgate(up, more="scanners:\n" + s.config(), env=clock.env)
    pull(pg, "debian12")
    wait(pg, GOOD, 1)
    s.renew(2)
    clock.by(60)
    wait(pg, GOOD, 2)
    assert s.runs() == [DEBIAN] * 2
    old = f"{pg.dir}/data/scanners/trivy/reports/sha256-{'0' * 64}.json"
    with open(old, "w") as f:
        f.write("{}")
    os.utime(old, (1, 1))
    clock.by(60 + 86400)                                # and once a day
    wait(pg, GOOD, 3)
    assert report(pg, "trivy", DEBIAN) and not os.path.exists(old)
    pg.stop()


def test_F12_a_scanner_that_fails_is_told_of_and_tried_again():
    up, s = Upstream(), Scanner()
    offer(up)
    clock = stage.Shift()
    pg = Pullgate(up, more="scanners:\n" + s.config(), env=clock.env)
    for n, (how, why) in enumerate([("die", "ended by a signal"), ("lie", "does not count"),
                                    ("endless", "wrote more than")], 1):
        s.mode(how)
        clock.by(3600 * n)
        if n == 1:
            pull(pg, "debian12")
        wait(pg, FAILED, n)
        pg.wait_log(f"{DEBIAN}: not scanned by trivy: .*{why}")
    s.mode("no database")
    clock.by(3600 * 6)
    wait(pg, OURS, 1)
    s.mode("")
    clock.by(3600 * 8)
    wait(pg, GOOD, 1)
    pg.stop()


def test_F12_a_scanner_that_hangs_is_ended():
    up, s = Upstream(), Scanner()
    offer(up)
    s.mode("hang")
    pg = Pullgate(up, more="scanners:\n" + s.config(", timeout: 1s"))
    pull(pg, "debian12")
    pg.wait_log(f"{DEBIAN}: not scanned by trivy: .*took more than")
    pg.wait_metric(FAILED, 1)
    pg.stop()


def test_N11_what_finds_no_place_waits_for_one():
    up, s = Upstream(), Scanner()
    os.mkfifo(f"{s.database}/gate")
    s.mode("gate")
    pg = start(up, s)
    config = up.blob(b"{}")
    for n in range(66):                                 # of one repository a scanner takes 64
        up.manifest("library/many", f"v{n}", {
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [], "annotations": {"n": str(n)},
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": config}})
        assert pg.get(f"/v2/library/many/manifests/v{n}", {"Accept": OCI_MANIFEST}).status == 200
        assert pg.get(f"/v2/library/many/blobs/{config}").status == 200
    pg.wait_metric("pullgate_scans_waiting", 64)
    pg.wait_true(s.runs, "none came to the gate")
    s.mode("error")
    with open(f"{s.database}/gate", "w") as f:
        f.write("go")
    pg.wait_metric(FAILED, 2)
    assert not any("too many images" in line for line in pg.log)
    pg.stop()


POLICY = """\
default: allow
rules:
- name: scanned
  match: {{repositories: ["origin.test/**"]}}
  require: {{scan: {{max_severity: {}, on_missing: wait, on_error: deny}}}}
"""


def ask(pg, name):
    return pg.get(f"/v2/library/{name}/manifests/v1", {"Accept": OCI_MANIFEST})


def test_who_waits_for_a_scan_gets_its_verdict():
    up, s = Upstream(), Scanner()
    offer(up)
    pg = gated.Gated(up, POLICY.format("critical"), more="scanners:\n" + s.config())
    assert ask(pg, "debian12").status == 503                # nobody asks for its layers: they come all the same
    pg.wait_metric(GOOD, 1)
    assert ask(pg, "debian12").status == 200
    assert ask(pg, "clean").status == 503
    pg.wait_metric(FAILED, 1)
    gated.denied(ask(pg, "clean"), "scanned", "package")    # not that it is clean
    pg.use(POLICY.format("high"))
    gated.denied(ask(pg, "debian12"), "scanned", "CVE-2099-0001")
    pg.stop()


# ---- pushed

TOKENS = {"ci": "0123456789abcdef-ci", "other": "fedcba9876543210-other"}


class Pushed(gated.Gated):
    """One that takes reports, and a client that pushes them."""
    def __init__(self, up, policy=gated.OPEN):
        self.keys = tempfile.mkdtemp(prefix="pg-scans-")
        for name, token in TOKENS.items():
            self.token(name, token)
        cert, key, ca = stage.tls_files()
        self.context = stage.ssl.create_default_context(cafile=ca)
        super().__init__(up, policy, more=f"scans:\n  listen: 127.0.0.1:0\n  tls: {{cert: {cert}, key: {key}}}\n"
                         "  sources:\n" + "".join(f"  - {{name: {n}, token_file: {self.keys}/{n}}}\n" for n in TOKENS))
        where = r"listener 127\.0\.0\.1:(\d+), TLS, for scan reports"
        self.at = int(re.search(where, self.wait_log(where)).group(1))

    def token(self, name, token):
        with open(f"{self.keys}/new", "w", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(token + "\n")
        os.rename(f"{self.keys}/new", f"{self.keys}/{name}")

    def push(self, path, body, token=TOKENS["ci"], method="PUT", **headers):
        c = stage.http.client.HTTPSConnection("127.0.0.1", self.at, timeout=stage.DEADLINE, context=self.context)
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        c.request(method, path, body, headers)
        r = c.getresponse()
        answer = r.status, json.loads(r.read()), r.headers
        c.close()
        return answer

    def stop(self):
        super().stop()
        shutil.rmtree(self.keys)


def fixture(name):
    with open(f"{FIXTURES}/{name}", "rb") as f:
        return f.read()


def test_a_pushed_report_decides_the_next_pull():
    up = Upstream()
    offer(up)
    pg = Pushed(up, POLICY.format("critical"))
    assert ask(pg, "debian12").status == 503
    for name in "trivy.json", "grype.json", "trivy.sarif.json", "harbor.json", "trivy.cosign-vuln.json":
        status, said, _ = pg.push(f"/api/v1/scans/{DEBIAN}", fixture(f"debian12/{name}"), Content_Type="application/json")
        assert status == 201 and said["digest"] == DEBIAN and said["source"] == "ci", (name, status, said)
        assert said["findings"]["critical"] == 1, said
    assert ask(pg, "debian12").status == 200
    pg.use(POLICY.format("high"))
    gated.denied(ask(pg, "debian12"), "CVE-2099-0001")
    status, said, _ = pg.push(f"/api/v1/scans/{CLEAN}", fixture("clean/trivy.json"))
    assert (status, said["error"]["code"]) == (400, "no_packages"), said
    assert ask(pg, "clean").status == 503               # what was refused is not a result
    assert pg.push(f"/api/v1/scans/{CLEAN}?static=true", fixture("clean/trivy.json"))[0] == 201
    assert ask(pg, "clean").status == 200
    pg.stop()


def test_who_may_push_and_what():
    up, report = Upstream(), fixture("debian12/trivy.json")
    pg, at = Pushed(up), f"/api/v1/scans/{DEBIAN}"
    for status, code, args, more in (
            (401, "unauthorized", (at, report), {"token": None}), (401, "unauthorized", (at, report), {"token": "x" * 20}),
            (401, "unauthorized", ("/metrics", report), {"token": ""}), (404, "not_found", ("/metrics", report), {}),
            (405, "method", (at, report), {"method": "POST"}), (400, "digest", (at + "0", report), {}),
            (400, "digest", ("/api/v1/scans/latest", report), {}), (400, "query", (at + "?x=1", report), {}),
            (415, "media_type", (at, report), {"Content_Type": "text/plain"}),
            (411, "length", (at, iter([report])), {}), (411, "length", (at, b""), {}),
            (400, "other_digest", (f"/api/v1/scans/{CLEAN}", report), {}),
            (400, "unreadable", (at, report[:1000]), {}), (400, "unknown_schema", (at, b"{}"), {})):
        got, said, headers = pg.push(*args, **more)
        assert (got, said["error"]["code"]) == (status, code) and said["error"]["message"], (status, code, got, said)
        assert (headers["WWW-Authenticate"] == "Bearer") == (status == 401), headers
    pg.wait_metric('pullgate_scan_reports_total{result="refused"}', 14)
    assert pg.metric('pullgate_scan_reports_total{result="taken"}') == 0
    assert pg.push(at, report, Expect="100-continue")[0] == 201
    pg.token("ci", "another-token-of-ci")               # replaced: counts at once
    assert pg.push(at, report)[0] == 401
    assert pg.push(at, report, token="another-token-of-ci")[0] == 201
    assert pg.push(at, report, token=TOKENS["other"])[1]["source"] == "other"
    assert not any(t in pg.said() for t in TOKENS.values())
    pushed = lambda: entries(pg, "--act", "scan report")
    pg.wait_true(lambda: len(pushed()) == 14, "not all who are known are recorded")     # 401 is nobody
    last = pushed()[-1]
    assert (last["caller"], last["digest"], last["result"]) == ("other", DEBIAN, "ok"), last
    assert last["bytes"] == len(report) and last["address"].startswith("127.0.0.1:"), last
    pg.stop()


def test_F12_what_is_pushed_is_bounded():
    up = Upstream()
    pg = Pushed(up)
    with pg.context.wrap_socket(stage.socket.create_connection(("127.0.0.1", pg.at)), server_hostname="127.0.0.1") as s:
        s.sendall(b"PUT /api/v1/scans/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 524288000"
                  b"\r\n\r\n" % (DEBIAN.encode(), TOKENS["ci"].encode()))
        assert s.recv(100).startswith(b"HTTP/1.1 413 ")
    idle = [stage.socket.create_connection(("127.0.0.1", pg.at)) for _ in range(40)]
    closed = lambda: len(stage.select.select(idle, [], [], 0)[0])
    pg.wait_true(lambda: closed() >= 24, "more than sixteen are heard or wait")
    for s in idle:
        s.close()

    def is_taken():
        try:
            return pg.push(f"/api/v1/scans/{DEBIAN}", fixture("debian12/trivy.json"))[0] == 201
        except OSError:                                 # those who left have their places yet
            return False
    pg.wait_true(is_taken, "nobody is heard any more")
    pg.stop()


def test_who_is_in_the_middle_of_a_report_does_not_hold_up_the_end():
    pg = Pushed(Upstream())
    with pg.context.wrap_socket(stage.socket.create_connection(("127.0.0.1", pg.at)), server_hostname="127.0.0.1") as s:
        s.sendall(b"PUT /api/v1/scans/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000"
                  b"\r\nExpect: 100-continue\r\n\r\n" % (DEBIAN.encode(), TOKENS["ci"].encode()))
        assert s.recv(100).startswith(b"HTTP/1.1 100 ")     # it is waited for, for a minute
        pg.stop()


def test_what_is_wrong_with_scanners_is_told():
    s = Scanner()
    for text, why in (f"- {{command: {s.command}}}\n", ":7:3: scanners: database is missing"), \
            ("- {command: /usr/bin/true, database: /tmp}\n", "begins with trivy or grype"), \
            (s.config() + s.config(), "there are two of the name trivy"), \
            (s.config(", name: A b"), '"A b" is no name of'), \
            (s.config(", name: attested"), "attested is what policies call signed reports"), \
            (s.config(", timeout: 1ms"), "scanners: timeout: "), \
            ("- {command: trivy, database: /tmp}\n", "scanners: command: "), \
            ("  {}\n", "scanners must be a list"), \
            ("scans: {listen: 127.0.0.1:0}\n", "listen and tls are needed"), \
            ("scans: {listen: here, tls: {cert: /a, key: /b}, sources: [{name: ci, token_file: /c}]}\n",
             '"here" is no address'), \
            ("scans: {listen: 127.0.0.1:0, tls: {cert: /a, key: /b}}\n", "scans.sources must be a list"), \
            ("scans: {listen: 127.0.0.1:0, tls: {cert: /a, key: /b}, sources: [{name: ci}]}\n",
             "token_file is missing"):
        code, said, _ = stage.config_check("\n" * 5 + (text if text.startswith("scans:") else "scanners:\n" + text))
        assert code == 1 and why in said, (text, code, said)


if __name__ == "__main__":
    stage.main(globals())
