# SPDX-License-Identifier: Apache-2.0
"""Every signed layout of the fixtures, in registries, pulled through a policy that wants its signer:
each gets its verdict, and who is refused is told why. One registry is Debian's docker-registry,
which lists no referrers (clients keep the tag that stands for the list); the other one is scripted,
lists them, and has what a registry in order would not take."""
import atexit, concurrent.futures, glob, json, os, re, shutil, tempfile

import pg as stage
import test_notation as notation
import test_verify as verify
from origin import Origin, Writer
from pg import Pullgate
from test_verify import FIXTURES, GOOD
from upstream import OCI_INDEX, Upstream, sha256

TAG = "org.opencontainers.image.ref.name"
REAL, SCRIPTED = "origin.test", "api.test"

# What is verified and still not enough is no refusal with a code: it is told in words.
NONE, ANOTHER_TYPE, NOT_NAMED = "none was found", "it is of another type", "not one who is named"
SAID = {
    "neg-att-bundle-annotation-lies": ANOTHER_TYPE, "neg-att-bundle-wrong-type": ANOTHER_TYPE,
    "neg-att-predicate-annotation-lies": ANOTHER_TYPE, "legacy-att-lying-annotation_fail": ANOTHER_TYPE,
    "neg-attestation-is-not-signature": NONE, "bundle-only-attestation_fail": NONE,
    "neg-sig-removed": NONE, "neg-unsigned": NONE, "unsigned_fail": NONE,
    "neg-sig-annotation-mismatch": 'it does not say that env is "dev"',
    "neg-sig-identity-mismatch": 'it is for the name "docker.io/library/app", which is not this one',
    "neg-sig-two-signers-need-both": NOT_NAMED,
    "v2-sig-other-key_fail": "by key 8836e9ef228da149...: " + NOT_NAMED,
    "v3-bundle-other-key_fail": "by key 8836e9ef228da149...: " + NOT_NAMED,
    "bundle-wrong-identity_fail": 'by identity "https://github.com/evil/x"',
    "legacy-sig-wrong-identity_fail": 'by identity "https://github.com/evil/x"',
}
# Where a registry makes another thing of a layout than its files: in its list is what a manifest
# itself says; what the tag for the list says of a manifest is believed as far as not to look at it.
SAID_BY = {("neg-bundle-subject-other", SCRIPTED): NONE,
           ("neg-bundle-index-artifacttype-lies", REAL): NONE}
# A blob that is not what its digest says is a fault of the upstream, which may pass.
WAITS = {"neg-sig-blob-corrupt": "upstream's blob is of another size"}
# Timestamped by an authority, and in no log: the policy has to be content with that.
WANTED = {"v3-legacy-tsa": {"tlog": False, "timestamp": True}}


def folder():
    made = tempfile.mkdtemp(prefix="pg-signed-")
    atexit.register(shutil.rmtree, made)
    return made


class Case:
    """One image with its evidence: manifests [(tag, media type, bytes)] and blobs, of a layout.
    require: what a rule wants of it; code: why it is refused, or GOOD."""
    def __init__(self, layout, repo, require, code):
        self.name, self.repo, self.require, self.code = repo.split("/")[-1], repo, require, code
        self.manifests, self.blobs, self.real = [], {}, True
        with open(f"{layout}/index.json") as f:
            entries = json.load(f)["manifests"]
        for e in entries:
            with open(f"{layout}/blobs/sha256/{e['digest'][7:]}", "rb") as f:
                self.manifests.append((e.get("annotations", {}).get(TAG), e["mediaType"], f.read()))
        for name in os.listdir(f"{layout}/blobs/sha256"):
            if all(e["digest"] != "sha256:" + name for e in entries):
                with open(f"{layout}/blobs/sha256/{name}", "rb") as f:
                    self.blobs["sha256:" + name] = f.read()

    @property
    def image(self):
        return next(body for tag, _, body in self.manifests if tag == "v1")

    def referrers(self):
        """{subject: descriptors}, as a registry makes it of what it has."""
        found = {}
        for _, media, body in self.manifests:
            doc = json.loads(body) if body.startswith(b"{") else {}
            if "subject" in doc:
                kind = doc.get("artifactType") or doc["config"]["mediaType"]
                found.setdefault(doc["subject"]["digest"], []).append(
                    {"mediaType": media, "digest": sha256(body), "size": len(body), "artifactType": kind})
        return found

    def said(self, host):
        """What a refusal says."""
        said = SAID_BY.get((self.name, host), SAID.get(self.name))
        return said or (None if self.code == GOOD else f"({self.code})")


def lists(tag):
    """A tag that stands for the list of referrers."""
    return re.fullmatch(r"sha256-[0-9a-f]{64}", tag or "")


# ---- the two registries ----------------------------------------------------------------------

def put(writer, case):
    """Into a real registry, as clients do: the list of referrers, if the layout has none, as well."""
    for digest, data in case.blobs.items():
        writer.blob(case.repo, data, digest)
    tags = {tag for tag, _, _ in case.manifests}
    made = [(subject.replace(":", "-"), OCI_INDEX, json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}).encode())
        for subject, found in case.referrers().items() if subject.replace(":", "-") not in tags]
    for tag, media, body in sorted(case.manifests + made, key=lambda m: m[1] == OCI_INDEX):
        writer.manifest(case.repo, tag or sha256(body), body, media)


class Library(Upstream):
    """A scripted registry that keeps repositories apart and lists referrers; it takes everything."""
    def __init__(self):
        super().__init__()
        self.repos = {}

    def put(self, case):
        for tag, media, body in case.manifests:
            if not lists(tag):
                self.manifest(case.repo, tag, body, media)
        self.repos[case.repo] = case.blobs, case.referrers()

    def find(self, target):
        m = re.fullmatch(r"/v2/(.+)/(blobs|referrers)/(sha256:[0-9a-f]{64})(\?.*)?", target)
        blobs, referrers = self.repos.get(m[1], ({}, {})) if m else ({}, {})
        if m and m[2] == "referrers":
            return 200, OCI_INDEX, json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX,
                                               "manifests": referrers.get(m[3], [])}).encode()
        if m and m[3] in blobs:
            return 200, "application/octet-stream", blobs[m[3]]
        return super().find(target)


class World:
    """All cases in both registries, and a pullgate with a policy that has a rule for each."""
    def __init__(self, cases, files, trust="", policy=None):
        self.cases, self.real, self.scripted, where = cases, Origin(), Library(), folder()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            writer = Writer(self.real)
            list(pool.map(lambda case: put(writer, case), [c for c in cases if c.real]))
        for case in cases:
            self.scripted.put(case)
        for name, data in files.items():
            os.makedirs(os.path.dirname(f"{where}/{name}"), exist_ok=True)
            with open(f"{where}/{name}", "wb") as f:
                f.write(data)
        with open(f"{where}/policy.yaml", "w") as f:
            json.dump(policy or {"default": "deny", "rules": [
                {"name": c.name, "require": c.require,
                 "match": {"repositories": [f"{host}/{c.repo}" for host in (REAL, SCRIPTED)]}}
                for c in cases]}, f)
        self.pg = Pullgate(self.real, more=f"policy: {{file: {where}/policy.yaml}}\n{trust.format(where)}",
                           upstreams=f'{SCRIPTED}: {{url: "{self.scripted.url}", allow_private: true}}')

    def check(self):
        """Each verdict, at all that there is of the image; eight clients at once."""
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            wrong = [w for w in pool.map(lambda at: self.wrong(*at), [
                (case, host) for case in self.cases for host in (REAL, SCRIPTED)
                if case.real or host == SCRIPTED]) if w]
        assert not wrong, f"{len(wrong)} of {len(self.cases)}:\n" + "\n".join(wrong)

    def wrong(self, case, host):
        try:
            is_refused = case.said(host) and not self.is_able(case, host)
            self.refused(case, host) if is_refused else self.served(case, host)
            return None
        except AssertionError as e:
            return f"{host} {case.repo}: {e}"

    def is_able(self, case, host):
        """This OpenSSL has Ed25519ph, which those of verify.PREHASHED are signed with; else they are
        refused, and told why."""
        return case.name in verify.PREHASHED and self.pg.get(self.doors(case, host)[0]).status == 200

    def doors(self, case, host):
        base, image = f"/v2/{host}/{case.repo}", json.loads(case.image)
        blobs = [*image.get("layers", []), *filter(None, [image.get("config")])]
        return [f"{base}/manifests/v1", f"{base}/manifests/{sha256(case.image)}",
                *(f"{base}/blobs/{b['digest']}" for b in blobs)]

    def refused(self, case, host):
        waits = WAITS.get(case.name)
        for n, path in enumerate(self.doors(case, host)):
            got = self.pg.get(path)
            assert got.status == (503 if waits else 403), f"{path}: {got}"
            assert got.headers["X-Pullgate-Verdict"] == ("pending" if got.status == 503 else "deny")
            assert re.search(rf'policy rule "\S*{case.name}"', got.message()), got.message()
            assert n >= 2 or (waits or case.said(host)) in got.message(), got.message()

    def served(self, case, host):
        manifest, *rest = self.doors(case, host)
        got = self.pg.get(manifest)
        assert got.status == 200 and got.body == case.image, got
        for path in rest:
            got = self.pg.get(path)
            assert got.status == 200, f"{path}: {got}"
        for tag, _, body in case.manifests:         # who verifies again gets what there is
            if tag in ("v1", "other") or (lists(tag) and host == SCRIPTED):
                continue
            got = self.pg.get(f"/v2/{host}/{case.repo}/manifests/{tag or sha256(body)}")
            assert got.status == 200 and got.body == body, f"{tag or sha256(body)} {got}"
        digest = sha256(case.image)
        found = self.pg.get(f"/v2/{host}/{case.repo}/referrers/{digest}").json()["manifests"]
        there = {d["digest"] for d in case.referrers().get(digest, [])}
        assert {d["digest"] for d in found} == there, f"{found} are not {there}"

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        if failed:
            self.pg.kill()
        else:
            self.pg.stop()
        self.real.end()
        self.scripted.die()


# ---- signatures and attestations of cosign ---------------------------------------------------

def signers(part, name, expect):
    """Whom the fixture wants, in the words of a policy."""
    if expect.get("identity"):
        return [{"keyless": {"issuer": expect["issuer"], "subject": expect["identity"],
                             "trusted_root": f"{part}/{expect['trustedRoot']}", **WANTED.get(name, {})}}]
    more = {"annotations": expect["annotations"]} if expect.get("annotations") else {}
    return [{"key": f"{part}/{key}", **more}
            for key in expect.get("requireAll") or [expect["key"] or "keys/k1.pub"]]


def fixtures(part, reasons):
    """(case, what its expect.json says)."""
    base = os.path.join(FIXTURES, part)
    for file in sorted(glob.glob(base + "/*.expect.json")):
        name = os.path.basename(file).removesuffix(".expect.json")
        with open(file) as f:
            expect = json.load(f)
        by = signers(part, name, expect)
        require = {"signature": {"all_of": by}} if expect["kind"] == "signature" else {
            "attestations": [{"predicate_type": expect["predicateType"], "from": by}]}
        case = Case(f"{base}/{name}", f"{part}/{name}", require, reasons.get(name, GOOD))
        case.real = not expect.get("layoutCorrupt")
        yield case, expect


def files():
    """Keys and trusted roots, by where they are in the fixtures."""
    found = {}
    for path in [*glob.glob(f"{FIXTURES}/oci/keys/*.pub"), *glob.glob(f"{FIXTURES}/*/trusted_root.json"),
                 f"{FIXTURES}/keyless/oci/trusted_root.json"]:
        with open(path, "rb") as f:
            found[os.path.relpath(path, FIXTURES)] = f.read()
    return found


def of_keys():
    """Those whose verdict a policy in YAML can say; and what an OpenSSL that is too old, or a policy
    that knows no authority of one's own, makes of the others."""
    reasons = {**verify.OCI, **{name: "unsupported" for name in verify.PREHASHED},
               **{name: "time" for name in verify.OWN_AUTHORITY}}
    return [c for c, expect in fixtures("oci", reasons) if "signedIdentity" not in expect]


def test_each_layout_signed_by_cosign_gets_its_verdict():
    cases = [*of_keys(), *(c for c, _ in fixtures("keyless/oci", verify.KEYLESS)),
             *(c for c, _ in fixtures("real-keyless", {}))]
    assert len(cases) == 66 + 22 + 4, len(cases)
    for real in (True, False):      # what is missing or corrupt in one repository is good in another
        with World([c for c in cases if c.real == real], files()) as world:
            world.check()


def test_F13_more_than_there_may_be_is_cut_and_denied():
    """Five thousand signatures, and one of three megabytes: made here of the good one."""
    def changed(name, change):
        case, _ = next(f for f in fixtures("oci", {"v2-sig-key": "too_large"}) if f[0].name == "v2-sig-key")
        case.name, case.repo = name, "oci/" + name
        for n, (tag, media, body) in enumerate(case.manifests):
            if (tag or "").endswith(".sig"):
                doc = json.loads(body)
                change(doc)
                case.manifests[n] = tag, media, json.dumps(doc).encode()
        return case

    def long(doc):
        doc["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"] = "A" * (3 << 20)
    with World([changed("neg-sig-5000-layers", verify.bad_layers(5000)),
                changed("neg-sig-huge-annotation", long)], files()) as world:
        world.check()


def test_names_in_signatures_are_held_to_by_containers_policy_json():
    """exactReference, exactRepository: what a policy in YAML has no words for."""
    cases = [(c, e["signedIdentity"]) for c, e in fixtures("oci", verify.OCI) if "signedIdentity" in e]
    assert {c.code for c, _ in cases} == {GOOD, "policy"}
    keys = folder()
    shutil.copy(f"{FIXTURES}/oci/keys/k1.pub", keys)
    scopes = {f"{host}/{case.repo}": [{"type": "sigstoreSigned", "keyPath": keys + "/k1.pub",
                                       "signedIdentity": identity}]
              for case, identity in cases for host in (REAL, SCRIPTED)}
    with World([case for case, _ in cases], {}, policy={
        "default": [{"type": "reject"}], "transports": {"docker": scopes}}) as world:
        world.check()


# ---- Notation --------------------------------------------------------------------------------

def notation_cases():
    """Each with the image of all, in a repository of its own."""
    with open(f"{notation.FIXTURES}/manifest.json", "rb") as f:
        image = f.read()
    for name in [*notation.names(), "neg-unsigned"]:
        with tempfile.TemporaryDirectory() as made:
            layout = notation.Layout(f"{made}/layout", image)
            for path in glob.glob(f"{notation.FIXTURES}/{name}.*"):
                with open(path, "rb") as f:
                    kind = "application/" + ("cose" if path.endswith(".cose") else "jose+json")
                    layout.sign(f.read(), kind, as_artifact=name == "ok-jws-artifacttype")
            for path in glob.glob(f"{notation.FIXTURES}/image/*"):
                with open(path, "rb") as f:
                    layout.put(f.read(), None)
            layout.write()
            by = {"notation": {"policy": f"notation/trustpolicy.{notation.POLICY.get(name, 'strict')}.json"}}
            yield Case(layout.folder, f"notation/{name}", {"signature": {"any_of": [by]}},
                       notation.REASON.get(name, GOOD))


def notation_files(cases):
    """The trust store, and the trust policies for the repositories here."""
    found = {}
    for path in glob.glob(f"{notation.FIXTURES}/truststore/**/*.pem", recursive=True):
        with open(path, "rb") as f:
            found["notation/" + os.path.relpath(path, notation.FIXTURES)] = f.read()
    for path in glob.glob(f"{notation.FIXTURES}/trustpolicy.*.json"):
        with open(path) as f:
            doc = json.load(f)
        for statement in doc["trustPolicies"]:
            statement["registryScopes"] = [f"{host}/{c.repo}" for c in cases for host in (REAL, SCRIPTED)]
        found["notation/" + os.path.basename(path)] = json.dumps(doc).encode()
    return found


def test_each_image_signed_by_notation_gets_its_verdict():
    """Those whose policy wants timestamps apart: each signature is looked at by all policies."""
    cases = list(notation_cases())
    assert len(cases) == 51, len(cases)
    for stamped in (False, True):
        some = [c for c in cases if (notation.POLICY.get(c.name) == "tsa") == stamped]
        with World(some, notation_files(some), trust="trust: {{notation_store: {0}/notation/truststore}}") as world:
            world.check()


if __name__ == "__main__":
    stage.main(globals())
