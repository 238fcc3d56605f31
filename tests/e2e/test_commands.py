# SPDX-License-Identifier: Apache-2.0
"""Commands that ask a running server: what they say, what they change, and what they refuse."""
import email.utils, json, os, random, re, shutil, signal, subprocess, sys, tempfile, time

import pg as stage
from pg import Gate, Pullgate, Upstream, need
from pki import Authority
from upstream import OCI_INDEX, OCI_MANIFEST, Token

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../check"))
from generated import misfits

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/api")


def fits(name, text):
    with open(os.path.join(SCHEMAS, name + ".schema.json")) as f:
        value = json.loads(text)
        wrong = list(misfits(value, json.load(f)))
    assert not wrong, wrong
    return value


def good(pg, *args):
    code, out, err = pg.command(*args)
    assert code == 0, (args, out, err)
    return out


def test_status_with_a_broken_configuration_and_a_dead_upstream():
    pg = Pullgate(Upstream(), upstreams='dead.test: {url: "http://127.0.0.1:1", allow_private: true}')
    for _ in range(4):
        pg.get("/v2/dead.test/library/app/manifests/v1")
    pg.write("listen: [\n")
    code, out, err = pg.command("status")
    assert code == 2 and "--control SOCKET" in err, (code, err)
    out = good(pg, "status", "--control", os.path.join(pg.dir, "data/control.sock"))
    assert "origin.test" in out and "PROBLEM      upstream dead.test does not answer" in out, out
    out = good(pg, "status", "--json", "--admin", f"127.0.0.1:{pg.admin_port}")
    assert "dead.test" in fits("status", out)["problems"][0], out
    code, out, err = pg.command("status", "extra")
    assert code == 2 and "takes no argument extra" in err, err
    pg.end()


def test_status_watches_until_it_is_interrupted():
    pg = Pullgate(Upstream())
    p = subprocess.Popen([os.environ["PULLGATE"], "status", "--watch", "-c", pg.conf, "--control",
                          os.path.join(pg.dir, "data/control.sock")], stdout=subprocess.PIPE, text=True)
    rounds = 0
    while rounds < 2:
        line = p.stdout.readline()
        assert line, "it ended by itself"
        rounds += line.startswith("pullgate ")
    p.send_signal(signal.SIGINT)
    assert p.wait(10) != 0
    p.stdout.close()
    pg.stop()


def rows(pg, what, *args):
    return fits(what, good(pg, "ls", "--json", "--" + what, *args))[what]


def pull(pg, repo, ref):
    manifest = pg.get(f"/v2/{repo}/manifests/{ref}")
    assert manifest.status == 200, manifest
    for layer in [manifest.json()["config"], *manifest.json()["layers"]]:
        assert pg.get(f"/v2/{repo}/blobs/{layer['digest']}").status == 200


def two_images(pg, up):
    """library/app:v1 and v2, with one layer in common; library/b:v1 with v1's other layer."""
    v1 = up.image("library/app", "v1", [b"a" * 1000, b"common" * 100])
    v2 = up.image("library/app", "v2", [b"b" * 3000, b"common" * 100])
    b = up.image("library/b", "v1", [b"a" * 1000], arch="arm64")
    for repo, ref in (("library/app", "v1"), ("library/app", "v2"), ("library/b", "v1")):
        pull(pg, repo, ref)
    pg.landed(9)
    pg.wait_true(lambda: len(rows(pg, "tags")) == 3, "tags are not listed")
    return v1, v2, b


def test_ls_says_what_is_there():
    up = Upstream()
    pg = Pullgate(up)
    v1, v2, b = two_images(pg, up)
    tags = {(r["repo"], r["tag"]): r for r in rows(pg, "tags")}
    one = tags["origin.test/library/app", "v1"]
    assert one["digest"] == v1.digest and one["missing"] == 0, one
    assert one["bytes"] == len(v1.body) + 1600 + len(up.blobs[v1.config]), one
    assert one["last_pull"] and one["validated"] and one["first_seen"], one
    assert len(rows(pg, "tags", "library/app")) == 2            # of the default upstream
    assert len(rows(pg, "tags", "origin.test")) == 3
    assert [r["tag"] for r in rows(pg, "tags", "origin.test/library/app:v2")] == ["v2"]
    assert len(rows(pg, "manifests")) == 3
    assert {r["digest"] for r in rows(pg, "blobs", "library/b")} == {b.config, *b.layers}
    assert len(rows(pg, "blobs")) == 7                          # v1's layer in both repositories
    assert rows(pg, "tags", "gone.test") == []
    out = good(pg, "ls")
    assert "origin.test/library/app:v1" in out and "KiB" in out, out
    assert v1.layers[0] in good(pg, "ls", "--blobs"), out
    code, out, err = pg.command("ls", "--tags", "--blobs")
    assert code == 2 and "one of --tags" in err, err
    code, out, err = pg.command("ls", "library/app:")
    assert code == 1 and "tag" in err, (code, err)
    pg.stop()


def test_purge_frees_what_nobody_else_needs_and_says_how_much():
    up = Upstream()
    pg = Pullgate(up)
    v1, v2, b = two_images(pg, up)
    dry = fits("purge", good(pg, "purge", "--dry-run", "--json", "library/app:v2"))
    assert dry["tags"] == 1 and dry["bytes"] == 3000 + len(v2.body) + len(up.blobs[v2.config]), dry
    assert pg.metric("pullgate_store_blobs") == 9
    size = sum(pg.files("blobs").values())
    real = fits("purge", good(pg, "purge", "--json", "library/app:v2"))
    assert {**dry, "dry_run": False} == real, (dry, real)
    assert sum(pg.files("blobs").values()) == size - real["bytes"]
    assert not os.path.exists(pg.blob_file(v2.digest))
    assert os.path.exists(pg.blob_file(v2.layers[1]))           # v1's, too
    code, out, err = pg.command("purge", "library/app:v2")
    assert code == 1 and re.fullmatch(r"pullgate: \S+: \S+ is not in the store\n", err), err
    up.die()
    pull(pg, "library/app", "v1")                               # untouched
    pull(pg, "library/b", "v1")
    assert pg.get(f"/v2/library/app/blobs/{v2.layers[0]}").status == 503
    up.live()
    pg.wait_true(lambda: pg.get(f"/v2/library/app/blobs/{v2.layers[0]}").status == 200, "no retry")
    pull(pg, "library/app", "v2")                               # fetched again
    pg.landed(9)
    pg.wait_true(lambda: len(rows(pg, "tags")) == 3, "tags are not listed")
    out = good(pg, "purge", "library/app", "library/b")
    assert out.count("freed") == 2, out
    assert rows(pg, "tags") == [] and pg.files("blobs") == {}, pg.files("blobs")
    pg.restart()
    assert rows(pg, "tags") == []
    pg.stop()


def test_lists_of_what_was_purged_are_asked_for_anew():
    up = Upstream()
    pg = Pullgate(up, more="tags: {ttl: 1h}")
    two_images(pg, up)
    tags = lambda name: pg.get(f"/v2/library/{name}/tags/list").json()["tags"]
    for name in ("app", "b"):
        tags(name)
        up.image(f"library/{name}", "v9", [b"new"])
        assert "v9" not in tags(name)
    pg.wait_true(lambda: len(rows(pg, "tags")) == 3, "tags are not listed")
    good(pg, "purge", "--dry-run", "library/app")
    assert "v9" not in tags("app")
    good(pg, "purge", "library/app:v1")
    assert "v9" in tags("app") and "v9" not in tags("b")
    good(pg, "purge", "origin.test")                            # all of the upstream
    assert "v9" in tags("b")
    pg.stop()


def test_a_purge_breaks_no_download():
    up, gate = Upstream(), Gate()
    data = os.urandom(3_000_000)
    image = up.image("library/app", "v1", [data])
    up.on(rf"/blobs/{image.layers[0]}", lambda x: halves(x, data, gate), times=1)
    pg = Pullgate(up)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.landed(1)
    pg.wait_true(lambda: len(rows(pg, "tags")) == 1, "the tag is not listed")
    pulls = [pg.start_get(f"/v2/library/app/blobs/{image.layers[0]}") for _ in range(3)]
    gate.wait_reached()
    good(pg, "purge", "library/app")
    gate.open()
    for p in pulls:
        assert p.done() == (200, data)
    pg.landed(1)
    pg.stop()


def halves(x, data, gate):
    x.send_response(200)
    x.send_header("Content-Length", str(len(data)))
    x.end_headers()
    x.wfile.write(data[:len(data) // 2])
    x.wfile.flush()
    gate.pass_through()
    x.wfile.write(data[len(data) // 2:])
    return True


def test_refresh_asks_upstream_whatever_is_known():
    up = Upstream()
    old = up.image("library/app", "v1", [b"one"])
    pg = Pullgate(up, more="tags: {ttl: 1h}")
    pull(pg, "library/app", "v1")
    pg.wait_true(lambda: len(rows(pg, "tags")) == 1, "the tag is not listed")
    said = fits("refresh", good(pg, "refresh", "--json", "library/app:v1"))
    assert (said["old"], said["new"], said["changed"]) == (old.digest, old.digest, False), said
    assert up.count("GET", "manifests/v1") == 1, up.asked       # a HEAD was enough
    new = up.image("library/app", "v1", [b"two"])
    assert pg.get("/v2/library/app/manifests/v1").headers["Docker-Content-Digest"] == old.digest
    out = good(pg, "refresh", "library/app")                    # all its tags that are here
    assert f"{old.digest} -> {new.digest}" in out, out
    assert pg.get("/v2/library/app/manifests/v1").headers["Docker-Content-Digest"] == new.digest
    code, out, err = pg.command("refresh", "library/app:absent")
    assert code == 1 and err == "pullgate: library/app:absent: not known to upstream\n", err
    fresh = up.image("library/app", "absent", [b"three"])       # it has now
    out = good(pg, "refresh", "library/app:absent")
    assert f"{fresh.digest} new" in out, out
    up.die()
    code, out, err = pg.command("refresh", "library/app:v1")
    assert code == 1 and re.search("library/app:v1: (no connection to )?upstream origin.test", err), err  # nothing stale is an answer
    code, out, err = pg.command("refresh", "nowhere.test/app:v1")
    assert code == 1 and "nowhere.test is not an upstream of this proxy" in err, err
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.stop()


def test_no_cache_of_a_client_asks_nobody():
    up = Upstream()
    up.image("library/app", "v1", [b"one"])
    pg = Pullgate(up, more="tags: {ttl: 1h}")
    for _ in range(3):
        assert pg.get("/v2/library/app/manifests/v1", {"Cache-Control": "no-cache"}).status == 200
        pg.landed(1)
    assert up.count("HEAD", "manifests/v1") + up.count("GET", "manifests/v1") == 1, up.asked
    pg.stop()


def prewarm(pg, text, *args):
    """(exit status, events) of a run with this list."""
    p = subprocess.run([os.environ["PULLGATE"], "prewarm", "-c", pg.conf, "--json", *args, "-"],
                       input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=stage.DEADLINE * 4)
    return p.returncode, [fits("prewarm", line) for line in p.stdout.splitlines()]


def index(up, repo, tag, archs):
    """An index of one image for each; {arch: image}."""
    images = {a: up.image(repo, None, [a.encode() * 5000, b"common" * 500], arch=a) for a in archs}
    up.manifest(repo, tag, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        {"mediaType": OCI_MANIFEST, "digest": i.digest, "size": len(i.body),
         "platform": {"os": "linux", "architecture": a}} for a, i in images.items()]}, OCI_INDEX)
    return images


def test_prewarm_fetches_all_that_an_image_names():
    up = Upstream()
    one = up.image("library/app", "v1", [os.urandom(2_000_000), b""])
    many = index(up, "team/many", "v2", ["amd64", "arm64", "s390x"])
    pg = Pullgate(up)
    text = f"""
        # what the nodes will ask for
        library/app:v1
        origin.test/team/many:v2   # for two platforms
        library/app@{one.digest}
        """
    code, events = prewarm(pg, text, "--platform", "linux/amd64,linux/arm64")
    assert code == 0, events
    end = events[-1]
    assert (end["event"], end["images"], end["failed"]) == ("end", 3, 0), end
    assert {e["ref"]: e["failed"] for e in events if e["event"] == "image"} == {
        "library/app:v1": 0, "origin.test/team/many:v2": 0, f"library/app@{one.digest}": 0}
    assert up.count("GET", many["s390x"].digest) == 0, up.asked
    pg.landed(12)
    asked = len(up.asked)
    up.die()
    pull(pg, "library/app", "v1")
    for arch in ("amd64", "arm64"):
        pull(pg, "team/many", many[arch].digest)
    up.live()
    code, events = prewarm(pg, text, "--platform", "linux/amd64,linux/arm64")
    assert code == 0 and events[-1]["fetched_bytes"] == 0, events[-1]
    assert len(up.asked) == asked, up.asked[asked:]             # a second run asks for nothing
    code, events = prewarm(pg, "team/many:v2", "--platform", "all")
    assert code == 0 and up.count("GET", many["s390x"].digest) == 1
    pg.stop()


def test_prewarm_goes_on_after_errors_and_says_so():
    up = Upstream()
    up.image("library/app", "v1", [b"here" * 100])
    bad = up.image("library/bad", "v1", [b"wrong" * 100])
    index(up, "team/many", "v2", ["s390x"])
    up.on(rf"/blobs/{bad.layers[0]}", lambda x: x.answer(200, {}, b"other" * 100) or True)
    up.on(r"/busy/", lambda x: x.answer(503, {}) or True, times=1)
    up.image("library/busy", "v1", [b"busy"])
    pg = Pullgate(up)
    code, events = prewarm(pg, "library/absent:v1\nlibrary/bad:v1\nnot a reference\nteam/many:v2\n"
                               "gone.test/a/b:c\nlibrary/busy:v1\nlibrary/app:v1", "--platform", "linux/amd64")
    assert code == 1 and events[-1]["failed"] == 5 and events[-1]["images"] == 7, events
    why = {e["ref"]: e["error"] for e in events if e.get("result") == "failed"}
    assert set(why) == {"library/absent:v1", "library/bad:v1", "not a reference", "team/many:v2",
                        "gone.test/a/b:c"}, why
    assert "linux/s390x" in why["team/many:v2"] and "not an upstream" in why["gone.test/a/b:c"], why
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    code, out, err = pg.command("prewarm", os.path.join(pg.dir, "absent"))
    assert code == 2 and "cannot open" in err, err
    pg.end()
    code, events = prewarm(pg, "library/app:v1")
    assert code == 2 and events == [], events


def test_prewarm_gives_way_and_joins_what_is_under_way():
    up, gate = Upstream(), Gate()
    data = os.urandom(1_000_000)
    image = up.image("library/app", "v1", [data])
    up.on(rf"/blobs/{image.layers[0]}", lambda x: halves(x, data, gate), times=1)
    pg = Pullgate(up, more="limits: {send_timeout: 100ms}")
    p = subprocess.Popen([os.environ["PULLGATE"], "prewarm", "-c", pg.conf, "-"], text=True,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    p.stdin.write("library/app:v1\n")
    p.stdin.close()
    gate.wait_reached()
    flights = pg.admin("/debug/flights").json()["flights"]
    assert "true" in json.dumps(flights[0]), flights            # ordered ahead
    client = pg.start_get(f"/v2/library/app/blobs/{image.layers[0]}")
    pg.wait_metric("pullgate_flight_followers_total", 1)
    gate.open()
    assert client.done() == (200, data)
    assert p.wait(stage.DEADLINE) == 0, p.stdout.read()
    p.stdout.close()
    assert up.count("GET", image.layers[0]) == 1
    pg.stop()


def test_prewarm_may_be_interrupted():
    up, gate = Upstream(), Gate()
    data = os.urandom(1_000_000)
    image = up.image("library/app", "v1", [data])
    up.on(rf"/blobs/{image.layers[0]}", lambda x: halves(x, data, gate), times=1)
    pg = Pullgate(up)
    p = subprocess.Popen([os.environ["PULLGATE"], "prewarm", "-c", pg.conf, "-"], text=True,
                         stdin=subprocess.PIPE)
    p.stdin.write("library/app:v1\n")
    p.stdin.close()
    gate.wait_reached()
    p.send_signal(signal.SIGINT)
    assert p.wait(stage.DEADLINE) != 0
    gate.open()
    pg.landed(3)                                                # what was begun is ended
    code, events = prewarm(pg, "library/app:v1")
    assert code == 0 and events[-1]["fetched_bytes"] == 0, events
    assert up.count("GET", image.layers[0]) == 1
    pg.stop()


def findings(pg, *args, status=None):
    code, out, err = pg.command("doctor", "--json", *args)
    found = fits("doctor", out)
    assert code == (1 if found["fail"] else 0) and status in (None, code), (code, out, err)
    return found["checks"]


def find(checks, check, subject, level):
    return [c["text"] for c in checks if c["check"] == check and c["level"] == level and
            subject in c["subject"]]


def test_doctor_is_content_with_what_is_well():
    token = Token()
    up, plain = Upstream(token=token), Upstream()
    up.on("^/token", token.issue)
    pg = Pullgate(plain, upstreams=f'token.test: {{url: "{up.url}", allow_private: true}}')
    checks = findings(pg, status=0)
    assert not [c for c in checks if c["level"] == "fail"], checks
    assert {c["check"] for c in checks} >= {"config", "storage", "limits", "upstreams", "server"}
    assert "registry: " in find(checks, "upstreams", "origin.test", "ok")[0], checks
    assert "token service: " in find(checks, "upstreams", "token.test", "ok")[1], checks
    assert "is running" in find(checks, "server", "", "ok")[0], checks
    out = good(pg, "doctor")
    assert out.startswith("OK    config") and "0 failures" in out, out
    pg.stop()


def test_doctor_says_what_is_wrong_and_what_to_do():
    fine, late, lost, other, gone = (Upstream() for _ in range(5))
    now = time.time()
    late.on(r"^/v2/", lambda x: x.answer(200, {"Date": email.utils.formatdate(now - 3600, usegmt=True)}) or True)
    lost.on(r"^/v2/", Token(realm="https://evil.test/token").guard)
    other.on(r"^/v2/", lambda x: x.answer(404, {}) or True)
    gone.die()
    pg = Pullgate(fine, upstreams="\n".join(
        f'{n}.test: {{url: "{u.url}", allow_private: true}}' for n, u in
        (("late", late), ("lost", lost), ("other", other), ("gone", gone))))
    os.chmod(os.path.join(pg.dir, "data"), 0o777)
    checks = findings(pg, status=1)
    assert "others than its owner" in find(checks, "storage", pg.dir, "fail")[0], checks    # C16
    assert re.search("36.. s ahead", find(checks, "upstreams", "late", "fail")[0]), checks
    assert "evil.test" in find(checks, "upstreams", "lost", "fail")[0], checks
    assert "answered 404" in find(checks, "upstreams", "other", "warn")[0], checks
    assert "connect" in find(checks, "upstreams", "gone", "fail")[0], checks
    assert find(checks, "upstreams", "origin.test", "ok"), checks
    assert all(c["remedy"] for c in checks if c["level"] != "ok"), checks
    os.chmod(os.path.join(pg.dir, "data"), 0o700)
    pg.end()
    checks = findings(pg)
    assert find(checks, "server", "", "warn") == ["nothing answers"], checks
    pg.write("listen: nowhere\nno_such: 1\n")
    checks = findings(pg, status=1)
    assert [c["check"] for c in checks] == ["config"] * len(checks) and len(checks) >= 2, checks


def test_doctor_reads_certificates():
    need("openssl")
    folder = tempfile.mkdtemp(prefix="pg-doctor-")
    ca = Authority(folder, "ca")
    cert, key = ca.sign("localhost")
    up = Upstream(cert=(cert, key))
    conf = os.path.join(folder, "pullgate.yaml")
    with open(conf, "w") as f:
        f.write(f"""\
listen: {{address: 127.0.0.1:0, tls: {{cert: {cert}, key: {key}}}}}
admin: {{listen: 127.0.0.1:1}}
storage: {{path: {folder}/data}}
upstreams:
  bad.test: {{url: "https://localhost:{up.port}", allow_private: true}}
""")
    p = subprocess.run([os.environ["PULLGATE"], "doctor", "--json", "-c", conf], text=True,
                       stdout=subprocess.PIPE)
    checks = fits("doctor", p.stdout)["checks"]
    assert p.returncode == 1 and "certificate" in find(checks, "upstreams", "bad.test", "fail")[0], checks
    assert "expires in" in find(checks, "certificates", cert, "warn")[0], checks     # of two days
    assert "is not there yet" in find(checks, "storage", folder, "warn")[0], checks
    shutil.rmtree(folder)


def completed(*words):
    """What bash offers for the last of these words."""
    script = f"""
        source conf/completion/pullgate.bash
        COMP_WORDS=({' '.join(f"'{w}'" for w in words)}); COMP_CWORD={len(words) - 1}
        _pullgate; printf '%s\\n' "${{COMPREPLY[@]}}" """
    p = subprocess.run(["bash", "-c", script], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       cwd=os.path.join(SCHEMAS, "../.."))
    assert p.returncode == 0 and not p.stderr, p.stderr
    return p.stdout.split()


def test_bash_completes_commands_and_options():
    assert completed("pullgate", "pu") == ["purge"]
    assert completed("pullgate", "config", "ch") == ["check"]
    assert completed("pullgate", "purge", "--dr") == ["--dry-run"]
    assert completed("pullgate", "config", "check", "--re") == []
    assert "--repair" in completed("pullgate", "fsck", "--")
    assert completed("pullgate", "completion", "f") == ["fish"]
    assert completed("pullgate", "status", "--config", "conf/pullgate.y") == ["conf/pullgate.yaml"]
    assert "README.md" in completed("pullgate", "prewarm", "READ")
    for shell in ("bash", "zsh", "fish"):
        p = subprocess.run([os.environ["PULLGATE"], "completion", shell], stdout=subprocess.PIPE)
        assert p.returncode == 0 and b"purge" in p.stdout, shell
    p = subprocess.run([os.environ["PULLGATE"], "completion", "tcsh"], stderr=subprocess.PIPE)
    assert p.returncode == 2 and b"bash, zsh or fish" in p.stderr, p.stderr


def test_N10_what_lists_or_changes_is_not_on_tcp():
    pg = Pullgate(Upstream())
    for path in ("tags", "manifests", "blobs", "purge?ref=library/app", "reload", "drain"):
        for method in ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"):
            answer = pg.admin("/api/v1/" + path, method=method)
            assert answer.status in (404, 405), (method, path, answer)
    for bad in ("tags?n=0", "tags?n=1001", "tags?n=1&n=2", "tags?x=1", "tags?ref=%zz", "tags?ref=",
                "blobs?cursor=zz", "tags?cursor=00", "tags?ref=a%00b", "tags?ref=../../x", "tags?n=-1",
                "tags?ref=docker.io/" + "a" * 300):
        answer = pg.control("GET", "/api/v1/" + bad)
        assert answer.status == 400 and answer.message(), (bad, answer)
    for bad in ("purge", "purge?dry_run=1", "purge?ref=sha256:12", "purge?ref=a@sha256:zz", "purge?dry_run=2&ref=a"):
        assert pg.control("POST", "/api/v1/" + bad).status == 400, bad
    assert pg.control("GET", "/api/v1/purge?ref=library/app").status == 405
    pg.stop()


def test_J09_no_query_breaks_the_admin():
    up = Upstream()
    up.image("library/app", "v1", [b"layer"])
    pg = Pullgate(up)
    pull(pg, "library/app", "v1")
    dice = random.Random(9)
    words = ["ref=", "n=", "cursor=", "dry_run=", "&", "=", "%", "%00", "%2f", "%2F..", "a", "library/app",
             ":v1", "@sha256:", "0" * 64, "docker.io", "/", "//", "999999999999", "-1", "\xff", "?", ";", "'",
             "../", "x" * 500, "ns=", "sort=name;drop"]
    for path in ("tags", "manifests", "blobs", "purge", "status", "config", "version", "nothing"):
        for _ in range(40):
            query = "".join(dice.choice(words) for _ in range(dice.randrange(1, 8)))
            method = dice.choice(["GET", "POST"] if path != "purge" else ["GET"])
            answer = pg.control(method, f"/api/v1/{path}?{query}")
            assert answer.status in (200, 400, 404, 405), (path, query, answer)
            answer = pg.raw(f"{method} /api/v1/{path}?{query} HTTP/1.1\r\nHost: localhost\r\n"
                            "Connection: close\r\n\r\n".encode("latin-1"), pg.admin_port)
            assert answer.startswith(b"HTTP/1.1 ") and not answer.startswith(b"HTTP/1.1 5"), (path, query)
    for _ in range(60):                                         # what is purged is said, or nothing is
        query = "dry_run=1&" + "".join(dice.choice(words) for _ in range(dice.randrange(1, 8)))
        assert pg.control("POST", "/api/v1/purge?" + query).status in (200, 400, 403, 404), query
    assert len(rows(pg, "tags")) == 1 and pg.admin("/healthz").status == 200
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
