# SPDX-License-Identifier: Apache-2.0
"""A registry that does what the test tells it, and writes down what it was asked. Stdlib only.

    up = Upstream()
    image = up.image("library/app", "v1", layers=[b"..."])      # digest, config, layers
    up.on(rf"/blobs/{image.layers[0]}", cut(1000), times=1)      # the first answer breaks off
    up.count("GET", image.layers[0])                             # how often it was asked

A fault is a function (exchange) -> True when it answered; the first rule that matches and does so
wins, else the registry answers as it should.
"""
import base64, hashlib, json, os, re, socket, ssl, struct, threading, time
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from web import Server, context_of, kept_port

DEADLINE = float(os.environ.get("PG_E2E_DEADLINE", "15"))
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Gate:
    """A door in the script. The upstream stops at it; the test sees that and opens it."""
    def __init__(self):
        self._reached, self._open = threading.Event(), threading.Event()

    def pass_through(self):
        self._reached.set()
        self._open.wait(DEADLINE * 4)

    def wait_reached(self):
        assert self._reached.wait(DEADLINE), "upstream never came to the gate"

    def open(self):
        self._open.set()


class Image:
    def __init__(self, digest, body, config, layers):
        self.digest, self.body, self.config, self.layers = digest, body, config, layers


class Exchange(BaseHTTPRequestHandler):
    """One request and how it is answered."""
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *a):
        pass

    def handle(self):
        self.upstream.open.add(self.connection)
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            self.close_connection = True    # pullgate left: its right
        finally:
            self.upstream.open.discard(self.connection)

    @property
    def upstream(self):
        return self.server.upstream

    def body(self):
        """(status, type, bytes) as the registry has it."""
        return self.upstream.find(self.path)

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        headers = {"Content-Length": str(len(body)), **headers}
        for name, value in headers.items():
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    self.send_header(name, one)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def raw(self, data, end="close"):
        """These bytes and nothing else; then the connection ends, or is reset."""
        self.wfile.write(data)
        self.wfile.flush()
        if end == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def do_GET(self):
        up = self.upstream
        with up.lock:
            up.asked.append((self.command, self.path, dict(self.headers)))
            rules = [r for r in up.rules if re.search(r.path, self.path) and
                     self.command in r.methods]
        for r in rules:
            if r.take(up.lock) and r.fault(self):
                return
        self.serve()

    do_HEAD = do_GET

    def do_POST(self):
        self.form = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        with self.upstream.lock:
            self.upstream.forms.append(self.form)
        self.do_GET()

    def serve(self):
        status, media, body = self.body()
        headers = {"Content-Type": media}
        if status == 200 and "/blobs/" not in self.path and "/manifests/" in self.path:
            headers["Docker-Content-Digest"] = sha256(body)
        ranged = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if status == 200 and ranged and "/blobs/" in self.path:
            first, end = int(ranged[1]), int(ranged[2]) + 1 if ranged[2] else len(body)
            headers["Content-Range"] = f"bytes {first}-{min(end, len(body)) - 1}/{len(body)}"
            status, body = 206, body[first:end]
        self.answer(status, headers, body)


class Rule:
    def __init__(self, path, fault, times, methods):
        self.path, self.fault, self.left, self.methods = path, fault, times, methods

    def take(self, lock):
        """One of the times that are left; negative: for ever."""
        with lock:
            if self.left == 0:
                return False
            self.left -= 1
            return True


class Upstream:
    def __init__(self, cert=None, token=None, address=("127.0.0.1", 0), client_ca=None):
        """cert: (certificate, key) for TLS. token: a Token that must be shown. client_ca: a file;
        what is shown of it is x.connection.getpeercert()."""
        self.blobs, self.manifests, self.asked, self.rules, self.forms = {}, {}, [], [], []
        self.lock, self.token, self.open = threading.Lock(), token, set()
        self._cert, self._client_ca = cert, client_ca
        self._kept = kept_port(address)         # it is its own, also while it is dead
        self._start(self._kept.getsockname(), cert)
        if token:
            self.on(r"^/v2/", token.guard)

    def _start(self, address, cert):
        self.server = Server(address, Exchange)
        self.server.upstream = self
        if cert:
            context = context_of(*cert)
            if self._client_ca:
                context.load_verify_locations(self._client_ca)
                context.verify_mode = ssl.CERT_OPTIONAL
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.port = self.server.server_port
        self.host = f"{address[0]}:{self.port}"
        self.url = f"http{'s' if cert else ''}://{self.host}"

    def die(self):
        """Refuses connections from now on, and ends those that there are."""
        self.server.shutdown()
        self.server.server_close()
        for s in list(self.open):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def live(self):
        self._start(self._kept.getsockname(), self._cert)

    def on(self, path, fault, times=-1, methods=None):
        """Newest first. Faults of blobs are of their GET alone unless told."""
        methods = methods or (("GET",) if "/blobs/" in path else ("GET", "HEAD"))
        with self.lock:
            self.rules.insert(0, Rule(path, fault, times, methods))

    def well(self):
        """No fault any more."""
        with self.lock:
            self.rules.clear()

    def count(self, method, path):
        with self.lock:
            return sum(1 for m, p, _ in self.asked if m == method and path in p)

    # ---- what it has

    def blob(self, data):
        d = sha256(data)
        self.blobs[d] = data
        return d

    def manifest(self, repo, ref, body, media=OCI_MANIFEST):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.manifests[repo, sha256(body)] = (media, body)
        if ref:
            self.manifests[repo, ref] = (media, body)
        return sha256(body)

    def image(self, repo, ref, layers=(b"layer",), arch="amd64", **more):
        config = json.dumps({"architecture": arch, "os": "linux", "config": {}, "rootfs": {
            "type": "layers", "diff_ids": [sha256(l) for l in layers]}}).encode()
        describe = lambda media, data: {"mediaType": media, "digest": self.blob(data),
                                        "size": len(data)}
        doc = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": describe(OCI_CONFIG, config),
               "layers": [describe(OCI_LAYER, l) for l in layers], **more}
        body = json.dumps(doc).encode()
        self.manifest(repo, ref, body)
        return Image(sha256(body), body, sha256(config), [sha256(l) for l in layers])

    def index(self, repo, ref, images, **more):
        doc = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            {"mediaType": OCI_MANIFEST, "digest": i.digest, "size": len(i.body),
             "platform": {"architecture": arch, "os": "linux"}} for arch, i in images.items()], **more}
        return self.manifest(repo, ref, doc, OCI_INDEX)

    def artifact(self, repo, ref, subject, artifact_type="application/x.sig", data=b"payload", **more):
        """A manifest that refers to `subject`, an Image. Its digest."""
        doc = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": artifact_type,
               "config": {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
                          "digest": self.blob(b"{}")},
               "layers": [{"mediaType": "application/x.payload", "digest": self.blob(data),
                           "size": len(data)}],
               "subject": {"mediaType": OCI_MANIFEST, "digest": subject.digest,
                           "size": len(subject.body)}, **more}
        return self.manifest(repo, ref, doc)

    def describe(self, repo, digest, **more):
        """The descriptor of a manifest, as in a list of referrers."""
        media, body = self.manifests[repo, digest]
        return {"mediaType": media, "digest": digest, "size": len(body), **more}

    def refer(self, digest, descriptors, **headers):
        """This upstream has the referrers API, and says so of that digest."""
        self.on(f"/referrers/{digest}", listed(descriptors, **headers))

    def find(self, target):
        path = urlsplit(target).path
        error = lambda status, code: (status, "application/json", json.dumps(
            {"errors": [{"code": code, "message": "scripted"}]}).encode())
        if path in ("/v2", "/v2/"):
            return 200, "application/json", b"{}"
        m = re.fullmatch(r"/v2/(.+)/(manifests|blobs|tags|referrers)/([^/]+)", path)
        if not m:
            return error(404, "NAME_UNKNOWN")
        repo, kind, ref = m.groups()
        if kind == "blobs" and ref in self.blobs:
            return 200, "application/octet-stream", self.blobs[ref]
        if kind == "manifests" and (repo, ref) in self.manifests:
            return 200, *self.manifests[repo, ref]
        if kind == "tags":
            tags = sorted(r for p, r in self.manifests if p == repo and ":" not in r)
            if tags:
                return 200, "application/json", json.dumps({"name": repo, "tags": tags}).encode()
            return error(404, "NAME_UNKNOWN")
        return error(404, "BLOB_UNKNOWN" if kind == "blobs" else "MANIFEST_UNKNOWN")


class Token:
    """A token endpoint, on the registry itself unless realm says another URL."""
    def __init__(self, realm=None, answer=None, scheme='Bearer realm="{realm}",service="test"'):
        self.realm, self.scheme, self.answer = realm, scheme, answer
        self.issued, self.good = 0, set()

    def guard(self, x):
        if x.headers.get("Authorization", "").removeprefix("Bearer ") in self.good:
            return False
        realm = self.realm or f"http://{x.upstream.host}/token"
        value = self.scheme.format(realm=realm) if isinstance(self.scheme, str) else [
            s.format(realm=realm) for s in self.scheme]
        x.answer(401, {"WWW-Authenticate": value, "Content-Type": "application/json"},
                 b'{"errors":[{"code":"UNAUTHORIZED"}]}')
        return True

    def issue(self, x):
        """The rule for the token's own path."""
        self.issued += 1
        value = f"token-{self.issued}"
        self.good.add(value)
        x.answer(200, {"Content-Type": "application/json"},
                 self.answer if self.answer is not None else json.dumps({"token": value, "expires_in": 300}).encode())
        return True


# ---- faults

def say(status, headers=None, body=b""):
    """This answer, whatever was asked."""
    def fault(x):
        x.answer(status, headers or {}, body)
        return True
    return fault


def listed(descriptors, **headers):
    """An index of these, as the referrers API answers."""
    return say(200, {"Content-Type": OCI_INDEX, **headers}, json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}).encode())


def status(code, body=b'{"errors":[{"code":"UNKNOWN","message":"scripted"}]}', **headers):
    return say(code, {"Content-Type": "application/json",
                      **{k.replace("_", "-"): v for k, v in headers.items()}}, body)


def raw(data, end="close"):
    def fault(x):
        x.raw(data, end)
        return True
    return fault


def reset():
    return raw(b"", "reset")


def cut(n, end="close"):
    """A head that promises all, n bytes of the body, then the connection ends."""
    def fault(x):
        code, media, body = x.body()
        ranged = re.fullmatch(r"bytes=(\d+)-(\d*)", x.headers.get("Range", ""))
        first = int(ranged[1]) if ranged else 0
        if ranged:
            last = int(ranged[2] or len(body) - 1)
            head = (f"HTTP/1.1 206 Partial Content\r\nContent-Length: {last + 1 - first}\r\n"
                    f"Content-Range: bytes {first}-{last}/{len(body)}\r\n\r\n")
        else:
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n"
        x.raw(head.encode() + body[first:first + n], end)
        return True
    return fault


def instead(data, **headers):
    """Other bytes under the same name."""
    return say(200, {"Content-Type": "application/octet-stream",
                     **{k.replace("_", "-"): v for k, v in headers.items()}}, data)


def pause(gate, at=None):
    """Half of the body (or `at` bytes), then waits at the gate, then the rest."""
    def fault(x):
        code, media, body = x.body()
        n = len(body) // 2 if at is None else at
        x.send_response(code)
        x.send_header("Content-Length", str(len(body)))
        x.send_header("Content-Type", media)
        x.end_headers()
        if x.command == "HEAD":
            return True
        x.wfile.write(body[:n])
        x.wfile.flush()
        gate.pass_through()
        x.wfile.write(body[n:])
        return True
    return fault


def hold(gate):
    """Says nothing at all before the gate opens; then answers as it should."""
    def fault(x):
        gate.pass_through()
        return False
    return fault


def redirect(to, code=307):
    def fault(x):
        x.answer(code, {"Location": to(x) if callable(to) else to})
        return True
    return fault
