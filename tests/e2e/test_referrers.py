# SPDX-License-Identifier: Apache-2.0
"""Signatures, SBOMs and attestations of an image: who lists them, and what is listed."""
import pg as stage
from pg import Gate, Pullgate, Upstream
from upstream import OCI_INDEX, OCI_MANIFEST, hold, listed, say, sha256, status

REPO = "library/app"


def listing(pg, digest, query=""):
    a = pg.get(f"/v2/{REPO}/referrers/{digest}{query}")
    assert a.status == 200 and a.headers["Content-Type"] == OCI_INDEX, a
    doc = a.json()
    assert doc["schemaVersion"] == 2 and doc["mediaType"] == OCI_INDEX
    return doc["manifests"], a


def stand(more=""):
    up = Upstream()
    image = up.image(REPO, "v1")
    return up, image, Pullgate(up, more=more, origin=", fetch_ahead: false")


def test_upstreams_list_is_filtered_here_and_kept():
    up, image, pg = stand()
    sig, sbom = up.artifact(REPO, None, image), up.artifact(REPO, None, image, "application/x.sbom")
    one = up.describe(REPO, sig, artifactType="application/x.sig", annotations={"a": "\u2028\x1b"})
    two = up.describe(REPO, sbom, artifactType="application/x.sbom")
    up.refer(image.digest, [one, two])
    assert listing(pg, image.digest)[0] == [one, two]
    only, a = listing(pg, image.digest, "?artifactType=application/x.sbom")
    assert only == [two] and a.headers["OCI-Filters-Applied"] == "artifactType"
    assert a.headers["Cache-Status"] == "pullgate; hit"
    assert listing(pg, image.digest, "?artifactType=application%2Fx.none")[0] == []
    assert up.count("GET", "/referrers/") == 1 and up.count("GET", "/manifests/") == 0
    assert up.asked[0][2]["Accept"] == OCI_INDEX
    head = pg.head(f"/v2/{REPO}/referrers/{image.digest}")
    assert head.status == 200 and head.body == b""
    assert pg.get(f"/v2/{REPO}/manifests/{sig}").json()["subject"]["digest"] == image.digest
    pg.landed(1)
    pg.stop()


def test_E31_the_fallback_tag():
    """Whatever says that there is no API: the tag sha256-<hex>, or an empty list."""
    html = say(200, {"Content-Type": "text/html"}, b"<html>")
    for no in [status(404), status(400), status(405), status(406), status(501), html]:
        up, image, pg = stand()
        up.on("/referrers/", no)
        assert listing(pg, sha256(b"neither"))[0] == []
        sig = up.artifact(REPO, None, image)
        tag = image.digest.replace(":", "-")
        other = up.image(REPO, "v2", [b"2"])
        sig2 = up.artifact(REPO, None, other)
        for digest, s in [(image.digest, sig), (other.digest, sig2)]:
            up.manifest(REPO, digest.replace(":", "-"), {
                "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
                    up.describe(REPO, s, artifactType="application/x.sig")]}, OCI_INDEX)
        assert listing(pg, other.digest)[0][0]["digest"] == sig2
        asked = up.count("GET", "/referrers/")
        third = up.image(REPO, "v3", [b"3"])
        up.manifest(REPO, third.digest.replace(":", "-"), {
            "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}, OCI_INDEX)
        assert listing(pg, third.digest)[0] == []
        assert up.count("GET", "/referrers/") == asked      # the tag is where they are
        tags = pg.get(f"/v2/{REPO}/tags/list").json()["tags"]
        assert tag in tags                                  # it is a tag as any other
        assert pg.get(f"/v2/{REPO}/manifests/{tag}").status == 200
        pg.landed(1)
        pg.stop()


def test_E31_what_one_repository_says_hides_nothing_of_another():
    up, image, pg = stand()
    sig = up.artifact(REPO, None, image)
    up.refer(image.digest, [up.describe(REPO, sig)])
    up.on("^/v2/x/evil/referrers/", status(404))
    up.manifest("x/evil", image.digest.replace(":", "-"),
                {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}, OCI_INDEX)
    assert pg.get(f"/v2/x/evil/referrers/{image.digest}").json()["manifests"] == []
    assert len(listing(pg, image.digest)[0]) == 1
    pg.stop()


def test_E31_pages_of_upstreams_and_of_ours():
    up, image, pg = stand()
    d = lambda i: {"mediaType": OCI_MANIFEST, "digest": f"sha256:{i:064x}", "size": 10,
                   "artifactType": "application/x.even" if i % 2 == 0 else "application/x.odd"}
    all_ = [d(i) for i in range(2500)]
    up.refer(image.digest, all_[:1000], Link='<https://elsewhere.test/v2/x?page=2>; rel="next"')
    up.on(r"page=2", listed(all_[900:1700], Link=f'</v2/{REPO}/referrers/x?page=3>; rel="next"'))
    up.on(r"page=3", listed(all_[1700:]))
    got, query, pages = [], "", 0
    while True:
        some, a = listing(pg, image.digest, query)
        got, pages = got + some, pages + 1
        if a.headers["Link"] is None:
            break
        assert a.headers["Link"].startswith(f"</v2/{REPO}/referrers/{image.digest}?n=1000&last=")
        query = a.headers["Link"].split(">")[0].split(image.digest)[1]
    assert got == all_ and pages == 3
    assert up.count("GET", "/referrers/") == 3
    odd, a = listing(pg, image.digest, "?n=1&artifactType=application/x.odd")
    assert odd == [d(1)] and "artifactType=application%2Fx.odd" in a.headers["Link"]
    other = up.image(REPO, None, [b"loop"])
    up.refer(other.digest, [], Link=f'</v2/{REPO}/referrers/x?page=9>; rel="next"')
    up.on("page=9", listed([], Link=f'</v2/{REPO}/referrers/x?page=9>; rel="next"'))
    assert pg.get(f"/v2/{REPO}/referrers/{other.digest}").status == 502
    pg.stop()


def test_E31_a_hundred_thousand():
    up, image, pg = stand()
    page = lambda n: [{"mediaType": "m", "digest": f"sha256:{i:064x}", "size": 1}
                      for i in range(n * 10000, (n + 1) * 10000)]
    up.refer(image.digest, page(0), Link='<?page=1>; rel="next"')
    for n in range(1, 10):
        up.on(rf"page={n}$", listed(page(n), Link=f'<?page={n + 1}>; rel="next"'))
    a = pg.get(f"/v2/{REPO}/referrers/{image.digest}")
    assert a.status == 502 and "10000" in a.message(), a
    assert up.count("GET", "page=2") == 0            # nor is the rest of it asked for
    assert pg.get("/v2/").status == 200
    pg.stop()


def test_N21_lists_carry_no_content_and_no_addresses():
    up, image, pg = stand()
    sig = up.artifact(REPO, None, image)
    up.refer(image.digest, [up.describe(REPO, sig, data="c2VjcmV0", urls=["http://evil.test/"],
                                        annotations={"k": "v"}, secret=1),
                            {"digest": "sha256:0"}, "x", 7, None])
    said, a = listing(pg, image.digest)
    assert said == [up.describe(REPO, sig, annotations={"k": "v"})]
    assert b"evil" not in a.body and b"c2VjcmV0" not in a.body
    pg.stop()


def test_E31_a_manifest_that_is_here_and_has_another_subject_is_not_listed():
    up, image, pg = stand()
    other = up.image(REPO, "v2", [b"other"])
    ours, theirs = up.artifact(REPO, "ours", image), up.artifact(REPO, "theirs", other)
    none = up.image(REPO, "none", [b"none"])
    for ref in ["v1", "ours", "theirs", "none"]:
        assert pg.get(f"/v2/{REPO}/manifests/{ref}").status == 200
    pg.landed(4)
    unknown = up.artifact(REPO, None, other, data=b"never pulled")
    up.refer(image.digest, [up.describe(REPO, d) for d in [theirs, none.digest, unknown, ours]])
    assert [m["digest"] for m in listing(pg, image.digest)[0]] == [unknown, ours]
    pg.stop()


def test_without_upstream():
    """The list is served stale; what was pulled is listed also after a restart; never as empty."""
    up, image, pg = stand(more="tags: {ttl: 0s}")
    sig = up.artifact(REPO, None, image, annotations={"by": "us"})
    up.refer(image.digest, [up.describe(REPO, sig)])
    assert pg.get(f"/v2/{REPO}/manifests/v1").status == 200
    assert pg.get(f"/v2/{REPO}/manifests/{sig}").status == 200
    assert pg.get(f"/v2/{REPO}/blobs/{sha256(b'payload')}").status == 200
    assert [m["digest"] for m in listing(pg, image.digest)[0]] == [sig]
    pg.landed(3)
    up.die()
    said, a = listing(pg, image.digest)
    assert [m["digest"] for m in said] == [sig]
    assert a.headers["Cache-Status"].startswith("pullgate; fwd=stale; detail=") and "Age" in a.headers
    pg.restart()
    said, a = listing(pg, image.digest, "?artifactType=application/x.sig")
    assert said == [{"mediaType": OCI_MANIFEST, "digest": sig, "artifactType": "application/x.sig",
                     "size": len(up.manifests[REPO, sig][1]), "annotations": {"by": "us"}}]
    assert a.headers["Cache-Status"].startswith("pullgate; fwd=stale; detail=")
    assert pg.get(f"/v2/{REPO}/manifests/{sig}").status == 200
    assert pg.get(f"/v2/{REPO}/blobs/{sha256(b'payload')}") == (200, b"payload")
    other = pg.get(f"/v2/{REPO}/referrers/{sha256(b'another')}")
    assert other.status == 503 and other.code() == "UNAVAILABLE"
    elsewhere = pg.get(f"/v2/library/elsewhere/referrers/{image.digest}")
    assert elsewhere.status == 503                   # what is here is another repository's
    pg.stop()


def test_a_herd_asks_once():
    up, image, pg = stand()
    gate = Gate()
    up.refer(image.digest, [])
    up.on("/referrers/", hold(gate))
    herd = [pg.start_get(f"/v2/{REPO}/referrers/{image.digest}") for _ in range(20)]
    gate.wait_reached()
    waiting = lambda: pg.admin("/debug/requests").body.count(b'"stage":"walked"')
    pg.wait_true(lambda: waiting() == 20, "not all of them wait")
    gate.open()
    assert all(h.done().status == 200 for h in herd)
    assert up.count("GET", "/referrers/") == 1
    pg.stop()


def test_cosigns_tags_are_tags():
    up, image, pg = stand()
    hexa = image.digest.replace(":", "-")
    for suffix in [".sig", ".att", ".sbom"]:
        body = up.image(REPO, hexa + suffix, [suffix.encode()]).body
        for _ in range(2):
            assert pg.get(f"/v2/{REPO}/manifests/{hexa}{suffix}") == (200, body)
        assert up.count("GET", hexa + suffix) == 1
    pg.landed(3)
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
