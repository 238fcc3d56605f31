# SPDX-License-Identifier: Apache-2.0
"""A pull: cold, warm, by tag, by digest; what upstream is asked; what the client is told."""
import json, os, re, socket

import pg as stage
from pg import Gate, Pullgate, Upstream
from upstream import OCI_INDEX, OCI_MANIFEST, hold, pause, sha256, status


def test_a_second_pull_asks_for_no_blob():
    up = Upstream()
    image = up.image("library/app", "v1", layers=[b"a" * 300_000, b"b" * 10])
    pg = Pullgate(up)
    for n in range(2):
        m = pg.get("/v2/library/app/manifests/v1")
        assert m == (200, image.body) and m.headers["Content-Type"] == OCI_MANIFEST
        assert m.headers["Docker-Content-Digest"] == image.digest
        assert m.headers["ETag"] == f'"{image.digest}"'
        for d in [image.config, *image.layers]:
            b = pg.get(f"/v2/library/app/blobs/{d}")
            assert b == (200, up.blobs[d]) and b.headers["Docker-Content-Digest"] == d
            assert b.headers["Content-Length"] == str(len(up.blobs[d]))
    for d in [image.config, *image.layers]:
        assert up.count("GET", d) == 1
    assert up.count("GET", "/manifests/") == 1
    pg.stop()


def test_by_digest_is_never_asked_again():
    up = Upstream()
    image = up.image("library/app", None)
    pg = Pullgate(up, more="tags: {ttl: 0s}")
    for n in range(3):
        assert pg.get(f"/v2/library/app/manifests/{image.digest}") == (200, image.body)
    assert up.count("GET", image.digest) == 1 and up.count("HEAD", image.digest) == 0
    pg.stop()


def test_a_tag_is_revalidated_by_head():
    up = Upstream()
    image = up.image("library/app", "v1")
    pg = Pullgate(up, more="tags: {ttl: 0s}")
    for n in range(3):
        assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)
    assert up.count("GET", "/manifests/") == 1
    assert up.count("HEAD", "/manifests/v1") >= 2
    new = up.image("library/app", "v1", layers=[b"other"])
    assert pg.get("/v2/library/app/manifests/v1") == (200, new.body)
    assert pg.get(f"/v2/library/app/manifests/{image.digest}") == (200, image.body)
    pg.stop()


def test_an_index_is_kept_byte_for_byte_and_its_children_are_fetched_when_asked_for():
    up = Upstream()
    amd, arm = up.image("library/app", None), up.image("library/app", None, [b"arm"], "arm64")
    index = up.index("library/app", "v1", {"amd64": amd, "arm64": arm})
    pg = Pullgate(up)
    m = pg.get("/v2/library/app/manifests/v1")
    assert sha256(m.body) == index and m.headers["Content-Type"] == OCI_INDEX
    assert up.count("GET", amd.digest) == up.count("GET", arm.digest) == 0
    assert pg.get(f"/v2/library/app/manifests/{arm.digest}") == (200, arm.body)
    assert up.count("GET", amd.digest) == 0 and up.count("GET", arm.digest) == 1
    pg.stop()


def test_head_tells_what_get_would_and_fetches_no_body():
    """A21"""
    up = Upstream()
    image = up.image("library/app", "v1", layers=[b"x" * 5000])
    pg = Pullgate(up)
    layer = f"/v2/library/app/blobs/{image.layers[0]}"
    cold = pg.head(layer)
    assert cold.status == 200 and up.count("GET", "/blobs/") == 0
    for path in ["/v2/", "/v2/library/app/manifests/v1", layer,
                 f"/v2/library/app/manifests/{image.digest}", "/v2/library/app/tags/list",
                 "/v2/library/app/manifests/none", f"/v2/library/app/blobs/{sha256(b'none')}"]:
        g, h = pg.get(path), pg.head(path)
        assert h.status == g.status and h.body == b"", path
        for name in ["Content-Length", "Content-Type", "Docker-Content-Digest", "ETag"]:
            assert h.headers[name] == g.headers[name], (path, name)
        assert int(g.headers["Content-Length"]) == len(g.body)
    pg.landed(3)
    warm = pg.head(layer)
    assert warm.status == 200 and warm.headers["Cache-Status"] == "pullgate; hit"
    assert warm.headers["Content-Length"] == "5000"
    pg.stop()


def test_followers_share_the_leaders_download():
    """K06, small: three clients, one GET."""
    up, gate = Upstream(), Gate()
    layer = up.image("library/app", "v1", [b"x" * 2_000_000]).layers[0]
    up.on(f"/blobs/{layer}", pause(gate))
    pg = Pullgate(up)
    pg.get("/v2/library/app/manifests/v1")
    leader = pg.start_get(f"/v2/library/app/blobs/{layer}")
    gate.wait_reached()                              # half the blob is through
    followers = [pg.start_get(f"/v2/library/app/blobs/{layer}") for _ in range(2)]
    pg.wait_metric("pullgate_flight_followers_total", 2)   # both are aboard, by our own count
    gate.open()
    for pull in [leader, *followers]:
        assert pull.done() == (200, up.blobs[layer])
    assert up.count("GET", layer) == 1
    pg.stop()


def test_a_herd_of_100_costs_one_get_and_survives_its_leader():
    """K06"""
    import socket
    up, gate = Upstream(), Gate()
    layer = up.image("library/app", "v1", [b"y" * 3_000_000]).layers[0]
    up.on(f"/blobs/{layer}", pause(gate))
    pg = Pullgate(up)
    pg.get("/v2/library/app/manifests/v1")
    path = f"/v2/library/app/blobs/{layer}"
    leader = pg.connect()
    leader.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    gate.wait_reached()
    herd = [pg.start_get(path) for _ in range(100)]
    pg.wait_metric("pullgate_flight_followers_total", 100)
    leader.close()                                   # the one who began it goes away
    gate.open()
    for pull in herd:
        assert pull.done() == (200, up.blobs[layer])
    assert up.count("GET", layer) == 1
    pg.stop()


def test_a_blob_without_a_known_manifest_is_asked_for_in_its_own_repository():
    """Knowing a digest is not having it: the other repository must have it, too."""
    up = Upstream()
    image = up.image("library/app", "v1", [b"secret" * 100])
    up.on(r"^/v2/library/other/blobs/", status(404), methods=("GET", "HEAD"))
    pg = Pullgate(up)
    assert pg.get(f"/v2/library/app/blobs/{image.layers[0]}").status == 200     # no manifest yet
    assert pg.get(f"/v2/library/other/blobs/{image.layers[0]}").status == 404
    assert pg.head(f"/v2/library/other/blobs/{image.layers[0]}").status == 404
    pg.get("/v2/library/app/manifests/v1")
    up.on(r"^/v2/library/other/manifests/", status(404))
    assert pg.get(f"/v2/library/other/manifests/{image.digest}").status == 404
    assert pg.get(f"/v2/library/app/manifests/{image.digest}").status == 200
    pg.stop()


def test_sha512():
    """B03: another algorithm is the same road."""
    import hashlib
    up = Upstream()
    data = b"long" * 100_000
    d = "sha512:" + hashlib.sha512(data).hexdigest()
    up.blobs[d] = data
    body = up.image("library/app", "v1").body
    m = "sha512:" + hashlib.sha512(body).hexdigest()
    up.manifests["library/app", m] = (OCI_MANIFEST, body)
    pg = Pullgate(up)
    for _ in range(2):
        b = pg.get(f"/v2/library/app/blobs/{d}")
        assert b == (200, data) and b.headers["Docker-Content-Digest"] == d
        a = pg.get(f"/v2/library/app/manifests/{m}")
        assert a == (200, body) and a.headers["Docker-Content-Digest"] == m
    assert up.count("GET", d) == 1 and up.count("GET", m) == 1
    pg.stop()


def test_conditional_and_content_coding():
    """A22"""
    up = Upstream()
    image = up.image("library/app", "v1", [b"z" * 1000])
    pg = Pullgate(up)
    for path, digest in [("/v2/library/app/manifests/v1", image.digest),
                         (f"/v2/library/app/blobs/{image.layers[0]}", image.layers[0])]:
        whole = pg.get(path, {"Accept-Encoding": "zstd, gzip"})
        assert whole.status == 200 and whole.headers["Content-Encoding"] is None
        for tag in [f'"{digest}"', f'W/"{digest}"', "*", f'"other", "{digest}"']:
            same = pg.get(path, {"If-None-Match": tag})
            assert same == (304, b""), (path, tag)
            assert same.headers["ETag"] == f'"{digest}"'
        assert pg.get(path, {"If-None-Match": '"other"'}).status == 200
    layer = f"/v2/library/app/blobs/{image.layers[0]}"
    ranged = {"Range": "bytes=10-19"}
    assert pg.get(layer, {**ranged, "If-Range": f'"{image.layers[0]}"'}) == (206, b"z" * 10)
    assert pg.get(layer, {**ranged, "If-Range": '"other"'}) == (200, b"z" * 1000)
    pg.stop()


def test_accept_lines_are_merged():
    up = Upstream()
    image = up.image("library/app", "v1")
    pg = Pullgate(up)
    path = "/v2/library/app/manifests/v1"
    lines = "".join(f"Accept: {t}\r\n" for t in ["application/json", OCI_INDEX, OCI_MANIFEST])
    said = pg.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\n{lines}Connection: close\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 200 ") and said.endswith(image.body)
    assert pg.get(path, {"Accept": "*/*"}).status == 200
    no = pg.get(path, {"Accept": OCI_INDEX})
    assert no.status == 404 and no.code() == "MANIFEST_UNKNOWN" and OCI_MANIFEST in no.message()
    asked = next(h for m, p, h in up.asked if p.endswith("/manifests/v1"))
    assert asked["Accept-Encoding"] == "identity"
    pg.stop()


def test_a_stale_tag_outlives_its_upstream():
    """E24, short; E01 for a warm tag"""
    up = Upstream()
    image = up.image("library/app", "v1", [b"layer" * 1000])
    pg = Pullgate(up, more="tags: {ttl: 0s, max_stale: 7d}")
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    assert pg.get(f"/v2/library/app/blobs/{image.layers[0]}").status == 200
    up.die()
    for _ in range(5):
        m = pg.get("/v2/library/app/manifests/v1")
        assert m == (200, image.body) and "Age" in m.headers
        assert m.headers["Cache-Status"].startswith("pullgate; fwd=stale; detail=")   # RFC 9211
        assert pg.get(f"/v2/library/app/manifests/{image.digest}") == (200, image.body)
        assert pg.get(f"/v2/library/app/blobs/{image.layers[0]}").status == 200
    other = pg.get("/v2/library/app/manifests/v2")
    assert other.status == 503 and other.code() == "UNAVAILABLE"
    assert 0 < int(other.headers["Retry-After"]) <= 10
    pg.restart()                                     # what was stale is so after a restart, too
    assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)
    pg.wait_metric('pullgate_cache_total{result="stale"}', 1)
    pg.stop()


def test_tags_are_listed_without_upstream():
    """Stale, as they were; after a restart those that were pulled."""
    up = Upstream()
    for n in range(4):
        up.image("library/app", f"v{n}")
    pg = Pullgate(up, more="tags: {ttl: 0s}")
    for n in [3, 1]:
        assert pg.get(f"/v2/library/app/manifests/v{n}").status == 200
    pg.landed(1)                                     # all of them are one image
    tags = lambda q="": pg.get(f"/v2/library/app/tags/list{q}")
    assert tags().json()["tags"] == ["v0", "v1", "v2", "v3"]
    up.die()
    stale = tags("?n=2&last=v1")
    assert stale.json()["tags"] == ["v2", "v3"] and "Age" in stale.headers
    pg.restart()
    own = tags()
    assert own.json() == {"name": "library/app", "tags": ["v1", "v3"]}
    assert own.headers["Cache-Status"].startswith("pullgate; fwd=stale; detail=")
    assert pg.get("/v2/library/none/tags/list").status == 503
    pg.stop()


def test_a_tag_too_old_is_not_served():
    up = Upstream()
    up.image("library/app", "v1")
    pg = Pullgate(up, more="tags: {ttl: 0s, max_stale: 0s}")
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    up.die()
    assert pg.get("/v2/library/app/manifests/v1").status == 503
    pg.stop()


def test_upstream_deleted_the_tag():
    """E23"""
    up = Upstream()
    image = up.image("library/app", "v1")
    pg = Pullgate(up, more="tags: {ttl: 0s}")
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    del up.manifests["library/app", "v1"]
    gone = pg.get("/v2/library/app/manifests/v1")
    assert gone.status == 404 and gone.code() == "MANIFEST_UNKNOWN"
    assert pg.get(f"/v2/library/app/manifests/{image.digest}").status == 200
    pg.stop()


def test_each_request_is_one_line():
    up = Upstream()
    image = up.image("library/app", "v1", [b"1234"])
    pg = Pullgate(up, more="log: {format: json}", origin=", fetch_ahead: false")
    layer = f"/v2/library/app/blobs/{image.layers[0]}"
    for path in ["/v2/library/app/manifests/v1", layer, layer, "/v2/library/app/manifests/none"]:
        pg.get(path)
        pg.landed(2 if path == layer else 1)
    pg.end()
    lines = [json.loads(l) for l in pg.log if '"request"' in l]
    mine = [l for l in lines if "repo" in l]
    assert [l["status"] for l in mine] == [200, 200, 200, 404], pg.said()
    assert [l["cache"] for l in mine[:3]] == ["miss", "miss", "hit"]
    assert mine[1]["bytes"] == mine[2]["bytes"] == 4
    assert mine[0]["digest"] == image.digest and mine[0]["reference"] == "v1"
    assert len({l["id"] for l in mine}) == 4
    assert all(l["upstream"] == "origin.test" and "total_ms" in l for l in mine)
    pg.start()
    pg.stop()


def test_the_bytes_of_bodies_are_counted_once_and_those_of_a_cut_one_too():
    up = Upstream()
    big = os.urandom(32 << 20)
    image = up.image("library/app", "v1", [b"1234", big])
    pg = Pullgate(up)
    sent = lambda: pg.metric("pullgate_sent_bytes_total")
    pg.get("/v2/library/app/manifests/v1")
    pg.get(f"/v2/library/app/blobs/{image.layers[0]}")
    pg.wait_metric("pullgate_sent_bytes_total", len(image.body) + 4)
    assert sent() == len(image.body) + 4
    before = sent()
    with pg.connect() as s:
        s.sendall(f"GET /v2/library/app/blobs/{image.layers[1]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = 0
        while got < 65536:                           # the rest is not wanted
            got += len(s.recv(4096))
    line = pg.wait_log("cut=yes")
    cut = int(re.search(r" bytes=(\d+)", line)[1])
    assert 0 < cut < len(big), line
    assert sent() == before + cut
    pg.landed(3)
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
