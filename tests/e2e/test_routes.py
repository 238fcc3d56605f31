# SPDX-License-Identifier: Apache-2.0
"""Upstreams with several URLs: who is asked, who is believed, and what happens when some fail."""
import base64, json, os, random, re, socket, subprocess, tempfile, threading, time
from concurrent.futures import ThreadPoolExecutor
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pg as stage
from pg import Pullgate, Short, Upstream
from upstream import Token, cut, hold, instead, pause, raw, redirect, reset, sha256, status

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
    assert not [p for m, p, h in mirror.asked if "/blobs/" not in p]
    assert pg.get(BLOB) == (200, DATA)                          # what has a digest: the mirror first
    assert mirror.count("GET", BLOB) == 1 and up.count("GET", BLOB) == 0
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


def test_N12_what_upstream_has_withdrawn_no_mirror_gives_back():
    mirror, (up, image) = Upstream(), registry()
    other = up.image("library/app", "v2", [b"2"])
    mirror.blobs, mirror.manifests = up.blobs, up.manifests
    pg = stand((mirror, False), (up, True))
    assert pg.get(TAG) == (200, image.body) and pg.get(BLOB) == (200, DATA)
    pg.landed(2)
    up.on("/library/app/", status(403), methods=("GET", "HEAD"))
    assert pg.get(TAG).status == 403
    for i in [image, other]:                                    # here already; at the mirror alone
        assert pg.get(f"/v2/library/app/manifests/{i.digest}").status in (403, 404), i.digest
    for path in [TAG, BLOB, f"/v2/library/app/blobs/{other.layers[0]}"]:
        assert pg.get(path).status in (403, 404), path
    up.well()
    assert pg.get(f"/v2/library/app/manifests/{image.digest}") == (200, image.body)
    assert pg.get(BLOB) == (200, DATA)
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


class Hole:
    """A place where nobody answers, not even that nobody is there."""
    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(0)
        self.url = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        self.guest = socket.create_connection(self.socket.getsockname())   # the queue is full


def test_E02_a_black_hole_costs_one_request_a_moment():
    hole, (up, image) = Hole(), registry()
    pg = stand((hole, True), (up, True))
    began = time.monotonic()
    assert pg.get(TAG) == (200, image.body)
    assert time.monotonic() - began < 4, "1.2 s when nothing else runs"
    pg.wait_log("is slow at " + hole.url)
    began = time.monotonic()
    for n in range(20):
        other = up.image("library/app", f"v{n}", [b"%d" % n])
        assert pg.get(f"/v2/library/app/manifests/v{n}") == (200, other.body)
    assert time.monotonic() - began < 15, "20 x 1.2 s if each had looked for itself"
    pg.stop()


def test_E02_one_that_says_nothing_costs_one_request_a_moment():
    mute, (up, image) = registry()[0], registry()
    gate = stage.Gate()
    mute.on("^/v2/", hold(gate))
    pg = stand((mute, True), (up, True))
    assert pg.get(TAG) == (200, image.body)
    assert pg.get(BLOB) == (200, DATA)
    assert len(mute.asked) == 1
    gate.open()
    pg.stop()


def certificate(folder, name, san, ca=None, days=30):
    """(certificate, key); signed by itself, or by ca, another such pair."""
    cert, key, request = (f"{folder}/{name}.{e}" for e in ("pem", "key", "csr"))
    run = lambda *a: subprocess.run(["openssl", *a], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj", f"/CN={name}",
        *(["-out", request] if ca or days < 0 else ["-x509", "-out", cert, "-addext", f"subjectAltName={san}"]))
    if ca or days < 0:
        with open(f"{folder}/{name}.ext", "w") as f:
            f.write(f"subjectAltName={san}\n")
        # a certificate that ran out: -days counts from now, so it is dated by ca
        run("x509", "-req", "-in", request, "-out", cert, "-days", str(days), "-CAcreateserial",
            "-extfile", f"{folder}/{name}.ext", *(["-CA", ca[0], "-CAkey", ca[1]] if ca else ["-signkey", key]))
    os.chmod(key, 0o600)
    return cert, key


def tls_stand(up, more="", ca=None, upstreams=""):
    return Pullgate(conf="listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nstorage: {path: {dir}/data, reserve: 0}\n"
                    "tags: {ttl: 0s, max_stale: 7d}\nupstreams:\n"
                    f'  origin.test: {{url: "{up.url}", default: true, allow_private: true'
                    + (f", ca_file: {ca}" if ca else "") + f"{more}}}\n{upstreams}")


def test_E03_a_cached_tag_outlives_its_upstreams_certificate():
    with tempfile.TemporaryDirectory() as folder:
        ca = certificate(folder, "ca", "DNS:ca.test")
        up = Upstream(cert=certificate(folder, "good", "IP:127.0.0.1", ca))
        image = up.image("library/app", "v1", [DATA])
        up.on("^/v2/", lambda x: setattr(x, "close_connection", True))      # each asks anew
        pg = tls_stand(up, ca=ca[0])
        assert pg.get(TAG) == (200, image.body) and pg.get(BLOB) == (200, DATA)
        assert pg.get("/v2/library/app/tags/list").status == 200
        up.die()
        up._cert = certificate(folder, "expired", "IP:127.0.0.1", ca, days=-1)
        up.live()
        asked = len(up.asked)
        a = pg.get(TAG)
        assert a == (200, image.body) and "upstream_tls" in a.headers["Cache-Status"], a.headers
        assert pg.get("/v2/library/app/tags/list").status == 200
        assert pg.get(BLOB) == (200, DATA)
        a = pg.get("/v2/library/app/manifests/other")                       # cold: the reason
        assert a.status == 502 and "certificate has expired" in a.message(), a
        assert len(up.asked) == asked                                       # nothing was asked, nothing believed
        pg.stop()


def test_E27_plain_text_before_the_handshake():
    listener = socket.create_server(("127.0.0.1", 0))
    seen = []
    def serve():
        while True:
            try:
                c, _ = listener.accept()
            except OSError:
                return
            c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            c.settimeout(stage.DEADLINE)
            seen.append(c.recv(65536))
            c.close()
    threading.Thread(target=serve, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        secret = folder + "/password"
        with open(secret, "w") as f:
            f.write("hunter2")
        os.chmod(secret, 0o600)
        up = type("Up", (), {"url": f"https://127.0.0.1:{listener.getsockname()[1]}"})
        pg = tls_stand(up, more=f", username: robot, password_file: {secret}")
        for path in [TAG, BLOB]:
            a = pg.get(path)
            assert a.status == 502 and b"hello" not in a.body, a
        assert seen and all(b"GET" not in s and b"Authorization" not in s for s in seen)
        pg.stop()
    listener.close()


def test_E33_two_identities_at_one_server():
    """The server never sees the wrong certificate or login, however they are interleaved."""
    with tempfile.TemporaryDirectory() as folder:
        ca = certificate(folder, "ca", "DNS:ca.test")
        pairs = {n: certificate(folder, n, f"DNS:{n}", ca) for n in ("alice", "bob")}
        up = Upstream(cert=certificate(folder, "server", "IP:127.0.0.1,DNS:localhost", ca), client_ca=ca[0])
        images = [up.image("library/app", f"v{n}", [b"layer %d" % n]) for n in range(60)]
        cdn = Upstream(cert=certificate(folder, "cdn", "IP:127.0.0.1", ca), client_ca=ca[0])
        cdn.blobs = up.blobs
        wrong, shown = [], set()
        def look(x):
            who = "alice" if x.headers["Host"].startswith("127.") else "bob"
            peer = dict(p for rdn in (x.connection.getpeercert() or {}).get("subject", ()) for p in rdn).get("commonName")
            login = x.headers.get("Authorization")
            if peer != who or login not in (None, "Basic " + base64.b64encode(f"{who}:{who}-secret".encode()).decode()):
                wrong.append((who, peer, login))
            if login is None:
                x.answer(401, {"WWW-Authenticate": 'Basic realm="x"'})
                return True
            shown.add((who, peer))
            return "/blobs/" in x.path and redirect(f"https://127.0.0.1:{cdn.port}{x.path}")(x)
        up.on("^/v2/", look, methods=("GET", "HEAD"))
        bare = []
        cdn.on("^/", lambda x: bare.append((x.connection.getpeercert(), x.headers.get("Authorization"))) or False)
        options = {}
        for n, (cert, key) in pairs.items():
            with open(f"{folder}/{n}.secret", "w") as f:
                f.write(f"{n}-secret")
            os.chmod(f"{folder}/{n}.secret", 0o600)
            options[n] = f", client_cert: {cert}, client_key: {key}, username: {n}, password_file: {folder}/{n}.secret"
        pg = tls_stand(up, more=options["alice"], ca=ca[0], upstreams=
                       f'  bob.test: {{url: "https://localhost:{up.port}", allow_private: true, ca_file: {ca[0]}{options["bob"]}}}\n')
        def pull(n):
            base = "/v2/" if n % 2 else "/v2/bob.test/"
            i = images[n // 2]
            return [pg.get(f"{base}library/app/manifests/v{n // 2}").status,
                    pg.get(f"{base}library/app/blobs/{i.layers[0]}").status]
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(pull, range(120)))
        assert results == [[200, 200]] * 120, [r for r in results if r != [200, 200]][:3]
        assert not wrong, wrong[:3]
        assert shown == {("alice", "alice"), ("bob", "bob")}
        assert bare and all(b == (None, None) or b == ({}, None) for b in bare), bare[:3]     # nothing behind a redirect
        pg.stop()


def test_a_client_certificate_that_is_no_use_is_said_at_the_start():
    with tempfile.TemporaryDirectory() as folder:
        a, b = certificate(folder, "a", "DNS:a"), certificate(folder, "b", "DNS:b")
        up = type("Up", (), {"url": "https://127.0.0.1:1"})
        for cert, key, mode, said in [(a[0], b[1], 0o600, "is no key in PEM form, or not that of"),
                                      (a[1], a[1], 0o600, "holds no certificate"),
                                      (a[0], a[1], 0o644, "can be read or written by others")]:
            os.chmod(key, mode)
            try:
                tls_stand(up, more=f", client_cert: {cert}, client_key: {key}")
                raise Exception("it starts")
            except AssertionError as refused:
                assert said in str(refused), refused


class Proxy(ThreadingTCPServer):
    """An HTTP proxy: CONNECT, and plain requests with a whole URL."""
    daemon_threads = True

    def __init__(self, answer=None):
        self.asked, self.answer = [], answer
        super().__init__(("127.0.0.1", 0), ProxyHandler)
        self.url = "http://127.0.0.1:%d" % self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class ProxyHandler(StreamRequestHandler):
    def handle(self):
        line, head = self.rfile.readline(), b""
        while (more := self.rfile.readline()) not in (b"\r\n", b""):
            head += more
        self.server.asked.append((line.decode(), head.decode()))
        method, target, version = line.split()
        if self.server.answer:
            self.wfile.write(self.server.answer)
            return
        place = target if method == b"CONNECT" else re.match(rb"http://([^/]+)", target)[1]
        host, port = place.decode().rsplit(":", 1)
        with socket.create_connection((host, int(port))) as out:
            if method == b"CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\nX-Proxy: 1\r\n\r\n")
            else:
                out.sendall(method + b" " + target[len(b"http://") + len(place):] + b" HTTP/1.1\r\nConnection: close\r\n" + head + b"\r\n")
            back = threading.Thread(target=self.copy, args=(out, self.connection), daemon=True)
            back.start()
            self.copy(self.connection, out)
            back.join()

    @staticmethod
    def copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def test_an_upstream_behind_a_proxy():
    with tempfile.TemporaryDirectory() as folder:
        ca = certificate(folder, "ca", "DNS:ca.test")
        for up in [Upstream(), Upstream(cert=certificate(folder, "s", "IP:127.0.0.1", ca))]:
            image, proxy = up.image("library/app", "v1", [DATA]), Proxy()
            pg = tls_stand(up, more=f", proxy: \"{proxy.url}\"", ca=ca[0])
            assert pg.get(TAG) == (200, image.body) and pg.get(BLOB) == (200, DATA)
            assert proxy.asked and all(l.startswith("CONNECT" if up._cert else "GET http://") for l, h in proxy.asked)
            proxy.answer = b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n"
            if up._cert:
                up.die()
                up.live()
                a = pg.get("/v2/library/app/manifests/v2")
                assert a.status == 503 and "proxy of upstream origin.test answers 407" in a.message(), a
            pg.stop()


def test_doctor_goes_the_way_that_the_server_goes():
    """Each URL, through the proxy, with the certificate: what the server can reach is not called lost."""
    with tempfile.TemporaryDirectory() as folder:
        ca = certificate(folder, "ca", "DNS:ca.test")
        mine = certificate(folder, "mine", "DNS:mine", ca)
        up = Upstream(cert=certificate(folder, "s", "IP:127.0.0.1", ca), client_ca=ca[0])
        def look(x):
            if x.connection.getpeercert():
                return False
            x.answer(400, {})
            return True
        up.on("^/v2/", look)
        proxy, mirror, gone, lost = Proxy(), Upstream(), Upstream(), Upstream()
        gone.die()
        lost.die()
        pg = tls_stand(up, more=f", client_cert: {mine[0]}, client_key: {mine[1]}, proxy: \"{proxy.url}\"", ca=ca[0],
                       upstreams=f"""\
  several.test: {{allow_private: true, urls: [{{url: "{gone.url}", authoritative: false}}, {{url: "{mirror.url}", authoritative: true}}]}}
  last.test: {{allow_private: true, url: "{lost.url}"}}
""")
        code, out, err = pg.command("doctor", "--json")
        said = {(c["subject"], c["level"]): c["text"] for c in json.loads(out)["checks"] if c["check"] == "upstreams"}
        assert said["origin.test", "ok"].startswith("registry: "), said
        assert [l for l, h in proxy.asked] == [f"CONNECT {up.url[len('https://'):]} HTTP/1.1\r\n"], proxy.asked
        assert said["several.test", "warn"].startswith(f"mirror {gone.url}: "), said
        assert said["several.test", "ok"].startswith(f"registry {mirror.url}: "), said
        assert code == 1 and said["last.test", "fail"].startswith("registry: "), said
        pg.stop()


def test_E17_a_proxy_is_not_led_inside():
    """What it connects to we cannot see; what is an address in letters is refused here."""
    for to in ["http://169.254.169.254/x", "http://[fe80::1]/x", "http://0.0.0.0/x"]:
        up, image = registry()
        proxy = Proxy()
        pg = tls_stand(up, more=f", proxy: \"{proxy.url}\"")
        up.on("/blobs/", redirect(to))
        assert pg.get(BLOB).status == 502
        assert not any("169.254" in l or "fe80" in l or "0.0.0.0" in l for l, h in proxy.asked)
        pg.stop()


def test_an_upstream_is_not_faster_than_it_may_be():
    """The cap is over all transfers, and small questions do not wait for large ones."""
    up = Upstream()
    layers = [random.Random(n).randbytes(600_000) for n in range(4)]
    image = up.image("library/app", "v1", layers)
    pg = tls_stand(up, more=", max_bandwidth: 1MiB")
    assert pg.get(TAG) == (200, image.body)
    began = time.monotonic()
    pulls = [pg.start_get(f"/v2/library/app/blobs/{d}") for d in image.layers]
    pg.wait_metric("pullgate_fetched_bytes_total", 200_000)
    assert pg.get("/v2/library/app/tags/list").status == 200
    assert any(p.is_alive() for p in pulls)
    assert [p.done() for p in pulls] == [(200, l) for l in layers]
    took = time.monotonic() - began
    assert took > (2_400_000 - 1024 * 1024 / 8 - 65536) / (1024 * 1024), took
    assert took < 12, took
    pg.stop()


def test_one_caller_with_many_blobs_does_not_hold_back_another():
    up, gate = Upstream(), stage.Gate()
    many = [b"many %d" % n for n in range(40)]
    image, other = up.image("library/many", "v1", many), up.image("library/other", "v1", [b"one"])
    held = {d for d in image.layers}
    up.on("/library/many/blobs/", lambda x: gate.pass_through())
    pg = tls_stand(up, more=", max_connections: 4")
    pg.get("/v2/library/many/manifests/v1"), pg.get("/v2/library/other/manifests/v1")
    pulls = [pg.start_get(f"/v2/library/many/blobs/{d}") for d in image.layers]
    gate.wait_reached()
    pg.wait_metric("pullgate_flights", 40)
    one = pg.start_get(f"/v2/library/other/blobs/{other.layers[0]}")
    pg.wait_metric("pullgate_flights", 41)
    gate.open()
    assert one.done() == (200, b"one")
    order = [p for m, p, h in up.asked if "/blobs/" in p]
    at = next(i for i, p in enumerate(order) if "/other/" in p)
    # four are under way; of the four turns that then come up, side by side, one is its own
    assert at <= 8, at
    assert [p.done().status for p in pulls] == [200] * 40
    pg.stop()


def test_E11_a_stall_that_ends_in_time():
    """Shorter than stall_timeout: the same answer goes on, nothing is asked again."""
    up, image = registry()
    over = threading.Event()
    gate = stage.Gate()
    gate.pass_through = lambda: over.wait(2.0)
    up.on("/blobs/", pause(gate, 1_000_000))
    pg = tls_stand(up, more=", stall_timeout: 8s")
    assert pg.get(BLOB) == (200, DATA)
    assert up.count("GET", "/blobs/") == 1
    pg.stop()


def test_E13_an_upstream_that_is_always_in_error():
    up, image = registry()
    up.on("^/v2/", status(500))
    pg = tls_stand(up)
    a = pg.get("/v2/library/app/manifests/never")
    assert a.status == 503 and a.code() == "UNAVAILABLE", a
    assert up.count("GET", "/manifests/never") + up.count("HEAD", "/manifests/never") <= 3
    up.well()
    for n in range(6):                                           # flapping: each second answer is an error
        up.on(f"/manifests/f{n}", status(503), times=1)
        other = up.image("library/app", f"f{n}", [b"f%d" % n])
        assert pg.get(f"/v2/library/app/manifests/f{n}") == (200, other.body), n
    up.on("^/v2/", status(503))
    for n in range(8):                                           # until it is left alone
        pg.get(f"/v2/library/app/manifests/gone{n}")
    pg.wait_log("left_alone_ms")
    before = len(up.asked)
    with ThreadPoolExecutor(16) as pool:                         # half open: one probe at most a window
        answers = list(pool.map(lambda n: pg.get(f"/v2/library/app/manifests/late{n}"), range(64)))
    assert all(a.status == 503 and 0 < int(a.headers["Retry-After"]) <= 300 for a in answers)
    assert len(up.asked) - before <= 12, len(up.asked) - before
    pg.stop()


def test_E24_an_upstream_and_its_token_server_that_are_dead_for_long():
    """N8: all that is in the store goes on being pulled, tags and lists by what was known last."""
    token = Token()
    up = Upstream(token=token)
    up.on("^/token", token.issue)
    images = [up.image("library/app", f"v{n}", [b"layer %d" % n]) for n in range(20)]
    pg = tls_stand(up)
    def pull(n):
        i = images[n % 20]
        return [pg.get(f"/v2/library/app/manifests/v{n % 20}") == (200, i.body),
                pg.get(f"/v2/library/app/manifests/{i.digest}") == (200, i.body),
                pg.get(f"/v2/library/app/blobs/{i.layers[0]}") == (200, b"layer %d" % (n % 20)),
                pg.get("/v2/library/app/tags/list").status == 200]
    assert all(all(pull(n)) for n in range(20))
    up.die()
    token.good.clear()
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(pull, range(400)))
    assert all(map(all, results)), [r for r in results if not all(r)][:3]
    assert time.monotonic() - began < 60, "it is noticed once, not each time"
    a = pg.get("/v2/library/app/manifests/other")
    assert a.status == 503 and 0 < int(a.headers["Retry-After"]) <= 30, a
    up.live()
    new = up.image("library/app", "v0", [b"a new one"])
    pg.wait_true(lambda: pg.get("/v2/library/app/manifests/v0") == (200, new.body), "it never came back")
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
