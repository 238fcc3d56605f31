# SPDX-License-Identifier: Apache-2.0
"""Names, paths, paging: table B of the cases, by name; and the four ways of addressing."""
import json, os, subprocess

import pg as stage
from pg import Pullgate, Upstream
from upstream import sha256

OTHER = 'mirror.test: {{url: "{url}", allow_private: true}}'


def answer(pg, path, more=b""):
    """The path as these very bytes: no client library between."""
    path = path if isinstance(path, bytes) else path.encode()
    said = pg.raw(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + more + b"Connection: close\r\n\r\n")
    return int(said.split(b" ", 2)[1]), said


def test_B01_paths_that_are_no_names():
    up = Upstream()
    up.image("library/app", "v1")
    pg = Pullgate(up)
    names = ["..", ".", "a/../b", "a/./b", "%2e%2e", "a%2fb", "a%252fb", "a%00b", "a\\b", "a;b",
             "a//b", "/a", "a/", "Upper", "a/B", "-a", "a-", ".a", "a..b", "a___b", "a b",
             "x" * 256, "a/" * 128 + "a"]
    tags = ["-a", ".a", "x" * 129, "a/b", "a%20b", "a:b", "", "a;b", "a\\b"]
    raw = ["é".encode(), "ａ".encode(), b"\xc0\xae\xc0\xae", b"\xff"]
    asked = len(up.asked)
    for n in names:
        code, said = answer(pg, f"/v2/{n}/manifests/v1")
        assert code in (400, 404), (n, said[:200])
    for t in tags:
        code, said = answer(pg, f"/v2/library/app/manifests/{t}")
        assert code in (400, 404), (t, said[:200])
    for r in raw:
        for path in [b"/v2/" + r + b"/manifests/v1", b"/v2/a/manifests/" + r]:
            code, said = answer(pg, path)
            assert code in (400, 404), (path, said[:200])
    assert len(up.asked) == asked, up.asked[asked:]
    pg.stop()


def test_B02_escapes():
    up = Upstream()
    pg = Pullgate(up)
    evil = "/%2F%2F..%2F..%2F..%2Fetc%2Fpasswd"
    for top in ["", "/ui", "/api", "/v2", "/v2/library/app/blobs", "/metrics", "/debug"]:
        for port in [pg.port, pg.admin_port]:
            for tail in [evil, "/../../etc/passwd", "/..\\..\\etc\\passwd"]:
                said = pg.raw(f"GET {top}{tail} HTTP/1.1\r\nHost: localhost\r\n"
                              "Connection: close\r\n\r\n".encode(), port)
                assert said.split(b" ")[1] in (b"400", b"404"), said
                assert b"root:" not in said
    assert not up.asked
    pg.stop()


def test_B03_digests():
    """R9: a bad digest is 400, never 500."""
    up = Upstream()
    pg = Pullgate(up)
    good = "a" * 64
    for d in ["sha256:" + "a" * 63, "sha256:" + "a" * 65, "sha256:" + "A" * 64, "sha256:",
              "md5:" + "a" * 32, "sha256:../x", "sha256:" + "g" * 64, "multihash+base58:QmRZ",
              "sha512:" + good, "sha256:baddigeststring", ":" + good, "sha384:" + "a" * 96]:
        for kind in ["blobs", "manifests", "referrers"]:
            a = pg.get(f"/v2/library/app/{kind}/{d}")
            assert a.status in (400, 404), (kind, d, a)
            if "/" not in d:
                assert a.status == 400 and a.code() == "DIGEST_INVALID", (kind, d, a)
    assert not up.asked
    assert pg.get("/v2/library/app/blobs/sha512:" + good * 2).status == 404
    pg.stop()


def test_B04_names_that_look_like_the_api():
    up = Upstream()
    for repo in ["a/manifests/b", "blobs/uploads", "tags/list", "v2/v2", "x/blobs", "manifests/manifests"]:
        image = up.image(repo, "v1", [repo.encode()])
        pg = Pullgate(up)
        assert pg.get(f"/v2/{repo}/manifests/v1") == (200, image.body), repo
        assert pg.get(f"/v2/{repo}/blobs/{image.layers[0]}") == (200, repo.encode())
        assert pg.get(f"/v2/{repo}/tags/list").json() == {"name": repo, "tags": ["v1"]}
        pg.stop()
    pg = Pullgate(up)
    a = pg.get("/v2/_catalog")
    assert a.status in (404, 405) and a.json()["errors"]
    pg.stop()


def test_B05_B09_paging():
    up = Upstream()
    tags = ["v1", "v1-rc", "v1.0", "v10", "v2", "v2-rc", "latest"]
    for t in tags:
        up.image("library/a", t)
    pg = Pullgate(up)
    path = "/v2/library/a/tags/list"
    assert pg.get(path).json() == {"name": "library/a", "tags": sorted(tags)}
    for n in range(1, 9):
        got, target, pages = [], f"{path}?n={n}", 0
        while target:
            a = pg.get(target)
            page = a.json()["tags"]
            assert len(page) <= n
            got += page
            link = a.headers["Link"]
            if link:
                assert link.endswith('>; rel="next"') and link.startswith(f"<{path}?"), link
            target = link and link[1:link.index(">")]
            pages += 1
            assert pages < 20
        assert got == sorted(tags), n
    assert pg.get(path + "?n=0").json()["tags"] == []
    assert pg.get(path + "?n=3&last=v1.0").json()["tags"] == ["v10", "v2", "v2-rc"]
    for bad in ["?n=-1", "?n=abc", "?n=9223372036854775808", "?n=1e9", "?n="]:
        a = pg.get(path + bad)
        assert a.status in (200, 400), bad
    assert answer(pg, path + "?n=1&last=" + "a" * 1000)[0] in (200, 400)
    code, said = answer(pg, path + "?n=1&last=%0d%0aX-Evil:%201")
    assert code in (200, 400) and b"\nX-Evil" not in said
    pg.stop()


def test_pages_are_linked_by_whatever_a_query_may_hold():
    up = Upstream()
    query = "next_page=gAAA+/b,c;d@e!f$g'(h)*?i==&last=a%2Fb&n=2"
    up.on(r"/tags/list\?n=1000$", lambda x: x.answer(200, {
        "Content-Type": "application/json",
        "Link": f'</v2/library/a/tags/list?{query}>; rel="next"'}, b'{"tags":["one"]}') or True)
    up.on(r"/tags/list\?next_page", lambda x: x.answer(200, {
        "Content-Type": "application/json"}, b'{"tags":["two"]}') or True)
    pg = Pullgate(up)
    assert pg.get("/v2/library/a/tags/list").json()["tags"] == ["one", "two"]
    assert up.count("GET", "/v2/library/a/tags/list?" + query) == 1
    pg.stop()


def test_B06_ns_selects_configured_upstreams_only():
    up, other = Upstream(), Upstream()
    pg = Pullgate(up, upstreams=OTHER.format(url=other.url))
    other.image("library/app", "v1", [b"other"])
    good = pg.get("/v2/library/app/manifests/v1?ns=mirror.test")
    assert good.status == 200 and good.headers["OCI-Namespace"] == "mirror.test"
    for ns in ["evil.test", "169.254.169.254", "mirror.test/x", "mirror.test:81", "u@mirror.test",
               "", "mirror.test%2fx", "127.0.0.1:" + str(up.port)]:
        a = pg.get(f"/v2/library/app/manifests/v1?ns={ns}")
        assert a.status in (400, 404), (ns, a)
    assert pg.get("/v2/library/app/manifests/v1?ns=mirror.test&ns=origin.test").status == 400
    assert pg.get("/v2/mirror.test/library/app/manifests/v1?ns=origin.test").status == 400
    assert pg.get("/v2/mirror.test/library/app/manifests/v1?ns=mirror.test").status == 200
    assert not up.asked
    pg.stop()


def test_B07_one_image_by_all_its_names():
    up = Upstream()
    image = up.image("library/nginx", "v1")
    pg = Pullgate(conf=f"""\
listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0}}
storage: {{path: {{dir}}/data, reserve: 0}}
upstreams:
  docker.io: {{url: "{up.url}", default: true, allow_private: true, fetch_ahead: false}}
""")
    for name in ["library/nginx", "nginx", "docker.io/library/nginx", "docker.io/nginx",
                 "index.docker.io/library/nginx", "index.docker.io/nginx",
                 "registry-1.docker.io/library/nginx"]:
        assert pg.get(f"/v2/{name}/manifests/v1") == (200, image.body), name
    assert pg.get("/v2/library/nginx/manifests/v1?ns=docker.io").status == 200
    assert up.count("GET", "/manifests/") == 1
    pg.landed(1)
    assert len(pg.files("blobs")) == 1
    pg.stop()


def test_B08_no_name_is_a_path():
    """Tags that a file system without cases would take for one; names longer than it allows."""
    up = Upstream()
    long = "/".join(["a" * 60] * 4)
    small, large = up.image(long, "tag", [b"small"]), up.image(long, "TAG", [b"large"])
    pg = Pullgate(up)
    assert pg.get(f"/v2/{long}/manifests/tag") == (200, small.body)
    assert pg.get(f"/v2/{long}/manifests/TAG") == (200, large.body)
    assert pg.get(f"/v2/{long}/blobs/{small.layers[0]}") == (200, b"small")
    pg.landed(3)
    for path in pg.files(""):
        assert "aaa" not in path.removeprefix(pg.dir), path
        assert "TAG" not in path.replace("CACHEDIR.TAG", ""), path
        assert all(len(part) < 160 for part in path.split("/")), path
    pg.stop()


def test_four_ways_of_addressing():
    up, other = Upstream(), Upstream()
    image, mine = up.image("team/app", "v1"), other.image("team/app", "v1", [b"mine"])
    pg = Pullgate(up, upstreams=f'mirror.test: {{url: "{other.url}", allow_private: true, '
                                'host: cache.example}')
    assert pg.get("/v2/team/app/manifests/v1") == (200, image.body)                    # default
    assert pg.get("/v2/mirror.test/team/app/manifests/v1") == (200, mine.body)         # by path
    assert pg.get("/v2/team/app/manifests/v1?ns=mirror.test") == (200, mine.body)      # by ns
    assert pg.get("/v2/team/app/manifests/v1", {"Host": "cache.example"}) == (200, mine.body)
    assert pg.get("/v2/team/app/manifests/v1", {"Host": "cache.example:5000"}) == (200, mine.body)
    assert pg.get("/v2/origin.test/team/app/manifests/v1", {"Host": "cache.example"}).status == 400
    assert pg.get("/v2/team/app/manifests/v1?ns=origin.test", {"Host": "cache.example"}).status == 400
    unknown = pg.get("/v2/unknown.example/team/app/manifests/v1")
    assert unknown.status == 404 and unknown.code() == "NAME_UNKNOWN"
    assert "unknown.example" in unknown.message() and "upstreams" in unknown.message()
    pg.stop()


def test_the_api_itself():
    up = Upstream()
    pg = Pullgate(up)
    for path in ["/v2/", "/v2"]:
        a = pg.get(path)
        assert a.status == 200
        assert a.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    for path in ["/", "/v1/", "/v2/library/app", "/v2/library/app/manifests", "/v3/x"]:
        a = pg.get(path)
        assert a.status in (400, 404) and a.json()["errors"][0]["message"], path
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
