# SPDX-License-Identifier: Apache-2.0
"""Upstreams that fail, lie and lead astray: the E and F cases, by name."""
import json, os, random, re, subprocess, tempfile

import pg as stage
from pg import Pullgate, Short, Upstream
from upstream import (OCI_INDEX, OCI_MANIFEST, DOCKER_MANIFEST, Token, cut, instead, raw, redirect,
                      reset, say, sha256, status)

DATA = random.Random(7).randbytes(3_000_000)


def stand(**more):
    up = Upstream()
    image = up.image("library/app", "v1", [DATA])
    return up, Pullgate(up, **more), image, f"/v2/library/app/blobs/{sha256(DATA)}"


def nothing_kept(pg):
    """No byte of it is on the disk."""
    pg.wait_true(lambda: sum(pg.files("blobs").values()) + sum(pg.files("partial").values()) == 0,
                 f"kept: {pg.files('blobs')} {pg.files('partial')}")


def test_E01_no_such_host():
    up, pg, image, _ = stand(upstreams='gone.test: {url: "http://no-such-host.invalid", allow_private: true}',
                              more="tags: {ttl: 0s}")
    a = pg.get("/v2/gone.test/library/app/manifests/v1")
    assert a.status == 503 and a.code() == "UNAVAILABLE" and 0 < int(a.headers["Retry-After"]) <= 10
    assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)      # others are unharmed
    pg.stop()


def test_E02_refused():
    up, pg, image, blob = stand()
    up.die()
    for path in ["/v2/library/app/manifests/v1", blob, "/v2/library/app/tags/list"]:
        a = pg.get(path)
        assert a.status == 503 and a.code() == "UNAVAILABLE", (path, a)
    up.live()
    pg.wait_true(lambda: pg.get("/v2/library/app/manifests/v1").status == 200, "it never came back")
    pg.stop()


def certificate(folder, name, *more):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem", "-subj", "/CN=x",
                    "-addext", f"subjectAltName={name}", *more], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return f"{folder}/cert.pem", f"{folder}/key.pem"


def test_E03_tls_that_is_not_right_and_one_that_is():
    with tempfile.TemporaryDirectory() as folder:
        up = Upstream(cert=certificate(folder, "IP:127.0.0.1"))
        image = up.image("library/app", "v1")
        pg = Pullgate(up, origin=f", ca_file: {folder}/cert.pem")
        assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)
        pg.stop()
        asked = len(up.asked)
        pg = Pullgate(up)                                                   # self-signed, unknown
        assert pg.get("/v2/library/app/manifests/v1").status == 502
        assert len(up.asked) == asked
        pg.stop()
        wrong = Upstream(cert=certificate(folder, "DNS:other.test"))
        wrong.image("library/app", "v1")
        pg = Pullgate(wrong, origin=f", ca_file: {folder}/cert.pem")        # another's name
        assert pg.get("/v2/library/app/manifests/v1").status == 502
        assert not wrong.asked
        pg.stop()


def test_E04_reset_before_the_head():
    up, pg, image, blob = stand()
    up.on("/manifests/v1", reset(), times=1)
    up.on("/blobs/", reset(), times=1)
    assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)      # one retry
    assert pg.get(blob) == (200, DATA)
    up.on("/manifests/v2", reset())
    a = pg.get("/v2/library/app/manifests/v2")
    assert a.status == 503 and up.count("GET", "/manifests/v2") + up.count("HEAD", "/manifests/v2") <= 8
    pg.stop()


def test_E05_reset_in_the_middle():
    rnd, ranges = random.Random(5), []
    for n in range(12):
        up, pg, image, blob = stand()
        for _ in range(2):
            up.on("/blobs/", cut(rnd.randrange(0, len(DATA) // 3), "reset"), times=1)
        assert pg.get(blob) == (200, DATA)
        ranges += [h["Range"] for m, p, h in up.asked if "/blobs/" in p and "Range" in h]
        pg.stop()
    assert ranges, "nothing was resumed"    # a reset may overtake all that was sent before it


def test_E06_fin_before_the_end():
    """R1: not one byte that is not the blob's."""
    up, pg, image, blob = stand()
    up.on("/blobs/", cut(1_000_000), times=1)
    assert pg.get(blob) == (200, DATA)
    pg.stop()
    up, pg, image, blob = stand()
    up.on("/blobs/", cut(0))                                                # for ever
    up.on("/blobs/", cut(1_000_000), times=1)
    a = pg.get(blob)
    assert a.status in (200, 503)
    if a.status == 200:
        assert isinstance(a.body, Short) and DATA.startswith(a.body), len(a.body)
    up.well()
    assert pg.get(blob) == (200, DATA)
    pg.stop()


def test_a_restart_resumes_what_was_half_here():
    up, pg, image, blob = stand()
    up.on("/blobs/", cut(0))
    up.on("/blobs/", cut(2_000_000), times=1)
    pg.get(blob)
    pg.restart()
    up.well()
    up.asked.clear()
    assert pg.get(blob) == (200, DATA)
    first = [int(h["Range"][6:-1]) for m, p, h in up.asked if "/blobs/" in p and "Range" in h]
    assert first and first[0] >= 1_000_000, up.asked
    pg.stop()


def test_E07_more_than_was_said():
    up, pg, image, blob = stand()
    up.on("/blobs/", raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + DATA + b"more"))
    pg.get("/v2/library/app/manifests/v1")                                  # says the size
    a = pg.get(blob)
    assert a.status == 502 or isinstance(a.body, Short), a.status
    assert sum(s for f, s in pg.files("blobs").items() if sha256(DATA)[7:] in f) == 0
    up.well()
    assert pg.get(blob) == (200, DATA)
    pg.stop()


def test_E08_no_length():
    up, pg, image, blob = stand()
    up.on("/blobs/", raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + DATA), methods=("GET",))
    pg.get("/v2/library/app/manifests/v1")
    assert pg.get(blob) == (200, DATA)                                      # the descriptor's
    pg.stop()
    up, pg, image, blob = stand()
    chunks = b"%x\r\n" % len(DATA) + DATA + b"\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    up.on("/blobs/", raw(head + chunks), methods=("GET",))                  # the last is missing
    a = pg.get(blob)                        # the digest of what came is right: that is enough
    assert a == (200, DATA) or a.status >= 500 or isinstance(a.body, Short), a.status
    up.on("/blobs/", raw(head + chunks + b"0\r\n\r\n"), methods=("GET",))
    assert pg.get(blob) == (200, DATA)
    pg.stop()


def test_E09_wrong_bytes_under_a_right_name():
    """R2, R8"""
    up, pg, image, blob = stand()
    wrong = DATA[:1_500_000] + bytes([DATA[1_500_000] ^ 1]) + DATA[1_500_001:]
    up.on("/blobs/", instead(wrong))
    for n in range(3):
        a = pg.get(blob)
        assert a.status == 502 or isinstance(a.body, Short), a.status
        part = pg.get(blob, {"Range": "bytes=0-99"})
        assert part.status == 502 or isinstance(part.body, Short), part.status
    nothing_kept(pg)
    assert pg.metric("pullgate_upstream_wrong_total") >= 3
    other = up.image("library/other", None).body
    up.on(f"/manifests/{image.digest}", say(200, {"Content-Type": OCI_MANIFEST,
                                                  "Docker-Content-Digest": image.digest}, other))
    a = pg.get(f"/v2/library/app/manifests/{image.digest}")
    assert a.status == 502
    nothing_kept(pg)
    up.well()
    assert pg.get(f"/v2/library/app/manifests/{sha256(other)}").status == 404   # was not linked
    assert pg.get(blob) == (200, DATA)
    pg.stop()


def test_E10_a_stall():
    import time
    up, pg, image, blob = stand(origin=", stall_timeout: 500ms")
    gate = stage.Gate()
    from upstream import pause
    up.on("/blobs/", pause(gate, 1_000_000), times=1)
    began = time.monotonic()
    assert pg.get(blob) == (200, DATA)                                      # broken off, resumed
    gate.open()
    assert any("Range" in h for m, p, h in up.asked if "/blobs/" in p)
    pg.stop()


def test_E12_too_many_requests():
    up, pg, image, blob = stand(more="tags: {ttl: 0s}")
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    for value in ["5", "Wed, 21 Oct 2065 07:28:00 GMT", "soon", "315360000", None]:
        up.well()
        up.on("/manifests/", say(429, {"Retry-After": value} if value else {}, b"{}"))
        assert pg.get("/v2/library/app/manifests/v1") == (200, image.body), value      # stale
        a = pg.get("/v2/library/app/manifests/other")
        assert a.status == 503 and 0 < int(a.headers["Retry-After"]) <= 300, (value, a.headers)
    pg.stop()


def test_E13_server_errors():
    up, pg, image, blob = stand()
    up.on("/manifests/v1", status(500), times=1)
    assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)
    up.on("/blobs/", status(503))
    a = pg.get(blob)                                                        # R10
    assert a.status == 503 and a.code() == "UNAVAILABLE"
    assert int(a.headers["Content-Length"]) == len(a.body)
    up.well()
    pg.wait_true(lambda: pg.get(blob) == (200, DATA), "it never came back")
    pg.stop()


def token_stand(**more):
    token = Token(**more)
    up = Upstream(token=token)
    image = up.image("library/app", "v1", [DATA])
    up.on(r"^/token", token.issue)
    return up, token, image


def test_a_token_is_fetched_once_and_used():
    up, token, image = token_stand()
    pg = Pullgate(up)
    assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)
    assert pg.get(f"/v2/library/app/blobs/{sha256(DATA)}") == (200, DATA)
    assert token.issued == 1
    asked = next(p for m, p, h in up.asked if p.startswith("/token"))
    assert "scope=repository%3Alibrary%2Fapp%3Apull" in asked and "service=test" in asked, asked
    pg.stop()


def test_E14_a_token_that_ends_in_the_middle():
    up, token, image = token_stand()
    pg = Pullgate(up)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    up.on("/blobs/", cut(1_000_000), times=1)
    token.good.clear()
    assert pg.get(f"/v2/library/app/blobs/{sha256(DATA)}") == (200, DATA)
    assert token.issued == 2
    pg.stop()


def test_E15_token_endpoints():
    for answer, works in [(b'{"access_token":"%s"}', True), (b"<html>", False), (b"", False),
                          (b'{"token":"a\\r\\nX: y"}', False), (b'{"token":5}', False),
                          (b"x" * 10_000_000, False), (b'{"token":"%s","expires_in":"60"}', None)]:
        up, token, image = token_stand(answer=answer.replace(b"%s", b"token-1"))
        pg = Pullgate(up)
        a = pg.get("/v2/library/app/manifests/v1")
        assert a.status == 200 if works else a.status in (200, 404, 502, 503), (answer[:40], a)
        assert works is not False or a.status != 200, answer[:40]
        assert token.issued <= 6
        pg.stop(fsck=False)


def test_upstreams_401_is_never_passed_on():
    up = Upstream()
    up.on(r"^/v2/", say(401, {"WWW-Authenticate": 'Basic realm="x"'}, b"secret words"))
    pg = Pullgate(up)
    for path in ["/v2/library/app/manifests/v1", f"/v2/library/app/blobs/{sha256(b'x')}"]:
        a = pg.get(path)
        assert a.status == 404 and b"secret words" not in a.body and a.headers["WWW-Authenticate"] is None
    pg.stop()


def test_E16_redirects_carry_no_credentials():
    cdn = Upstream()
    cdn.blob(DATA)
    up, token, image = token_stand()
    up.on("/blobs/", redirect(lambda x: f"http://localhost:{cdn.port}{x.path}?sig=1"))
    up.on(r"^/v2/", lambda x: token.guard(x))
    pg = Pullgate(up)
    assert pg.get(f"/v2/library/app/blobs/{sha256(DATA)}") == (200, DATA)
    assert cdn.asked and all("Authorization" not in h and "Cookie" not in h for m, p, h in cdn.asked)
    assert all(h["Host"] == f"localhost:{cdn.port}" for m, p, h in cdn.asked)
    pg.stop()
    cdn.on("/blobs/", status(403))                       # the signed address ran out while resuming
    cdn.on("/blobs/", cut(1_000_000), times=1)
    pg = Pullgate(up)
    def fresh(x):
        if x.upstream.count("GET", "/blobs/") > 3:
            cdn.well()
        return redirect(f"http://localhost:{cdn.port}{x.path}?sig=2")(x)
    up.on("/blobs/", fresh)
    up.on(r"^/v2/", lambda x: token.guard(x))
    assert pg.get(f"/v2/library/app/blobs/{sha256(DATA)}") == (200, DATA)
    pg.stop()


def test_E17_redirects_that_lead_inside():
    inside = Upstream()                                   # must never be connected to
    inside.blob(DATA)
    up, pg, image, blob = stand(upstreams="")
    for to in ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/", "javascript:x",
               f"http://u:p@127.0.0.1:{inside.port}/", "http://" + "a" * 300 + "/", "//", "http://",
               "http:///x", "\\\\evil", ""]:
        up.well()
        up.on("/blobs/", redirect(to))
        a = pg.get(blob)
        assert a.status in (502, 503) and a.json(), (to, a)
    up.well()
    up.on("/blobs/", redirect(lambda x: x.path))          # a loop
    assert pg.get(blob).status == 502
    assert up.count("GET", blob) < 40 * 4
    assert not inside.asked
    pg.stop()


def test_E17_an_upstream_at_a_private_address():
    """Without allow_private nothing at 127.0.0.1 is connected to, by whatever name."""
    up = Upstream()
    up.image("library/app", "v1")
    p = up.port
    for url in [f"https://localhost:{p}", f"https://127.0.0.1:{p}", f"https://[::1]:{p}",
                f"https://[::ffff:127.0.0.1]:{p}", f"https://0.0.0.0:{p}", f"https://2130706433:{p}"]:
        try:
            pg = Pullgate(conf="listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\n"
                          "storage: {path: {dir}/data, reserve: 0}\n"
                          f'upstreams:\n  o.test: {{url: "{url}", default: true}}\n')
        except AssertionError as refused:                 # at load is as good
            assert re.search("private|valid host", str(refused)), refused
            continue
        a = pg.get("/v2/library/app/manifests/v1")
        assert a.status in (502, 503), (url, a)
        pg.stop()
    assert not up.asked


def test_E18_a_whole_answer_to_a_range():
    up, pg, image, blob = stand()
    def whole(x):
        x.answer(200, {"Content-Type": "application/octet-stream"}, DATA)
        return True
    up.on("/blobs/", whole)
    up.on("/blobs/", cut(1_000_000), times=1)
    assert pg.get(blob) == (200, DATA)
    pg.stop()


def test_E19_a_wrong_part():
    for shown in ["bytes 0-9/3000000", "bytes 1000000-2999999/3000001", "bytes 1000001-2999999/3000000",
                  "garbage", None]:
        up, pg, image, blob = stand()
        head = "HTTP/1.1 206 Partial Content\r\nContent-Length: 2000000\r\nConnection: close\r\n"
        head += f"Content-Range: {shown}\r\n\r\n" if shown else "\r\n"
        up.on("/blobs/", raw(head.encode() + b"\0" * 2_000_000), times=1)
        up.on("/blobs/", cut(1_000_000), times=1)
        a = pg.get(blob)
        assert a == (200, DATA) or a.status >= 500 or isinstance(a.body, Short), (shown, a.status)
        if isinstance(a.body, Short):
            assert DATA.startswith(a.body)
        up.well()
        assert pg.get(blob) == (200, DATA)
        pg.stop()


def test_E20_heads_that_are_no_use():
    for fault in [status(405), status(404), say(200, {"Content-Type": "text/html"}),
                  say(200, {"Docker-Content-Digest": sha256(b"another")})]:
        up, pg, image, blob = stand(more="tags: {ttl: 0s}")
        up.on("/manifests/", fault, methods=("HEAD",))
        for _ in range(2):
            a = pg.get("/v2/library/app/manifests/v1")
            assert a == (200, image.body) or a.status == 404, a
        pg.stop()


def test_E21_an_answer_that_was_encoded_unasked():
    import gzip
    up, pg, image, blob = stand()
    up.on("/blobs/", instead(gzip.compress(DATA, 1), Content_Encoding="gzip"))
    a = pg.get(blob)
    assert a.status == 502 or isinstance(a.body, Short), a
    nothing_kept(pg)
    pg.stop()


def test_E28_answers_that_are_no_http():
    for answer in [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                   b"HTTP/1.1 000 X\r\n\r\n", b"HTTP/1.1 99 X\r\n\r\n", b"garbage\r\n\r\n", b"\x16\x03\x01",
                   b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 2_000_000 + b"\r\n\r\n",
                   b"HTTP/1.1 100 Continue\r\n\r\n" * 2000,
                   b"HTTP/1.1 200 OK\r\n" + b"Set-Cookie: a=b\r\n" * 20_000 + b"\r\n"]:
        up, pg, image, blob = stand()
        up.on("/v2/library", raw(answer))
        for path in ["/v2/library/app/manifests/v1", blob]:
            a = pg.get(path)
            assert a.status >= 500 or isinstance(a.body, Short), (answer[:50], a)
        assert pg.get("/v2/").status == 200
        pg.stop()


def test_E29_lying_headers():
    up, pg, image, blob = stand()
    up.on("/manifests/v1", say(200, {"Content-Type": "text/plain", "Docker-Content-Digest": sha256(b"lie"),
                                     "ETag": '"lie"'}, image.body))
    a = pg.get("/v2/library/app/manifests/v1")
    assert a == (200, image.body) and a.headers["Docker-Content-Digest"] == image.digest
    assert a.headers["Content-Type"] == OCI_MANIFEST and a.headers["ETag"] == f'"{image.digest}"'
    up.on("/blobs/", instead(DATA, Docker_Content_Digest=sha256(b"lie"), Etag='"lie"'))
    b = pg.get(blob)
    assert b == (200, DATA) and b.headers["ETag"] == f'"{sha256(DATA)}"'
    pg.stop()


def test_E30_tag_lists():
    up, pg, image, blob = stand()
    up.on("/tags/list", say(200, {"Content-Type": "application/json"}, json.dumps(
        {"name": "x", "tags": ["b", "a", "b", None, 5, "bad tag", "c"]}).encode()))
    a = pg.get("/v2/library/app/tags/list")
    assert a.status in (200, 502)
    if a.status == 200:
        assert a.json() == {"name": "library/app", "tags": ["a", "b", "c"]}
    pg.stop()
    other = Upstream()
    for link in ["</v2/library/app/tags/list?n=1&last=a>; rel=\"next\"",
                 f"<{other.url}/v2/library/app/tags/list?n=1>; rel=\"next\""]:
        up, pg, image, blob = stand()
        up.on("/tags/list", say(200, {"Content-Type": "application/json", "Link": link}, json.dumps(
            {"name": "library/app", "tags": ["a"]}).encode()))
        a = pg.get("/v2/library/app/tags/list")
        assert a.status in (200, 502) and up.count("GET", "/tags/list") < 1100
        pg.stop()
    assert not other.asked


def test_E32_hostile_realms():
    evil = Upstream()
    with tempfile.TemporaryDirectory() as folder:
        secret = folder + "/password"
        with open(secret, "w") as f:
            f.write("hunter2-canary")
        os.chmod(secret, 0o600)
        bad = 'Bearer realm="%s",service="s"'
        for scheme in [bad % f"http://localhost:{evil.port}/token", bad % f"//localhost:{evil.port}/token",
                       bad % "/token", bad % f"http://u:p@127.0.0.1:{evil.port}/token", bad % "file:///etc/passwd",
                       bad % ("http://" + "a" * 65536), 'Bearer realm="unterminated', "Bearer realm=",
                       [f'Basic realm="x"', bad % f"http://localhost:{evil.port}/token"]]:
            token = Token(scheme=scheme)
            up = Upstream(token=token)
            up.image("library/app", "v1")
            pg = Pullgate(up, origin=f", username: robot, password_file: {secret}")
            a = pg.get("/v2/library/app/manifests/v1")
            assert a.status in (404, 502, 503), (scheme[:60], a)
            assert not any("hunter2" in str(h) or "cm9ib3Q6" in str(h) for m, p, h in evil.asked), scheme
            assert "hunter2-canary" not in "".join(pg.log) + a.body.decode()
            pg.stop(fsck=False)
    assert not evil.asked


def test_credentials_go_to_the_allowed_realm_only():
    with tempfile.TemporaryDirectory() as folder:
        secret = folder + "/password"
        with open(secret, "w") as f:
            f.write("hunter2\n")
        os.chmod(secret, 0o600)
        issuer = Upstream()
        token = Token(realm=f"http://localhost:{issuer.port}/token")
        issuer.on("/token", token.issue)
        up = Upstream(token=token)
        image = up.image("library/app", "v1")
        pg = Pullgate(up, origin=f", username: robot, password_file: {secret}, "
                      f'realms: "localhost:{issuer.port}"')
        assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)
        assert any("Basic cm9ib3Q6aHVudGVyMg==" == h.get("Authorization") for m, p, h in issuer.asked)
        assert not any("Basic" in h.get("Authorization", "") for m, p, h in up.asked)
        pg.stop()


def test_F01_large_manifests():
    up, pg, image, blob = stand()
    fits = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    fits += b" " * (4 * 1024 * 1024 - len(fits))
    up.manifest("library/app", "fits", fits, OCI_INDEX)
    up.manifest("library/app", "over", fits + b" ", OCI_INDEX)
    assert pg.get("/v2/library/app/manifests/fits") == (200, fits)
    a = pg.get("/v2/library/app/manifests/over")
    assert a.status == 502 and a.json()
    def endless(x):
        x.send_response(200)
        x.send_header("Content-Type", OCI_INDEX)
        x.send_header("Connection", "close")
        x.end_headers()
        for _ in range(4000):
            x.wfile.write(b" " * 65536)
        x.close_connection = True
        return True
    up.on("/manifests/endless", endless)
    assert pg.get("/v2/library/app/manifests/endless").status == 502
    pg.stop()


def test_F02_F03_manifests_that_two_readers_read_differently():
    up, pg, image, blob = stand()
    good = json.loads(image.body)
    both = {**good, "manifests": []}
    cases = [
        (json.dumps(both), OCI_MANIFEST), (json.dumps(both), OCI_INDEX),
        (json.dumps(good), OCI_INDEX), (json.dumps({**good, "mediaType": OCI_INDEX}), OCI_MANIFEST),
        (json.dumps(good)[:-1] + ',"layers":[]}', OCI_MANIFEST),
        (json.dumps(good)[:-1] + ',"mediaType":"' + OCI_INDEX + '"}', OCI_MANIFEST),
        (json.dumps(good) + "x", OCI_MANIFEST), ("\ufeff" + json.dumps(good), OCI_MANIFEST),
        ('{"a":' * 100_000, OCI_MANIFEST), ("[]", OCI_MANIFEST), ("null", OCI_MANIFEST),
        ("<html></html>", "text/html"), ("", OCI_MANIFEST),
        (json.dumps({**good, "schemaVersion": 1}), OCI_MANIFEST),
        (json.dumps({**good, "config": {**good["config"], "size": -1}}), OCI_MANIFEST),
        (json.dumps({**good, "config": {**good["config"], "size": 1e300}}), OCI_MANIFEST),
        (json.dumps({**good, "config": {**good["config"], "digest": "sha256:x"}}), OCI_MANIFEST),
        (json.dumps({"schemaVersion": 1, "name": "x", "fsLayers": []}),
         "application/vnd.docker.distribution.manifest.v1+prettyjws"),
    ]
    for n, (body, media) in enumerate(cases):
        d = up.manifest("library/app", f"bad{n}", body.encode(), media)
        for ref in [f"bad{n}", d]:
            a = pg.get(f"/v2/library/app/manifests/{ref}")
            assert a.status == 502 and a.json()["errors"][0]["message"], (n, body[:80], a)
    nothing_kept(pg)
    assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
