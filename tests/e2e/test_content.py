# SPDX-License-Identifier: Apache-2.0
"""Odd and hostile content: passed on byte for byte, or refused with a reason; never acted upon.

Table F of the cases, by name, and what is near it.
"""
import base64, gzip, hashlib, json, os, re, socket

import pg as stage
from pg import Gate, Pullgate, Upstream
from upstream import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, listed, pause, sha256

REPO = "library/app"


def get(pg, ref, repo=REPO):
    return pg.get(f"/v2/{repo}/manifests/{ref}")


def blob(pg, digest, repo=REPO):
    return pg.get(f"/v2/{repo}/blobs/{digest}")


def passes(pg, up, ref, media):
    """By tag and by digest, cold and warm, as upstream has it."""
    body = up.manifests[REPO, ref][1]
    for r in [ref, sha256(body), ref, sha256(body)]:
        a = get(pg, r)
        assert a == (200, body), (ref, a)
        assert a.headers["Content-Type"] == media and a.headers["Docker-Content-Digest"] == sha256(body)


def test_F04_schema_1_is_refused_with_a_reason():
    up = Upstream()
    v1 = {"schemaVersion": 1, "name": REPO, "tag": "v1", "architecture": "amd64",
          "fsLayers": [{"blobSum": "sha256:" + "a" * 64}], "history": [{"v1Compatibility": "{}"}]}
    signed = {**v1, "signatures": [{"header": {"jwk": {}}, "signature": "x", "protected": "y"}]}
    docker = "application/vnd.docker.distribution.manifest."
    for n, (doc, media) in enumerate([(v1, docker + "v1+json"), (signed, docker + "v1+prettyjws"),
                                      (signed, "application/json"), (v1, "text/plain")]):
        up.manifest(REPO, f"old{n}", doc, media)
    pg = Pullgate(up)
    for n in range(4):
        a = get(pg, f"old{n}")
        assert a.status == 502 and "schema 1" in a.message() and "push the image again" in a.message()
    assert pg.files("blobs") == {}
    pg.stop()


def test_F04_whatever_has_a_type_passes_byte_for_byte():
    up = Upstream()
    blob_of = lambda media, data: {"mediaType": media, "digest": up.blob(data), "size": len(data)}
    helm = "application/vnd.cncf.helm."
    wasm = "application/vnd.wasm."
    odd = {
        "helm": {"config": blob_of(helm + "config.v1+json", b'{"name":"x"}'),
                 "layers": [blob_of(helm + "chart.content.v1.tar+gzip", b"chart")]},
        "wasm": {"config": blob_of(wasm + "config.v0+json", b"{}"),
                 "layers": [blob_of("application/wasm", b"\0asm")]},
        "empty-config": {"artifactType": "application/x", "layers": [blob_of(OCI_LAYER, b"l")],
                         "config": blob_of("application/vnd.oci.empty.v1+json", b"{}")},
        "no-bytes-config": {"config": blob_of(OCI_CONFIG, b""), "layers": []},
        "no-layers": {"config": blob_of(OCI_CONFIG, b"{}"), "layers": []},
        "twice-the-same": {"config": blob_of(OCI_CONFIG, b"{}"),
                           "layers": [blob_of(OCI_LAYER, b"same")] * 100},
    }
    for name, doc in odd.items():
        up.manifest(REPO, name, {"schemaVersion": 2, "mediaType": OCI_MANIFEST, **doc})
    up.manifest(REPO, "no-children", {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []},
                OCI_INDEX)
    unknown = "application/vnd.odd.thing.v7+json"
    up.manifest(REPO, "unknown", b'{ "mediaType":"%s" ,\n"layers": {"not": "a list"}, "x": 1e3 }\n' %
                unknown.encode(), unknown)
    up.manifest(REPO, "untyped", b'{"config":{"mediaType":"c","digest":"%s","size":2},"layers":[]}' %
                up.blob(b"{}").encode(), "application/json")
    pg = Pullgate(up)
    for name, doc in odd.items():
        passes(pg, up, name, OCI_MANIFEST)
        for d in [doc["config"], *doc["layers"]]:
            assert blob(pg, d["digest"]) == (200, up.blobs[d["digest"]]), name
    passes(pg, up, "no-children", OCI_INDEX)
    passes(pg, up, "unknown", unknown)
    passes(pg, up, "untyped", OCI_MANIFEST)
    pg.stop()


def test_F05_sizes_that_cannot_be_are_refused():
    up = Upstream()
    good = json.loads(up.image(REPO, "v1", [b"layer"]).body)
    for n, size in enumerate(["-1", "9223372036854775808", "18446744073709551616", "9007199254740992",
                              "1e3", "1.0", '"5"', "null", "true"]):
        for where in ["config", "layers"]:
            one = {**good["config"], "size": "SIZE"}
            doc = {**good, where: one if where == "config" else [one]}
            up.manifest(REPO, f"bad{n}{where}", json.dumps(doc).replace('"SIZE"', size).encode())
    pg = Pullgate(up)
    for n in range(9):
        for where in ["config", "layers"]:
            a = get(pg, f"bad{n}{where}")
            assert a.status == 502 and ("size" in a.message() and where in a.message() or
                                        "JSON" in a.message()), a
    pg.stop()


def test_F05_a_size_that_is_not_the_blobs():
    """The manifest is passed on as it is; its blob is not, since one of the two lies. 0 says nothing."""
    up = Upstream()
    kept = up.image(REPO, "kept", [b"kept" * 1000])
    pg = Pullgate(up, storage="max_size: 64MiB")
    assert get(pg, "kept").status == 200
    assert blob(pg, kept.layers[0]).status == 200
    for said, wanted in [(0, 200), (1, 502), (1499, 502), (1501, 502), (2**53 - 1, 502)]:
        data = b"%020d" % said * 75
        up.manifest(REPO, f"v{said}", {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [
            {"mediaType": OCI_LAYER, "digest": up.blob(data), "size": said}],
            "config": {"mediaType": OCI_CONFIG, "digest": up.blob(b"{}"), "size": 2}})
        passes(pg, up, f"v{said}", OCI_MANIFEST)
        for _ in range(2):
            a = blob(pg, sha256(data))
            assert a.status == wanted and (a.body == data or wanted != 200), (said, a)
    up.die()
    assert blob(pg, kept.layers[0]).status == 200    # nor was anything thrown away for it
    pg.stop()


def test_F05_a_million_layers():
    up = Upstream()
    one = b'{"mediaType":"l","digest":"%s","size":1},' % (b"sha256:" + b"a" * 64)
    head = (b'{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"c","digest":"%s","size":2},'
            b'"layers":[' % (OCI_MANIFEST.encode(), up.blob(b"{}").encode()))
    for n in [4096, 4097, 35_000, 1_000_000]:
        up.manifest(REPO, f"n{n}", head + one * (n - 1) + one[:-1] + b"]}")
    pg = Pullgate(up)
    passes(pg, up, "n4096", OCI_MANIFEST)
    for n in [4097, 35_000, 1_000_000]:
        a = get(pg, f"n{n}")
        assert a.status == 502 and a.message(), (n, a.status)
    pg.landed(1)
    assert pg.get("/v2/").status == 200
    pg.stop()


def test_F05_urls_are_never_followed_and_data_is_never_used():
    up, inside = Upstream(), Upstream()
    layer = sha256(b"foreign")                       # not upstream's
    stolen = inside.blob(b"foreign")
    real = b"the layer itself"
    doc = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
           "config": {"mediaType": OCI_CONFIG, "digest": up.blob(b"{}"), "size": 2},
           "layers": [{"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                       "digest": layer, "size": 7, "urls": [
                           f"{inside.url}/v2/x/blobs/{stolen}", "http://169.254.169.254/latest",
                           "file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL"]},
                      {"mediaType": OCI_LAYER, "digest": up.blob(real), "size": len(real),
                       "data": base64.b64encode(b"something else").decode()}]}
    up.manifest(REPO, "v1", doc)
    pg = Pullgate(up)
    passes(pg, up, "v1", OCI_MANIFEST)
    assert pg.metric("pullgate_manifests_with_urls_total") == 1
    assert blob(pg, layer).status == 404
    assert blob(pg, sha256(real)) == (200, real)
    assert inside.asked == []
    pg.stop()


def test_F06_a_thousand_indexes_in_one_another():
    """Nothing is followed by itself: each step is the client's."""
    up = Upstream()
    image = up.image(REPO, "leaf")
    digest, body, media = image.digest, image.body, OCI_MANIFEST
    chain = [digest]
    for n in range(1000):
        doc = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            {"mediaType": media, "digest": digest, "size": len(body)}]}).encode()
        digest, body, media = up.manifest(REPO, None, doc, OCI_INDEX), doc, OCI_INDEX
        chain.append(digest)
    up.manifest(REPO, "v1", body, OCI_INDEX)
    pg = Pullgate(up)
    assert sha256(get(pg, "v1").body) == digest and len(up.asked) == 1
    for d in reversed(chain):
        assert sha256(get(pg, d).body) == d
    pg.landed(1001)
    up.die()
    pg.restart()
    for d in chain:
        assert sha256(get(pg, d).body) == d
    pg.stop()                                        # fsck walks all of it


def test_F06_subjects_in_a_circle():
    """By two digests of one manifest there is something like a circle; lists do not follow it."""
    up = Upstream()
    image = up.image(REPO, "v1")
    itself = up.artifact(REPO, "sig", image)
    pg = Pullgate(up, origin=", fetch_ahead: false")
    up.refer(itself, [up.describe(REPO, itself), up.describe(REPO, image.digest)])
    up.refer(image.digest, [up.describe(REPO, itself)])
    for ref in ["v1", "sig"]:
        assert get(pg, ref).status == 200
    pg.landed(2)
    ask = lambda d: [m["digest"] for m in pg.get(f"/v2/{REPO}/referrers/{d}").json()["manifests"]]
    assert ask(image.digest) == [itself]
    assert ask(itself) == []                         # both are here, and neither says so
    pg.stop()


def cpu_s(pg):
    with open(f"/proc/{pg.proc.pid}/stat") as f:
        fields = f.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_F07_bombs_are_passed_on_unopened():
    """As much work as random bytes of that length, however much they would become."""
    up = Upstream()
    zeros = bytes(64 << 20)
    bomb = gzip.compress(gzip.compress(zeros, 9) * 200, 1)          # 12.5 GiB in two steps
    frame = b"\x28\xb5\x2f\xfd\xa4" + b"\0\0\0\xff" + b"\x03\xff\xff\x00" * 50_000   # zstd, RLE blocks
    bombs = [bomb, frame, gzip.compress(b"<svg>" * 1_000_000, 9)]
    noise = [os.urandom(len(b)) for b in bombs]
    pg = Pullgate(up)

    def pull(datas):
        began = cpu_s(pg)
        for n in range(10):
            for data in datas:
                assert blob(pg, up.blob(data)) == (200, data)
        return cpu_s(pg) - began

    plain = pull(noise)
    assert pull(bombs) < 3 * plain + 0.5
    for method in ["gzip", "zstd, br"]:
        a = pg.get(f"/v2/{REPO}/blobs/{sha256(bomb)}", {"Accept-Encoding": method})
        assert a == (200, bomb) and a.headers["Content-Encoding"] is None
    pg.stop()


HOSTILE = ["<script>alert(1)</script>", '"onerror="alert(1)', "javascript:alert(1)", "\x1b[2J\x1b]0;x\x07",
           "a\r\nSet-Cookie: x=1", "\u202egnp.exe", "%n%s%s%n", "{{7*7}}${jndi:ldap://x}", "\u2028\u2029",
           "../../etc/passwd", "x" * 100_000]


def clean(pg):
    """Every line of the log is one JSON object, and none has a byte that a terminal obeys."""
    lines = [l for l in pg.log if not l.startswith("listening on")]
    assert lines
    for line in lines:
        assert json.loads(line) and line.count("\n") == 1, line
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u0080-\u009f\u2028\u2029\u202e]", line), line
    return lines


def test_F08_hostile_texts_in_content_are_text():
    up = Upstream()
    annotations = {f"k{n}{h[:100]}": h for n, h in enumerate(HOSTILE)}
    config = json.dumps({"os": HOSTILE[3], "architecture": HOSTILE[0], "author": HOSTILE[10],
                         "config": {"Labels": annotations}}).encode()
    doc = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "annotations": annotations,
           "config": {"mediaType": OCI_CONFIG, "digest": up.blob(config), "size": len(config)},
           "layers": [{"mediaType": OCI_LAYER, "digest": up.blob(b"l"), "size": 1,
                       "annotations": annotations}]}
    image = up.image(REPO, "v1")
    up.manifest(REPO, "v2", doc)
    for n, h in enumerate(HOSTILE):                  # what could become a header of ours
        up.manifest(REPO, f"type{n}", {**doc, "mediaType": h}, h if h.isascii() and h.isprintable()
                    and len(h) < 1000 else OCI_MANIFEST)
        up.manifest(REPO, f"art{n}", {**doc, "artifactType": h})
    up.refer(image.digest, [up.describe(REPO, image.digest, annotations=annotations,
                                        artifactType=HOSTILE[0])])
    up.on("/manifests/error", lambda x: x.answer(500, {"Content-Type": "application/json"}, json.dumps(
        {"errors": [{"code": HOSTILE[3], "message": "".join(HOSTILE)}]}).encode()) or True)
    pg = Pullgate(up, more="log: {format: json}")
    passes(pg, up, "v2", OCI_MANIFEST)
    assert blob(pg, sha256(config)) == (200, config)
    for n, h in enumerate(HOSTILE):
        for what in ["type", "art"]:
            a = get(pg, f"{what}{n}")
            assert a.status in (200, 502), (what, h[:50], a.status)
            assert "\x1b" not in str(a.headers) and a.headers["Set-Cookie"] is None
            if a.status == 502:
                assert a.json()["errors"][0]["code"] and len(a.body) < 4096
    a = pg.get(f"/v2/{REPO}/referrers/{image.digest}")
    assert a.json()["manifests"][0]["annotations"] == annotations
    assert not re.search(rb"[\x00-\x1f\x7f-\xff]", a.body)
    assert get(pg, "error").status in (502, 503)
    for page in ["/debug/requests", "/metrics", "/api/v1/status"]:
        assert b"\x1b" not in pg.admin(page).body and b"<script" not in pg.admin(page).body
        assert pg.admin(page).headers["X-Content-Type-Options"] == "nosniff", page
    pg.end()
    clean(pg)
    pg.start()
    pg.stop()


def test_J08_hostile_texts_of_clients_are_one_line_each():
    up = Upstream()
    up.image(REPO, "v1")
    pg = Pullgate(up, more="log: {format: json}")
    odd = [b"\x1b[31mred", "\u2028x\u2029".encode(), b"\xff\xfe\x80", b"%s%n%x", b'"}\\,{"a":"b', "\u202e".encode(),
           b"\x0b\x0c\x07", b"a" * 2000]
    end = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    asked = 0
    for o in odd:
        escaped = b"".join(b"%%%02x" % c for c in o[:60])
        for request in [b"GET /v2/library/app/manifests/v1" + end + b"User-Agent: " + o + b"\r\n\r\n",
                        b"GET /v2/library/app/manifests/v1" + end + b"Authorization: Basic " + o + b"\r\n\r\n",
                        b"GET /v2/library/app/manifests/v1" + end + b"X-Forwarded-For: " + o + b"\r\n\r\n",
                        b"GET /v2/library/app/manifests/v1" + end + b"traceparent: " + o + b"\r\n\r\n",
                        b"GET /v2/" + o + b"/manifests/v1" + end + b"\r\n",
                        b"GET /v2/library/" + escaped + b"/manifests/v1" + end + b"\r\n",
                        b"GET /v2/library/app/manifests/" + o + end + b"\r\n",
                        b"GET /v2/library/app/manifests/" + escaped + end + b"\r\n",
                        b"GET /v2/library/app/tags/list?last=" + escaped + end + b"\r\n",
                        b"GET /v2/library/app/referrers/sha256:" + b"a" * 64 + b"?artifactType=" + escaped + end + b"\r\n",
                        b"GET /v2/library/app/manifests/v1?ns=" + escaped + end + b"\r\n",
                        b"GET /" + escaped + end + b"\r\n", o + b" / HTTP/1.1\r\n\r\n"]:
            said = pg.raw(request)
            head = said.split(b"\r\n\r\n")[0]
            assert not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\xff]", said), (request, said)
            assert b"\n" not in head.replace(b"\r\n", b"")
            asked += 1
    assert pg.get(f"/v2/{REPO}/manifests/v1").status == 200
    pg.landed(1)
    pg.end()
    lines = clean(pg)
    told = [l for l in map(json.loads, lines) if "status" in l]
    assert len(told) == asked + 1, (len(told), asked)
    pg.start()
    pg.stop()


def test_J08_text_lines_too():
    up = Upstream()
    pg = Pullgate(up)
    for o in [b"\x1b[31m", "\u2028".encode(), b"\xff", b"a b=c", b'"x"']:
        pg.raw(b"GET /v2/" + o + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        escaped = b"".join(b"%%%02x" % c for c in o)
        pg.raw(b"GET /v2/app/manifests/" + escaped + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    pg.end()
    for line in pg.log:
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u0080-\u009f\u2028\ufffd]", line), line
        assert re.match(r"listening on|\d{4}-\d\d-\d\dT\S+ (info|warn|error) ", line), line
    pg.start()
    pg.stop()


def test_N13_a_sha512_name_is_the_same_content():
    """Both names of one blob are whole and kept; what is asked for by one is not had by the other."""
    up = Upstream()
    data = os.urandom(300_000)
    long = "sha512:" + hashlib.sha512(data).hexdigest()
    up.blobs[long] = up.blobs[up.blob(data)] = data
    image = up.image(REPO, "v1", [data])
    name = "sha512:" + hashlib.sha512(image.body).hexdigest()
    up.manifests[REPO, name] = (OCI_MANIFEST, image.body)
    wrong = "sha512:" + hashlib.sha512(b"other").hexdigest()
    up.manifests[REPO, wrong] = (OCI_MANIFEST, image.body)
    up.blobs[wrong] = data
    pg = Pullgate(up)
    for _ in range(2):
        for d in [long, sha256(data)]:
            assert blob(pg, d) == (200, data)
        for m in [name, image.digest]:
            a = get(pg, m)
            assert a == (200, image.body) and a.headers["Docker-Content-Digest"] == m
    assert get(pg, wrong).status == 502
    said = blob(pg, wrong)
    assert said.status == 502 or isinstance(said.body, stage.Short)
    pg.landed(4)
    up.die()
    pg.restart()
    assert blob(pg, long) == (200, data) and get(pg, name) == (200, image.body)
    pg.stop()


def test_N19_a_thousand_heads_fetch_no_blob():
    up = Upstream()
    images = [up.image(REPO, f"v{n}", [b"layer %d" % n * 1000]) for n in range(10)]
    pg = Pullgate(up)
    with socket.create_connection(("127.0.0.1", pg.port), stage.DEADLINE) as s:
        f = s.makefile("rb")
        for n in range(1000):
            image = images[n % 10]
            path = [f"manifests/v{n % 10}", f"manifests/{image.digest}", f"blobs/{image.layers[0]}",
                    f"blobs/{image.config}"][n // 10 % 4]
            s.sendall(f"HEAD /v2/{REPO}/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert f.readline() == b"HTTP/1.1 200 OK\r\n", path
            while f.readline() != b"\r\n":
                pass
    assert up.count("GET", "/blobs/") == 0
    pg.landed(10)                                    # the manifests
    assert not pg.files("partial")
    assert up.count("HEAD", "/blobs/") <= 500 and len(up.asked) < 600
    pg.stop()


def test_E22_a_tag_moves_between_manifest_and_blobs():
    up, gate = Upstream(), Gate()
    old = up.image(REPO, "v1", [b"old " * 50_000, b"both"])
    pg = Pullgate(up, more="tags: {ttl: 0s}")
    up.on(f"/blobs/{old.layers[0]}", pause(gate))
    assert get(pg, "v1") == (200, old.body)         # which may fetch the layer ahead
    first = pg.start_get(f"/v2/{REPO}/blobs/{old.layers[0]}")
    gate.wait_reached()
    new = up.image(REPO, "v1", [b"new " * 50_000, b"both"])
    del up.manifests[REPO, old.digest]               # upstream has forgotten it
    assert get(pg, "v1") == (200, new.body)
    gate.open()
    assert first.done() == (200, up.blobs[old.layers[0]])
    for image in [old, new]:
        for d in [image.config, *image.layers]:
            assert blob(pg, d) == (200, up.blobs[d])
    assert get(pg, old.digest) == (200, old.body)
    assert up.count("HEAD", "/blobs/") == 0          # all of them were linked by their manifests
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
