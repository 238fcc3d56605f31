# SPDX-License-Identifier: Apache-2.0
"""A pullgate with a policy, images that are signed or not, and what must never leave of the latter."""
import atexit, base64, json, os, shutil, subprocess, tempfile

from pg import Pullgate
from pki import openssl
from upstream import OCI_INDEX, OCI_LAYER, OCI_MANIFEST, sha256

SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNED = """\
default: {default}
authorities: {{builder: {{key: builder.pub}}}}
rules:
- name: signed
  match: {{repositories: ["origin.test/library/**"]{tags}}}
  require: {{signature: {{any_of: [builder]}}}}
"""
OPEN = "default: allow\nrules: []\n"


def signed(default="allow", tags=""):
    return SIGNED.format(default=default, tags=tags)


class Signer:
    """A key, and cosign's signatures with it."""
    def __init__(self, folder, name="builder"):
        self.key, self.public = f"{folder}/{name}.key", f"{folder}/{name}.pub"
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        openssl("pkey", "-in", self.key, "-pubout", "-out", self.public)

    def over(self, payload):
        p = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=payload,
                           stdout=subprocess.PIPE, check=True)
        return base64.b64encode(p.stdout).decode()

    def sign(self, up, repo, digest, identity="origin.test/library/app"):
        """Puts the signature under its tag. (digest of its manifest, digest of its payload)"""
        payload = json.dumps({"critical": {
            "identity": {"docker-reference": identity}, "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature"}, "optional": None}).encode()
        return put_signature(up, repo, digest, payload, self.over(payload))


def tag_of(digest, kind="sig"):
    return digest.replace(":", "-") + ("." + kind if kind else "")


def put_signature(up, repo, digest, payload, signature):
    doc = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
           "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2,
                      "digest": up.blob(b"{}")},
           "layers": [{"mediaType": SIMPLE, "size": len(payload), "digest": up.blob(payload),
                       "annotations": {"dev.cosignproject.cosign/signature": signature}}]}
    return up.manifest(repo, tag_of(digest), doc), sha256(payload)


class Gated(Pullgate):
    """With a policy file, which may be changed, and a signer whom it may name."""
    def __init__(self, up, policy=None, limits="", more="", **args):
        self.folder = tempfile.mkdtemp(prefix="pg-gated-")
        atexit.register(shutil.rmtree, self.folder)
        self.signer = Signer(self.folder)
        self.put(policy or signed())
        self.reloads = 1
        super().__init__(up, more="policy: {file: %s/policy.yaml}\nlimits: {%s}\n%s" %
                         (self.folder, limits, more), **args)

    def put(self, text, name="policy.yaml"):
        """A file beside the policy, replaced as a whole."""
        with open(f"{self.folder}/new", "w") as f:
            f.write(text)
        os.rename(f"{self.folder}/new", f"{self.folder}/{name}")

    def use(self, policy):
        self.put(policy)
        self.reload()
        self.reloads += 1
        self.wait_metric("pullgate_config_reloads_total", self.reloads)


def denied(answer, *texts):
    assert answer.status == 403 and answer.headers["X-Pullgate-Verdict"] == "deny", (answer, texts)
    for text in texts if answer.body else ():
        assert text in answer.message(), answer.message()


# ---- what leaks

class Secret:
    """An image of which nothing may leave, and all by which that would be known."""
    def __init__(self, up, repo, name, tag="v1"):
        self.repo, self.tag = repo, tag
        self.text = f"secret of {name} ".encode() * 40
        self.image = up.image(repo, tag, layers=[self.text, b"other " + self.text], arch=name)
        up.blob(self.image.body)                    # as some registries have it, too
        self.bytes = [self.text, self.image.body, up.blobs[self.image.config]]

    def doors(self):
        base = f"/v2/{self.repo}"
        return {"tag": f"{base}/manifests/{self.tag}", "digest": f"{base}/manifests/{self.image.digest}",
                "config": f"{base}/blobs/{self.image.config}", "layer": f"{base}/blobs/{self.image.layers[0]}"}

    def check(self, answer, where):
        """Refused, and nothing said that only one who has it could know."""
        assert answer.status in (400, 403, 404, 405, 406, 503, 504), (where, answer)
        for field in ("Docker-Content-Digest", "ETag", "Content-Range", "Accept-Ranges"):
            assert answer.headers[field] is None, (where, field, answer.headers.items())
        for part in self.bytes:
            assert part not in answer.body and part[:64] not in answer.body, (where, answer)


METHODS = {
    "GET": ("GET", lambda d: {}),
    "HEAD": ("HEAD", lambda d: {}),
    "Range": ("GET", lambda d: {"Range": "bytes=0-3"}),
    "Range at the end": ("GET", lambda d: {"Range": "bytes=-1"}),
    "Range of nothing": ("GET", lambda d: {"Range": "bytes=99999999-"}),
    "Ranges": ("GET", lambda d: {"Range": "bytes=0-3,8-11,40-"}),
    "If-None-Match": ("GET", lambda d: {"If-None-Match": f'"{d}"'}),
    "If-None-Match *": ("HEAD", lambda d: {"If-None-Match": "*"}),
    "If-Range": ("GET", lambda d: {"If-Range": f'"{d}"', "Range": "bytes=4-7"}),
}
