# SPDX-License-Identifier: Apache-2.0
"""What upstreams allow, deny, delete, and do not have."""
import http.client, json, random

import pg as stage
from pg import Pullgate, Upstream
from upstream import OCI_MANIFEST, Gate, cut, hold, pause, say, sha256, status

TAG = "/v2/library/app/manifests/v1"
SPENT = (b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your unauthenticated pull '
         b'rate limit. https://www.docker.com/increase-rate-limit"}]}')


def stand(origin="", **more):
    """Nothing is fetched but what a test asks for."""
    up = Upstream()
    image = up.image("library/app", "v1")
    return up, Pullgate(up, origin=origin + ", fetch_ahead: false", **more), image


def counts(up, limit=100, window=21600, heads=False):
    """From now on it says what is left, as Docker Hub does: GETs of manifests count, HEADs do not."""
    left = [limit]

    def rule(x):
        if x.command == "GET" or heads:
            left[0] -= 1
        say = {"RateLimit-Limit": f"{limit};w={window}", "RateLimit-Remaining": f"{max(left[0], 0)};w={window}",
               "Docker-RateLimit-Source": "192.0.2.7"}
        if left[0] < 0:
            x.answer(429, say, SPENT)
            return True
        code, media, body = x.body()
        if code != 200:
            return False
        x.answer(200, {"Content-Type": media, "Docker-Content-Digest": sha256(body), **say}, body)
        return True
    up.on("/manifests/", rule)
    return left


def upstream_status(pg):
    return pg.admin("/api/v1/status").json()["upstreams"][0]


def test_a_budget_is_told_to_the_operator():
    up, pg, image = stand()
    assert pg.get(TAG).status == 200 and upstream_status(pg)["budget"] is None
    pg.stop()
    up, pg, image = stand()
    counts(up)
    assert pg.get(TAG).status == 200
    b = upstream_status(pg)["budget"]
    assert b["limit"] == 100 and b["left"] == 99 and b["window_s"] == 21600 and b["source"] == "192.0.2.7", b
    label = '{upstream="origin.test",source="192.0.2.7"}'
    assert pg.metric("pullgate_upstream_budget_left" + label) == 99
    assert pg.metric("pullgate_upstream_budget_limit" + label) == 100
    code, out, err = pg.command("status", "--admin", f"127.0.0.1:{pg.admin_port}")
    assert code == 0 and "budget: 99 of 100 left for 192.0.2.7" in out, out + err
    pg.stop()


def test_tags_are_confirmed_by_head_alone_and_that_costs_no_budget():
    up, pg, image = stand(more="tags: {ttl: 0s}")
    left = counts(up)
    for _ in range(20):
        assert pg.get(TAG) == (200, image.body)
    assert left[0] == 99 and up.count("GET", "/manifests/v1") == 1 and up.count("HEAD", "/manifests/v1") == 19
    pg.stop()


def test_the_last_tenth_is_for_cold_pulls():
    """E12: what can be served from the store waits, what cannot goes on to be asked for."""
    up, pg, image = stand(more="tags: {ttl: 0s}")
    left = counts(up)
    other = up.image("library/other", "v1", [b"another"])
    assert pg.get(TAG) == (200, image.body)
    left[0] = 10
    assert pg.get("/v2/library/other/manifests/v1") == (200, other.body)       # tells that 9 are left
    asked = up.count("GET", "/manifests/")
    a = pg.get(TAG)
    assert a == (200, image.body) and "detail=budget" in a.headers["Cache-Status"], a.headers
    assert up.count("GET", "/manifests/") == asked and up.count("HEAD", "/manifests/") == 0
    assert upstream_status(pg)["budget"]["slowness"] == 0
    third = up.image("library/third", "v1", [b"a third"])
    assert pg.get("/v2/library/third/manifests/v1") == (200, third.body)       # somebody waits for it
    pg.stop()


def test_E12_a_quota_that_is_spent_serves_stale_and_holds_back_only_what_it_counts():
    up, pg, image = stand(more="tags: {ttl: 0s}")
    assert pg.get(TAG) == (200, image.body)
    left = counts(up, heads=True)
    left[0] = 0
    a = pg.get(TAG)                                                             # HEAD and then GET: both 429
    assert a == (200, image.body) and "stale" in a.headers["Cache-Status"]
    cold = pg.get("/v2/library/app/manifests/cold")
    assert cold.status == 503 and "pull rate limit" in cold.message(), cold
    asked = len(up.asked)
    assert pg.get("/v2/library/app/manifests/colder").status == 503
    assert len(up.asked) == asked                                               # one probe in a window
    assert pg.get(f"/v2/library/app/blobs/{image.layers[0]}").status == 200     # blobs are not counted
    pg.stop()


def test_E12_a_guard_against_abuse_is_heeded_by_all_that_is_asked():
    up, pg, image = stand()
    up.on("/manifests/", say(429, {"Retry-After": "60"}, b"Too Many Requests"), times=1)
    a = pg.get(TAG)
    assert a.status == 503 and 0 < int(a.headers["Retry-After"]) <= 10
    asked = len(up.asked)
    assert pg.get("/v2/library/app/tags/list").status == 503
    assert pg.get(f"/v2/library/app/blobs/{image.layers[0]}").status == 503
    assert len(up.asked) == asked
    assert upstream_status(pg)["state"] == "limited"
    pg.stop()


def test_where_head_is_unknown_it_is_tried_once():
    up, pg, image = stand(more="tags: {ttl: 0s}")
    up.on("/manifests/", status(405), methods=("HEAD",))
    for _ in range(5):
        assert pg.get(TAG) == (200, image.body)
    assert up.count("HEAD", "/manifests/") == 1, up.asked
    assert upstream_status(pg)["head"] is False
    pg.stop()


def test_a_herd_of_1000_that_asks_for_a_missing_tag_costs_one_request():
    up, pg, image = stand()
    gate = Gate()
    up.on("/manifests/missing", hold(gate))
    first = pg.start_get("/v2/library/app/manifests/missing")
    gate.wait_reached()
    gate.open()
    assert first.done().status == 404
    pulls = 0
    while pulls < 1000:
        herd = [pg.start_get("/v2/library/app/manifests/missing") for _ in range(50)]
        pulls += len(herd)
        for pull in herd:
            a = pull.done()
            assert a.status == 404 and a.code() == "MANIFEST_UNKNOWN", a
    assert up.count("GET", "/manifests/missing") + up.count("HEAD", "/manifests/missing") == 1
    assert pg.get(TAG) == (200, image.body)                                     # of that tag alone
    pg.stop()


def test_a_blob_that_is_missing_is_asked_for_once():
    up, pg, image = stand()
    assert pg.get(TAG).status == 200
    layer = image.layers[0]
    del up.blobs[layer]
    for _ in range(5):
        a = pg.get(f"/v2/library/app/blobs/{layer}")
        assert a.status == 404 and a.code() == "BLOB_UNKNOWN", a
    assert up.count("GET", layer) == 1
    pg.stop()


def deny(up, repo="library/app", code=403):
    up.on(f"^/v2/{repo}/", status(code), methods=("GET", "HEAD"))


def test_E23_follow_what_upstream_deleted_is_404_and_a_digest_stays_until_it_is_gone_there():
    up, pg, image = stand(more="tags: {ttl: 0s}")
    assert pg.get(TAG).status == 200
    pg.landed(1)
    del up.manifests["library/app", "v1"]
    for _ in range(3):
        a = pg.get(TAG)
        assert a.status == 404 and a.code() == "MANIFEST_UNKNOWN", a
    up.die()
    assert pg.get(TAG).status in (404, 503)                                     # and is not stale, either
    assert pg.get(f"/v2/library/app/manifests/{image.digest}") == (200, image.body)
    pg.stop()


def test_E23_follow_a_repository_that_is_withdrawn_is_403_by_tag_digest_and_blob():
    up, pg, image = stand(more="tags: {ttl: 0s}")
    digest, blob = f"/v2/library/app/manifests/{image.digest}", f"/v2/library/app/blobs/{image.layers[0]}"
    for path in [TAG, digest, blob]:
        assert pg.get(path).status == 200
    pg.landed(2)
    for code in [401, 403]:
        up.well()
        assert pg.get(TAG).status == 200
        deny(up, code=code)
        for path in [TAG, digest, blob, TAG]:
            a = pg.get(path)
            assert a.status == 403 and a.code() == "DENIED" and a.headers["WWW-Authenticate"] is None, (path, a)
    pg.restart()
    for path in [digest, blob, TAG]:
        assert pg.get(path).status == 403, path
    up.die()
    for path in [digest, blob, TAG]:                                            # nobody says that we may
        assert pg.get(path).status == 503, path
    up.live()
    up.well()
    pg.wait_true(lambda: pg.get(digest).status == 200, "access never came back")
    assert pg.get(blob).status == 200 and pg.get(TAG) == (200, image.body)
    pg.stop()


def test_E23_another_repository_is_not_withdrawn_with_it():
    up, pg, image = stand(more="tags: {ttl: 0s}")
    other = up.image("library/other", "v1", [b"another"])
    for repo in ["app", "other"]:
        assert pg.get(f"/v2/library/{repo}/manifests/v1").status == 200
    deny(up)
    assert pg.get(TAG).status == 403
    assert pg.get(f"/v2/library/other/manifests/{other.digest}") == (200, other.body)
    pg.stop()


def test_E23_keep_and_keep_and_flag():
    for what in ["keep", "keep-and-flag"]:
        up, pg, image = stand(more="tags: {ttl: 0s}", origin=f", when_deleted: {what}")
        blob = f"/v2/library/app/blobs/{image.layers[0]}"
        assert pg.get(TAG).status == pg.get(blob).status == 200
        pg.landed(2)
        gone = up.manifests.pop(("library/app", "v1"))
        flagged = what == "keep-and-flag"
        a = pg.get(TAG)
        assert a == (200, image.body) and "detail=deleted" in a.headers["Cache-Status"], a.headers
        assert (a.headers["Warning"] is not None) == flagged and a.headers["Age"] is not None
        deny(up)
        a = pg.get(TAG)
        assert a == (200, image.body), a
        assert pg.get(blob).status == 200
        assert pg.get(f"/v2/library/app/manifests/{image.digest}") == (200, image.body)
        assert upstream_status(pg)["kept"] == pg.metric("pullgate_kept_deleted_total") == (2 if flagged else 0)
        up.well()
        up.manifests["library/app", "v2"] = gone
        assert pg.get("/v2/library/app/manifests/v2").headers["Warning"] is None
        pg.stop()


SECRET = random.Random(3).randbytes(3_000_000)
BLOB = f"/blobs/{sha256(SECRET)}"


def two(ranges=True):
    """An upstream whose layer is in the store, and another, whose manifest names it."""
    mine, other = Upstream(), Upstream()
    image = mine.image("team/app", "v1", [SECRET])
    other.image("evil/app", "v1", [SECRET])
    pg = Pullgate(mine, more="tags: {ttl: 0s}",
                  upstreams=f'other.test: {{url: "{other.url}", allow_private: true}}')
    for path in ["manifests/v1", BLOB[1:]]:
        assert pg.get(f"/v2/team/app/{path}").status == 200
    pg.landed(2)
    assert pg.get("/v2/other.test/evil/app/manifests/v1").status == 200
    return mine, other, pg, image


def test_N07_a_manifest_that_names_anothers_layer_does_not_hand_it_out():
    """Whatever the HEAD says: the bytes have to be shown."""
    mine, other, pg, image = two()
    lie = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": sha256(SECRET)}
    for answer in [status(404), say(200, lie, b"x" * len(SECRET)), say(200, lie, b"short"),
                   say(206, {**lie, "Content-Range": f"bytes 0-262143/{len(SECRET)}"}, b"x" * 262144), status(416)]:
        other.well()
        other.on("/blobs/", answer, methods=("GET",))
        for ask in [pg.get, pg.head]:
            a = ask("/v2/other.test/evil/app" + BLOB)
            assert a.status in (404, 502) and SECRET[:100] not in a.body, a.status
        pg.get("/v2/other.test/evil/other" + BLOB)                              # nor where it is not even named
    other.well()
    other.on("/blobs/", status(503), methods=("GET",))                          # fails closed
    assert pg.get("/v2/other.test/evil/app" + BLOB).status in (404, 503)
    assert pg.get("/v2/team/app" + BLOB) == (200, SECRET)
    pg.stop()


def test_N07_who_has_it_shows_three_parts_once():
    """The price of a layer that two upstreams share."""
    mine, other, pg, image = two()
    path = "/v2/other.test/evil/app" + BLOB
    for _ in range(3):
        assert pg.get(path) == (200, SECRET)
    ranges = [h.get("Range") for m, p, h in other.asked if "/blobs/" in p]
    assert len(ranges) == len(set(ranges)) == 3, ranges
    for r in ranges:
        first, last = map(int, r.removeprefix("bytes=").split("-"))
        assert 65536 <= last + 1 - first <= 262144 or last == len(SECRET) - 1, r
    pg.restart()
    asked = len(other.asked)
    assert pg.get(path) == (200, SECRET) and len(other.asked) == asked
    pg.stop()


def test_N07_who_knows_no_ranges_shows_it_whole():
    mine, other, pg, image = two()
    other.on("/blobs/", say(200, {}, SECRET), methods=("GET",))
    for _ in range(2):
        assert pg.get("/v2/other.test/evil/app" + BLOB) == (200, SECRET)
    assert other.count("GET", "/blobs/") == 1
    pg.stop()


def test_N07_an_index_that_names_anothers_manifest_does_not_hand_it_out():
    mine, other, pg, _ = two()
    image = mine.image("team/secret", "v1", [b"of this alone"])
    assert pg.get("/v2/team/secret/manifests/v1").status == 200
    pg.landed(3)
    other.index("evil/multi", "v1", {"amd64": image})
    other.on(f"/manifests/{image.digest}", status(404), methods=("GET",))
    other.on(f"/manifests/{image.digest}", say(200, {"Docker-Content-Digest": image.digest,
                                                     "Content-Type": OCI_MANIFEST}), methods=("HEAD",))
    assert pg.get("/v2/other.test/evil/multi/manifests/v1").status == 200
    for repo in ["evil/multi", "evil/unnamed"]:
        for ask in [pg.get, pg.head]:
            a = ask(f"/v2/other.test/{repo}/manifests/{image.digest}")
            assert a.status == 404, (repo, ask, a, pg.said())
    other.well()
    other.manifest("evil/third", None, image.body)
    assert pg.get(f"/v2/other.test/evil/third/manifests/{image.digest}") == (200, image.body)
    pg.stop()


def test_N07_a_download_of_another_upstream_is_not_joined():
    mine, other = Upstream(), Upstream()
    mine.image("team/app", "v1", [SECRET])
    other.image("evil/app", "v1", [SECRET])
    other.on("/blobs/", status(404), methods=("GET",))
    gate = Gate()
    mine.on("/blobs/", pause(gate), methods=("GET",))
    pg = Pullgate(mine, upstreams=f'other.test: {{url: "{other.url}", allow_private: true}}')
    assert pg.get("/v2/team/app/manifests/v1").status == 200
    assert pg.get("/v2/other.test/evil/app/manifests/v1").status == 200
    ours = pg.start_get("/v2/team/app" + BLOB)
    gate.wait_reached()
    theirs = pg.start_get("/v2/other.test/evil/app" + BLOB)
    pg.wait_metric("pullgate_flight_followers_total", 1)
    gate.open()
    assert ours.done() == (200, SECRET)
    assert theirs.done().status == 404
    pg.stop()


def test_N07_a_download_of_another_upstream_that_does_not_end_holds_up_nobody():
    mine, other = Upstream(), Upstream()
    mine.image("team/app", "v1", [SECRET])
    other.image("evil/app", "v1", [SECRET])
    gate = Gate()
    other.on(BLOB, pause(gate), methods=("GET",))
    pg = Pullgate(mine, upstreams=f'other.test: {{url: "{other.url}", allow_private: true}}')
    assert pg.get("/v2/other.test/evil/app/manifests/v1").status == 200
    theirs = pg.start_get("/v2/other.test/evil/app" + BLOB)
    gate.wait_reached()
    assert pg.get("/v2/team/app/manifests/v1").status == 200
    assert pg.get("/v2/team/app" + BLOB) == (200, SECRET)
    assert mine.count("GET", BLOB) == 1
    gate.open()
    assert theirs.done() == (200, SECRET)
    asked = mine.count("GET", BLOB)
    pg.wait_metric("pullgate_flights", 0, at_least=False)
    assert pg.get("/v2/team/app" + BLOB) == (200, SECRET) and mine.count("GET", BLOB) == asked  # shown
    pg.stop()


def test_N07_what_another_upstream_left_half_is_begun_anew():
    """Or the missing rest would be shown, and the whole be handed out."""
    mine, other = Upstream(), Upstream()
    mine.image("team/app", "v1", [SECRET])
    other.image("evil/app", "v1", [SECRET])
    mine.on("/blobs/", cut(0))
    mine.on("/blobs/", cut(2_000_000), times=1)
    pg = Pullgate(mine, origin=", fetch_ahead: false",
                  upstreams=f'other.test: {{url: "{other.url}", allow_private: true}}')
    assert pg.get("/v2/team/app/manifests/v1").status == 200
    pg.get("/v2/team/app" + BLOB)
    pg.wait_true(lambda: sum(pg.files("partial").values()) > 1_000_000, "nothing was kept")
    pg.wait_metric("pullgate_flights", 0, at_least=False)
    assert pg.get("/v2/other.test/evil/app/manifests/v1").status == 200
    assert pg.get("/v2/other.test/evil/app" + BLOB) == (200, SECRET)
    assert [h.get("Range") for m, p, h in other.asked if BLOB in p] == [None]
    pg.stop()


def series(pg):
    return {l.rsplit(" ", 1)[0] for l in pg.admin("/metrics").body.decode().splitlines() if not l.startswith("#")}


def test_F09_no_name_of_a_client_becomes_a_series():
    """Whatever repositories, tags and programs are said to ask: there are as many as before."""
    up, pg, image = stand(more="log: {level: warn}")
    assert pg.get(TAG).status == 200 and pg.get("/v2/library/app/manifests/none").status == 404
    before = series(pg)
    c = http.client.HTTPConnection("127.0.0.1", pg.port, timeout=stage.DEADLINE)
    for n in range(3000):
        c.request("GET", f"/v2/library/r{n}/manifests/t{n}", headers={"User-Agent": f"agent-{n}"})
        r = c.getresponse()
        assert r.read() and r.status == 404
    assert series(pg) == before and len(before) < 400, len(before)
    assert not any("r2999" in s or "agent" in s for s in before)
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
