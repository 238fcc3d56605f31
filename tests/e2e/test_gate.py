# SPDX-License-Identifier: Apache-2.0
"""The gate, attacked: each door x each way to ask x cold, warm, in flight x what is decided."""
import concurrent.futures, hashlib, http.client, json, os, re, socket, threading

import pg as stage
from gated import METHODS, OPEN, Gated, Secret, Signer, denied, put_signature, signed, tag_of
from pg import Answer
from test_upgrade import upgrade
from upstream import (OCI_INDEX, OCI_MANIFEST, Gate, Upstream, instead, listed, pause, say, sha256,
                      status)

REPO = "library/app"


class Client:
    """Many requests over one connection."""
    def __init__(self, pg):
        self.c = http.client.HTTPConnection("127.0.0.1", pg.port, timeout=stage.DEADLINE * 2)

    def ask(self, method, path, headers):
        self.c.request(method, path, headers=headers)
        r = self.c.getresponse()
        return Answer(r.status, r.headers, r.read())


class Case:
    """One repository: an image, an index with it and another, and evidence or what looks so."""
    def __init__(self, up, state, n=0):
        self.state, self.repo = state, f"library/{state}-{n}"
        self.secret = Secret(up, self.repo, f"{state}-{n}")
        self.image = self.secret.image
        self.child = Secret(up, self.repo, f"child-{state}-{n}", tag=None)
        self.index = up.index(self.repo, "multi", {"amd64": self.child.image})
        self.disguises = {kind: up.image(self.repo, tag_of(self.image.digest, kind),
                                         layers=[self.secret.text + b"as " + kind.encode()])
                          for kind in ("att", "")}
        self.own = self.secret.bytes + self.child.bytes

    def doors(self):
        """door: (path, digest, is it decided by what was pulled before)"""
        base = f"/v2/{self.repo}"
        manifest = lambda ref, d: (f"{base}/manifests/{ref}", d)
        return {
            "tag": manifest("v1", self.image.digest),
            "digest": manifest(self.image.digest, self.image.digest),
            "index": manifest("multi", self.index),
            "index by digest": manifest(self.index, self.index),
            "child": manifest(self.child.image.digest, self.child.image.digest),
            "config": (f"{base}/blobs/{self.image.config}", self.image.config),
            "layer": (f"{base}/blobs/{self.image.layers[0]}", self.image.layers[0]),
            "layer of a child": (f"{base}/blobs/{self.child.image.layers[1]}", self.child.image.layers[1]),
            "manifest as a blob": (f"{base}/blobs/{self.image.digest}", self.image.digest),
            "child as a blob": (f"{base}/blobs/{self.child.image.digest}", self.child.image.digest),
            "image under .att": manifest(tag_of(self.image.digest, "att"), self.disguises["att"].digest),
            "image under the fallback tag": manifest(tag_of(self.image.digest, ""), self.disguises[""].digest),
        }

    def lists(self):
        base = f"/v2/{self.repo}"
        return [f"{base}/tags/list", f"{base}/referrers/{self.image.digest}",
                f"{base}/referrers/{self.child.image.digest}"]

    def check(self, answer, where):
        self.secret.check(answer, where)
        self.child.check(answer, where)


def each(case, doors=None):
    for door, (path, digest) in case.doors().items():
        if doors is None or door in doors:
            for name, (method, headers) in METHODS.items():
                yield (case.state, door, name), path, digest, method, headers(digest)


def sign(pg, up, case):
    for digest in (case.image.digest, case.index):
        pg.signer.sign(up, case.repo, digest)


def deny_all(pg, case, verdict="deny"):
    client, n = Client(pg), 0
    for where, path, _, method, headers in each(case):
        got = client.ask(method, path, headers)
        case.check(got, where)
        assert got.headers["X-Pullgate-Verdict"] in (verdict, "deny"), (where, got.headers.items())
        n += 1
    return n


def allow_all(pg, case):
    """In the order of a client: manifests, then what they name."""
    client = Client(pg)
    for where, path, digest, method, headers in each(case):
        if where[1].startswith("image under") or where[1].endswith("as a blob"):
            case.check(client.ask(method, path, headers), where)
            continue
        got = client.ask(method, path, headers)
        is_blob = "/blobs/" in path
        want = {"If-None-Match": 304, "If-None-Match *": 304}.get(where[2], 200)
        if is_blob and where[2] in ("Range", "Range at the end", "Ranges", "If-Range"):
            want = 206
        if is_blob and where[2] == "Range of nothing":
            want = 416
        assert got.status == want, (where, got)
        if want != 416:
            assert got.headers["Docker-Content-Digest"] == digest, where


def list_all(pg, case, default):
    client = Client(pg)
    for path in case.lists():
        for method in ("GET", "HEAD"):
            got = client.ask(method, path, {})
            assert got.status in (200, 404, 503), (path, got)
            assert not any(part in got.body for part in case.own), path


def matrix(default):
    up = Upstream()
    cases = {state: [Case(up, state, n) for n in (0, 1)] for state in ("allow", "deny", "pending")}
    pg = Gated(up, policy=OPEN)
    for case in [c for both in cases.values() for c in both]:
        if case.state == "allow":
            sign(pg, up, case)
    client = Client(pg)
    warm = [both[1] for both in cases.values()]
    for case in warm:                                     # all of it is here, from a time without rules
        for path, _ in case.doors().values():
            assert client.ask("GET", path, {}).status == 200, path
    pg.use(signed(default=default))
    up.on(r"/library/pending-\d/(referrers|manifests/sha256-.*\.sig)", status(403))
    for temperature in (0, 1):
        for state in ("deny", "pending"):
            assert deny_all(pg, cases[state][temperature], state) == 12 * len(METHODS)
            list_all(pg, cases[state][temperature], default)
        allow_all(pg, cases["allow"][temperature])
    for case in cases["deny"] + cases["pending"]:
        for layer in case.image.layers + case.child.image.layers:
            assert up.count("GET", f"{case.repo.split('/')[1]}/blobs/{layer}") <= (case in warm), "not fetched either"
    pg.stop()


def test_matrix_default_allow():
    matrix("allow")


def test_matrix_default_deny():
    matrix("deny")


def test_matrix_in_flight():
    """Evidence is being looked for: no door gives anything, and all decide when it has come."""
    up, gate = Upstream(), Gate()
    cases = [Case(up, "allow"), Case(up, "deny")]
    pg = Gated(up, limits="answer_timeout: 1s")
    sign(pg, up, cases[0])
    up.on(r"/library/.*/(referrers/|manifests/sha256-.*\.sig)", lambda x: gate.pass_through())
    asks = [(case, *ask) for case in cases for ask in each(case)]
    with concurrent.futures.ThreadPoolExecutor(48) as pool:
        pulls = [(case, where, pool.submit(pg.get, path, headers, method))
                 for case, where, path, _, method, headers in asks]
        gate.wait_reached()
        for case, where, pull in pulls:
            case.check(pull.result(), where)
    gate.open()
    for case in cases:
        settle = lambda: pg.get(case.doors()["tag"][0]).status == (200 if case.state == "allow" else 403)
        pg.wait_true(settle, "it is never decided")
    deny_all(pg, cases[1])
    pg.wait_true(lambda: pg.get(cases[0].doors()["index"][0]).status == 200, "it is never decided")
    allow_all(pg, cases[0])
    pg.stop()


# ---- by name

def pulled(pg, secret):
    """All of it came, with these bytes."""
    for path in secret.doors().values():
        got = pg.get(path)
        assert got.status == 200 and got.body in (*secret.bytes, b"other " + secret.text), (path, got)


def refused(pg, secret, *texts):
    for door, path in secret.doors().items():
        for name, (method, headers) in METHODS.items():
            got = pg.get(path, headers(secret.image.digest), method)
            secret.check(got, (door, name))
            assert got.status == 403, (door, name, got)
            if got.body and "manifests" in path:
                assert all(text in got.message() for text in texts), got.message()


def test_D05_each_child_of_an_index_is_decided_by_itself():
    """Of an index that passes, what has no part in its signature is not inherited: a tag's rule."""
    up = Upstream()
    child = Secret(up, REPO, "child", tag="v1")
    index = up.index(REPO, "multi", {"amd64": child.image})
    pg = Gated(up, policy=signed(tags=", tags: [v*]"))
    assert pg.get(f"/v2/{REPO}/manifests/multi").status == 200       # no rule speaks of this tag
    assert pg.get(f"/v2/{REPO}/manifests/{index}").status == 200
    refused(pg, child)
    got = pg.get(f"/v2/{REPO}/blobs/{child.image.digest}")           # nor as if it were a blob
    child.check(got, "child as a blob")
    pg.stop()


def test_D06_a_tag_that_is_refused_is_refused_by_its_other_names_too():
    up = Upstream()
    image = Secret(up, REPO, "image")
    up.manifest(REPO, "other", image.image.body)
    pg = Gated(up, policy=OPEN)
    pulled(pg, image)
    assert pg.get(f"/v2/{REPO}/manifests/other").status == 200
    pg.use(signed(tags=", tags: [v1]"))
    refused(pg, image, "signed")
    image.check(pg.get(f"/v2/{REPO}/manifests/other"), "by its other tag")
    image.check(pg.head(f"/v2/{REPO}/manifests/other"), "by its other tag")
    pg.signer.sign(up, REPO, image.image.digest)
    pg.use(signed(tags=", tags: [v1]").replace("name: signed", "name: anew"))
    pulled(pg, image)
    assert pg.get(f"/v2/{REPO}/manifests/other").status == 200
    pg.stop()


def test_N13_a_sha512_name_has_no_other_verdict():
    up = Upstream()
    image = Secret(up, REPO, "image")
    long = lambda data: "sha512:" + hashlib.sha512(data).hexdigest()
    up.manifests[REPO, long(image.image.body)] = (OCI_MANIFEST, image.image.body)
    up.blobs[long(image.text)] = image.text
    doors = [f"/v2/{REPO}/manifests/{long(image.image.body)}", f"/v2/{REPO}/blobs/{long(image.text)}"]
    pg = Gated(up, policy=OPEN)
    pulled(pg, image)
    assert [pg.get(path).status for path in doors] == [200, 200]
    for tags in ("", ", tags: [v1]"):
        pg.use(signed(tags=tags))
        for path in doors:
            for name, (method, headers) in METHODS.items():
                image.check(pg.get(path, headers(long(image.image.body)), method), (path, name, tags))
    pg.stop()


def test_N21_lists_show_what_may_be_pulled_and_304_confirms_nothing():
    up = Upstream()
    image, evil = Secret(up, REPO, "image"), up.image(REPO, None, layers=[b"run me"], arch="evil")
    pg = Gated(up)
    pg.signer.sign(up, REPO, image.image.digest)
    doc = json.loads(evil.body)
    doc["subject"] = {"mediaType": OCI_MANIFEST, "digest": image.image.digest, "size": len(image.image.body)}
    disguise = up.manifest(REPO, None, doc)
    up.refer(image.image.digest, [up.describe(REPO, disguise, data="c2VjcmV0", urls=["http://x.test/"])])
    assert pg.get(image.doors()["tag"]).status == 200
    denied(pg.get(f"/v2/{REPO}/manifests/{disguise}"))
    got = pg.get(f"/v2/{REPO}/referrers/{image.image.digest}")
    assert got.status == 200 and disguise.encode() not in got.body and b"c2VjcmV0" not in got.body, got
    for etag in (f'"{disguise}"', "*", f'W/"{disguise}"'):
        denied(pg.get(f"/v2/{REPO}/manifests/{disguise}", {"If-None-Match": etag}))
    pg.stop()


def test_N05_a_byte_that_was_flipped_and_a_range_before_the_end():
    """Signed or not: no range of a cold blob, or one in flight, is whole before all of it matched."""
    up, gate = Upstream(), Gate()
    data = os.urandom(100_000)
    image = up.image(REPO, "v1", layers=[data])
    bad = data[:10] + bytes([data[10] ^ 1]) + data[11:]
    up.blobs[image.layers[0]] = bad
    pg = Gated(up, origin=", fetch_ahead: false")
    pg.signer.sign(up, REPO, image.digest)
    assert pg.get(f"/v2/{REPO}/manifests/v1").status == 200
    path = f"/v2/{REPO}/blobs/{image.layers[0]}"
    up.on("/blobs/", pause(gate, 50_000), times=1)
    ranges = [None, "bytes=0-1023", "bytes=20-30", "bytes=0-9,100-200", "bytes=-10"]
    pulls = [pg.start_get(path, {"Range": r} if r else None) for r in ranges]
    gate.wait_reached()
    gate.open()
    for r, pull in zip(ranges, pulls):
        try:
            got = pull.done()
        except (ConnectionError, http.client.HTTPException):
            continue                                                 # cut before its head
        assert got.status in (502, 503) or isinstance(got.body, stage.Short), (r, got.status, len(got.body))
    pg.stop()


def test_N02_what_its_author_says_of_it_changes_no_rule():
    """HEAD by tag, then GET by digest; a descriptor that lies about platform and type."""
    up = Upstream()
    image = Secret(up, REPO, "image")
    up.manifest(REPO, "lying", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": OCI_INDEX, "digest": image.image.digest, "size": len(image.image.body),
         "platform": {"architecture": "unknown", "os": "unknown"},
         "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}]}, OCI_INDEX)
    pg = Gated(up)
    image.check(pg.head(image.doors()["tag"]), "HEAD by tag")
    image.check(pg.get(image.doors()["digest"]), "then by digest")
    denied(pg.get(f"/v2/{REPO}/manifests/lying"))
    refused(pg, image)
    pg.stop()


def test_N19_a_thousand_heads_under_a_policy_fetch_no_blob():
    up = Upstream()
    images = [up.image(REPO, f"v{n}", layers=[b"layer %d" % n]) for n in range(10)]
    pg = Gated(up)
    for image in images[:5]:
        pg.signer.sign(up, REPO, image.digest)
    signatures = {one for one in up.blobs if b"cosign container" in up.blobs[one]}
    client = Client(pg)
    for n in range(1000):
        got = client.ask("HEAD", f"/v2/{REPO}/manifests/v{n % 10}", {})
        assert got.status == (200 if n % 10 < 5 else 403), (n, got)
    for image in images:
        assert up.count("GET", image.layers[0]) + up.count("GET", image.config) == 0
    assert sum(up.count("GET", one) for one in signatures) == 5, "each payload once"
    pg.stop()


def test_N20_what_was_edited_on_disk_is_not_served_by_its_verdict():
    up = Upstream()
    image = Secret(up, REPO, "image")
    pg = Gated(up)
    pg.signer.sign(up, REPO, image.image.digest)
    pulled(pg, image)
    pg.wait_metric("pullgate_store_blobs", 6)
    pg.end()
    up.die()
    path = pg.blob_file(image.image.layers[0])
    os.chmod(path, 0o640)
    with open(path, "r+b") as f:
        f.write(b"edited")
    pg.start()
    got = pg.get(image.doors()["layer"])
    assert got.status >= 500 or isinstance(got.body, stage.Short) or got.body == image.text, got
    assert not got.body.startswith(b"edited")
    pg.stop(fsck=False)


def test_F10_the_tag_moves_between_verifying_and_serving():
    """What is served is what was verified, whatever the tag means by then."""
    up, gate = Upstream(), Gate()
    good, evil = Secret(up, REPO, "good"), Secret(up, REPO, "evil", tag=None)
    pg = Gated(up)
    pg.signer.sign(up, REPO, good.image.digest)
    up.on(r"/manifests/sha256-.*\.sig", lambda x: gate.pass_through(), times=1)
    pull = pg.start_get(good.doors()["tag"])
    gate.wait_reached()
    up.manifest(REPO, "v1", evil.image.body)                         # after the manifest, before its evidence
    gate.open()
    assert pull.done() == (200, good.image.body)
    evil.check(pg.get(f"/v2/{REPO}/manifests/{evil.image.digest}"), "the evil one")
    pg.stop()


def test_F10_a_head_that_says_another_digest_than_the_body():
    """Upstream changes its mind between HEAD and GET."""
    up = Upstream()
    good, evil = Secret(up, REPO, "good"), Secret(up, REPO, "evil")
    pg = Gated(up, more="tags: {ttl: 0s}")
    pg.signer.sign(up, REPO, good.image.digest)
    up.manifest(REPO, "v1", good.image.body)
    assert pg.get(good.doors()["tag"]).status == 200                 # it is here and may leave
    up.on(r"/manifests/v1$", say(200, {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": evil.image.digest,
                                       "Content-Length": str(len(evil.image.body))}), methods=("HEAD",))
    up.on(r"/manifests/v1$", instead(evil.image.body, Content_Type=OCI_MANIFEST,
                                     Docker_Content_Digest=good.image.digest), methods=("GET",))
    for _ in range(2):
        got = pg.get(good.doors()["tag"])
        assert got.body == good.image.body if got.status == 200 else True, got
        evil.check(got, "v1") if got.status != 200 else None
    evil.check(pg.get(evil.doors()["digest"]), "the evil one")
    pg.stop()


def flood_of_layers(pg, up, digest):
    payload = b'{"critical":{}}'
    layer = {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "size": len(payload),
             "digest": up.blob(payload), "annotations": {"dev.cosignproject.cosign/signature": "bm8="}}
    up.manifest(REPO, tag_of(digest), {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                                       "config": {**layer, "annotations": {}}, "layers": [layer] * 5000})


def gigabyte(pg, up, digest):
    layer = {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "size": 1 << 30,
             "digest": sha256(b"a gigabyte"), "annotations": {"dev.cosignproject.cosign/signature": "bm8="}}
    up.manifest(REPO, tag_of(digest), {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                                       "config": {**layer, "size": 2}, "layers": [layer]})


def endless_list(pg, up, digest):
    one = {"mediaType": OCI_MANIFEST, "size": 7, "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json"}
    up.on(f"/referrers/{digest}", listed([{**one, "digest": sha256(b"%d" % n)} for n in range(500)],
                                Link=f'</v2/{REPO}/referrers/{digest}?page=more>; rel="next"'))


def loop_of_referrers(pg, up, digest):
    """Each refers to the one before, and the lists name all of them."""
    last, all_of_them = digest, []
    for n in range(20):
        doc = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "n": n,
               "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
               "config": {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": up.blob(b"{}")},
               "layers": [], "subject": {"mediaType": OCI_MANIFEST, "digest": last, "size": 1}}
        last = up.manifest(REPO, None, doc)
        all_of_them.append(up.describe(REPO, last, artifactType=doc["artifactType"]))
    up.on(f"/referrers/{digest}", listed(all_of_them))


def test_F13_floods_of_evidence_are_cut_and_denied_with_the_reason():
    up = Upstream()
    pg = Gated(up)
    for flood, reason in ((flood_of_layers, "it has 5000 layers"), (gigabyte, "1073741824 bytes"),
                          (endless_list, "not all of it was looked at"),
                          (loop_of_referrers, "its subject is another manifest")):
        image = Secret(up, REPO, flood.__name__, tag=flood.__name__)
        flood(pg, up, image.image.digest)
        before = len(up.asked)
        got = pg.get(image.doors()["tag"])
        image.check(got, flood.__name__)
        denied(got, 'policy rule "signed"', reason)
        assert len(up.asked) - before < 100, f"{flood.__name__}: {len(up.asked) - before} questions"
    assert up.count("GET", sha256(b"a gigabyte")) == 0
    pg.stop()


# ---- while the policy changes

def test_reload_in_the_middle_of_a_download():
    """A running one ends as it began; the next request is decided by the new policy, also on the flight."""
    up, gate = Upstream(), Gate()
    data = os.urandom(400_000)
    image = up.image(REPO, "v1", layers=[data])
    pg = Gated(up, origin=", fetch_ahead: false")
    pg.signer.sign(up, REPO, image.digest)
    assert pg.get(f"/v2/{REPO}/manifests/v1").status == 200
    path = f"/v2/{REPO}/blobs/{image.layers[0]}"
    up.on(path, pause(gate))
    with pg.connect() as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        begun = s.recv(65536)
        assert begun.startswith(b"HTTP/1.1 200 ")
        gate.wait_reached()
        Signer(pg.folder, "another")
        os.replace(f"{pg.folder}/another.pub", f"{pg.folder}/builder.pub")    # the key is taken out
        pg.use(signed() + "# the key is another\n")
        for method, headers in METHODS.values():
            denied(pg.get(path, headers(image.layers[0]), method))
        denied(pg.get(f"/v2/{REPO}/manifests/v1"))
        gate.open()
        while more := s.recv(65536):
            begun += more
    assert begun.endswith(data) and up.count("GET", image.layers[0]) == 1
    denied(pg.get(path))
    pg.stop()


def test_reload_while_evidence_is_looked_for():
    """Who began under the old policy is answered by it; the new one is asked about the next."""
    up, gate = Upstream(), Gate()
    image = Secret(up, REPO, "image")
    pg = Gated(up)
    pg.signer.sign(up, REPO, image.image.digest)
    up.on(r"/manifests/sha256-.*\.sig", lambda x: gate.pass_through(), times=1)
    pull = pg.start_get(image.doors()["tag"])
    gate.wait_reached()
    pg.use("default: deny\nrules: []\n")
    refused(pg, image)
    gate.open()
    assert pull.done().status == 200
    refused(pg, image)
    pg.stop()


def test_a_handover_with_another_policy():
    up = Upstream()
    image = Secret(up, REPO, "image")
    pg = Gated(up, policy=OPEN)
    pulled(pg, image)
    idle = Client(pg)
    assert idle.ask("GET", image.doors()["tag"], {}).status == 200
    pg.put(signed())
    old = upgrade(pg)
    refused(pg, image)
    pg.wait_log(r"is in use: revision 2")            # the old one reads it, too
    try:
        image.check(idle.ask("GET", image.doors()["tag"], {}), "on a connection of the old process")
    except (ConnectionError, http.client.HTTPException):
        pass
    old.ended()
    pg.stop()


def test_a_hundred_clients_share_one_look():
    """One download of each payload; what lists and names it is asked for once by each loop at most."""
    up, gate = Upstream(), Gate()
    image = Secret(up, REPO, "image")
    pg = Gated(up)
    signature, payload = pg.signer.sign(up, REPO, image.image.digest)
    up.on(r"/manifests/sha256-.*\.sig", lambda x: gate.pass_through())
    pulls = [pg.start_get(image.doors()["tag"]) for _ in range(100)]
    gate.wait_reached()
    pg.wait_metric("pullgate_connections", 100)
    gate.open()
    assert {p.done().status for p in pulls} == {200}
    asked = [up.count("GET", what) for what in (payload, ".sig", "/referrers/")]
    assert asked[0] == 1 and max(asked) <= os.cpu_count(), asked
    assert pg.metric("pullgate_evidence_seconds_count") <= 2 * os.cpu_count(), "one look for all of a loop"
    pg.stop()


# ---- attacks

def test_no_other_spelling_of_a_name_is_another_name():
    up = Upstream()
    image = Secret(up, REPO, "image")
    pg = Gated(up, policy=signed("deny") + "- {name: free, match: {repositories: [origin.test/free/*]}, action: allow}\n",
               upstreams='twin.test: {alias_of: origin.test}')
    d = image.image.digest
    upper = d[:7] + d[7:].upper()
    paths = [f"/v2/{name}/{what}" for name in (
        "library%2Fapp", "%6cibrary/app", "library//app", "library/./app", "x/../library/app", "Library/App",
        "LIBRARY/APP", "library/app/", "origin.test/library/app", "ORIGIN.TEST/library/app",
        "origin.test:443/library/app", "origin.test./library/app", "twin.test/library/app", "app",
        "library/app%00", "library/app%20", "library/app;x", "library/app?ns=elsewhere.test&x=")
        for what in ("manifests/v1", f"manifests/{d}", f"blobs/{image.image.layers[0]}")]
    paths += [f"/v2/{REPO}/manifests/{ref}" for ref in (
        upper, d.replace(":", "%3A"), d.replace("sha256", "SHA256"), "sha256-" + d[7:], "v1%00", "v1/", "V1",
        "v1@" + d, d[:-1], "%76%31")]
    paths += [f"/v2/{REPO}/manifests/v1?ns={ns}" for ns in (
        "origin.test", "ORIGIN.test", "origin.test:443", "twin.test", "elsewhere.test", "", "origin.test.",
        "docker.io", "a&ns=origin.test")]
    paths += [f"/V2/{REPO}/manifests/v1", f"//v2/{REPO}/manifests/v1", f"/v1/repositories/{REPO}/images",
              f"/v2/{REPO}/_trust/tuf/root.json", "/v2/_catalog", f"/v2/{REPO}/blobs/uploads/"]
    for path in paths:
        for headers in ({}, {"Host": "twin.test"}, {"Host": "origin.test"}, {"Host": "elsewhere.test"}):
            got = pg.get(path, headers)
            image.check(got, (path, headers)) if got.status != 200 else None
            assert got.status != 200 or path == "/v2/_catalog", (path, headers, got)
    pg.signer.sign(up, REPO, d)                      # the same image, by its right names alone, is signed
    other = Secret(up, "free/app", "free")
    assert pg.get(other.doors()["tag"]).status == 200
    pg.stop()


def test_nothing_but_reading_is_asked_of_the_gate():
    up = Upstream()
    image = Secret(up, REPO, "image")
    pg = Gated(up)
    d, l = image.image.digest, image.image.layers[0]
    for method, path in (("POST", f"/v2/{REPO}/blobs/uploads/?mount={l}&from=library/other"),
                         ("PUT", f"/v2/{REPO}/manifests/v1"), ("PATCH", f"/v2/{REPO}/blobs/uploads/x"),
                         ("DELETE", f"/v2/{REPO}/manifests/{d}"), ("OPTIONS", f"/v2/{REPO}/manifests/v1")):
        got = pg.get(path, method=method)
        assert got.status in (400, 403, 404, 405), (method, got)
        assert not any(part in got.body for part in image.bytes), (method, got)
    for headers in ({"X-HTTP-Method-Override": "GET"}, {"X-Original-URL": "/v2/free/app/manifests/v1"},
                    {"Pullgate-Explain": "json"}, {"X-Pullgate-Verdict": "allow"}, {"OCI-Namespace": "x.test"},
                    {"Accept": "*/*"}, {"Accept": OCI_INDEX}, {"Accept": "application/vnd.docker.distribution."
                     "manifest.v1+prettyjws"}, {"Accept-Encoding": "gzip"}, {"Range": "bytes=0-"},
                    {"Authorization": "Basic YTpi"}, {"Cache-Control": "no-cache"}, {"Cache-Control": "only-if-cached"},
                    {"If-Match": f'"{d}"'}, {"If-Unmodified-Since": "Wed, 25 Nov 2026 10:00:00 GMT"},
                    {"If-Modified-Since": "Wed, 25 Nov 2026 10:00:00 GMT"}, {"Expect": "100-continue"}):
        for path in image.doors().values():
            got = pg.get(path, headers)
            assert got.status != 417 or "Expect" in headers
            if got.status != 417:
                image.check(got, (path, headers))
    pg.stop()


def test_a_denied_request_after_an_allowed_one_in_one_write():
    """Pipelined, over HTTP/1.0, and over the control socket: each request has a verdict of its own."""
    up = Upstream()
    image, free = Secret(up, REPO, "image"), Secret(up, "free/app", "free")
    pg = Gated(up)
    ask = lambda s, version="1.1", more="": (f"GET {s.doors()['tag']} HTTP/{version}\r\nHost: x\r\n{more}\r\n").encode()
    close = "Connection: close\r\n"
    said = pg.raw(ask(free) + ask(image) + ask(free) + ask(image, more=close))
    assert re.findall(rb"HTTP/1.1 (\d+) ", said) == [b"200", b"403", b"200", b"403"], said
    assert said.count(free.image.body) == 2 and not any(part in said for part in image.bytes)
    said = pg.raw(ask(image, "1.0"))
    assert said.startswith(b"HTTP/1.1 403 ") or said.startswith(b"HTTP/1.1 505 "), said
    for path in image.doors().values():
        image.check(pg.control("GET", path), "over the control socket")
    pg.stop()


def test_a_blob_has_its_right_in_one_repository_alone():
    """Named by an admitted manifest here and by a denied one there; and the other way around."""
    up = Upstream()
    both = b"in both " * 100
    signed_one = up.image(REPO, "v1", layers=[both, b"first"], arch="a")
    other = up.image("library/other", "v1", layers=[both, b"second"], arch="b")
    pg = Gated(up)
    pg.signer.sign(up, REPO, signed_one.digest)
    pg.signer.sign(up, "library/elsewhere", other.digest)             # in a repository that is not its own
    assert pg.get(f"/v2/{REPO}/manifests/v1").status == 200
    denied(pg.get("/v2/library/other/manifests/v1"))
    path = lambda repo: f"/v2/{repo}/blobs/{sha256(both)}"
    assert pg.get(path(REPO)) == (200, both)
    for headers in ({}, {"Range": "bytes=0-3"}, {"If-None-Match": "*"}):
        for repo in ("library/other", "library/elsewhere", "library/third"):
            denied(pg.get(path(repo), headers))
            denied(pg.head(path(repo), headers))
    pg.stop()


def test_a_layer_that_many_denied_images_have_too_is_pulled():
    """Whoever asks for them keeps nobody from the signed one."""
    up = Upstream()
    base = b"a base layer " * 50
    images = [up.image(REPO, f"v{n}", layers=[base, b"%d" % n], arch=f"a{n}") for n in range(40)]
    pg = Gated(up)
    pg.signer.sign(up, REPO, images[20].digest)
    client = Client(pg)
    assert client.ask("GET", f"/v2/{REPO}/manifests/v20", {}).status == 200
    for n in range(40):
        if n != 20:
            assert client.ask("GET", f"/v2/{REPO}/manifests/v{n}", {}).status == 403
    assert client.ask("GET", f"/v2/{REPO}/blobs/{sha256(base)}", {}).status == 200
    pg.stop()


def test_a_manifest_that_names_what_is_anothers():
    """A config that is another image's layer, a layer that is another's manifest, schema 1, urls: what
    an unsigned one names has no right by it, and of a signed one nothing but what it names."""
    up = Upstream()
    image = Secret(up, REPO, "image")
    describe = lambda d, n, **more: {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": d, "size": n, **more}
    odd = up.manifest(REPO, "odd", {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": describe(image.image.layers[0], len(image.text)),
        "layers": [describe(image.image.digest, len(image.image.body)),
                   describe(image.image.config, 5, urls=["http://127.0.0.1:1/x"])]})
    up.manifest(REPO, "old", {"schemaVersion": 1, "name": REPO, "tag": "old", "fsLayers": [
        {"blobSum": image.image.layers[0]}], "history": []},
        "application/vnd.docker.distribution.manifest.v1+prettyjws")
    pg = Gated(up)
    for tag in ("odd", "old", odd):
        got = pg.get(f"/v2/{REPO}/manifests/{tag}")
        assert got.status != 200, (tag, got)
    refused(pg, image)
    for d in (image.image.digest, *image.image.layers):
        image.check(pg.get(f"/v2/{REPO}/blobs/{d}"), d)
    pg.stop()


def test_a_signature_helps_neither_its_own_tag_nor_other_images():
    """Of evidence that is signed itself, of payloads that name another, of one under a wrong tag."""
    up = Upstream()
    image, other = Secret(up, REPO, "image"), Secret(up, REPO, "other", tag="v2")
    pg = Gated(up)
    payload = lambda d: json.dumps({"critical": {"identity": {"docker-reference": "x"}, "image": {
        "docker-manifest-digest": d}, "type": "cosign container image signature"}, "optional": None}).encode()
    over = payload(image.image.digest)
    put_signature(up, REPO, other.image.digest, over, pg.signer.over(over))      # right, under another's tag
    stranger = Signer(pg.folder, "stranger")
    put_signature(up, REPO, image.image.digest, over, stranger.over(over))       # of somebody
    refused(pg, image)
    refused(pg, other)
    wrong = payload(image.image.digest.upper().replace("SHA256", "sha256"))
    put_signature(up, REPO, image.image.digest, wrong, pg.signer.over(wrong))    # another spelling of it
    pg.use(signed().replace("name: signed", "name: anew"))
    refused(pg, image, "anew")
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
