# SPDX-License-Identifier: Apache-2.0
"""Images that are pulled are scanned by the server: when, by whom, again, and what becomes of failures."""
import glob, json, os, shutil, tempfile

import gated
import pg as stage
from pg import Pullgate
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

    def close(self):
        shutil.rmtree(self.dir)


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
    trivy.close()
    grype.close()


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
    clock.by(60 + 86400)                                # and once a day
    wait(pg, GOOD, 3)
    pg.stop()
    s.close()


def test_F12_a_scanner_that_fails_is_told_of_and_tried_again():
    up, s = Upstream(), Scanner()
    offer(up)
    clock = stage.Shift()
    pg = Pullgate(up, more="scanners:\n" + s.config(", timeout: 1500ms"), env=clock.env)
    for n, (how, why) in enumerate([("die", "ended by a signal"), ("lie", "does not count"), ("hang", "took more than"),
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
    s.close()


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
    s.close()


def test_what_is_wrong_with_scanners_is_told():
    s = Scanner()
    for text, why in (f"- {{command: {s.command}}}\n", ":7:3: scanners: database is missing"), \
            ("- {command: /usr/bin/true, database: /tmp}\n", "begins with trivy or grype"), \
            (s.config() + s.config(), "there are two of the name trivy"), \
            (s.config(", name: A b"), '"A b" is no name of'), \
            (s.config(", timeout: 1ms"), "scanners: timeout: "), \
            ("- {command: trivy, database: /tmp}\n", "scanners: command: "), \
            ("  {}\n", "scanners must be a list"):
        code, out, err = check("scanners:\n" + text)
        assert code == 1 and why in out, (text, code, out, err)
    s.close()


def check(text):
    import subprocess
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write("\n" * 5 + text)
        f.flush()
        p = subprocess.run([os.environ["PULLGATE"], "config", "check", "-c", f.name], text=True,
                           timeout=stage.DEADLINE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return p.returncode, p.stdout, p.stderr


if __name__ == "__main__":
    stage.main(globals())
