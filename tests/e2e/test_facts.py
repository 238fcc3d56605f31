# SPDX-License-Identifier: Apache-2.0
"""Policy over what an image says and how long it is known: enforced at each door."""
import atexit, hashlib, json, os, shutil, tempfile

import pg as stage
from pg import Pullgate
from upstream import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Upstream, status

REPO = "library/app"
BASE = f"/v2/{REPO}"


class Made:
    """An image whose config says this."""
    def __init__(self, up, tag, repo=REPO, config=None, config_type=OCI_CONFIG, layer=None,
                 labels=None, env=None, arch="amd64", put=True, **more):
        self.layer = layer or f"layer of {tag}".encode()
        inner = {"Labels": labels, "Env": env}
        raw = {"architecture": arch, "os": "linux", "config": inner,
               "author": tag} if config is None else config
        self.config = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
        describe = lambda media, data: {"mediaType": media, "digest": stage_digest(data), "size": len(data)}
        if put:
            up.blob(self.config)
        up.blob(self.layer)
        self.body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                                "config": describe(config_type, self.config),
                                "layers": [describe(OCI_LAYER, self.layer)], **more}).encode()
        self.digest = up.manifest(repo, tag, self.body)
        self.doors = [f"/v2/{repo}/manifests/{tag}", f"/v2/{repo}/manifests/{self.digest}",
                      f"/v2/{repo}/blobs/{stage_digest(self.config)}",
                      f"/v2/{repo}/blobs/{stage_digest(self.layer)}"]


class Only:
    """Some of the doors: the first n, or the last."""
    def __init__(self, image, n):
        self.doors = image.doors[:n] if n > 0 else image.doors[n:]


def stage_digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def policy(require, default="allow", more="", tags=""):
    return (f"default: {default}\nrules:\n- name: facts\n"
            f"  match: {{repositories: ['origin.test/library/**']{tags}}}\n"
            f"  require: {{{require}}}\n  {more}\n")


def start(up, text, **args):
    folder = tempfile.mkdtemp(prefix="pg-facts-")
    atexit.register(shutil.rmtree, folder)
    with open(folder + "/policy.yaml", "w") as f:
        f.write(text)
    more = f"policy: {{file: {folder}/policy.yaml}}\n" + args.pop("more", "")
    return Pullgate(up, more=more, **args)


def served(pg, image):
    for path in image.doors:
        got = pg.get(path)
        assert got.status == 200, (path, got, got.message() if got.body else "")


def denied(pg, image, *texts):
    for turn in ("cold", "warm"):
        for path in image.doors:
            for method in (pg.head, pg.get):
                got = method(path)
                assert (got.status, got.headers["X-Pullgate-Verdict"]) == (403, "deny"), (path, got)
    message = pg.get(image.doors[0]).message()
    assert 'policy rule "facts"' in message and "what would help" in message, message
    for text in texts:
        assert text in message, message


def test_platforms_are_those_of_the_config():
    """N02: what the index says of its platform is a word, what the config says is what runs."""
    up = Upstream()
    good, bad = Made(up, "good"), Made(up, "bad", arch="riscv64")
    index = up.manifest(REPO, "index", {"schemaVersion": 2, "manifests": [
        {"mediaType": OCI_MANIFEST, "digest": bad.digest, "size": len(bad.body),
         "platform": {"architecture": "amd64", "os": "linux"}}]},
        "application/vnd.oci.image.index.v1+json")
    pg = start(up, policy("platforms: [linux/amd64, linux/arm64]"))
    served(pg, good)
    assert pg.get(f"{BASE}/manifests/index").status == 200, "an index runs nowhere"
    denied(pg, bad, "wanted is a platform of: linux/amd64, linux/arm64; it is for linux/riscv64")
    pg.stop()


def test_labels_that_are_required_and_denied():
    up = Upstream()
    good = Made(up, "good", labels={"team": "web", "source": "https://git.test/a/b"})
    none = Made(up, "none")
    other = Made(up, "other", labels={"team": "web", "source": "https://evil.test/a"})
    no = Made(up, "no", labels={"team": "web", "source": "https://git.test/a", "stage": "dev"})
    pg = start(up, policy("labels: {require: {team: '*', source: 'https://git.test/**'}, "
                          "deny: {stage: 'dev*'}}"))
    served(pg, good)
    denied(pg, none, 'it has no label "')
    denied(pg, other, 'its label "source" is "https://evil.test/a"')
    denied(pg, no, 'it has the label "stage"')
    pg.stop()


def test_secrets_in_labels_variables_and_annotations():
    up = Upstream()
    good = Made(up, "good", env=["PATH=/bin", "DB_PASSWORD_FILE=/run/secrets/db", "TOKEN=$TOKEN"])
    token = "ghp_" + "a1B2" * 9
    bad = [Made(up, "env", env=["DB_PASSWORD=hunter22"]), Made(up, "label", labels={"x": f"use {token}"}),
           Made(up, "note", annotations={"n": "https://me:secret@git.test/x"}),
           Made(up, "key", env=["K=-----BEGIN RSA PRIVATE KEY-----\nMII"])]
    pg = start(up, policy("secrets: deny"))
    served(pg, good)
    for image in bad:
        denied(pg, image, "revoke the secret")
        message = pg.get(image.doors[0]).message()
        assert not any(s in message for s in ("hunter22", token, "me:secret", "MII")), "it is not told"
    pg.stop()


def test_artifact_types():
    """N07: what is no image is not let through by what cannot be asked of it."""
    up = Upstream()
    image = Made(up, "image")
    chart = Made(up, "chart", config={"name": "chart"}, config_type="application/vnd.cncf.helm.config.v1+json")
    dressed = Made(up, "dressed", artifactType="application/vnd.cncf.helm.chart")
    pg = start(up, policy("artifact_types: [image]"))
    served(pg, image)
    denied(pg, chart, "it is application/vnd.cncf.helm.config.v1+json")
    denied(pg, dressed, "it is application/vnd.cncf.helm.chart")
    pg.stop()
    pg = start(up, policy("platforms: [linux/amd64]"))
    denied(pg, chart, "it is no image")
    pg.stop()
    pg = start(up, policy("platforms: [linux/amd64], artifact_types: [image, 'application/vnd.cncf.helm.*']"))
    served(pg, chart)
    served(pg, image)
    pg.stop()


def test_base_images_as_they_say():
    up = Upstream()
    name = "org.opencontainers.image.base.name"
    good = Made(up, "good", annotations={name: "debian:12"})
    other, none = Made(up, "other", annotations={name: "evil.test/x:1"}), Made(up, "none")
    both = Made(up, "both", annotations={name: "debian:12"}, labels={name: "evil.test/x"})
    pg = start(up, policy("base_images: {allow: ['docker.io/library/debian', 'ghcr.io/acme/**']}"))
    served(pg, good)
    denied(pg, other, 'it is based on "evil.test/x:1"')
    denied(pg, none, "it does not say on what it is based")
    denied(pg, both, "evil.test")
    pg.stop()


def test_tags_that_may_not_be_asked_for():
    up = Upstream()
    image = Made(up, "latest")
    up.manifest(REPO, "v1", image.body)
    pg = start(up, policy("tags: {deny: [latest, 'edge-*']}"))
    got = pg.get(image.doors[0])
    assert got.status == 403 and 'it is asked for as "latest"' in got.message(), got
    assert pg.head(image.doors[0]).status == 403
    assert pg.get(f"{BASE}/manifests/v1").status == 200
    assert all(pg.get(path).status == 200 for path in image.doors[1:]), "by digest it may be pulled"
    pg.stop()


def test_N08_a_young_image_waits_and_a_moved_tag_begins_anew():
    up = Upstream()
    old = Made(up, "v1")
    pg = start(up, policy("min_age: 3s"), more="tags: {ttl: 1s}")
    denied_once = pg.get(old.doors[0])
    assert denied_once.status == 403 and "it is old enough at 20" in denied_once.message(), denied_once
    assert pg.get(old.doors[1]).status == 403, "by digest, too"
    pg.wait_true(lambda: pg.get(old.doors[0]).status == 200, "it never became old enough")
    served(pg, old)
    young = Made(up, "v1", layer=b"young")
    pg.wait_true(lambda: pg.get(old.doors[0]).status == 403, "the tag moved")
    assert pg.get(young.doors[1]).status == 403 and pg.get(old.doors[1]).status == 200
    pg.stop()


def test_N08_children_of_an_index_are_as_old_as_it():
    up = Upstream()
    child = Made(up, "child")
    up.manifest(REPO, "index", {"schemaVersion": 2, "manifests": [
        {"mediaType": OCI_MANIFEST, "digest": child.digest, "size": len(child.body)}]},
        "application/vnd.oci.image.index.v1+json")
    pg = start(up, policy("min_age: 3s"))
    assert pg.get(f"{BASE}/manifests/index").status == 403
    pg.wait_true(lambda: pg.get(f"{BASE}/manifests/index").status == 200, "never old enough")
    assert pg.get(child.doors[1]).status == 200, "it was named when the index was seen"
    pg.stop()


def test_a_config_that_two_readers_read_differently_is_refused():
    up = Upstream()
    bad = [b'{"os":"linux","OS":"windows","architecture":"amd64"}', b'{"os":"linux","os":"x","architecture":"amd64"}',
           b'not json', b'[]', b'{"os":"linux","architecture":"amd64","config":{"labels":{},"Labels":{}}}',
           b'{"o\xc5\xbf":"windows","os":"linux","architecture":"amd64"}']
    images = [Made(up, f"bad{i}", config=c) for i, c in enumerate(bad)]
    pg = start(up, policy("platforms: [linux/amd64]"))
    for image in images:
        denied(pg, image, "its config")
    pg.stop()


def test_a_config_that_is_not_there_denies_and_one_that_does_not_come_waits():
    up = Upstream()
    gone, slow = Made(up, "gone", put=False), Made(up, "slow", arch="arm64")
    pg = start(up, policy("platforms: [linux/amd64, linux/arm64]"))
    got = pg.get(gone.doors[0])
    assert got.status == 403 and "the registry does not have it" in got.message(), got
    up.on("/blobs/", status(500))
    got = pg.get(slow.doors[0])
    assert got.status == 503 and "could not be fetched" in got.message(), (got, got.message())
    up.well()
    pg.wait_true(lambda: pg.get(slow.doors[0]).status == 200, "a failure is not remembered")
    pg.stop()


def test_a_rule_by_digest_binds_all_doors_to_it():
    up = Upstream()
    good, bad = Made(up, "good", layer=b"shared"), Made(up, "bad", layer=b"shared")
    pg = start(up, "default: allow\nrules:\n- name: facts\n  match: {repositories: ['origin.test/**'], digests: ['%s']}\n"
                   "  require: {platforms: [linux/arm64]}\n" % bad.digest)
    denied(pg, Only(bad, 2))
    for path in bad.doors[2:]:
        assert pg.get(path).status == 403, path     # nobody that may be pulled names it yet
    served(pg, good)
    served(pg, Only(bad, -1))               # now a good one does
    denied(pg, Only(bad, 2))
    pg.stop()


def test_observe_and_explain():
    up = Upstream()
    bad = Made(up, "bad", arch="s390x")
    pg = start(up, policy("platforms: [linux/amd64]", more="mode: observe"))
    served(pg, bad)
    pg.wait_log(r"verdict=allow.* observed=.*linux/s390x")
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
