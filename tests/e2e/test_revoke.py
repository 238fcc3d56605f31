# SPDX-License-Identifier: Apache-2.0
"""What an operator takes back is refused from the next request on, warm or cold, with a policy or without."""
import glob, http.client, os, shutil, subprocess

import pg as stage
from pg import Pullgate
from test_admit import FIXTURES, Layout, doors as layout_doors, start as start_signed
from test_upgrade import upgrade
from upstream import Upstream

REPO = "library/app"


def revoke(pg, what, reason="it steals"):
    code, out, err = pg.command("revoke", "--reason", reason, what)
    assert code == 0 and "revoked; it is refused" in out, (code, out, err)


def unrevoke(pg, what):
    code, out, err = pg.command("unrevoke", what)
    assert code == 0, (code, out, err)


def paths(image, tag="v1", repo=REPO):
    return [f"/v2/{repo}/manifests/{tag}", f"/v2/{repo}/manifests/{image.digest}",
            f"/v2/{repo}/blobs/{image.config}", *[f"/v2/{repo}/blobs/{l}" for l in image.layers]]


def served(pg, all_paths):
    for path in all_paths:
        got = pg.get(path)
        assert got.status == 200, (path, got)


def denied(pg, all_paths, why="it steals"):
    for path in all_paths:
        for method in (pg.head, pg.get):
            got = method(path)
            assert (got.status, got.headers["X-Pullgate-Verdict"]) == (403, "deny"), (path, got)
        assert 'policy rule "revocation"' in got.message() and why in got.message(), got.message()
        assert pg.get(path, headers={"If-None-Match": "*"}).status == 403
        assert pg.get(path, headers={"Range": "bytes=0-1"}).status == 403


def test_a_digest_is_refused_at_every_door_at_once_and_served_again():
    up = Upstream()
    image, other = up.image(REPO, "v1", layers=[b"bad", b"worse"]), up.image("library/other", "v1", layers=[b"good"], arch="arm64")
    pg = Pullgate(up)
    served(pg, paths(image))
    revoke(pg, image.digest)
    denied(pg, paths(image))
    served(pg, paths(other, repo="library/other"))
    code, out, _ = pg.command("revocations")
    assert code == 0 and image.digest in out and "it steals" in out and "digest" in out, out
    unrevoke(pg, image.digest)
    served(pg, paths(image))
    assert pg.command("revocations", "--json")[1] == '{"revocations":[]}\n'
    pg.stop()


def test_a_cold_image_is_refused_and_nothing_of_its_layers_is_fetched():
    up = Upstream()
    image = up.image(REPO, "v1", layers=[b"bad"])
    pg = Pullgate(up)
    revoke(pg, f"{REPO}@{image.digest}")
    denied(pg, paths(image)[:2])
    pg.landed(1)
    got = pg.get(f"/v2/{REPO}/blobs/{image.layers[0]}")
    assert got.status != 200 and up.count("GET", image.layers[0]) == 0, (got, up.asked)
    pg.stop()


def test_blobs_stay_refused_when_the_store_has_lost_the_manifest():
    up = Upstream()
    image = up.image(REPO, "v1", layers=[b"bad"])
    pg = Pullgate(up)
    served(pg, paths(image))
    pg.landed(3)
    revoke(pg, image.digest)
    pg.end()
    hexa = image.digest.split(":")[1]
    [file] = [f for f in glob.glob(pg.dir + "/data/blobs/**", recursive=True) if f.endswith(hexa)]
    os.unlink(file)
    pg.start()
    pg.landed(2)
    denied(pg, paths(image)[2:])
    pg.stop()


def test_a_revoked_layer_denies_every_image_that_names_it():
    up = Upstream()
    a, b = up.image(REPO, "v1", layers=[b"bad", b"x"]), up.image(REPO, "v2", layers=[b"bad", b"y"])
    cold = up.image("library/cold", "v1", layers=[b"bad", b"z"])
    good = up.image(REPO, "v3", layers=[b"x"], arch="arm64")
    pg = Pullgate(up)
    served(pg, paths(a) + paths(b, "v2") + paths(good, "v3"))
    revoke(pg, a.layers[0])
    denied(pg, [*paths(a)[:2], *paths(b, "v2")[:2], f"/v2/{REPO}/blobs/{a.layers[0]}"])
    denied(pg, paths(cold, repo="library/cold")[:2])
    served(pg, paths(good, "v3"))
    pg.stop()


def test_an_index_takes_what_it_lists_with_it_and_no_other():
    up = Upstream()
    child, free = up.image(REPO, None, layers=[b"child"]), up.image(REPO, "free", layers=[b"free"], arch="arm64")
    index = up.index(REPO, "v1", {"amd64": child})
    honest = up.image("library/honest", "v1", layers=[b"honest"], arch="s390x")
    up.index(REPO, "evil", {"amd64": child, "s390x": honest})
    pg = Pullgate(up)
    served(pg, [f"/v2/{REPO}/manifests/v1", *paths(child)[1:]])
    served(pg, paths(free, "free"))
    served(pg, paths(honest, repo="library/honest"))
    evil = pg.get(f"/v2/{REPO}/manifests/evil").headers["Docker-Content-Digest"]
    revoke(pg, evil)
    denied(pg, [f"/v2/{REPO}/manifests/evil", f"/v2/{REPO}/manifests/{child.digest}"])
    served(pg, paths(honest, repo="library/honest"))
    served(pg, paths(free, "free"))
    unrevoke(pg, evil)
    revoke(pg, child.digest)
    served(pg, [f"/v2/{REPO}/manifests/v1"])
    denied(pg, paths(child)[1:2])
    assert index
    pg.stop()


def test_a_revoked_index_takes_what_it_lists_with_it_from_the_next_request_on():
    up = Upstream()
    child = up.image(REPO, None, layers=[b"child"])
    index = up.index(REPO, "v1", {"amd64": child})
    pg = Pullgate(up)
    revoke(pg, index)
    denied(pg, [f"/v2/{REPO}/manifests/v1"])    # it was never here before; its edges are on their way
    denied(pg, [f"/v2/{REPO}/manifests/{child.digest}"])
    pg.stop()


def test_a_repository_and_what_cannot_be_revoked():
    up = Upstream()
    image = up.image(REPO, "v1", layers=[b"x"])
    pg = Pullgate(up)
    served(pg, paths(image))
    revoke(pg, "origin.test/" + REPO)
    denied(pg, paths(image))
    assert pg.get(f"/v2/{REPO}/tags/list").status == 403
    unrevoke(pg, "origin.test/" + REPO)
    served(pg, paths(image))
    for args, why in ((("revoke", image.digest), "needs --reason"), (("revoke", "--reason", "x"), "say what"),
                      (("revoke", "--reason", "x", f"{REPO}:v1"), "a tag moves"),
                      (("revoke", "--reason", "x", "key:12"), "64 hex digits"),
                      (("revoke", "--reason", "x", "sha512:" + "0" * 128), "sha256"),
                      (("unrevoke", image.digest), "is not revoked")):
        code, out, err = pg.command(*args)
        assert code != 0 and why in err, (args, code, out, err)
    assert pg.admin("/api/v1/revocations")[0] == 404, "on the control socket alone"
    pg.stop()


def test_a_key_that_was_revoked_signs_no_more():
    up = Upstream()
    image = Layout("v3-bundle-key").put(up)
    pg = start_signed(up)
    served(pg, layout_doors(image))
    told = pg.get(layout_doors(image)[0])
    code, out, err = pg.command("explain", f"{REPO}:v1")
    assert code == 0, (out, err)
    key = subprocess.run(f"openssl pkey -pubin -in {FIXTURES}/keys/k1.pub -outform DER | sha256sum",
                         shell=True, capture_output=True, text=True).stdout[:64]
    assert key[:16] in out, "the key is named so: " + out
    revoke(pg, "key:" + key, "it was stolen")
    for path in layout_doors(image):
        got = pg.get(path)
        assert got.status == 403, (path, got)
    message = pg.get(layout_doors(image)[0]).message()
    assert "it was stolen" in message and "signed-by-builder" in message, message
    unrevoke(pg, "key:" + key)
    served(pg, layout_doors(image))
    assert told
    pg.stop()


def test_explain_tells_what_was_revoked():
    up = Upstream()
    image = Layout("v3-bundle-key").put(up)
    pg = start_signed(up)
    served(pg, layout_doors(image))
    revoke(pg, image.digest)
    code, out, err = pg.command("explain", f"{REPO}:v1")
    assert code == 1 and "[NO] verdict revocation" in out and "it steals" in out, (code, out, err)
    pg.stop()


def test_N06_it_outlives_the_index_and_a_cut_journal_does_not_start():
    up = Upstream()
    image = up.image(REPO, "v1", layers=[b"bad"])
    pg = Pullgate(up)
    served(pg, paths(image))
    revoke(pg, image.digest)
    revoke(pg, image.layers[0])
    unrevoke(pg, image.layers[0])
    pg.end()
    pg.start()
    denied(pg, paths(image)[:2])
    pg.end()
    shutil.rmtree(pg.dir + "/data/index")
    pg.start()
    denied(pg, paths(image)[:2])
    pg.end()
    segment = sorted(glob.glob(pg.dir + "/data/journal/*"))[-1]
    with open(segment, "r+b") as f:
        f.truncate(os.path.getsize(segment) * 2 // 3)
    p = subprocess.run([os.environ["PULLGATE"], "serve", "-c", pg.conf], capture_output=True, text=True, timeout=60)
    assert p.returncode != 0 and "--accept-loss" in p.stderr + p.stdout, p
    shutil.rmtree(pg.dir)


def test_after_an_upgrade_the_old_process_refuses_it_too():
    up = Upstream()
    image = up.image(REPO, "v1", layers=[b"bad"])
    pg = Pullgate(up, more="limits: {drain_timeout: 10m}")
    served(pg, paths(image))
    pg.landed(3)
    s = pg.connect()

    def ask(path):
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        r = http.client.HTTPResponse(s)
        r.begin()
        return r.status, r.read(), r.headers
    assert ask(paths(image)[0])[0] == 200
    big = pg.connect()                                      # which keeps the old process alive
    big.sendall(b"GET ")
    old = upgrade(pg, by_signal=False)
    revoke(pg, image.digest)                                # the heir has the control socket
    for path in paths(image):
        status, body, headers = ask(path)
        assert status in (403, 503), (path, status, body)
        if headers["Connection"] == "close":
            break
    else:
        assert ask(paths(image)[0])[0] == 403
    s.close()
    big.close()
    old.ended()
    pg.stop()


if __name__ == "__main__":
    stage.main({k: v for k, v in globals().items() if not k.startswith("start") and k != "layout_doors"})
