# SPDX-License-Identifier: Apache-2.0
"""What an operator does: start, look, reload, drain, and make mistakes."""
import json, os, signal, socket, stat, subprocess, sys, tempfile, threading

import pg as stage
from pg import Gate, Pullgate, Upstream
from upstream import pause, sha256

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../check"))
from generated import misfits

SERVE = "listen: {listen}\nadmin: {{listen: 127.0.0.1:0}}\nstorage: {{path: {path}}}\n"


def test_looking_in():
    up = Upstream()
    image = up.image("library/app", "v1", [b"layer"])
    pg = Pullgate(up)
    pg.get("/v2/library/app/manifests/v1")
    assert pg.admin("/healthz").status == 200 and pg.admin("/readyz").status == 200
    text = pg.admin("/metrics")
    assert text.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    names = {l.split()[2] for l in text.body.decode().splitlines() if l.startswith("# TYPE")}
    assert {"pullgate_requests_total", "pullgate_cache_total", "pullgate_store_bytes"} <= names
    version = pg.admin("/api/v1/version").json()
    code, out, err = pg.command("version", "--json")
    assert code == 0 and json.loads(out)["version"] == version["version"]
    status = pg.admin("/api/v1/status").json()
    code, out, err = pg.command("status", "--json")
    assert code == 0 and set(json.loads(out)) == set(status), (out, err)
    code, out, err = pg.command("status")
    assert code == 0 and "origin.test" in out, (out, err)
    schema = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/api/status.schema.json")
    assert not list(misfits(status, json.load(open(schema)))), status
    assert pg.admin("/nothing").status == 404
    pg.stop()


def test_status_says_what_was_saved_and_how_upstreams_are():
    up = Upstream()
    d = up.blob(b"y" * 100_000)
    pg = Pullgate(up, upstreams='dead.test: {url: "http://127.0.0.1:1", allow_private: true}')
    for _ in range(3):
        assert pg.get(f"/v2/library/app/blobs/{d}").status == 200
        pg.landed(1)
    for _ in range(4):
        assert pg.get("/v2/dead.test/library/app/manifests/v1").status == 503
    assert pg.get("/v2/library/app/manifests/absent").status == 404
    status = pg.admin("/api/v1/status").json()
    assert status["traffic"]["hits"] == 2 and status["traffic"]["misses"] == 1, status
    assert status["traffic"]["sent_bytes"] >= 300_000 > status["traffic"]["fetched_bytes"], status
    live, dead = sorted(status["upstreams"], key=lambda u: not u["default"])
    assert live["state"] == "up" and live["bytes"] >= 100_000 and live["failures"] == 0, live
    assert live["last_error"] is None, live              # what upstream does not have is no failure
    assert dead["state"] == "down" and dead["failures"] > 0, dead
    assert dead["last_error"]["kind"] == "down" and "dead.test" in dead["last_error"]["message"], dead
    assert pg.metric("pullgate_upstreams_down") == 1
    code, out, err = pg.command("status", "--admin", f"127.0.0.1:{pg.admin_port}")
    assert "2 from the store, 1 fetched" in out and "66 % hits" in out, out
    assert "DOWN" in out and "last error: " in out, out
    pg.stop()


def test_tls_on_a_plain_port_is_told_as_such():
    pg = Pullgate(Upstream())
    answer = pg.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    assert b" 400 " in answer and b"this is TLS" in answer, answer
    pg.stop()


def test_live_requests_and_flights_can_be_listed():
    up, gate = Upstream(), Gate()
    d = up.blob(b"x" * 2_000_000)
    up.on(d, pause(gate), methods=("GET",))
    pg = Pullgate(up)
    pull = pg.start_get(f"/v2/library/app/blobs/{d}")
    gate.wait_reached()
    live = pg.admin("/debug/requests").json()["requests"]
    mine = [r for r in live if "library/app" in json.dumps(r)]
    assert mine and mine[0]["stage"] and "age_ms" in mine[0], live
    flights = json.dumps(pg.admin("/debug/flights").json())
    assert d in flights, flights
    gate.open()
    assert pull.done().status == 200
    pg.stop()


def test_N10_the_admin_door_only_reads():
    """N10: and only for those who mean it."""
    pg = Pullgate(Upstream())
    for method in ["POST", "PUT", "DELETE", "PATCH"]:
        for path in ["/api/v1/reload", "/api/v1/drain", "/api/v1/status", "/metrics"]:
            assert pg.admin(path, method=method).status in (404, 405), (method, path)
    for host in ["evil.example", "evil.example:5001", "169.254.169.254"]:
        assert pg.admin("/api/v1/status", {"Host": host}).status == 403, host
    assert pg.admin("/api/v1/status", {"Origin": "http://evil.example"}).status == 403
    assert pg.admin("/api/v1/status", {"Origin": "null"}).status == 403
    assert pg.admin("/api/v1/status", {"Host": f"localhost:{pg.admin_port}"}).status == 200
    assert pg.get("/api/v1/status").status == 404 and pg.get("/metrics").status == 404
    sock = os.path.join(pg.dir, "data/control.sock")
    assert stat.S_IMODE(os.stat(sock).st_mode) == 0o600
    pg.stop()


def test_the_control_socket_changes_state():
    pg = Pullgate(Upstream())
    before = pg.metric("pullgate_config_reloads_total")
    a = pg.control("POST", "/api/v1/reload")
    assert a.status == 200, a
    assert pg.metric("pullgate_config_reloads_total") == before + 1     # it answered after all loops
    assert pg.control("GET", "/api/v1/status").status == 200
    with open(pg.conf) as f:
        good = f.read()
    pg.write("listen: [")
    a = pg.control("POST", "/api/v1/reload")
    assert a.status >= 400 and "pullgate.yaml:" in a.body.decode(), a
    assert pg.metric("pullgate_config_refused_total") == 1 and pg.metric("pullgate_config_stale") == 1
    problems = pg.admin("/api/v1/status").json()["problems"]
    assert len(problems) == 1 and "the last reload was refused" in problems[0], problems
    pg.write(good)
    assert pg.control("POST", "/api/v1/reload").status == 200
    assert pg.metric("pullgate_config_stale") == 0 and pg.admin("/api/v1/status").json()["problems"] == []
    pg.wait_log("control")
    pg.stop()


def test_a_reload_under_load_drops_nothing():
    up, other = Upstream(), Upstream()
    image = up.image("library/app", "v1", [b"l" * 100_000])
    mine = other.image("library/app", "v1", [b"other"])
    pg = Pullgate(up)
    with open(pg.conf) as f:
        conf = f.read()
    stop, bad, done = threading.Event(), [], [0]
    def pull():
        while not stop.is_set():
            for p in ["manifests/v1", f"blobs/{image.layers[0]}"]:
                try:
                    a = pg.get(f"/v2/library/app/{p}")
                    if a.status != 200:
                        bad.append(a)
                except Exception as e:
                    bad.append(e)
                done[0] += 1
    threads = [threading.Thread(target=pull) for _ in range(4)]
    [t.start() for t in threads]
    for n in range(10):
        before = pg.metric("pullgate_config_reloads_total")
        pg.write(conf + (f'  more{n}.test: {{url: "{other.url}", allow_private: true}}\n'))
        pg.reload()
        pg.wait_metric("pullgate_config_reloads_total", before + 1)
        assert pg.get(f"/v2/more{n}.test/library/app/manifests/v1") == (200, mine.body)
    stop.set()
    [t.join() for t in threads]
    assert not bad and done[0] > 20, bad[:3]
    pg.write(conf.replace("tags", "tgas") + "tgas: {ttl: 1s}\n")
    pg.reload()
    pg.wait_metric("pullgate_config_refused_total", 1)
    line = pg.wait_log("tgas")
    assert "pullgate.yaml:" in line and "tags" in line, line
    assert pg.get("/v2/more9.test/library/app/manifests/v1").status == 200      # the old one holds
    pg.write(conf)
    pg.stop()


def test_sigterm_drains():
    up, gate = Upstream(), Gate()
    data = b"z" * 3_000_000
    d = up.blob(data)
    up.on(d, pause(gate), methods=("GET",))
    pg = Pullgate(up)
    pull = pg.start_get(f"/v2/library/app/blobs/{d}")
    gate.wait_reached()
    pg.proc.send_signal(signal.SIGTERM)
    pg.wait_true(lambda: pg.admin("/readyz").status == 503, "it does not say that it drains")
    assert "drain" in pg.admin("/readyz").body.decode()
    def refused():
        try:
            socket.create_connection(("127.0.0.1", pg.port), 1).close()
            return False
        except ConnectionRefusedError:
            return True
    pg.wait_true(refused, "it still accepts")
    gate.open()
    assert pull.done() == (200, data)                    # what ran was let end
    assert pg.proc.wait(stage.DEADLINE) == 0
    pg.fsck()


def test_sigterm_does_not_wait_for_ever():
    up, gate = Upstream(), Gate()
    d = up.blob(b"z" * 3_000_000)
    up.on(d, pause(gate), methods=("GET",))
    pg = Pullgate(up, more="limits: {drain_timeout: 300ms}")
    pull = pg.start_get(f"/v2/library/app/blobs/{d}")
    gate.wait_reached()
    pg.proc.send_signal(signal.SIGTERM)
    assert pg.proc.wait(stage.DEADLINE) == 0
    gate.open()


def serve(text, expect=2):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write(text)
        f.flush()
        p = subprocess.run([os.environ["PULLGATE"], "serve", "-c", f.name], text=True, timeout=stage.DEADLINE,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == expect, (p.returncode, p.stdout, p.stderr)
    return p.stdout + p.stderr


def test_C16_mistakes_have_a_sentence_each():
    with tempfile.TemporaryDirectory() as folder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = serve(SERVE.format(listen=f"127.0.0.1:{port}", path=folder + "/a"))
        assert str(port) in said and "in use" in said, said
        os.mkdir(folder + "/open", 0o777)
        os.chmod(folder + "/open", 0o777)
        said = serve(SERVE.format(listen="127.0.0.1:0", path=folder + "/open"))
        assert "written by others" in said and folder + "/open" in said, said
        if os.geteuid() == 0:
            os.mkdir(folder + "/other", 0o700)
            os.chown(folder + "/other", 12345, 12345)
            said = serve(SERVE.format(listen="127.0.0.1:0", path=folder + "/other"))
            assert "own" in said and folder + "/other" in said, said
        with open(folder + "/file", "w"):
            pass
        assert folder + "/file" in serve(SERVE.format(listen="127.0.0.1:0", path=folder + "/file"))
        os.symlink(folder + "/a", folder + "/link")
        said = serve(SERVE.format(listen="127.0.0.1:0", path=folder + "/link"))
        assert "link" in said, said
    assert "nearest" in serve("storrage: {path: /x}\n") or "storage" in serve("storrage: {path: /x}\n")
    said = serve("listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nstorage: {path: relative}\n")
    assert ":3:" in said and "absolute" in said, said
    p = subprocess.run([os.environ["PULLGATE"], "serve", "-c", "/nonexistent.yaml"], text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == 2 and "/nonexistent.yaml" in p.stderr


def test_a_newer_store_is_refused():
    pg = Pullgate(Upstream())
    pg.end()
    with open(pg.dir + "/data/version", "w") as f:
        f.write("999\n")
    p = subprocess.run([os.environ["PULLGATE"], "serve", "-c", pg.conf], text=True, timeout=stage.DEADLINE,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == 2 and "newer" in p.stderr and "999" in p.stderr, p.stderr


def test_K04_few_descriptors():
    """It pauses, does not spin, and recovers."""
    import resource
    up = Upstream()
    up.image("library/app", "v1")
    pg = Pullgate(up)
    resource.prlimit(pg.proc.pid, resource.RLIMIT_NOFILE, (128, 128))
    held = [socket.create_connection(("127.0.0.1", pg.port), stage.DEADLINE) for _ in range(200)]
    before = os.times()
    for s in held:
        s.close()
    pg.wait_true(lambda: pg.get("/v2/").status == 200, "it does not recover")
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.stop()


def test_serve_json_logs_json():
    pg = Pullgate(Upstream(), arguments=["--json"])
    pg.reload()
    pg.wait_metric("pullgate_config_reloads_total", 2)
    pg.get("/v2/")
    pg.end()
    lines = [json.loads(l) for l in pg.log if not l.startswith("listening on ")]
    assert {"start", "config", "request"} <= {l["event"] for l in lines}


def test_text_lines_are_lines():
    """J08: nothing from outside begins a line or reaches a terminal."""
    up = Upstream()
    pg = Pullgate(up)
    pg.raw(b"GET /v2/x/manifests/a%0a%1b[31m HTTP/1.1\r\nHost: x\r\nUser-Agent: \x1b[31mred\r\n"
           b"Connection: close\r\n\r\n")
    pg.raw(b"GET /v2/\x1b[31m\x07/manifests/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    pg.end()
    assert not any("\x1b" in l or "\x07" in l for l in pg.log)
    pg.start()
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
