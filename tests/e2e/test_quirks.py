# SPDX-License-Identifier: Apache-2.0
"""What single registries do otherwise: one test for each row of proxy/upstream/quirks.h, against an
upstream that does so. Each pulls an image as a client does: tag, tag again, digest, blobs, tags,
referrers, and what is not there."""
import gzip, json, os, re

import pg as stage
from pg import Pullgate, Upstream
from upstream import OCI_MANIFEST, Token, redirect, say, sha256, status

REPO = "library/app"
LAYER = b"layer" * 100_000
ALL = ("GET", "HEAD")


class Stand:
    """An upstream and the other hosts it leads to. `localhost` is another host than 127.0.0.1."""
    def __init__(self, **options):
        self.up, self.cdn, self.options = Upstream(), Upstream(), options
        self.image = self.up.image(REPO, "v1", [LAYER])
        self.cdn.blobs, self.cdn.manifests = self.up.blobs, self.up.manifests
        self.cdn.on("/v2/", no_login, methods=ALL)

    def at_cdn(self, x):
        return f"http://localhost:{self.cdn.port}{x.path}"

    def blobs_at_cdn(self, code=307):
        self.up.on("/blobs/", redirect(self.at_cdn, code), methods=ALL)

    def tokens(self, token, path="/token", host=None):
        """Those of `token`, of this host; whoever shows none is told where to get one."""
        where = host or self.up
        token.realm = token.realm or f"http://127.0.0.1:{where.port}{path}"
        self.up.on(r"^/v2/", token.guard, methods=ALL)
        where.on("^" + path, token.issue)
        where.on("^" + path, no_post, methods=("POST",))
        return token

    def pull(self, tags=("v1",)):
        up, image = self.up, self.image
        origin = "".join(f', {k}: "{v}"' for k, v in self.options.items())
        pg = Pullgate(up, more="tags: {ttl: 0s}", origin=origin)
        manifest, blob = f"/v2/{REPO}/manifests/", f"/v2/{REPO}/blobs/"
        for path in [manifest + "v1", manifest + "v1", manifest + image.digest]:
            a = pg.get(path)
            assert a == (200, image.body), (path, a)
            assert a.headers["Content-Type"] == OCI_MANIFEST
            assert a.headers["Docker-Content-Digest"] == image.digest
        assert pg.get(blob + image.config).status == 200
        assert pg.get(blob + image.layers[0]) == (200, LAYER)
        if tags is not None:
            a = pg.get(f"/v2/{REPO}/tags/list")
            assert a.status == 200 and a.json()["tags"] == list(tags), a
        a = pg.get(f"/v2/{REPO}/referrers/{image.digest}")
        assert a.status == 200 and a.json()["manifests"] == [], a
        a = pg.get(manifest + "missing")
        assert a.status == 404 and a.code() == "MANIFEST_UNKNOWN", a
        pg.stop()
        assert not any("Authorization" in h or "Cookie" in h for m, p, h in self.cdn.asked)


def no_login(x):
    """S3 and the like: a signed address is one way to log in, and a header is another."""
    if "Authorization" not in x.headers:
        return False
    x.answer(400, {"Content-Type": "application/xml"}, b"<Error><Code>InvalidArgument</Code>"
             b"<Message>Only one auth mechanism allowed</Message></Error>")
    return True


def no_post(x):
    if x.command == "POST":
        x.answer(404, {}, b"")
    return x.command == "POST"


def bare(x, media="text/plain", digest=False, **more):
    """A manifest without what a registry says of it."""
    code, real, body = x.body()
    if code != 200:
        return False
    x.answer(200, {"Content-Type": media, **({"Docker-Content-Digest": sha256(body)} if digest else {}),
                   **more}, body)
    return True


def listed(*tags):
    return say(200, {"Content-Type": "application/json"}, json.dumps({"name": REPO, "tags": tags}).encode())


NO_API = status(404, b"404 page not found\n")


def docker_hub():
    s, auth = Stand(), Upstream()
    s.options["realms"] = f"localhost:{auth.port}"
    left = [100]

    def counted(x):
        left[0] -= x.command == "GET"
        w = f"{left[0]};w=21600"
        return bare(x, OCI_MANIFEST, digest=True, **{"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": w})
    s.up.on("/manifests/", counted)
    s.up.on("/referrers/", NO_API)
    s.blobs_at_cdn()
    s.tokens(Token(realm=f"http://localhost:{auth.port}/token"), host=auth)
    s.pull()
    assert all("service=test" in p and "scope=repository%3Alibrary%2Fapp%3Apull" in p for m, p, h in auth.asked)
    let_in = [m for m, p, h in s.up.asked if "/manifests/v1" in p and "Authorization" in h]
    assert let_in == ["GET", "HEAD"]                    # the second pull by tag; by digest it is a hit


def docker_index():
    s, auth = Stand(), Upstream()
    s.options["realms"] = f"localhost:{auth.port}"
    s.tokens(Token(realm=f"http://localhost:{auth.port}/token"), host=auth)
    s.pull()


def ghcr():
    s = Stand()
    s.up.on("/referrers/", NO_API)
    s.blobs_at_cdn()
    token = s.tokens(Token())
    s.pull()
    assert token.issued == 1 and "Authorization" not in s.up.asked[0][2]


def quay():
    s = Stand()
    s.blobs_at_cdn(302)
    token = s.tokens(Token())

    def strict(x):
        asked = re.findall(r"scope=([^&]*)", x.path)
        return False if asked == ["repository%3Alibrary%2Fapp%3Apull"] else status(400)(x)
    s.up.on("/token", strict)
    s.pull()
    assert token.issued == 1


def ecr():
    import base64
    with open(os.path.join(os.environ.get("TMPDIR", "/tmp"), f"pg-e2e-ecr-{os.getpid()}"), "w") as f:
        f.write("secret")
    os.chmod(f.name, 0o600)
    try:
        s = Stand(username="AWS", password_file=f.name)
        want = "Basic " + base64.b64encode(b"AWS:secret").decode()

        def basic(x):
            if x.headers.get("Authorization") == want:
                return False
            x.answer(401, {"WWW-Authenticate": 'Basic realm="https://123.dkr.ecr.eu-west-1.amazonaws.com/"'}, b"")
            return True
        s.up.on("/manifests/", lambda x: bare(x, OCI_MANIFEST))
        s.up.on("/referrers/", status(405))
        s.blobs_at_cdn()
        s.up.on(r"^/v2/", basic, methods=ALL)
        s.pull()
    finally:
        os.unlink(f.name)


def ecr_public():
    s = Stand()
    s.up.on("/referrers/", status(405))
    s.blobs_at_cdn()
    s.tokens(Token(), path="/token/")
    s.pull()


def artifact_registry():
    s = Stand()
    token = Token()

    def silent(x):
        """Only /v2/ says how to log in."""
        if re.fullmatch(r"/v2/?", x.path.split("?")[0]) or \
                x.headers.get("Authorization", "").removeprefix("Bearer ") in token.good:
            return False
        x.answer(401, {}, b"")
        return True
    s.blobs_at_cdn(302)
    s.tokens(token, path="/v2/token")
    s.up.on(r"^/v2/(?!token)", silent, methods=ALL)
    s.pull()


def gcr():
    s = Stand()
    s.up.on("/manifests/", redirect(s.at_cdn, 302))
    s.blobs_at_cdn(302)
    s.tokens(Token(), path="/v2/token")
    s.pull()


def acr():
    s = Stand()
    s.up.on("/manifests/", lambda x: bare(x, OCI_MANIFEST, digest=True,
                                          **{"x-ms-ratelimit-remaining-calls-per-second": "199.75"}))
    s.blobs_at_cdn()
    token = s.tokens(Token(answer=b'{"access_token": "acr"}'), path="/oauth2/token")    # and not how long
    token.good.add("acr")
    s.pull()


def mcr():
    s = Stand()
    s.blobs_at_cdn()
    s.pull()
    assert not any("Authorization" in h for m, p, h in s.up.asked)


def k8s():
    s = Stand()
    s.up.on(r"^/v2/.", redirect(s.at_cdn), methods=ALL)
    s.pull()
    assert s.cdn.count("HEAD", "/manifests/v1") == 1    # the digest survived the hop
    assert s.cdn.count("GET", "/manifests/v1") == 1


def red_hat():
    s = Stand()

    def zips(x):
        if "gzip" not in x.headers.get("Accept-Encoding", "") and "*" not in x.headers.get("Accept-Encoding", ""):
            return False
        x.answer(200, {"Content-Encoding": "gzip"}, gzip.compress(x.body()[2]))
        return True
    s.up.on("/manifests/", bare)
    s.up.on("/manifests/missing", status(404, b"<html>Not Found</html>"))
    s.up.on("/referrers/", status(404, b"<html>Not Found</html>"))
    s.blobs_at_cdn(302)
    s.cdn.on("/", zips)
    s.pull()
    assert s.up.count("HEAD", "/manifests/v1") == 1     # it told no digest: not asked again


def harbor():
    s = Stand()
    unknown = status(404, b'{"errors":[{"code":"NOT_FOUND","message":"artifact library/app:missing not found"}]}')
    s.up.on("/manifests/missing", unknown)
    more = say(200, {"Content-Type": "application/json", "Link": f"</v2/{REPO}/tags/list?last=v1&n=1>; rel=\"next\""},
               json.dumps({"name": REPO, "tags": ["v1"]}).encode())
    s.up.on("/tags/list", more)
    s.up.on(r"/tags/list\?.*last=v1", listed("v2"))
    s.tokens(Token(), path="/service/token")
    s.pull(tags=["v1", "v2"])


def nexus():
    s = Stand()
    s.up.on("/manifests/", status(404), methods=("HEAD",))
    s.up.on("/tags/list", listed("v1", s.image.digest, "not a tag"))
    s.up.on("/referrers/", status(404, b"{}"))
    s.tokens(Token(), path="/v2/token")
    s.pull()


def artifactory():
    s = Stand()
    s.up.on("/manifests/", status(405), methods=("HEAD",))
    s.up.on("/manifests/", lambda x: bare(x, "application/json"), methods=("GET",))
    s.up.on("/tags/list", listed(None, "v1", None, s.image.digest))
    s.up.on("/referrers/", status(404, b"{}"))
    s.blobs_at_cdn(303)
    s.tokens(Token(scheme=['Basic realm="Artifactory Realm"', 'Bearer realm="{realm}",service="test"']),
             path="/artifactory/api/docker/token")
    s.pull()
    assert s.up.count("HEAD", "/manifests/v1") <= 2     # one for the challenge


def elsewhere():
    """Tokens from another host; which pairs are known is a unit test of realm."""
    s, auth = Stand(), Upstream()
    s.options["realms"] = f"localhost:{auth.port}"
    token = s.tokens(Token(realm=f"http://localhost:{auth.port}/jwt/auth"), path="/jwt/auth", host=auth)
    s.pull()
    assert token.issued == 1


ROWS = {"docker_hub": docker_hub, "docker_index": docker_index, "ghcr": ghcr, "quay": quay, "ecr": ecr,
        "ecr_public": ecr_public, "artifact_registry": artifact_registry, "gcr": gcr, "acr": acr, "mcr": mcr,
        "k8s": k8s, "red_hat": red_hat, "harbor": harbor, "nexus": nexus, "artifactory": artifactory,
        "gitlab": elsewhere, "elastic": elsewhere, "suse": elsewhere}
for name, test in ROWS.items():
    globals()["test_" + name] = test


def test_every_row_has_its_test():
    with open(os.path.join(os.path.dirname(__file__), "../../proxy/upstream/quirks.h")) as f:
        table = f.read().split("#define QUIRKS(X)")[1].split("#define")[0]
    assert re.findall(r"X\((\w+),", table) == list(ROWS)


if __name__ == "__main__":
    stage.main(globals())
