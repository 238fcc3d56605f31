# SPDX-License-Identifier: Apache-2.0
"""How upstreams get to know us: logins from wherever they are kept, and what goes wrong with them.

J07: whoever adds a secret to pullgate adds it to CANARIES, and a scene in which it is used.
"""
import base64, json, os, re, signal, subprocess, tempfile, threading

import pg as stage
from pg import Gate, Pullgate, Upstream
from upstream import Token, pause, redirect, say, sha256, status

MANIFEST = "/v2/library/app/manifests/v1"


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Door:
    """Lets in who shows one of these."""
    def __init__(self, up, *good):
        self.good, self.seen = set(good), []
        up.on(r"^/v2/", self.guard)

    def guard(self, x):
        shown = x.headers.get("Authorization")
        self.seen.append(shown)
        if shown in self.good:
            return False
        return say(401, {"WWW-Authenticate": 'Basic realm="x"'})(x)


def put(path, text, mode=0o600):
    with open(path + ".new", "w") as f:
        f.write(text)
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)
    return path


def helper(folder, *lines):
    return put(f"{folder}/docker-credential-test", "\n".join(["#!/bin/sh", *lines, ""]), 0o700)


def says(user, secret):
    return "printf '%s' '" + json.dumps({"ServerURL": "x", "Username": user, "Secret": secret}) + "'"


def auths(up, user, password):
    return json.dumps({"auths": {up.host: {"auth": basic(user, password)[6:]}}})


def test_a_login_from_each_place():
    with tempfile.TemporaryDirectory() as d:
        for place in ["password_file", "password_env", "docker_config", "credential_helper", "credHelpers"]:
            up = Upstream()
            image, door = up.image("library/app", "v1"), Door(up, basic("robot", "hunter2"))
            origin = {
                "password_file": f", username: robot, password_file: {put(f'{d}/pw', 'hunter2' + chr(10))}",
                "password_env": ", username: robot, password_env: PGT_PASSWORD",
                "docker_config": f", docker_config: {put(f'{d}/config.json', auths(up, 'robot', 'hunter2'))}",
                "credential_helper": f", credential_helper: {d}/docker-credential-test",
                "credHelpers": f", docker_config: {d}/helped.json"}[place]
            helper(d, f"cat > {d}/server; env > {d}/env; echo \"$#$1\" >> {d}/server", says("robot", "hunter2"))
            name = f"pgt-{os.getpid()}"
            put(f"{d}/helped.json", json.dumps({"credHelpers": {up.host: name}}))
            link = f"/usr/local/bin/docker-credential-{name}"
            if place == "credHelpers":
                if os.geteuid() != 0:
                    continue                # nobody else may put a program there
                put(link, open(f"{d}/docker-credential-test").read(), 0o755)
            try:
                pg = Pullgate(up, origin=origin, env={"PGT_PASSWORD": "hunter2", "PGT_OTHER": "x"},
                              more='helpers: {environment: "PATH PGT_PASS*"}')
                assert pg.get(MANIFEST) == (200, image.body), (place, pg.said())
                assert pg.get(f"/v2/library/app/blobs/{image.layers[0]}").status == 200, place
                pg.stop()
            finally:
                if place == "credHelpers":
                    os.unlink(link)
            assert door.seen[0] is None and set(door.seen[1:]) == {basic("robot", "hunter2")}, door.seen
            if place in ("credential_helper", "credHelpers"):
                assert open(f"{d}/server").read() == f"{up.host}1get\n", open(f"{d}/server").read()
                env = open(f"{d}/env").read()
                assert "PGT_PASSWORD=hunter2" in env and "PGT_OTHER" not in env, env


def test_a_login_that_changes_under_load():
    with tempfile.TemporaryDirectory() as d:
        up = Upstream()
        image, door = up.image("library/app", "v1"), Door(up, basic("robot", "one"))
        put(f"{d}/config.json", auths(up, "robot", "one"))
        pg = Pullgate(up, origin=f", docker_config: {d}/config.json", more="tags: {ttl: 0s}")
        assert pg.get(MANIFEST).status == 200
        stop, bad = threading.Event(), []
        def pull():
            while not stop.is_set():
                a = pg.get(MANIFEST)
                if a.status != 200 or "Warning" in a.headers:
                    bad.append((a, dict(a.headers)))
        threads = [threading.Thread(target=pull) for _ in range(4)]
        [t.start() for t in threads]
        for n in ["two", "three", "four"]:
            door.good.add(basic("robot", n))            # the registry takes both for a while
            put(f"{d}/config.json", auths(up, "robot", n))
            pg.wait_true(lambda: basic("robot", n) in door.seen, "the new login is not used")
            before = len(door.seen)
            pg.wait_true(lambda: len(door.seen) > before + 8, "nothing is asked any more")
            door.good = {basic("robot", n)}
        stop.set()
        [t.join() for t in threads]
        assert not bad, bad[:2]
        assert pg.metric("pullgate_config_reloads_total") == 1
        pg.stop()


def refused(up, origin, more="", env=None, path=MANIFEST):
    """What a client reads when the login does not work; the log says the same."""
    pg = Pullgate(up, origin=origin, more=more, env=env)
    a = pg.get(path)
    assert a.status == 503 and a.code() == "UNAVAILABLE", (a, pg.said())
    pg.wait_log(re.escape(a.message()[:60]))
    said = a.message() + "".join(pg.log)
    pg.stop()
    return a.message(), said


def test_what_is_wrong_with_a_login_is_said():
    with tempfile.TemporaryDirectory() as d:
        up = Upstream()
        up.image("library/app", "v1")
        door = Door(up, basic("robot", "hunter2"))
        put(f"{d}/pw", "hunter3")
        prog = f", credential_helper: {d}/docker-credential-test"
        message, said = refused(up, f", username: robot, password_file: {d}/pw")
        assert "upstream refuses the configured credentials" in message and "hunter3" not in said
        for lines, expect in [
                ([says("robot", "hunter3")], "upstream refuses the configured credentials"),
                (["exec sleep 60"], "a helper program took more than 300 ms"),
                (["echo garbage hunter2"], "answers no proper JSON"),
                (["yes hunter2 | head -c 10485760"], "wrote more than 65536 bytes"),
                (["echo hunter2", "echo hunter2 >&2", "exit 1"], "failed with exit code 1"),
                (["echo credentials not found in native keychain", "exit 1"], "has no credentials for this"),
                (["kill -9 $$"], "was ended by a signal")]:
            helper(d, *lines)
            timeout = "300ms" if "sleep" in lines[0] else "20s"
            message, said = refused(up, prog, f"helpers: {{timeout: {timeout}}}\nlog: {{level: debug}}")
            assert expect in message, (lines, message)
            assert "hunter" not in said, (lines, said)
            assert d not in message, message            # no paths for clients
        assert set(door.seen) <= {None, basic("robot", "hunter3")}, door.seen


def test_a_helper_that_goes_and_comes_back():
    with tempfile.TemporaryDirectory() as d:
        up = Upstream()
        up.image("library/app", "v1")
        up.image("library/app", "v2")
        Door(up, basic("robot", "hunter2"))
        path = helper(d, says("robot", "hunter2"))
        pg = Pullgate(up, origin=f", credential_helper: {path}")
        os.rename(path, path + ".away")
        a = pg.get(MANIFEST)
        assert a.status == 503 and "the credential helper is not there" in a.message(), a
        os.rename(path + ".away", path)
        pg.control("POST", "/api/v1/reload")            # else it is looked for again after a moment
        assert pg.get(MANIFEST).status == 200
        os.unlink(path)
        assert pg.get("/v2/library/app/manifests/v2").status == 200     # what it said stays in use
        pg.stop(fsck=False)


def test_the_spawner_dies():
    with tempfile.TemporaryDirectory() as d:
        up, open_up = Upstream(), Upstream()
        up.image("library/app", "v1")
        free = open_up.image("library/app", "v1")
        Door(up, basic("robot", "hunter2"))
        pg = Pullgate(up, origin=f", credential_helper: {helper(d, says('robot', 'hunter2'))}",
                      upstreams=f'open.test: {{url: "{open_up.url}", allow_private: true}}')
        assert pg.admin("/healthz").json()["status"] == "ok"
        child = open(f"/proc/{pg.proc.pid}/task/{pg.proc.pid}/children").read().split()
        assert len(child) == 1, child
        os.kill(int(child[0]), signal.SIGKILL)
        pg.wait_true(lambda: pg.admin("/healthz").json()["status"] == "degraded", "it is not said")
        pg.wait_log("the spawner has ended")
        problems = pg.admin("/api/v1/status").json()["problems"]
        assert any("restart pullgate" in p for p in problems), problems
        a = pg.get(MANIFEST)
        assert a.status == 503 and "what runs helper programs has ended" in a.message(), a
        assert pg.get("/v2/open.test/library/app/manifests/v1") == (200, free.body)
        pg.control("POST", "/api/v1/reload")
        assert pg.get(MANIFEST).status == 503           # a reload does not bring it back
        pg.restart()
        assert pg.get(MANIFEST).status == 200
        pg.stop()


def check(conf, *lines):
    """config check and serve of it: the same mistake, before anything runs."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write(conf)
        f.flush()
        for command in [["config", "check"], ["serve"]]:
            p = subprocess.run([os.environ["PULLGATE"], *command, "-c", f.name], text=True, timeout=stage.DEADLINE,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert p.returncode != 0 and all(l in p.stdout for l in lines), (command, p.stdout)
            assert "hunter2" not in p.stdout, p.stdout


def test_C16_files_with_secrets_that_others_may_read():
    with tempfile.TemporaryDirectory() as d:
        up = Upstream()
        up.image("library/app", "v1")
        Door(up, basic("robot", "hunter2"))
        conf = (f"listen: 127.0.0.1:0\nadmin: {{listen: 127.0.0.1:0}}\nstorage: {{path: {d}/data}}\n"
                f"upstreams:\n  a.test: {{url: \"{up.url}\", default: true, allow_private: true, %s}}\n")
        for mode in [0o644, 0o640, 0o604, 0o660]:
            put(f"{d}/pw", "hunter2", mode)
            put(f"{d}/config.json", auths(up, "robot", "hunter2"), mode)
            check(conf % f"username: robot, password_file: {d}/pw", f"{d}/pw can be read or written by others")
            check(conf % f"docker_config: {d}/config.json", "config.json can be read or written by others",
                  "chmod 0600")
        put(f"{d}/config.json", '{"auths": {"hunter2', 0o600)
        check(conf % f"docker_config: {d}/config.json", "is not proper JSON")
        helper(d, "exit 0")
        os.chmod(f"{d}/docker-credential-test", 0o722)
        check(conf % f"credential_helper: {d}/docker-credential-test", "can be written by others")
        # at a reload: refused, and what was goes on; without one, too
        put(f"{d}/config.json", auths(up, "robot", "hunter2"))
        pg = Pullgate(conf=conf.replace(f"{d}/data", "{dir}/data") % f"docker_config: {d}/config.json")
        assert pg.get(MANIFEST).status == 200
        os.chmod(f"{d}/config.json", 0o644)
        a = pg.control("POST", "/api/v1/reload")
        assert a.status >= 400 and "can be read or written by others" in a.body.decode(), a
        assert pg.get(MANIFEST).status == 200           # from the store
        a = pg.get("/v2/library/app/manifests/v2")
        assert a.status == 503 and "can be read or written by others" in a.message(), a
        os.chmod(f"{d}/config.json", 0o600)
        assert pg.get("/v2/library/app/manifests/v2").status == 404
        pg.stop(fsck=False)


# ---- J07: what is secret appears nowhere

CANARIES = {name: f"canary-{name}-{os.urandom(8).hex()}" for name in [
    "password", "environment-password", "docker-password", "identity", "helper-secret", "helper-stderr",
    "helper-environment", "token", "registry-token", "signature", "refused-password"]}


def forms(secret):
    """As it is, and as it is sent."""
    yield secret.encode()
    for user in ["robot", "AWS", ""]:
        yield basic(user, secret)[6:].rstrip("=")[4:-2].encode()     # whatever stands around it


def scene_basic(d):
    """A password in a file, shown as Basic; the registry repeats it in each of its errors."""
    up = Upstream()
    image = up.image("library/app", "v1", [b"x" * 100_000])
    Door(up, basic("robot", CANARIES["password"]))
    echo = lambda x: say(400, {"X-Echo": x.headers["Authorization"]}, str(x.headers).encode())(x)
    up.on("/manifests/broken", lambda x: x.headers.get("Authorization") and echo(x))
    return up, f", username: robot, password_file: {put(f'{d}/pw', CANARIES['password'])}", image


def scene_environment(d):
    up = Upstream()
    Door(up, basic("robot", CANARIES["environment-password"]))
    return up, ", username: robot, password_env: PGT_PASSWORD", up.image("library/app", "v1")


def scene_refused(d):
    up = Upstream()
    Door(up, "nothing")
    return up, f", username: robot, password_file: {put(f'{d}/pw', CANARIES['refused-password'])}", None


def tokens(answer=None):
    token = Token(answer=answer)
    up = Upstream(token=token)
    return up, token, up.image("library/app", "v1")


def scene_token(d):
    """A token that is good, and then an answer of the token server that is none."""
    up, token, image = tokens()
    token.good.add(CANARIES["token"])
    door = basic("robot", CANARIES["docker-password"])
    up.on(r"^/token", lambda x: say(200, {}, json.dumps({"token": CANARIES["token"]}).encode())(x)
          if x.headers.get("Authorization") == door else status(401)(x))
    up.on(r"^/token.*broken", lambda x: say(200, {}, b'{"token": "' + CANARIES["token"].encode() + b" " +
                                            x.headers["Authorization"].encode())(x))
    put(f"{d}/config.json", auths(up, "robot", CANARIES["docker-password"]))
    return up, f", docker_config: {d}/config.json", image


def scene_identity(d):
    up, token, image = tokens()
    up.on(r"^/token", token.issue, methods=("POST",))
    up.on(r"^/token", lambda x: "broken" in x.form and say(400, {}, x.form.encode())(x), methods=("POST",))
    put(f"{d}/config.json", json.dumps({"auths": {up.host: {"identitytoken": CANARIES["identity"]}}}))
    return up, f", docker_config: {d}/config.json", image


def scene_registry_token(d):
    up, token, image = tokens()
    token.good.add(CANARIES["registry-token"])
    put(f"{d}/config.json", json.dumps({"auths": {up.host: {"registrytoken": CANARIES["registry-token"]}}}))
    return up, f", docker_config: {d}/config.json", image


def scene_helper(d):
    up = Upstream()
    Door(up, basic("AWS", CANARIES["helper-secret"]))
    helper(d, f"echo {CANARIES['helper-stderr']} >&2", says("AWS", CANARIES["helper-secret"]))
    return up, f", credential_helper: {d}/docker-credential-test", up.image("library/app", "v1")


def scene_helper_that_fails(d):
    up = Upstream()
    Door(up, "nothing")
    helper(d, f"echo {CANARIES['helper-secret']}; echo {CANARIES['helper-stderr']} >&2; env >&2; exit 1")
    return up, f", credential_helper: {d}/docker-credential-test", None


def scene_signed_addresses(d):
    """Where blobs really are: addresses that are as good as a password, for a while."""
    up, cdn = Upstream(), Upstream()
    image = up.image("library/app", "v1", [b"y" * 100_000])
    cdn.blobs.update(up.blobs)
    to = lambda x: f"http://localhost:{cdn.port}{x.path}?X-Amz-Signature={CANARIES['signature']}"
    up.on("/blobs/", redirect(to))
    up.on("/manifests/broken", redirect(lambda x: f"ftp://u:{CANARIES['signature']}@x/?s={CANARIES['signature']}"))
    cdn.on("/blobs/", lambda x: say(403, {"X-Echo": x.path}, x.path.encode())(x), times=2)
    return up, "", image


def visit(pg, up, image, gate):
    """All that an operator or a client may look at, also in the middle of a download."""
    seen = []
    def look(answer):
        seen.append(str(answer.headers).encode() + answer.body)
        return answer
    look(pg.get(MANIFEST))
    look(pg.get("/v2/library/app/manifests/broken"))
    look(pg.get("/v2/library/broken/manifests/v1"))
    look(pg.get("/v2/library/app/tags/list"))
    slow = up.blob(os.urandom(3_000_000))
    up.on(slow, pause(gate), times=1)
    pull = pg.start_get(f"/v2/library/app/blobs/{slow}")
    if image:
        for blob in image.layers * 2:
            look(pg.get(f"/v2/library/app/blobs/{blob}"))
    for page in ["/metrics", "/debug/requests", "/debug/flights", "/api/v1/status", "/api/v1/config",
                 "/healthz", "/readyz", "/debug/faults"]:
        look(pg.admin(page))
    gate.open()
    look(pull.done())
    for command in [["config", "show"], ["config", "check"], ["status"]]:
        seen += [text.encode() for text in pg.command(*command)[1:]]
    return seen


def test_J07_canaries():
    scenes = [f for name, f in globals().items() if name.startswith("scene_")]
    needles = [(name, form) for name, secret in CANARIES.items() for form in forms(secret)]
    for scene in scenes:
        with tempfile.TemporaryDirectory() as d:
            up, origin, image = scene(d)
            pg = Pullgate(up, origin=origin, more='log: {level: debug}\nhelpers: {environment: "PATH PGT_*"}',
                          env={"PGT_PASSWORD": CANARIES["environment-password"],
                               "PGT_PROXY": f"http://u:{CANARIES['helper-environment']}@proxy.test"})
            seen = visit(pg, up, image, Gate())
            if image:
                assert pg.get(MANIFEST).status == 200, (scene.__name__, pg.said())
            pg.proc.send_signal(signal.SIGABRT)          # a check that failed
            pg.proc.wait(stage.DEADLINE)
            assert pg._ends.wait(stage.DEADLINE)
            seen += ["".join(pg.log).encode()]
            for path in {**pg.files("journal"), **pg.files("index"), **pg.files("partial")}:
                seen.append(open(path, "rb").read())
            pg.start()                                   # what it says of what it finds
            pg.end()
            seen += ["".join(pg.log).encode()]
            for text in seen:
                for name, form in needles:
                    at = text.find(form)
                    assert at < 0, (scene.__name__, name, text[max(0, at - 200):at + 100])


if __name__ == "__main__":
    stage.main(globals())
