# SPDX-License-Identifier: Apache-2.0
"""`pullgate lifecycle`: rules of retention in another registry: a real docker-registry with deletes
enabled, and stand-ins for what that one does not do."""
import base64, contextlib, datetime, json, os, pty, subprocess, tempfile, threading
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl

import pg as stage
from origin import Origin, Writer
from upstream import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, sha256
from web import Web

LAYER = "application/vnd.oci.image.layer.v1.tar"


def days_ago(n):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=n)).strftime("%Y-%m-%dT%H:%M:%SZ")


def sweep(url, repo, rules, *words, env=None):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write("retention:\n  rules:\n" + "".join(f"    - {r}\n" for r in rules))
        f.flush()
        p = subprocess.run([os.environ["PULLGATE"], "lifecycle", "--registry", url, "--repo", repo, "--policy",
                            f.name, *words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           timeout=stage.DEADLINE * 6, env={**os.environ, "HOME": "/nowhere", **(env or {})})
    return p.returncode, p.stdout, p.stderr


OLD_CI = ["{name: ci, match: {repositories: [\"**\"], tags: [\"ci-*\"]}, delete: {seen_over: 7d}}"]


class Pushed:
    """Images in a registry, by their age in days."""
    def __init__(self, origin):
        self.w, self.host = Writer(origin), origin.host

    def image(self, repo, tag, age, layer=b"layer", labels=None):
        config = json.dumps({"architecture": "amd64", "os": "linux", "created": days_ago(age) if age is not None else None,
                             "config": {"Labels": labels or {}}, "rootfs": {"type": "layers", "diff_ids": [sha256(layer)]}})
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                           "config": {"mediaType": OCI_CONFIG, **self.w.blob(repo, config.encode())},
                           "layers": [{"mediaType": LAYER, **self.w.blob(repo, layer)}]}).encode()
        digest = sha256(body)
        self.w.manifest(repo, tag or digest, body)
        return {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(body)}

    def index(self, repo, tag, children):
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()
        self.w.manifest(repo, tag, body, OCI_INDEX)
        return sha256(body)

    def has(self, repo, ref):
        return self.w.ask("GET", f"/v2/{repo}/manifests/{ref}", good=(200, 404),
                          accept=f"{OCI_MANIFEST}, {OCI_INDEX}")[0] == 200

    def whole(self, repo, ref):
        m = json.loads(self.w.ask("GET", f"/v2/{repo}/manifests/{ref}", good=(200,),
                                  accept=f"{OCI_MANIFEST}, {OCI_INDEX}")[2])
        for child in m.get("manifests", []):
            self.whole(repo, child["digest"])
        for blob in [*m.get("layers", []), *([m["config"]] if "config" in m else [])]:
            self.w.ask("GET", f"/v2/{repo}/blobs/{blob['digest']}", good=(200,))
        return True


@contextlib.contextmanager
def registry(deletes=True):
    os.environ["REGISTRY_STORAGE_DELETE_ENABLED"] = "true" if deletes else "false"
    origin = Origin()
    try:
        yield origin, Pushed(origin)
    finally:
        del os.environ["REGISTRY_STORAGE_DELETE_ENABLED"]
        origin.end()


def test_what_rules_expire_goes_and_what_stays_is_whole():
    with registry() as (origin, r):
        r.image("team/app", "ci-old", 30)
        r.image("team/app", "ci-new", 1)
        r.image("team/app", "ci-undated", None)
        r.image("team/app", "release", 300)
        both = r.image("team/app", "ci-promoted", 40, layer=b"both")
        r.image("team/app", "prod-1", 40, layer=b"both")                 # the same manifest by another tag
        r.image("team/app", "ci-held", 40, labels={"keep": "yes"})
        shared = r.image("team/app", None, 50, layer=b"shared child")
        only = r.image("team/app", None, 50, layer=b"only child")
        gone = r.index("team/app", "ci-index", [shared, only])
        r.index("team/app", "stable", [shared])
        r.image("other/app", "ci-old", 30)                               # of no repository that is meant
        rules = [*OLD_CI, "{name: held, match: {repositories: [\"**\"], labels: {keep: \"yes\"}}, keep: forever}"]

        code, out, err = sweep(origin.url, "team/*", rules, "--dry-run", "--json")
        plan = json.loads(out)
        assert code == 0 and plan["deleted"] == 3, (plan, err)
        assert r.has("team/app", "ci-old"), "a dry run deletes"
        code, out, err = sweep(origin.url, "team/*", rules, "--rate", "1000")
        assert code == 0 and "3 manifests removed; 0 changed" in out, (out, err)
        assert "tags read in" in err and "manifests done in" in err, err
        for ref in ("ci-old", "ci-index", gone, only["digest"]):
            assert not r.has("team/app", ref), ref
        for ref in ("ci-new", "ci-undated", "release", "ci-promoted", "prod-1", "ci-held", "stable", shared["digest"],
                    both["digest"]):
            assert r.has("team/app", ref) and r.whole("team/app", ref), ref
        assert r.has("other/app", "ci-old")
        code, out, err = sweep(origin.url, "team/*", rules)
        assert code == 0 and "0 manifests removed" in out and "nothing to do" in out, (out, err)


def test_pages_of_tags_are_gone_through_and_a_terminal_is_told():
    with stand(harbor=False) as s:
        for i in range(40):
            push(s, f"ci-{i:02}", 30 if i % 5 == 0 else 1)
        s.page = 7
        rules = os.path.join(s.env["DOCKER_CONFIG"], "rules.yaml")
        with open(rules, "w") as f:
            f.write("retention:\n  rules:\n    - " + OLD_CI[0] + "\n")
        main, child = pty.openpty()
        p = subprocess.Popen([os.environ["PULLGATE"], "lifecycle", "--registry", s.url, "--repo", "team/app",
                              "--policy", rules, "--rate", "10000"], stdout=subprocess.PIPE, stderr=child,
                             env={**os.environ, **s.env})
        os.close(child)
        seen = []
        reader = threading.Thread(target=lambda: seen.extend(iter(lambda: read(main), b"")), daemon=True)
        reader.start()
        out = p.communicate(timeout=stage.DEADLINE * 4)[0].decode()
        reader.join(stage.DEADLINE)
        os.close(main)
        assert p.returncode == 0 and "8 manifests removed; 0 changed" in out, out
        assert set(s.tags) == {f"ci-{i:02}" for i in range(40) if i % 5}, s.tags
        assert sum(a[1].endswith("/tags/list") for a in s.asked) == 6 + 6 + 1, "pages, twice, and a 401"
        said = b"".join(seen).decode()
        assert "\r\033[K40 tags read in" in said and "8 manifests done in" in said, said


def test_a_list_that_never_ends_is_given_up():
    with stand(harbor=False) as s:
        push(s, "ci-1", 90)
        s.page, s.circle = 1, True
        code, out, err = sweep(s.url, "team/app", OLD_CI, env=s.env)
        assert code == 2 and "next page that is none" in err and len(s.tags) == 1, (out, err)


def read(fd):
    try:
        return os.read(fd, 4096)
    except OSError:                                                      # the other end is closed
        return b""


def test_a_registry_that_lets_nothing_be_deleted_is_told_and_left_alone():
    with registry(deletes=False) as (origin, r):
        for i in range(4):
            r.image("team/app", f"ci-{i}", 30, layer=b"%d" % i)
        code, out, err = sweep(origin.url, "team/app", OLD_CI)
        assert code == 1 and "REGISTRY_STORAGE_DELETE_ENABLED" in out and "0 manifests removed" in out, (out, err)
        assert out.count("failed:") == 1, out                            # it is not asked again and again


class Stand(BaseHTTPRequestHandler):
    """A Harbor with a token service, for one login; and it lets a script say something in between."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def say(self, status, body=b"", **headers):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def serve(self):
        s = self.server
        if int(self.headers.get("Content-Length") or 0):
            s.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        path, _, query = self.path.partition("?")
        s.asked.append((self.command, path, query))
        basic = self.headers.get("Authorization") == "Basic " + base64.b64encode(b"robot:secret").decode()
        if path == "/service/token":
            ok = basic and "repository%3Ateam%2Fapp%3Apull" in query
            return self.say(200 if ok else 401, json.dumps({"token": "t0ken"}).encode())
        if path == "/api/v2.0/systeminfo":
            return self.say(200 if s.harbor else 404, b'{"auth_mode":"db_auth"}')
        if path.startswith("/api/v2.0/projects/team/repositories/app/artifacts/"):
            return self.say(200 if basic else 401, json.dumps(s.artifacts.get(path.rsplit("/", 1)[1], {})).encode())
        if path == "/api/v2.0/system/gc/schedule":
            return self.say(201 if basic and self.command == "POST" else 403)
        if self.headers.get("Authorization") != "Bearer t0ken":
            return self.say(401, WWW_Authenticate=f'Bearer realm="{s.realm}",service="harbor"')
        if path == "/v2/team/app/tags/list":
            tags, last = sorted(s.tags), dict(parse_qsl(query)).get("last", "")
            page = [t for t in tags if t > last or s.circle][:s.page]
            more = s.circle or (page and page[-1] != tags[-1])
            link = {"Link": f'</v2/team/app/tags/list?n=7&last={page[-1]}>; rel="next"'} if more else {}
            return self.say(200, json.dumps({"tags": page}).encode(), **link)
        ref = path.rsplit("/", 1)[1]
        if "/manifests/" in path and self.command == "DELETE":
            s.manifests.pop(ref)
            s.tags = {t: d for t, d in s.tags.items() if d != ref}
            return self.say(202)
        body = s.manifests.get(s.tags.get(ref, ref)) or s.blobs.get(ref)
        if body is None:
            return self.say(404)
        self.say(200, body, Content_Type=OCI_MANIFEST if "/manifests/" in path else "application/octet-stream",
                 Docker_Content_Digest=sha256(body))
        if self.command == "GET" and "/manifests/" in path and s.meanwhile:
            s.meanwhile.pop()()

    do_GET = do_HEAD = do_DELETE = do_POST = serve


@contextlib.contextmanager
def stand(harbor=True):
    web = Web(Stand)
    s = web.server
    s.harbor, s.asked, s.bodies, s.tags, s.manifests, s.blobs, s.artifacts, s.meanwhile = harbor, [], [], {}, {}, {}, {}, []
    s.page, s.circle = 1000, False
    s.url = web.url
    s.realm = s.url + "/service/token"
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "config.json"), "w") as f:
            json.dump({"auths": {s.url[7:]: {"auth": base64.b64encode(b"robot:secret").decode()}}}, f)
        s.env = {"DOCKER_CONFIG": folder}
        try:
            yield s
        finally:
            web.stop()


def push(s, tag, age, pushed=None, pulled=None):
    config = json.dumps({"created": days_ago(age), "tag": tag}).encode()
    s.blobs[sha256(config)] = config
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [],
                       "config": {"mediaType": OCI_CONFIG, "digest": sha256(config), "size": len(config)}}).encode()
    s.manifests[sha256(body)], s.tags[tag] = body, sha256(body)
    if pushed is not None:
        s.artifacts[sha256(body)] = {"push_time": days_ago(pushed),
                                     "pull_time": days_ago(pulled) if pulled is not None else "0001-01-01T00:00:00.000Z"}
    return sha256(body)


UNUSED = ["{name: unused, match: {repositories: [\"**\"], tags: [\"ci-*\"]}, delete: {not_pulled_for: 7d}}"]


def test_harbor_says_when_an_image_was_pulled_and_is_asked_to_collect():
    with stand() as s:
        push(s, "ci-used", 90, pushed=60, pulled=1)
        push(s, "ci-unused", 90, pushed=60, pulled=30)
        push(s, "ci-never", 90, pushed=60)
        push(s, "ci-pushed-again", 90, pushed=1)                         # made long ago; its age is of the push
        code, out, err = sweep(s.url, "team/app", UNUSED, "--json", env=s.env)
        answer = json.loads(out)
        assert code == 0 and answer["removed"] == 2 and answer["garbage_collection"] == "asked for", (out, err)
        assert set(s.tags) == {"ci-used", "ci-pushed-again"}, s.tags
        assert json.loads(s.bodies[-1])["schedule"] == {"type": "Manual"}
        assert "secret" not in out + err and "t0ken" not in out + err


def test_where_nobody_knows_of_pulls_nothing_is_unused():
    with stand(harbor=False) as s:
        push(s, "ci-1", 90)
        code, out, err = sweep(s.url, "team/app", UNUSED, env=s.env)
        assert code == 0 and "0 manifests removed" in out and "deletes nothing" in err, (out, err)
        code, out, err = sweep(s.url, "team/app", [UNUSED[0].replace("not_pulled_for: 7d", "beyond_newest: 0, by: pulled")],
                               env=s.env)
        assert code == 2 and "counts by the last pull" in err and set(s.tags) == {"ci-1"}, (out, err)


def test_what_is_tagged_or_named_while_it_works_stays():
    with stand(harbor=False) as s:
        a, b = push(s, "ci-a", 90), push(s, "ci-b", 90)
        s.meanwhile.append(lambda: s.tags.update({"release": a}))        # after the first manifest was read
        code, out, err = sweep(s.url, "team/app", OLD_CI, env=s.env)
        assert code == 0 and "1 manifest removed; 1 changed" in out, (out, err)
        assert a in s.manifests and b not in s.manifests and s.tags["release"] == a


def test_a_login_goes_to_no_token_service_that_is_not_the_registrys():
    with stand() as s, stand() as other:
        s.realm = other.realm
        push(s, "ci-1", 90)
        code, out, err = sweep(s.url, "team/app", OLD_CI, env=s.env)
        assert code == 2 and "allow-list" in err and not other.asked, (out, err, other.asked)
        s.realm = s.url + "/service/token"
        code, out, err = sweep(s.url, "team/app", OLD_CI)                # and without a login it says so
        assert code == 2 and "docker login" in err and len(s.tags) == 1, (out, err)


def test_bytes_of_another_digest_and_what_cannot_be_read_are_not_judged():
    with stand(harbor=False) as s:
        good, bad = push(s, "ci-good", 90), push(s, "ci-bad", 90)
        s.blobs = {d: b for d, b in s.blobs.items() if b"ci-bad" not in b}   # its configuration is gone
        code, out, err = sweep(s.url, "team/app", OLD_CI, env=s.env)
        assert code == 0 and good not in s.manifests and bad in s.manifests, (out, err)
        s.manifests[bad] += b" "
        s.tags = {"ci-bad": bad, sha256(s.manifests[bad])[7:20]: bad}
        code, out, err = sweep(s.url, "team/app", OLD_CI, env=s.env)
        assert bad in s.manifests, (out, err)


def test_what_is_missing_or_wrong_is_said():
    for url, repo, what in [("https://r.test/x", "a", "nothing behind"), ("ftp://r.test", "a", "--registry"),
                            ("http://127.0.0.1:1", "a", "does not answer"), ("https://r.test", "a***", "--repo")]:
        code, out, err = sweep(url, repo, OLD_CI)
        assert code == 2 and what in err, (url, err)
    p = subprocess.run([os.environ["PULLGATE"], "lifecycle"], text=True, stderr=subprocess.PIPE, timeout=stage.DEADLINE)
    assert p.returncode == 2 and "needs --registry" in p.stderr, p.stderr


if __name__ == "__main__":
    stage.main(globals())
