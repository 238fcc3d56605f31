# SPDX-License-Identifier: Apache-2.0
"""Images that cosign and notation sign here and now, with keys in each form, without a log or any
service: pulled through a policy that wants that key, verified through the proxy by the tools themselves,
and tampered with."""
import base64, json, os, re, shutil, tempfile

import node
import pg as stage
import test_signed as signed
from clients import Cosign, Cosign3, Crane, Notation, Oras
from matrix import NAMED, Scene
from node import need_node
from origin import Origin, Writer
from pki import key_pair, openssl
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


def changed(signed):
    """What was signed, with a space more in it: a payload, or in the base64 of a bundle or a JWS."""
    doc = json.loads(signed)
    where = doc.get("dsseEnvelope", doc)
    if "payload" not in where:
        return signed.replace(b'":', b'": ', 1)
    alphabet = b"+/" if "dsseEnvelope" in doc else b"-_"
    text = base64.b64decode(where["payload"] + "=" * (-len(where["payload"]) % 4), alphabet)
    where["payload"] = base64.b64encode(text.replace(b'":', b'": ', 1), alphabet).decode()
    if where is doc:
        where["payload"] = where["payload"].rstrip("=")
    return json.dumps(doc).encode()


def spoil(writer, repo, digest):
    """Changes what was signed of this image, and all digests that lead to it."""
    get = lambda what, ref: writer.ask("GET", f"/v2/{repo}/{what}/{ref}", good=(200, 404),
                                       accept=f"{OCI_MANIFEST}, {OCI_INDEX}")
    tag, listed = digest.replace(":", "-"), None
    status, _, body = get("manifests", tag + ".sig")
    if status == 404:
        listed = json.loads(get("manifests", tag)[2])
        body = get("manifests", listed["manifests"][0]["digest"])[2]
    manifest = json.loads(body)
    layer = manifest["layers"][0]
    layer.update(writer.blob(repo, changed(get("blobs", layer["digest"])[2])))
    body = json.dumps(manifest).encode()
    writer.manifest(repo, sha256(body) if listed else tag + ".sig", body)
    if listed:
        listed["manifests"][0].update(digest=sha256(body), size=len(body))
        writer.manifest(repo, tag, json.dumps(listed).encode(), OCI_INDEX)


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
        spoil(self.writer, "library/spoiled", self.digests["spoiled"])

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
        # Evidence is kept with its image: it is verified by both when the registry is gone.
        bench.origin.die()
        for name, more in [("as-tag", []), ("as-bundle", AS_BUNDLE)]:
            crane.pull(f"{NAMED}library/{name}:v1")
            assert bench.digests[name] in cosign.verify("p256.pub", f"{NAMED}library/{name}:v1", *more)


def found(bench, cosign):
    """Who looks for evidence through the proxy sees what is at the registry."""
    for name in ("as-bundle", "as-tag", "attested"):
        said = cosign.run("tree", f"{NAMED}library/{name}@{bench.digests[name]}")
        there = cosign.run("tree", f"{bench.origin.host}/library/{name}@{bench.digests[name]}")
        digests = lambda text: re.findall(r"sha256[:-][0-9a-f]{64}(?:\.\w+)?", text)
        assert len(digests(said)) > 1 and digests(said) == digests(there), (said, there)
    with Oras(bench.scene.ours.file) as oras:
        listed = json.loads(oras.run("discover", "--format", "json", f"{NAMED}library/as-bundle:v1"))
        (one,) = listed.get("referrers") or listed["manifests"]
        manifest = json.loads(oras.run("manifest", "fetch", f"{NAMED}library/as-bundle@{one['digest']}"))
        assert manifest["subject"]["digest"] == bench.digests["as-bundle"], manifest
    for name, good in [("as-tag", 0), ("as-bundle", 0), ("spoiled", 1)]:
        code, said, _ = bench.scene.pg.command("explain", f"docker.io/library/{name}:v1")
        assert code == good and f"verdict {name}" in said, said


def test_what_cosign_2_signs_is_pulled_and_verified_through():
    pulled(Cosign)


def test_what_cosign_3_signs_is_pulled_and_verified_through():
    pulled(Cosign3)


# ---- keyless, with nothing but a trusted root ------------------------------------------------

def test_what_real_services_certified_is_pulled_and_verified_through():
    """Fulcio, Rekor v2 and a timestamp authority are long gone; cosign 3 and pullgate say the same."""
    need_node()
    origin, root = Origin(), f"{FIXTURES}/real-keyless/trusted_root.json"
    with tempfile.TemporaryDirectory(prefix="pg-keyless-") as folder:
        os.chdir(folder)
        shutil.copytree(f"{FIXTURES}/real-keyless", "real-keyless")
        found, rules = list(signed.fixtures("real-keyless", {})), []
        for case, _ in found:
            case.repo = "library/" + case.name
            signed.put(Writer(origin), case)
            rules.append({"name": case.name, "match": {"repositories": ["docker.io/" + case.repo]},
                          "require": case.require})
        with open("policy.yaml", "w") as f:
            json.dump({"default": "deny", "rules": rules}, f)
        with Scene(origin, top=f"policy: {{file: {folder}/policy.yaml}}") as scene, \
                Crane(scene.ours.file) as crane, Cosign3(scene.ours.file) as cosign:
            for case, expect in found:
                image = f"{NAMED}{case.repo}:v1"
                crane.pull(image)
                what = ["verify-attestation", "--type", expect["predicateType"]] \
                    if expect["kind"] == "attestation" else ["verify"]
                by = ["--trusted-root", root, "--use-signed-timestamps", "--certificate-oidc-issuer", expect["issuer"],
                      *(["--insecure-ignore-tlog=true"] if case.name in signed.WANTED else [])]
                said = cosign.run(*what, *by, "--certificate-identity", expect["identity"], image)
                assert sha256(case.image)[7:] in said or what[0] != "verify", said
                code, said = cosign.run(*what, *by, "--certificate-identity", "x" + expect["identity"], image, ok=False)
                assert code != 0, said
            os.chdir("/")


# ---- Notation --------------------------------------------------------------------------------

EXTENSIONS = """\
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = codeSigning
"""


def notation_signer(name, how):
    """A key, and its chain: signed by a root of its own."""
    with open("extensions", "w") as f:
        f.write(EXTENSIONS)
    subject = lambda cn: ["-subj", f"/C=US/ST=WA/O=acme.test/CN={cn}"]
    for who, by in [("root", None), ("leaf", "root")]:
        key_pair(".", f"{name}-{who}", *how)
        openssl("req", "-new", "-key", f"{name}-{who}.key", "-out", "csr", *subject(f"{name} {who}"))
        signed_by = ["-CA", f"{name}-{by}.crt", "-CAkey", f"{name}-{by}.key", "-CAcreateserial"] if by else \
            ["-signkey", f"{name}-{who}.key"]
        openssl("x509", "-req", "-in", "csr", "-out", f"{name}-{who}.crt", "-days", "2", "-extfile",
                "extensions", "-extensions", "leaf" if by else "ca", *signed_by)
    with open(f"{name}.chain", "w") as out:
        for who in ("leaf", "root"):
            with open(f"{name}-{who}.crt") as f:
                out.write(f.read())


def notation_trust(folder, scopes, identity):
    """A trust policy and the store, as Notation keeps them."""
    store = f"{folder}/truststore/x509/ca/acme"
    os.makedirs(store)
    for name in [n for n in os.listdir(".") if n.endswith("-root.crt") and not n.startswith("stranger")]:
        with open(name) as f, open(f"{store}/{name}", "w") as out:
            out.write(f.read())
    with open(f"{folder}/trustpolicy.json", "w") as f:
        json.dump({"version": "1.0", "trustPolicies": [{
            "name": "acme", "registryScopes": scopes, "trustStores": ["ca:acme"],
            "trustedIdentities": [identity], "signatureVerification": {"level": "strict"}}]}, f)
    return f"{folder}/trustpolicy.json", f"{folder}/truststore"


def test_what_notation_signs_is_pulled_and_verified_through():
    need_node()
    keys = {"p256": CURVE("P-256"), "p384": CURVE("P-384"), "p521": CURVE("P-521"), "rsa2048": BITS(2048),
            "rsa4096": BITS(4096), "stranger": CURVE("P-256")}
    origin = Origin()
    with tempfile.TemporaryDirectory(prefix="pg-notation-") as folder, Notation() as signer:
        os.chdir(folder)
        digests = {n: origin.push("library/" + n, "v1", n, mib=0) for n in [*keys, "unsigned", "spoiled"]}
        for name, how in keys.items():
            notation_signer(name, how)
            signer.run("sign", f"{name}-leaf.key", f"{name}.chain", f"{origin.host}/library/{name}@{digests[name]}")
        signer.run("sign", "p256-leaf.key", "p256.chain", f"{origin.host}/library/spoiled@{digests['spoiled']}")
        spoil(Writer(origin), "library/spoiled", digests["spoiled"])
        policy, store = notation_trust(folder, ["*"], "x509.subject: C=US, ST=WA, O=acme.test")
        with open("policy.yaml", "w") as f:
            json.dump({"default": "deny", "rules": [
                {"name": name, "match": {"repositories": ["docker.io/library/" + name]},
                 "require": {"signature": {"any_of": [{"notation": {}}]}}} for name in digests]}, f)
        top = (f"policy: {{file: {folder}/policy.yaml}}\n"
               f"trust: {{notation_policy: {policy}, notation_store: {store}}}")
        with Scene(origin, top=top) as scene, Crane(scene.ours.file) as crane, \
                Notation(scene.ours.file) as notation:
            os.mkdir(f"{notation.dir}/notation")
            notation_trust(f"{notation.dir}/notation", ["*"], "x509.subject: C=US, ST=WA, O=acme.test")
            for name in keys:
                if name == "stranger":
                    continue
                crane.pull(f"{NAMED}library/{name}:v1")
                said = notation.run("verify", f"{NAMED}library/{name}@{digests[name]}")
                assert f"{digests[name]} signed by CN={name} leaf" in said, said
            refused(crane, "stranger", "(certificate)")
            refused(crane, "spoiled", "(signature)")
            refused(crane, "unsigned", "none was found")
            os.chdir("/")


if __name__ == "__main__":
    node.enter()
    stage.main(globals())
