# SPDX-License-Identifier: Apache-2.0
"""Upstreams with several URLs: who is asked, who is believed, and what happens when some fail."""
import random

import pg as stage
from pg import Pullgate, Short, Upstream
from upstream import cut, instead, reset, sha256, status

DATA = random.Random(9).randbytes(3_000_000)
CONF = """\
listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0}}
storage: {{path: {{dir}}/data, reserve: 0}}
tags: {{ttl: 0s, max_stale: 7d}}
upstreams:
  origin.test:
    default: true
    allow_private: true
    urls:
{urls}
{more}
"""


def stand(*ups, more=""):
    """ups: (upstream, authoritative). The first authoritative one has an image."""
    urls = "".join(f'      - {{url: "{up.url}", authoritative: {str(a).lower()}}}\n' for up, a in ups)
    return Pullgate(conf=CONF.format(urls=urls, more=more))


def registry():
    up = Upstream()
    return up, up.image("library/app", "v1", [DATA])


BLOB = f"/v2/library/app/blobs/{sha256(DATA)}"
TAG = "/v2/library/app/manifests/v1"


def test_the_first_that_answers_is_asked_and_the_others_are_not():
    first, image = registry()
    second, _ = registry()
    pg = stand((first, True), (second, True))
    assert pg.get(TAG) == (200, image.body) and pg.get(BLOB) == (200, DATA)
    assert first.asked and not second.asked
    pg.stop()


def test_N12_tags_and_lists_come_from_authoritative_urls_alone():
    mirror, _ = registry()
    mirror.image("library/app", "v1", [b"an older one"])       # its opinion of the tag
    up, image = registry()
    pg = stand((mirror, False), (up, True))
    assert pg.get(TAG) == (200, image.body)
    assert pg.get("/v2/library/app/tags/list").json()["tags"] == ["v1"]
    assert not mirror.asked
    assert pg.get(BLOB) == (200, DATA)                          # what has a digest: the mirror first
    assert mirror.count("GET", "/blobs/") == 1 and up.count("GET", "/blobs/") == 0
    up.die()
    a = pg.get(TAG)                                             # never the mirror's opinion
    assert a == (200, image.body) and a.headers["Age"] is not None, a
    assert pg.get("/v2/library/app/manifests/other").status == 503
    assert not mirror.count("GET", "/manifests/v1") and not mirror.count("HEAD", "/manifests/")
    pg.stop()


def test_what_a_mirror_does_not_have_the_next_one_has():
    mirror, (up, image) = Upstream(), registry()
    pg = stand((mirror, False), (up, True))
    assert pg.get(f"/v2/library/app/manifests/{image.digest}") == (200, image.body)
    assert pg.get(BLOB) == (200, DATA)
    assert mirror.count("GET", "/manifests/") and mirror.count("GET", "/blobs/")
    a = pg.get(f"/v2/library/app/manifests/{sha256(b'none')}")
    assert a.status == 404 and a.code() == "MANIFEST_UNKNOWN", a
    up.die()                                                    # a mirror's 404 is no answer then
    a = pg.get(f"/v2/library/app/manifests/{sha256(b'other')}")
    assert a.status == 503, a
    pg.stop()


def test_what_the_authority_does_not_have_no_mirror_has():
    mirror, (up, image) = registry()[0], registry()
    up.on("/library/app/", status(403))
    pg = stand((up, True), (mirror, False))
    for path in [TAG, f"/v2/library/app/manifests/{image.digest}", BLOB]:
        assert pg.get(path).status in (403, 404), path
    assert not mirror.asked
    pg.stop()


def test_E02_E03_E13_the_next_url_for_whatever_fails():
    faults = {"refused": lambda up: up.die(), "reset": lambda up: up.on("^/v2/", reset()),
              "500": lambda up: up.on("^/v2/", status(500)), "429": lambda up: up.on("^/v2/", status(429)),
              "not http": lambda up: up.on("^/v2/", lambda x: x.raw(b"hello\r\n\r\n") or True)}
    for name, fault in faults.items():
        bad, (up, image) = registry()[0], registry()
        fault(bad)
        pg = stand((bad, True), (up, True))
        for path, body in [(TAG, image.body), (BLOB, DATA), (f"/v2/library/app/manifests/{image.digest}", image.body)]:
            assert pg.get(path) == (200, body), (name, path)
        assert pg.get("/v2/library/app/tags/list").status == 200, name
        pg.stop()


def test_a_blob_goes_on_at_the_next_url_where_it_stopped():
    first, (second, image) = registry()[0], registry()
    first.on("/blobs/", cut(1_000_000))
    pg = stand((first, True), (second, False))
    assert pg.get(BLOB) == (200, DATA)
    ranges = [h.get("Range") for m, p, h in second.asked if "/blobs/" in p]
    assert ranges and ranges[0] is not None and int(ranges[0][6:-1]) > 0, ranges
    pg.stop()


def test_N20_a_splice_of_two_versions_is_fetched_whole_from_one():
    other = bytes([b ^ 1 for b in DATA])
    mirror, (up, image) = Upstream(), registry()
    mirror.on("/blobs/", instead(other))
    def wrong_rest(x):                                          # of another version, from there on
        first = int(x.headers.get("Range", "bytes=0-")[6:-1])
        x.answer(206 if first else 200, {"Content-Range": f"bytes {first}-{len(other) - 1}/{len(other)}"} if first else {},
                 other[first:])
        return True
    mirror.on("/blobs/", wrong_rest)
    up.on("/blobs/", cut(1_000_000), times=1)
    pg = stand((up, True), (mirror, False))
    a = pg.get(BLOB)
    assert a.status >= 500 or isinstance(a.body, Short), a.status
    pg.wait_metric("pullgate_flights", 0, at_least=False)
    up.asked.clear()
    mirror.asked.clear()
    assert pg.get(BLOB) == (200, DATA)                          # whole, from one
    assert not mirror.count("GET", "/blobs/")
    assert [h.get("Range") for m, p, h in up.asked if "/blobs/" in p] == [None]
    pg.stop()


def test_N20_a_mirror_that_lies_is_asked_once():
    mirror, (up, image) = Upstream(), registry()
    mirror.on("/blobs/", instead(bytes(len(DATA))))
    pg = stand((mirror, False), (up, True))
    a = pg.get(BLOB)
    assert a.status >= 500 or isinstance(a.body, Short), a.status
    pg.wait_metric("pullgate_flights", 0, at_least=False)
    assert pg.get(BLOB) == (200, DATA)
    assert mirror.count("GET", "/blobs/") == 1
    mirror.on("/manifests/", instead(b"{}"))                    # a manifest is small: at once
    assert pg.get(f"/v2/library/app/manifests/{image.digest}") == (200, image.body)
    pg.stop()


def test_N12_an_alias_shares_what_its_target_has():
    up, image = registry()
    pg = stand((up, True), more="  other.test: {alias_of: origin.test}\n")
    assert pg.get(TAG) == (200, image.body)
    assert pg.get(BLOB) == (200, DATA)
    up.asked.clear()
    assert pg.get("/v2/other.test/library/app/blobs/" + sha256(DATA)) == (200, DATA)
    assert pg.get(f"/v2/library/app/blobs/{sha256(DATA)}?ns=other.test") == (200, DATA)
    assert not up.asked
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
