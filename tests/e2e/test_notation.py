# SPDX-License-Identifier: Apache-2.0
"""`pullgate verify` over OCI layouts with Notation signatures: the fixtures' envelopes, in the
manifests that notation-go pushes them in, each with its verdict under its trust policy."""
import glob, hashlib, json, os, shutil, subprocess, tempfile

import pg as stage

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                        "../fixtures/signing/notation")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
NOTATION = "application/vnd.cncf.notary.signature"
NAME = "registry.fixture.test/acme/app:v1"

# Under which trust policy, where it is not "strict"; and why a case is refused.
POLICY = {"neg-other-identity": "otherid", "neg-timestamp-after-expiry": "tsa",
          "neg-timestamp-other-bytes": "tsa", "neg-timestamp-untrusted": "tsa",
          "ok-jws-self-signed": "self", "ok-jws-timestamped-expired-cert": "tsa"}
REASON = {
    "neg-alg-mismatch": "signature", "neg-alg-ps512-rsa2048": "signature",
    "neg-alg-rs256": "unsupported", "neg-cose-other-digest": "subject",
    "neg-cose-payload-tampered": "signature", "neg-cose-signature-tampered": "signature",
    "neg-cose-trailing": "malformed", "neg-cose-untagged": "malformed",
    "neg-crit-missing": "malformed", "neg-crit-names-absent-header": "malformed",
    "neg-cty": "unsupported", "neg-eku-serverauth": "certificate",
    "neg-eku-timestamping": "certificate", "neg-envelope-not-json": "malformed",
    "neg-expired-cert": "time", "neg-expired-cert-signing-time-claim": "time",
    "neg-expired-signature": "expired", "neg-general-json": "malformed",
    "neg-jws-as-cose": "malformed", "neg-ku-keyencipherment": "certificate",
    "neg-leaf-is-ca": "certificate", "neg-no-signing-time": "malformed", "neg-no-x5c": "malformed",
    "neg-not-yet-valid-cert": "time", "neg-other-identity": "identity",
    "neg-other-size": "subject", "neg-payload-tampered": "signature",
    "neg-scheme-downgrade": "certificate", "neg-signature-tampered": "signature",
    "neg-timestamp-after-expiry": "time", "neg-timestamp-other-bytes": "timestamp",
    "neg-timestamp-untrusted": "timestamp", "neg-x5c-extra": "certificate",
    "neg-x5c-no-root": "certificate", "neg-x5c-order": "certificate",
}


class Layout:
    """An image and its signatures, as a registry without the referrers API has them."""

    def __init__(self, folder, image):
        self.blobs = os.path.join(folder, "blobs/sha256")
        self.folder = folder
        os.makedirs(self.blobs)
        self.image = self.put(image, MANIFEST)
        self.signatures = []

    def put(self, content, media_type, **more):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = hashlib.sha256(content).hexdigest()
        with open(os.path.join(self.blobs, digest), "wb") as f:
            f.write(content)
        return {"mediaType": media_type, "digest": "sha256:" + digest, "size": len(content), **more}

    def sign(self, envelope, media_type, as_artifact=False):
        layer = self.put(envelope, media_type)
        config = self.put(b"{}", "application/vnd.oci.empty.v1+json" if as_artifact else NOTATION)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
                    "layers": [layer], "subject": self.image,
                    **({"artifactType": NOTATION} if as_artifact else {})}
        self.signatures.append(self.put(manifest, MANIFEST, artifactType=NOTATION))

    def write(self):
        tag = "org.opencontainers.image.ref.name"
        fallback = self.put({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.signatures},
                            INDEX, annotations={tag: self.image["digest"].replace(":", "-")})
        index = [{**self.image, "annotations": {tag: "v1"}}, *self.signatures]
        with open(os.path.join(self.folder, "index.json"), "w") as f:
            json.dump({"schemaVersion": 2, "mediaType": INDEX,
                       "manifests": index + ([fallback] if self.signatures else [])}, f)
        with open(os.path.join(self.folder, "oci-layout"), "w") as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')
        return self.folder + ":v1"


class World:
    """A folder with the configuration, a trust store and an image that is not signed yet."""

    def __init__(self, trust_policy="strict", rule=None):
        self.made = tempfile.TemporaryDirectory()
        self.folder = self.made.name
        os.chmod(self.folder, 0o755)
        trust = os.path.join(self.folder, "trustpolicy.json")
        if isinstance(trust_policy, str):
            shutil.copyfile(os.path.join(FIXTURES, f"trustpolicy.{trust_policy}.json"), trust)
        else:
            self.write("trustpolicy.json", trust_policy)
        shutil.copytree(os.path.join(FIXTURES, "truststore"),
                        os.path.join(self.folder, "truststore"))
        with open(os.path.join(self.folder, "pullgate.yaml"), "w") as f:
            f.write(f"trust: {{notation_policy: {trust},"
                    f" notation_store: {self.folder}/truststore}}\n")
        self.write("policy.json", {"default": "deny", "rules": [{
            "name": "signed", "match": {"repositories": ["**"]},
            "require": {"signature": rule or {"any_of": [{"notation": {}}]}}}]})
        with open(os.path.join(FIXTURES, "manifest.json"), "rb") as f:
            self.layout = Layout(os.path.join(self.folder, "layout"), f.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.made.cleanup()

    def write(self, name, content):
        with open(os.path.join(self.folder, name), "w") as f:
            json.dump(content, f)

    def sign(self, name, **how):
        path = glob.glob(os.path.join(FIXTURES, name + ".*"))[0]
        with open(path, "rb") as f:
            self.layout.sign(f.read(), "application/" + ("cose" if path.endswith(".cose")
                                                         else "jose+json"), **how)

    def verify(self, name=NAME):
        p = subprocess.run([os.environ["PULLGATE"], "verify", "--json", "--layout",
                            self.layout.write(), "--policy", f"{self.folder}/policy.json",
                            "-c", f"{self.folder}/pullgate.yaml", name], text=True,
                           timeout=stage.DEADLINE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert p.returncode in (0, 1) and not p.stderr, (p.returncode, p.stderr)
        said = json.loads(p.stdout)
        assert said["verified"] == (p.returncode == 0), said
        return said


def names():
    return sorted(os.path.basename(p).rsplit(".", 1)[0]
                  for kind in ("*.jws", "*.cose") for p in glob.glob(os.path.join(FIXTURES, kind)))


def test_each_case_has_its_verdict():
    assert len(names()) == 50 and set(REASON) == {n for n in names() if n.startswith("neg-")}
    for name in names():
        with World(POLICY.get(name, "strict")) as w:
            w.sign(name, as_artifact=name == "ok-jws-artifacttype")
            said = w.verify()
            assert said["verified"] == (name not in REASON), (name, said)
            reasons = [REASON[name]] if name in REASON else []
            assert [r["code"] for r in said["refused"]] == reasons, (name, said)


def test_neg_unsigned():
    with World() as w:
        said = w.verify()
        assert not said["verified"] and "none was found" in said["reason"], said


def test_what_is_found_is_told():
    with World("tsa") as w:
        w.sign("ok-jws-timestamped-expired-cert")
        found, = w.verify()["found"]
        assert found["subject"] == "CN=release,O=fixture.test,ST=WA,C=US", found
        assert found["timestamps"] == 1 and found["signed_at"].startswith("2026-01-"), found


def test_one_good_one_is_enough_and_bad_ones_are_told():
    with World() as w:
        for name in ("neg-signature-tampered", "ok-cose-p256", "neg-leaf-is-ca"):
            w.sign(name)
        said = w.verify()
        assert said["verified"] and len(said["found"]) == 1, said
        assert sorted(r["code"] for r in said["refused"]) == ["certificate", "signature"], said


def test_N17_a_statement_is_about_whole_names():
    with World() as w:
        w.sign("ok-jws-p384")
        assert w.verify("registry.fixture.test/acme/app:v9")["verified"]
        for other in ("registry.fixture.test/acme/app/b:v1", "registry.fixture.test/acme:v1",
                      "registry.fixture.test:443/acme/app:v1", "docker.io/acme/app:v1"):
            said = w.verify(other)
            assert [r["code"] for r in said["refused"]] == ["trust_policy"], (other, said)


def test_N17_audit_counts_for_nothing():
    with open(os.path.join(FIXTURES, "trustpolicy.strict.json")) as f:
        trust = json.load(f)
    trust["trustPolicies"][0]["signatureVerification"] = {"level": "audit"}
    with World(trust) as w:
        w.sign("ok-jws-p384")
        said = w.verify()
        assert not said["verified"] and "does not enforce authenticity" in said["reason"], said


if __name__ == "__main__":
    stage.main(globals())
