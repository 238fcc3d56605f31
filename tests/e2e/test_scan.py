# SPDX-License-Identifier: Apache-2.0
"""`pullgate scan read`: what reports say, whether they count, what waivers and VEX leave of them."""
import glob, json, os, shutil, subprocess, sys, tempfile

import pg as stage

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../check"))
from generated import misfits

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
FIXTURES = os.path.join(ROOT, "tests/fixtures/scan")
DEBIAN = "sha256:6c92e9b24397fd54302543fa7d0ba90a68e39a441c03ac65f97c8d678d813ca6"
WAIVER = """\
waivers:
- vulnerability: CVE-2023-32681
  package: requests
  images: [docker.io/library/debian]
  owner: security@acme.example
  reason: no proxy is used
  expires: {}
"""


def run(*args):
    p = subprocess.run([os.environ["PULLGATE"], "scan", "read", *args], text=True, timeout=stage.DEADLINE,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=FIXTURES)
    return p.returncode, p.stdout, p.stderr


def reports(*args):
    """What is said as JSON, which fits its schema and the exit status."""
    code, out, err = run("--json", *args)
    assert code in (0, 1) and not err, (args, code, err)
    said = json.loads(out)
    with open(os.path.join(ROOT, "docs/api/scan-read.schema.json")) as f:
        wrong = list(misfits(said, json.load(f)))
    assert not wrong, wrong
    assert (code == 0) == all(r["counts"] for r in said["reports"]), said
    assert all(r["counts"] == (r["code"] == "good") == (r["reason"] == "") for r in said["reports"]), said
    return said["reports"]


def severities(report):
    return {s: n for s, n in report["open"].items() if n}


def test_all_formats_say_the_same():
    files = ["trivy.json", "grype.json", "trivy.sarif.json", "grype.sarif.json", "harbor.json",
             "trivy.cosign-vuln.json"]
    said = reports("--digest", DEBIAN, *(f"debian12/{f}" for f in files))
    assert [r["file"] for r in said] == [f"debian12/{f}" for f in files]
    for r in said:
        assert r["counts"] and severities(r) == {"critical": 1, "high": 1, "medium": 1}, r
        assert r["digests"] == [DEBIAN], r
    assert said[1]["database_time"] == "2026-11-23T07:07:42.000Z" and said[0]["database_time"] is None


def test_exit_0_with_few_findings_is_no_clean_image():
    codes = {"clean/trivy.json": "no_packages", "clean/grype.json": "no_packages",
             "debian12/trivy-from-syft.spdx.json": "no_system", "debian12/syft.cdx.json": "unknown_schema"}
    for r in reports(*codes):
        assert r["code"] == codes[r["file"]], r
    assert reports("clean/trivy.json", "--static")[0]["counts"]
    assert reports("clean/trivy.json", "--digest", DEBIAN)[0]["code"] == "other_digest"
    assert reports("debian12/trivy.json", "--sbom", "debian12/syft.spdx.json")[0]["counts"]
    assert reports("debian12/trivy.json", "--sbom", "clean/syft.cdx.json")[0]["code"] == "other_sbom"
    code, out, err = run("clean/trivy.json")
    assert code == 1 and not err and out.startswith(
        "clean/trivy.json: does not count, as if it had not been scanned: no_packages: "), (code, out, err)


def test_waivers_and_vex_leave_the_rest():
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write(WAIVER.format("9999-12-30"))
        f.flush()
        args = ["debian12/grype.json", "--waivers", f.name, "--vex", "debian12/openvex.json", "--image"]
        r = reports(*args, "debian")[0]
        assert severities(r) == {"critical": 1} and (r["waived"], r["excused"]) == (1, 1), r
        assert {x["id"]: x["state"] for x in r["findings"]} == {
            "CVE-2099-0001": "open", "CVE-2023-0464": "excused", "GHSA-j8r2-6x86-q33q": "waived"}, r
        assert severities(reports(*args, "ghcr.io/acme/app")[0]) == {"critical": 1, "medium": 1}
        f.seek(0)
        f.write(WAIVER.format("2020-01-01"))
        f.flush()
        assert severities(reports(*args, "debian")[0]) == {"critical": 1, "medium": 1}
        out = run(*args, "debian")[1]
        assert "waiver in line 2, for CVE-2023-32681 in requests, ended at 2020-01-02T00:00:00Z: ask " \
               "security@acme.example\n" in out, out


def test_what_is_wrong_is_told():
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write(WAIVER.format("soon"))
        f.flush()
        code, out, err = run("debian12/trivy.json", "--waivers", f.name, "--image", "debian")
        assert code == 2 and f"{f.name}:7:12: expires must be a day" in err, (code, err)
        code, out, err = run("debian12/trivy.json", "--waivers", f.name)
        assert code == 2 and "--waivers needs --image" in err, (code, err)
    for args, why in ([], "needs a FILE"), (["none.json"], "cannot open none.json"), (["."], "cannot read ."), \
            (["debian12/trivy.json", "--digest", "sha256:1"], "--digest: "), \
            (["debian12/trivy.json", "--vex", "debian12/trivy.json"], "not OpenVEX 0.2"), \
            (["debian12/trivy.json", "--sbom", "debian12/trivy.json"], "neither SPDX"):
        code, out, err = run(*args)
        assert code == 2 and why in err and not out, (args, code, err)


def test_F12_a_report_of_500_mib_costs_no_more_than_the_limit():
    with tempfile.NamedTemporaryFile("w") as f:
        os.truncate(f.fileno(), 500 << 20)
        r = reports(f.name)[0]
        assert r["code"] == "too_large" and r["reason"] == "it is larger than 32 MiB", r


def test_nothing_in_a_report_drives_the_terminal():
    with tempfile.NamedTemporaryFile("w") as f:
        json.dump({"SchemaVersion": 2, "ArtifactName": "x", "Results": [{"Packages": [{}], "Vulnerabilities": [
            {"VulnerabilityID": "CVE-1", "PkgName": "a\x1b[2J\u202eb", "InstalledVersion": "1\n2"}]}]}, f)
        f.flush()
        code, out, err = run(f.name)
        assert code == 0 and "\x1b" not in out and "\u202e" not in out and "1\\n2" in out, (code, out, err)


class Store:
    """The blobs of a store, and a scanner with its database; what a server would have pulled."""
    def __init__(self, scanner):
        self.dir = tempfile.mkdtemp(prefix="pg-scan-")
        shutil.copytree(FIXTURES, f"{self.dir}/database/fixtures")
        for path in glob.glob(f"{FIXTURES}/oci/*/blobs/sha256/*"):
            name = os.path.basename(path)
            os.makedirs(f"{self.dir}/data/blobs/sha256/{name[:2]}", 0o700, exist_ok=True)
            shutil.copy(path, f"{self.dir}/data/blobs/sha256/{name[:2]}/{name}")
        os.chmod(f"{self.dir}/data", 0o700)
        self.scanner = f"{self.dir}/{scanner}"
        os.symlink(os.path.join(ROOT, "tests/fakes/scanner.py"), self.scanner)
        with open(f"{self.dir}/pullgate.yaml", "w") as f:
            f.write(f"storage: {{path: {self.dir}/data}}\n")

    def mode(self, text):
        with open(f"{self.dir}/database/mode", "w") as f:
            f.write(text)

    def scan(self, digest, *args):
        p = subprocess.run([os.environ["PULLGATE"], "scan", "image", digest, "-c", f"{self.dir}/pullgate.yaml",
                            "--scanner", self.scanner, "--database", f"{self.dir}/database", *args],
                           text=True, timeout=stage.DEADLINE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return p.returncode, p.stdout, p.stderr

    def close(self):
        shutil.rmtree(self.dir)


def test_an_image_of_the_store_is_scanned():
    for scanner in "trivy", "grype-0.116":
        s = Store(scanner)
        code, out, err = s.scan(DEBIAN, "--json")
        assert code == 0 and not err, (code, out, err)
        said = json.loads(out)
        with open(os.path.join(ROOT, "docs/api/scan-image.schema.json")) as f:
            wrong = list(misfits(said, json.load(f)))
        assert not wrong, wrong
        assert said["outcome"] == "good" and said["findings"]["critical"] == 1, said
        kept = reports(f"{s.dir}/data/{said['report']}", "--digest", DEBIAN)[0]
        assert kept["code"] == ("no_digest" if scanner == "trivy" else "good"), kept
        code, out, err = s.scan(DEBIAN)
        assert code == 0 and f"{DEBIAN}: 1 critical, 1 high, 1 medium\n" in out, (code, out, err)
        left = [f for _, _, files in os.walk(f"{s.dir}/data/scan/view/blobs") for f in files]
        assert not left and os.stat(glob.glob(f"{s.dir}/data/blobs/sha256/6c/*")[0]).st_nlink == 1, left
        s.close()


def test_F12_what_cannot_be_scanned_is_told():
    s = Store("trivy")
    for how, status, why in ("die", 1, "ended by a signal"), ("lie", 1, "the report does not count: it is about"), \
            ("cut", 1, "ends too early"), ("no database", 2, "it has no vulnerability database"):
        s.mode(how)
        code, out, err = s.scan(DEBIAN)
        assert code == status and why in (out if status == 1 else err), (how, code, out, err)
        said = json.loads(s.scan(DEBIAN, "--json")[1])
        assert said["report"] is None and said["outcome"] == ("image" if status == 1 else "ours"), said
    s.mode("")
    code, out, err = s.scan("sha256:" + "0" * 64)
    assert code == 2 and "is not in the store" in err, (code, out, err)
    s.scanner = f"{s.dir}/scanner"
    code, out, err = s.scan(DEBIAN)
    assert code == 2 and "begins with trivy or grype" in err, (code, out, err)
    s.close()


if __name__ == "__main__":
    stage.main(globals())
