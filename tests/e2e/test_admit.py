# SPDX-License-Identifier: Apache-2.0
"""Policy at the pull: what is signed leaves, what is not does not, by whatever door."""
import atexit, json, os, shutil, subprocess, tempfile

import pg as stage
from pg import Pullgate, need
from upstream import OCI_INDEX, Gate, Upstream, pause, status

FIXTURES = os.path.join(os.path.dirname(__file__), "..", "fixtures", "signing", "oci")
POLICY = """\
default: {default}
authorities: {{builder: {{key: k1.pub}}}}
rules:
- name: signed-by-builder
  match: {{repositories: ["origin.test/library/**"]{tags}}}
  require: {{signature: {{any_of: [builder]}}}}
  {more}
"""
REPO = "library/app"


KEYLESS = """\
default: allow
authorities:
  workflow:
    keyless:
      issuer: https://token.actions.githubusercontent.com
      subject: https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main
      trusted_root: trusted_root.json
      timestamp: true
rules:
- name: by-the-workflow
  match: {repositories: ["origin.test/library/**"]}
  require:
    %s
"""


class Layout:
    """A fixture: an OCI layout, put into a scripted upstream."""
    def __init__(self, name, folder="../oci"):
        self.dir = os.path.join(FIXTURES, folder, name)
        with open(os.path.join(self.dir, "index.json")) as f:
            self.entries = json.load(f)["manifests"]
        self.digest = next(e["digest"] for e in self.entries if self.tag(e) == "v1")
        self.doc = json.loads(self.read(self.digest))

    @staticmethod
    def tag(entry):
        return entry.get("annotations", {}).get("org.opencontainers.image.ref.name")

    def path(self, digest):
        return os.path.join(self.dir, "blobs/sha256", digest[7:])

    def read(self, digest):
        with open(self.path(digest), "rb") as f:
            return f.read()

    def put(self, up, repo=REPO, evidence=True):
        for entry in self.entries:
            tag = self.tag(entry)
            if evidence or tag == "v1":
                body = self.read(entry["digest"])
                up.manifest(repo, tag, body, entry["mediaType"])
                for one in json.loads(body).get("layers", []) + [json.loads(body).get("config")]:
                    if one and os.path.exists(self.path(one["digest"])):
                        up.blob(self.read(one["digest"]))
        return self


def start(up, default="allow", tags="", more="", limits="", evidence="", policy=None, audit="", **args):
    folder = tempfile.mkdtemp(prefix="pg-admit-")
    atexit.register(shutil.rmtree, folder)
    for key in ("k1.pub", "p384.pub"):
        shutil.copy(os.path.join(FIXTURES, "keys", key), folder)
    shutil.copy(os.path.join(FIXTURES, "../keyless/oci/trusted_root.json"), folder)
    write_policy(folder, policy or POLICY.format(default=default, tags=tags, more=more))
    pg = Pullgate(up, more="policy: {file: %s/policy.yaml}\nlimits: {%s}\nevidence: {%s}\naudit: {%s}" %
                  (folder, limits, evidence, audit), **args)
    pg.policy = folder
    return pg


def write_policy(folder, text):
    with open(folder + "/policy.new", "w") as f:
        f.write(text)
    os.rename(folder + "/policy.new", folder + "/policy.yaml")


def set_policy(pg, text):
    write_policy(pg.policy, text)
    reload(pg)


def reload(pg):
    pg.reload()
    pg.reloads = getattr(pg, "reloads", 1) + 1
    pg.wait_metric("pullgate_config_reloads_total", pg.reloads)


def denied(answer, *texts):
    assert answer.status == 403 and answer.headers["X-Pullgate-Verdict"] == "deny", answer
    if answer.body:
        assert answer.code() == "DENIED", answer
        for text in texts:
            assert text in answer.message(), answer.message()


def doors(layout, repo=REPO):
    """Each way to the image's bytes."""
    base = f"/v2/{repo}"
    blobs = [layout.doc["config"], *layout.doc["layers"]] if "layers" in layout.doc else []
    return ([f"{base}/manifests/v1", f"{base}/manifests/{layout.digest}"] +
            [f"{base}/blobs/{b['digest']}" for b in blobs])


def is_served_cold_and_warm(case):
    up = Upstream()
    image = Layout(case).put(up)
    pg = start(up)
    for path in doors(image) + doors(image):
        for method in (pg.get, pg.head):
            got = method(path)
            assert (got.status, got.headers["X-Pullgate-Verdict"]) == (200, "allow"), (path, got)
    etag = {"If-None-Match": f'"{image.digest}"'}
    assert pg.get(doors(image)[0], headers=etag).status == 304
    assert pg.get(doors(image)[2], headers={"Range": "bytes=0-3"}).status == 206
    asked = up.count("GET", "/referrers/")
    assert asked == 1, f"{asked} questions about referrers: evidence is remembered"
    pg.stop()


def test_signed_with_a_bundle_it_is_served_cold_and_warm():
    is_served_cold_and_warm("v3-bundle-key")


def test_signed_under_a_tag_it_is_served_cold_and_warm():
    is_served_cold_and_warm("v2-sig-key")


def test_the_same_signature_of_another_image_says_nothing():
    up = Upstream()
    image = Layout("neg-sig-copied-from-other-image").put(up)
    pg = start(up)
    denied(pg.get(doors(image)[0]), "signed-by-builder")
    pg.stop()


def test_a_signature_whose_payload_is_missing_is_told():
    up = Upstream()
    image = Layout("neg-sig-blob-missing").put(up)
    pg = start(up)
    denied(pg.get(doors(image)[0]), "is not there")
    pg.stop()


def test_F_an_unsigned_image_is_denied_and_a_late_signature_is_found():
    """N22: that there is none is remembered for seconds, so that who signs after the push is seen."""
    up = Upstream()
    image = Layout("v3-bundle-key").put(up, evidence=False)
    pg = start(up)
    denied(pg.get(doors(image)[0]), "signed-by-builder")
    image.put(up)
    pg.wait_true(lambda: pg.get(doors(image)[1]).status == 200, "the signature was never seen")
    pg.stop()


def test_gate_nothing_of_a_denied_image_leaves_by_any_door():
    up = Upstream()
    image = Layout("v3-bundle-other-key_fail").put(up)
    pg = start(up)
    for turn in ("cold", "warm"):
        for path in doors(image):
            denied(pg.get(path))
            denied(pg.head(path))
            denied(pg.get(path, headers={"Range": "bytes=0-3"}))
            denied(pg.get(path, headers={"If-None-Match": "*"}))
    denied(pg.get(doors(image)[0]), 'denied by policy rule "signed-by-builder": ', "; what would help: ")
    assert not any(up.count("GET", b["digest"]) for b in image.doc["layers"]), "nothing was fetched for it"
    pg.wait_log(r"status=403.* verdict=deny.* rule=signed-by-builder")
    pg.stop()


def test_a_blob_by_digest_first_is_denied_until_its_manifest_is_pulled():
    up = Upstream()
    image = Layout("v3-bundle-key").put(up)
    pg = start(up)
    blob = doors(image)[3]
    denied(pg.get(blob), "pull the manifest that names it first")
    assert pg.get(doors(image)[0]).status == 200
    assert pg.get(blob).status == 200
    pg.stop()


def test_bad_evidence_says_what_is_wrong_with_it():
    up = Upstream()
    image = Layout("neg-bundle-payload-tampered").put(up)
    pg = start(up)
    denied(pg.get(doors(image)[0]), "signed-by-builder")
    pg.stop()


def test_N22_a_failed_look_is_503_and_not_remembered():
    up = Upstream()
    image = Layout("v3-bundle-key").put(up)
    up.on("/referrers/", status(500))
    pg = start(up)
    got = pg.get(doors(image)[0])
    assert (got.status, got.headers["X-Pullgate-Verdict"]) == (503, "pending"), got
    assert int(got.headers["Retry-After"]) > 0 and "could not be looked for" in got.message(), got.message()
    up.well()
    pg.wait_metric('pullgate_evidence_seconds_count', 1)
    assert pg.get(doors(image)[0]).status == 200
    pg.stop()


def test_N22_verified_evidence_holds_when_upstream_is_dead():
    up = Upstream()
    image = Layout("v3-bundle-key").put(up)
    pg = start(up)
    assert all(pg.get(path).status == 200 for path in doors(image))
    up.die()
    assert all(pg.get(path).status == 200 for path in doors(image)[1:])
    set_policy(pg, POLICY.format(default="deny", tags="", more=""))    # what was known is looked for again
    got = pg.get(doors(image)[1])
    assert got.status == 200, "the store has the evidence: " + got.message()
    pg.stop()


def test_gate_in_flight_no_byte_before_the_verdict():
    up = Upstream()
    image, gate = Layout("v3-bundle-key").put(up), Gate()
    up.on("/referrers/", lambda x: gate.pass_through(), times=1)
    pg = start(up)
    manifests, blobs = doors(image)[:2], doors(image)[2:]
    pulls = [pg.start_get(path) for path in manifests]
    gate.wait_reached()
    for path in blobs:
        denied(pg.get(path))
    gate.open()
    assert [pull.done().status for pull in pulls] == [200, 200]
    assert [pg.get(path).status for path in blobs] == [200] * len(blobs)
    assert up.count("GET", "/referrers/") <= 2, "once for each loop at most"
    pg.stop()


def test_pending_who_waits_too_long_gets_503_and_the_work_goes_on():
    up = Upstream()
    image, gate = Layout("v3-bundle-key").put(up), Gate()
    up.on("/referrers/", lambda x: gate.pass_through(), times=1)
    pg = start(up, limits="answer_timeout: 1s")
    got = pg.get(doors(image)[0])
    assert (got.status, got.headers["X-Pullgate-Verdict"]) == (503, "pending"), got
    assert "being looked for" in got.message() and got.headers["Retry-After"], got.message()
    gate.open()
    pg.wait_true(lambda: pg.get(doors(image)[0]).status == 200, "what was begun did not go on")
    pg.stop()


def test_F_a_slow_upstream_is_given_up_and_asked_again():
    up = Upstream()
    image, gate = Layout("v3-bundle-key").put(up), Gate()
    layer = json.loads(image.read(image.entries[0]["digest"]))["layers"][0]["digest"]
    up.on(f"/blobs/{layer}", pause(gate), times=1)
    pg = start(up, limits="answer_timeout: 1100ms", evidence="timeout: 1s")
    assert pg.get(doors(image)[0]).status == 503
    gate.open()                              # too late
    pg.wait_metric("pullgate_evidence_seconds_count", 1)
    assert pg.get(doors(image)[0]).status == 200
    assert up.count("GET", "/referrers/") == 2, "what came too late is not remembered"
    pg.stop()


def test_N22_after_a_restart_the_store_has_the_evidence():
    up = Upstream()
    image = Layout("v3-bundle-key").put(up)
    pg = start(up)
    assert all(pg.get(path).status == 200 for path in doors(image))
    pg.end()
    up.die()
    pg.start()
    for path in doors(image)[1:]:
        got = pg.get(path)
        assert got.status == 200, (path, got)
    pg.stop()


def test_a_client_shows_why():
    need("skopeo")
    up = Upstream()
    image = Layout("v3-bundle-other-key_fail").put(up)
    pg = start(up)
    p = subprocess.run(["skopeo", "copy", "--insecure-policy", "--src-tls-verify=false",
                        f"docker://127.0.0.1:{pg.port}/{REPO}:v1", f"dir:{pg.policy}/copy"],
                       text=True, capture_output=True, timeout=120)
    assert p.returncode != 0 and 'denied by policy rule "signed-by-builder"' in p.stderr.replace("\\", ""), p.stderr
    pg.stop()


def test_N01_children_inherit_signatures_from_an_index_that_passes():
    up = Upstream()
    index = Layout("v3-bundle-index").put(up)
    pg = start(up)
    up.on("/manifests/sha256-(?!" + index.digest[7:] + ")", status(404))   # the index alone is signed
    base = f"/v2/{REPO}/manifests/"
    child = index.doc["manifests"][0]["digest"]
    assert pg.get(base + "v1").status == 200
    assert pg.get(base + child).status == 200, "by its index"
    body = json.loads(index.read(child))
    for blob in [body["config"], *body["layers"]]:
        assert pg.get(f"/v2/{REPO}/blobs/{blob['digest']}").status == 200
    pg.stop()


def test_N01_an_index_signed_under_a_tag_lets_its_children_pass():
    up = Upstream()
    index = Layout("v2-sig-index-only").put(up)
    child = index.doc["manifests"][0]["digest"]
    pg = start(up)
    denied(pg.get(f"/v2/{REPO}/manifests/{child}"), "signed-by-builder")
    assert pg.get(f"/v2/{REPO}/manifests/v1").status == 200
    assert pg.get(f"/v2/{REPO}/manifests/{child}").status == 200
    pg.stop()


def test_N01_a_fresh_index_around_a_denied_image_helps_nobody():
    up = Upstream()
    image = Layout("v3-bundle-other-key_fail").put(up)
    up.manifest(REPO, "wrapped", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": image.doc["mediaType"], "digest": image.digest,
         "size": len(image.read(image.digest))}]}, OCI_INDEX)
    pg = start(up)
    denied(pg.get(f"/v2/{REPO}/manifests/wrapped"))
    for path in doors(image):
        denied(pg.get(path))
    pg.stop()


def test_N02_by_digest_what_is_wanted_of_the_tag_is_wanted():
    up = Upstream()
    image = Layout("v3-bundle-other-key_fail").put(up)
    pg = start(up, tags=", tags: [v1]")
    denied(pg.head(doors(image)[0]))
    denied(pg.get(doors(image)[1]))          # at once: the tag is perhaps not committed yet
    other = Layout("v3-bundle-other-key_fail").put(up, repo="library/untagged")
    assert pg.get(doors(other, "library/untagged")[1]).status == 200, "no tag is known that names it"
    pg.stop()


def test_N03_evidence_leaves_with_its_subject_and_a_disguise_does_not():
    up = Upstream()
    image = Layout("v3-bundle-key").put(up)
    entry = image.entries[0]                  # the bundle's manifest
    bundle = json.loads(image.read(entry["digest"]))
    disguise = up.image(REPO, f"sha256-{image.digest[7:]}.sig", layers=[b"run me"])
    referrer = up.image(REPO, None, layers=[b"me, too"], subject=bundle["subject"])
    pg = start(up)
    base = f"/v2/{REPO}"
    assert pg.get(f"{base}/manifests/v1").status == 200
    assert pg.get(f"{base}/manifests/{entry['digest']}").status == 200
    assert pg.get(f"{base}/blobs/{bundle['layers'][0]['digest']}").status == 200
    denied(pg.get(f"{base}/manifests/sha256-{image.digest[7:]}.sig"))
    denied(pg.get(f"{base}/manifests/{disguise.digest}"))
    denied(pg.get(f"{base}/manifests/{referrer.digest}"))
    for layer in disguise.layers + referrer.layers:
        denied(pg.get(f"{base}/blobs/{layer}"))
    pg.stop()


def test_N03_unverified_evidence_leaves_with_its_subject():
    """Whoever signed: cosign, notation and oras look for themselves."""
    for case in ("v3-bundle-other-key_fail", "v2-sig-other-key_fail", "v2-att-spdx", "v2-sig-key"):
        up = Upstream()
        image = Layout(case).put(up)
        pg = start(up, policy=POLICY.format(default="allow", tags="", more="").replace("k1.pub", "p384.pub"))
        base = f"/v2/{REPO}"
        denied(pg.get(doors(image)[0]))
        for entry in image.entries:              # with the index of the fallback scheme
            if image.tag(entry) == "v1":
                continue
            for ref in [image.tag(entry), entry["digest"]]:
                got = pg.get(f"{base}/manifests/{ref}") if ref else None
                assert got is None or (got.status, got.headers["X-Pullgate-Verdict"]) == (200, "allow"), (case, got)
            doc = json.loads(image.read(entry["digest"]))
            for blob in [doc["config"], *doc["layers"]] if "layers" in doc else []:
                assert pg.get(f"{base}/blobs/{blob['digest']}").status == 200, (case, blob)
        for path in doors(image):
            denied(pg.get(path))
        pg.stop()


def test_N03_the_index_of_the_fallback_scheme_admits_no_children():
    up = Upstream()
    image = Layout("v3-bundle-other-key_fail").put(up)
    child = {"mediaType": image.doc["mediaType"], "digest": image.digest, "size": len(image.read(image.digest))}
    tag = f"sha256-{image.digest[7:]}"
    up.manifest(REPO, tag, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}, OCI_INDEX)
    pg = start(up)
    assert pg.get(f"/v2/{REPO}/manifests/{tag}").status == 200
    for path in doors(image):
        denied(pg.get(path))
    for more in ({"data": "cnVuIG1l"}, {"urls": ["http://x.test/"]}, {"platform": {"os": "linux", "architecture": "amd64"}}):
        up.manifest(REPO, tag, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{**child, **more}]}, OCI_INDEX)
        one = start(up)
        denied(one.get(f"/v2/{REPO}/manifests/{tag}"))
        one.stop()
    pg.stop()


def test_what_no_rule_speaks_of():
    up = Upstream()
    free = up.image("other/app", "v1", layers=[b"free"])
    paths = ["/v2/other/app/manifests/v1", f"/v2/other/app/blobs/{free.layers[0]}"]
    pg = start(up)
    assert all(pg.get(p).status == 200 for p in paths)
    assert up.count("GET", "/referrers/") == 0, "nothing is looked for"
    set_policy(pg, POLICY.format(default="deny", tags="", more=""))
    for path in paths + ["/v2/other/app/tags/list", f"/v2/other/app/referrers/{free.digest}"]:
        denied(pg.get(path), 'policy rule "default"')
    assert pg.get("/v2/").status == 200
    pg.stop()


def test_observe_denies_nobody_and_is_told():
    up = Upstream()
    image = Layout("v3-bundle-other-key_fail").put(up)
    pg = start(up, more="mode: observe")
    assert all(pg.get(path).status == 200 for path in doors(image))
    pg.wait_log(r"verdict=allow.* observed=.*signed-by-builder")
    pg.stop()


def keyless(case, want, check):
    up = Upstream()
    image = Layout(case, "../keyless/oci").put(up)
    pg = start(up, policy=KEYLESS % want)
    for path in doors(image):
        check(pg.get(path))
    pg.stop()


def served(answer):
    assert answer.status == 200, answer


SIGNED = "signature: {any_of: [workflow]}"


def test_keyless_with_a_timestamp_of_another_programs_looking():
    keyless("bundle-msg-rekor2", SIGNED, served)
    keyless("legacy-sig-tsa", SIGNED, served)


def test_keyless_by_another_identity_is_denied():
    keyless("bundle-wrong-identity_fail", SIGNED, denied)


def test_an_attestation_is_no_signature():
    keyless("bundle-attestation-slsa1", SIGNED, denied)


def test_a_signed_attestation_is_enough_where_one_is_wanted():
    keyless("bundle-attestation-slsa1",
            "attestations: [{predicate_type: slsaprovenance1, from: [workflow]}]", served)
    keyless("bundle-msg-rekor2",
            "attestations: [{predicate_type: slsaprovenance1, from: [workflow]}]", denied)


def test_a_stop_in_the_middle_of_looking_harms_nothing():
    image = Layout("v3-bundle-key")
    bundle = json.loads(image.read(image.entries[0]["digest"]))["layers"][0]["digest"]
    for where in ("/referrers/", f"/manifests/{image.entries[0]['digest']}", f"/blobs/{bundle}"):
        up, gate = Upstream(), Gate()
        image.put(up)
        up.on(where, lambda x: gate.pass_through(), times=1)
        pg = start(up, limits="answer_timeout: 1s")
        assert pg.get(doors(image)[0]).status == 503
        gate.wait_reached()
        pg.stop()
        gate.open()


def test_explain_says_who_signed_and_what_is_wanted():
    up = Upstream()
    Layout("v3-bundle-key").put(up)
    Layout("v3-bundle-other-key_fail").put(up, repo="library/bad")
    pg = start(up)
    run = lambda *a: subprocess.run([os.environ["PULLGATE"], "explain", "-c", pg.conf, *a],
                                    capture_output=True, text=True, timeout=60)
    p = run(f"{REPO}:v1")
    assert p.returncode == 0 and p.stdout.startswith("[yes] verdict signed-by-builder"), p
    p = run("library/bad:v1")
    assert p.returncode == 1 and "[NO]" in p.stdout and "k1.pub" in p.stdout, p
    p = run("--json", "library/bad:v1")
    assert p.returncode == 1 and json.loads(p.stdout)["state"] == "fails", p
    p = run("library/nowhere:v1")
    assert p.returncode == 2 and "library/nowhere" in p.stderr, p
    told = pg.get(f"/v2/{REPO}/manifests/v1", headers={"Pullgate-Explain": "text"})
    assert told.headers["Content-Type"].startswith("application/vnd.oci"), "not to clients"
    pg.stop()


def test_a_new_policy_decides_at_the_next_request():
    up = Upstream()
    image = Layout("v3-bundle-key").put(up)
    pg = start(up)
    assert all(pg.get(path).status == 200 for path in doors(image))
    shutil.copy(os.path.join(FIXTURES, "keys/k2.pub"), pg.policy + "/k1.new")
    os.rename(pg.policy + "/k1.new", pg.policy + "/k1.pub")       # another key under the same name
    reload(pg)
    for path in doors(image):
        denied(pg.get(path))
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
