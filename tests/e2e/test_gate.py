# SPDX-License-Identifier: Apache-2.0
"""The gate, attacked: each door x each way to ask x cold, warm, in flight x what is decided."""
import concurrent.futures, http.client, json

import pg as stage
from gated import METHODS, OPEN, Gated, Secret, denied, signed, tag_of
from pg import Answer
from upstream import OCI_INDEX, Gate, Upstream, status


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


if __name__ == "__main__":
    stage.main(globals())
