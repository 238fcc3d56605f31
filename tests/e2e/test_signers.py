# SPDX-License-Identifier: Apache-2.0
"""Images that cosign signs here and now, with keys in each form, without a log or any service: pulled
through a policy that wants that key, verified through the proxy by cosign itself, and tampered with."""
import json, os, re, tempfile

import node
import pg as stage
from clients import Cosign, Cosign3, Crane, Oras
from matrix import NAMED, Scene
from node import need_node
from origin import Origin, Writer
from pki import key_pair
from test_verify import FIXTURES
from upstream import OCI_INDEX, OCI_MANIFEST, sha256

CURVE = lambda name: ("-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{name}")
BITS = lambda n: ("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{n}")
KEYS = {"p256": CURVE("P-256"), "p384": CURVE("P-384"), "p521": CURVE("P-521"), "rsa2048": BITS(2048),
        "rsa4096": BITS(4096), "ed25519": ("-algorithm", "ed25519")}
# cosign signs with Ed25519ph, which OpenSSL has from 3.2 on.
PREHASHED = "ed25519"
# Its verify takes SHA-256 for each key unless told, its sign does not.
HASHES = {"p384": "sha384", "p521": "sha512"}
AS_BUNDLE = ["--new-bundle-format=true", "--trusted-root", os.path.join(FIXTURES, "real-keyless/trusted_root.json")]
PREDICATE = {"buildDefinition": {"buildType": "https://example.com/build", "externalParameters": {}},
             "runDetails": {"builder": {"id": "https://example.com/builder"}}}


class Bench:
    """A registry with an image for each key, signed by it; a policy that wants that key; the proxy."""
    def __init__(self, make):
        need_node()
        self.origin, self.folder = Origin(), tempfile.TemporaryDirectory(prefix="pg-signers-")
        self.writer, self.digests, self.rules = Writer(self.origin), {}, []
        os.chdir(self.folder.name)
        with make() as cosign:
            for name, how in KEYS.items():
                key_pair(".", name, *how)
                cosign.run("import-key-pair", "--key", name + ".key", "--output-key-prefix", "cosign-" + name)
            self.fill(cosign)
        with open("policy.yaml", "w") as f:
            json.dump({"default": "deny", "rules": self.rules}, f)
        self.scene = Scene(self.origin, top=f"policy: {{file: {self.folder.name}/policy.yaml}}")

    def image(self, name, key="p256", require=None):
        """An image that a rule of its own speaks of: where it is."""
        self.rules.append({"name": name, "match": {"repositories": ["docker.io/library/" + name]},
                           "require": require or {"signature": {"any_of": [{"key": key + ".pub"}]}}})
        self.digests[name] = self.origin.push("library/" + name, "v1", name, mib=0)
        return f"{self.origin.host}/library/{name}@{self.digests[name]}"

    def fill(self, cosign):
        for name in KEYS:
            cosign.sign(f"cosign-{name}.key", self.image(name, name))
        self.image("unsigned")
        cosign.sign("cosign-p384.key", self.image("by-another"))
        cosign.sign("cosign-p256.key", self.image("as-bundle"), "--new-bundle-format=true")
        cosign.sign("cosign-p256.key", self.image("as-tag"), "--new-bundle-format=false")
        cosign.sign("cosign-p256.key", self.image("annotated", require={"signature": {"any_of": [
            {"key": "p256.pub", "annotations": {"env": "prod"}}]}}), "-a", "env=prod")
        with open("predicate.json", "w") as f:
            json.dump(PREDICATE, f)
        for name, wanted in [("attested", "slsaprovenance1"), ("attested-otherwise", "spdx")]:
            where = self.image(name, require={"attestations": [
                {"predicate_type": wanted, "from": {"key": "p256.pub"}}]})
            cosign.sign("cosign-p256.key", where, "--type", "slsaprovenance1", "--predicate",
                        "predicate.json", what="attest")

        self.image("spoiled")
        cosign.sign("cosign-p256.key", f"{self.origin.host}/library/spoiled@{self.digests['spoiled']}")
        self.spoil("spoiled")

    def read(self, name, what, ref):
        return self.writer.ask("GET", f"/v2/library/{name}/{what}/{ref}", good=(200, 404),
                               accept=f"{OCI_MANIFEST}, {OCI_INDEX}")

    def spoil(self, name):
        """Changes a byte of what was signed, and all digests that lead to it."""
        tag, repo = self.digests[name].replace(":", "-"), "library/" + name
        status, _, body = self.read(name, "manifests", tag + ".sig")
        index = None
        if status == 404:
            index = json.loads(self.read(name, "manifests", tag)[2])
            body = self.read(name, "manifests", index["manifests"][0]["digest"])[2]
        manifest = json.loads(body)
        layer = manifest["layers"][0]
        signed = self.read(name, "blobs", layer["digest"])[2]
        if index:
            bundle = json.loads(signed)
            payload = bundle["dsseEnvelope"]["payload"]     # base64: the last whole group but one
            bundle["dsseEnvelope"]["payload"] = payload[:-8] + ("B" if payload[-8] != "B" else "C") + payload[-7:]
            signed = json.dumps(bundle).encode()
        else:
            signed = signed.replace(b'"type":"cosign', b'"type": "cosign')
        layer.update(self.writer.blob(repo, signed))
        body = json.dumps(manifest).encode()
        self.writer.manifest(repo, sha256(body) if index else tag + ".sig", body)
        if index:
            index["manifests"][0].update(digest=sha256(body), size=len(body))
            self.writer.manifest(repo, tag, json.dumps(index).encode(), OCI_INDEX)

    def __enter__(self):
        self.scene.__enter__()
        return self

    def __exit__(self, *failed):
        os.chdir("/")
        self.scene.__exit__(*failed)
        self.folder.cleanup()


def refused(client, name, *why):
    code, said = client.pull(f"{NAMED}library/{name}:v1", ok=False)
    for text in (f'denied by policy rule "{name}"', *why):
        assert code != 0 and text in said.replace("\\", ""), (name, said)


def pulled(make):
    """Each key, both ways to keep a signature; what is not signed so is refused, and says why."""
    with Bench(make) as bench, make(bench.scene.ours.file) as cosign, \
            Crane(bench.scene.ours.file) as crane:
        for name in [*KEYS, "as-bundle", "as-tag", "annotated"]:
            key = f"{name if name in KEYS else 'p256'}.pub"
            if name == PREHASHED and crane.pull(f"{NAMED}library/{name}:v1", ok=False)[0] != 0:
                refused(crane, name, "(unsupported)", "OpenSSL")
                continue
            crane.pull(f"{NAMED}library/{name}:v1")
            crane.pull(f"{NAMED}library/{name}@{bench.digests[name]}")
            said = cosign.verify(key, f"{NAMED}library/{name}:v1", "--signature-digest-algorithm",
                                 HASHES.get(name, "sha256"),
                                 *(AS_BUNDLE if name == "as-bundle" else []))
            assert bench.digests[name] in said, said
        crane.pull(f"{NAMED}library/attested:v1")
        cosign.verify("p256.pub", f"{NAMED}library/attested:v1", "--type", "slsaprovenance1",
                      what="verify-attestation")
        refused(crane, "attested-otherwise", "an attestation of type https://spdx.dev/Document")
        refused(crane, "unsigned", "none was found")
        refused(crane, "spoiled", "(signature)" if make is Cosign3 else "(key)")
        refused(crane, "by-another", "not one who is named")
        code, said = cosign.verify("p256.pub", f"{NAMED}library/unsigned:v1", ok=False)
        assert code != 0 and "denied by policy rule" in said.replace("\\", ""), said
        found(bench, cosign)
        # Somebody else's image under the name of one that was pulled.
        was = bench.digests["p256"]
        bench.origin.push("library/p256", "v1", "another", mib=0)
        refused(crane, "p256", "none was found")
        crane.pull(f"{NAMED}library/p256@{was}")


def found(bench, cosign):
    """Who looks for evidence through the proxy sees what is at the registry."""
    for name in ("as-bundle", "as-tag", "attested"):
        said = cosign.run("tree", f"{NAMED}library/{name}@{bench.digests[name]}")
        there = cosign.run("tree", f"{bench.origin.host}/library/{name}@{bench.digests[name]}")
        digests = lambda text: re.findall(r"sha256[:-][0-9a-f]{64}(?:\.\w+)?", text)
        assert len(digests(said)) > 1 and digests(said) == digests(there), (said, there)
    with Oras(bench.scene.ours.file) as oras:
        listed = json.loads(oras.run("discover", "--format", "json",
                                     f"{NAMED}library/as-bundle@{bench.digests['as-bundle']}"))
        (one,) = listed.get("referrers") or listed["manifests"]
        manifest = json.loads(oras.run("manifest", "fetch", f"{NAMED}library/as-bundle@{one['digest']}"))
        assert manifest["subject"]["digest"] == bench.digests["as-bundle"], manifest


def test_what_cosign_2_signs_is_pulled_and_verified_through():
    pulled(Cosign)


def test_what_cosign_3_signs_is_pulled_and_verified_through():
    pulled(Cosign3)


if __name__ == "__main__":
    node.enter()
    stage.main(globals())
