# SPDX-License-Identifier: Apache-2.0
"""What scans found decides at the pull: with waivers, after a grace, from the next request on."""
import base64, json, re, time

import pg as stage
from gated import Gated, denied, tag_of
from test_scans import CLEAN, DEBIAN, FAILED, FIXTURES, GOOD, Scanner, ask, offer, pull, wait
from upstream import OCI_INDEX, OCI_MANIFEST, Upstream

VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
POLICY = """\
default: allow
{}rules:
- name: scanned
  match: {{repositories: ["origin.test/**"]}}
  require: {{scan: {{{}}}}}
"""
WAIVER = """\
waivers:
- vulnerability: CVE-2099-0001
  package: zlib1g
  images: ["origin.test/library/debian12"]
  owner: security@acme.example
  reason: nothing is unpacked with it
  expires: 2099-12-31
"""


def rule(scan, top=""):
    return POLICY.format(top, scan)


def layers(up, name):
    doc = json.loads(up.manifests[f"library/{name}", "v1"][1])
    return [f"/v2/library/{name}/blobs/{part['digest']}" for part in (doc["config"], *doc["layers"])]


def begin(scan, **args):
    """The images of the fixtures upstream, a scanner, a server with that rule."""
    up, s = Upstream(), Scanner()
    offer(up)
    return up, s, Gated(up, rule(scan), more="scanners:\n" + s.config(), **args)


class Aging:
    """The same, by a clock of its own; of debian12 only what is medium is known, until more is."""
    def __init__(self, scan):
        self.clock = stage.Shift()
        self.up, self.s, self.pg = begin(scan, env=self.clock.env)
        self.fixture = f"{self.s.database}/fixtures/debian12/trivy.json"
        with open(self.fixture) as f:
            self.whole = f.read()
        report = json.loads(self.whole)
        for one in report["Results"]:
            one["Vulnerabilities"] = [v for v in one.get("Vulnerabilities") or [] if v["Severity"] == "MEDIUM"]
        self.find(json.dumps(report))
        assert ask(self.pg, "debian12").status == 503
        wait(self.pg, GOOD, 1)

    def find(self, report):
        with open(self.fixture, "w") as f:
            f.write(report)

    def more_is_known(self, wall=0):
        self.find(self.whole)
        self.s.renew(2)
        self.clock.by(60, wall=wall)
        wait(self.pg, GOOD, 2)


def test_a_result_in_the_middle_of_a_pull_decides_what_is_asked_next():
    a = Aging("max_severity: medium, grace: none")
    pg = a.pg
    assert ask(pg, "debian12").status == 200                # the manifest, and then:
    a.more_is_known()
    for path in layers(a.up, "debian12"):
        denied(pg.get(path), "scanned", "CVE-2099-0001")
        denied(pg.get(path, {"Range": "bytes=0-9"}))
    denied(ask(pg, "debian12"), "critical", "zlib1g")
    denied(pg.head(f"/v2/library/debian12/manifests/{DEBIAN}", {"Accept": OCI_MANIFEST}))
    pg.stop()


def test_N09_waivers_settle_findings_of_their_image_from_the_next_request_on():
    up, s, pg = begin("max_severity: high")
    assert ask(pg, "debian12").status == 503
    pg.wait_metric(GOOD, 1)
    denied(ask(pg, "debian12"), "CVE-2099-0001", "a waiver")
    pg.put(WAIVER, "waivers.yaml")
    pg.use(rule("max_severity: high", "waivers: waivers.yaml\n"))
    assert ask(pg, "debian12").status == 200
    for path in layers(up, "debian12"):
        assert pg.get(path).status == 200
    pg.put(WAIVER.replace("debian12", "other"), "waivers.yaml")
    pg.use(rule("max_severity: high", "waivers: waivers.yaml\n"))
    denied(ask(pg, "debian12"), "CVE-2099-0001")
    pg.put(WAIVER.replace("  owner: security@acme.example\n", ""), "waivers.yaml")
    pg.reload()                                             # it has a mistake: what was in force stays
    pg.wait_log("waivers.yaml:2:3: the waiver has no owner")
    denied(ask(pg, "debian12"), "CVE-2099-0001")
    soon = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 5 * 86400))
    pg.put(WAIVER.replace("2099-12-31", soon), "waivers.yaml")
    pg.use(rule("max_severity: high", "waivers: waivers.yaml\n"))
    pg.wait_log("waivers: 1 end within two weeks, 0 have ended")
    assert ask(pg, "debian12").status == 200
    pg.stop()


def test_F12_results_outlive_a_kill_and_the_scanner():
    up, s, pg = begin("max_severity: critical")
    assert ask(pg, "debian12").status == 503
    pg.wait_metric(GOOD, 1)
    assert ask(pg, "debian12").status == 200
    s.mode("die")
    pg.kill()
    pg.start()
    pg.recovered()
    assert ask(pg, "debian12").status == 200                # at once
    assert s.runs() == [DEBIAN]
    pg.stop()


def test_what_is_served_without_a_scan_says_so():
    up, s, pg = begin("max_severity: medium, on_missing: serve")
    assert ask(pg, "debian12").status == 200
    pg.wait_log(r'observed="scanned: there is no scan result yet of any source; it is served so"')
    pg.wait_metric(GOOD, 1)                                 # it was asked for
    denied(ask(pg, "debian12"), "CVE-2099-0001")
    assert ask(pg, "clean").status == 200
    pg.wait_metric(FAILED, 1)
    denied(ask(pg, "clean"), "the scan by trivy failed")    # N11: a failure is never served
    pg.stop()


def test_N25_a_new_finding_denies_what_was_pulled_before_after_a_grace():
    a = Aging("max_severity: medium, grace: 20h")
    pg = a.pg
    pull(pg, "debian12")
    a.more_is_known()
    pull(pg, "debian12")                                    # at night, a node pulls again
    pg.wait_log(r'observed="scanned: trivy found CVE-2099-0001 in zlib1g lately')
    a.clock.by(20 * 3600 + 60)
    denied(ask(pg, "debian12"), "CVE-2099-0001")
    pg.stop()


def test_N25_the_grace_is_for_what_was_here_before_whatever_the_wall_clock_did():
    a = Aging("max_severity: medium, grace: 20h")
    pg = a.pg
    pull(pg, "debian12")
    a.more_is_known(wall=48 * 3600)
    pull(pg, "debian12")
    a.up.manifest("library/late", "v1", a.up.manifests["library/debian12", "v1"][1])
    a.clock.by(60)
    denied(ask(pg, "late"), "CVE-2099-0001")                # it came when that was known
    pg.stop()


def test_N26_an_image_without_packages_passes_where_the_policy_says_so():
    up, s, pg = begin("max_severity: low")
    assert ask(pg, "clean").status == 503
    pg.wait_metric(FAILED, 1)
    denied(ask(pg, "clean"), "package")
    pg.use(rule("max_severity: low, static: true"))
    assert ask(pg, "clean").status == 200
    pg.stop()


def test_N01_an_index_leaves_and_each_image_of_it_is_decided():
    up, s = Upstream(), Scanner()
    offer(up)
    body = up.manifests["library/debian12", "v1"][1]
    up.manifest("library/debian12", "all", {
        "schemaVersion": 2, "mediaType": OCI_INDEX,
        "manifests": [{"mediaType": OCI_MANIFEST, "digest": DEBIAN, "size": len(body),
                       "platform": {"os": "linux", "architecture": "amd64"}}]}, OCI_INDEX)
    pg = Gated(up, rule("max_severity: high"), more="scanners:\n" + s.config())
    assert pg.get("/v2/library/debian12/manifests/all", {"Accept": OCI_INDEX}).status == 200
    child = f"/v2/library/debian12/manifests/{DEBIAN}"
    answer = pg.get(child, {"Accept": OCI_MANIFEST})
    assert answer.status == 503 and answer.headers["Retry-After"], answer
    assert "no scan result yet" in answer.message() and answer.code() == "UNAVAILABLE", answer.message()
    pg.wait_metric(GOOD, 1)
    denied(pg.get(child, {"Accept": OCI_MANIFEST}), "CVE-2099-0001")
    assert pg.get("/v2/library/debian12/manifests/all", {"Accept": OCI_INDEX}).status == 200
    pg.stop()


def attest(pg, up, name, digest, subject=None):
    """A vulnerability report as cosign attests to it, by the builder's key."""
    with open(f"{FIXTURES}/debian12/trivy.cosign-vuln.json") as f:
        said = json.load(f)
    payload = json.dumps({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": VULN,
                          "subject": [{"name": "x", "digest": {"sha256": (subject or digest).split(":")[1]}}],
                          "predicate": said.get("predicate", said)}).encode()
    kind = "application/vnd.in-toto+json"
    signed = pg.signer.over(b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload))
    envelope = json.dumps({"payloadType": kind, "payload": base64.b64encode(payload).decode(),
                           "signatures": [{"keyid": "", "sig": signed}]}).encode()
    up.manifest(f"library/{name}", tag_of(digest, "att"), {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": up.blob(b"{}")},
        "layers": [{"mediaType": "application/vnd.dsse.envelope.v1+json", "size": len(envelope),
                    "digest": up.blob(envelope),
                    "annotations": {"dev.cosignproject.cosign/signature": "", "predicateType": VULN}}]})


def test_N09_a_signed_report_counts_if_the_policy_names_its_signer():
    up = Upstream()
    offer(up)
    by = 'attested_by: [{key: builder.pub}]'
    pg = Gated(up, rule("max_severity: critical"))
    attest(pg, up, "debian12", DEBIAN)
    assert ask(pg, "debian12").status == 503                # the author's word improves nothing
    pg.use(rule("max_severity: critical, " + by))
    assert ask(pg, "debian12").status == 200
    pg.use(rule("max_severity: high, " + by))
    denied(ask(pg, "debian12"), "attested found CVE-2099-0001")
    pg.stop()
    up = Upstream()
    offer(up)
    pg = Gated(up, rule("max_severity: critical, on_missing: serve, " + by))
    attest(pg, up, "debian12", DEBIAN, subject=CLEAN)       # about another image
    assert ask(pg, "debian12").status == 200 and ask(pg, "debian12").status == 200
    pg.wait_log("it is served so")
    pg.stop()


def test_explain_tells_what_each_source_found():
    up, trivy, grype = Upstream(), Scanner("trivy"), Scanner("grype")
    offer(up)
    pg = Gated(up, rule("max_severity: high"), more="scanners:\n" + trivy.config() + grype.config())
    assert ask(pg, "debian12").status == 503
    pg.wait_metric(GOOD, 2)
    denied(ask(pg, "debian12"))
    code, out, err = pg.command("explain", "origin.test/library/debian12:v1")
    assert re.search(r"scan trivy: 1 critical, 1 high, 1 medium; reported \d+ minutes ago, with a database", out), \
        (out, err)
    assert "scan grype: " in out and "a scan that finds nothing critical" in out, out
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
