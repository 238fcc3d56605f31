# SPDX-License-Identifier: Apache-2.0
"""The command line: what it says, where it says it, and with which status."""
import json, os, shutil, signal, socket, subprocess, sys, tempfile

import pg as stage
from pg import Gate, Pullgate, Upstream
from pki import Authority
from upstream import pause

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../check"))
from generated import misfits

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/api")
EXAMPLE = """\
listen: 127.0.0.1:5000              # or a list; tls: {cert: ..., key: ...} beside it
admin: {listen: 127.0.0.1:5001}
storage: {path: /var/lib/pullgate, max_size: 100GiB}
tags: {ttl: 60s, max_stale: 7d}
upstreams:
  docker.io: {url: https://registry-1.docker.io, default: true}
  mirror.test: {url: http://127.0.0.1:5900, allow_private: true}
"""


def run(*args, stdout=subprocess.PIPE):
    p = subprocess.run([os.environ["PULLGATE"], *args], text=True, timeout=stage.DEADLINE,
                       stdout=stdout, stderr=subprocess.PIPE)
    return p.returncode, p.stdout, p.stderr


def with_file(text, *args):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write(text)
        f.flush()
        return (f.name, *run(*args, "-c", f.name))


def fits(name, text):
    with open(os.path.join(SCHEMAS, name + ".schema.json")) as f:
        wrong = list(misfits(json.loads(text), json.load(f)))
    assert not wrong, wrong


def test_help_is_on_standard_output_and_good():
    for args in [["--help"], ["-h"], ["help"]]:
        code, out, err = run(*args)
        assert code == 0 and "serve" in out and "config check" in out and not err, (out, err)
    for command in ["serve", "status", "fsck", "version", "man", "config check", "config show",
                    "config example", "config reference"]:
        code, out, err = run(*command.split(), "--help")
        assert code == 0 and f"pullgate {command}" in out and "--config FILE" in out, (command, out)
    code, out, err = run()
    assert code == 2
    assert run("help", "ls")[:2] == run("ls", "--help")[:2]
    assert run("help", "config", "check")[:2] == run("config", "check", "--help")[:2]
    assert run("help", "sl")[0] == 2
    code, out, err = run("doctor", "--help")
    assert "\nWith --canary it looks at the clients of this machine: lets one pull what" in out, out


def test_what_was_meant():
    for args, said in [
            (["servee"], "did you mean serve?"),
            (["stauts"], "did you mean status?"),
            (["config", "chekc"], "did you mean config check?"),
            (["config", "show", "--jsno"], "did you mean --json?"),
            (["status", "--deep"], "status has no option --deep"),
            (["fsck", "--rapair"], "did you mean --repair?"),
            (["serve", "now"], "takes no argument now"),
            (["-c", "x", "serve"], "options come after the command"),
            (["config", "show", "-c"], "--config needs a value: FILE"),
            (["version", "--json=yes"], "--json takes no value"),
            (["fsck", "--accept-loss"], "--repair"),
            (["prewarm", "-", "--platform", "amd64"], "as linux/amd64"),
            (["prewarm", "-", "--platform", "linux/amd64,"], "as linux/amd64"),
            (["prewarm", "-", "--platform", "linux/amd64;linux/arm64"], "as linux/amd64"),
            (["\x1b[31m"], "\\u001b[31m")]:
        code, out, err = run(*args)
        assert code == 2 and said in err and not out, (args, code, out, err)


def test_the_example_is_good():
    name, code, out, err = with_file(EXAMPLE, "config", "check")
    assert (code, out) == (0, f"{name}: good; 2 upstreams\n"), (code, out, err)
    name, code, out, err = with_file("upstreams: {}\n", "config", "check")
    assert (code, out) == (0, f"{name}: good; 0 upstreams: every pull is refused\n"), (code, out, err)
    _, code, out, err = with_file(EXAMPLE, "config", "show", "--json")
    fits("config-show", out)
    shown = json.loads(out)
    assert shown["config"]["options"]["tags.max_stale"] == 7 * 86400 * 1000
    assert shown["origins"]["storage.max_size"] == {"line": 3, "column": 46}
    assert shown["origins"]["upstreams.mirror.test.url"]["line"] == 7
    assert "log.level" not in shown["origins"]


def test_what_is_shown_loads_to_the_same():
    texts = [EXAMPLE, "", """\
listen: [127.0.0.1:5443, {address: "[::1]:5000"}]
storage: {path: "/var/lib/a b #c", max_size: 1025KiB}
tags: {ttl: 90061001ms}
upstreams: {"localhost:5005": {url: "http://[::1]:7", allow_private: true, realms: "a.test b.test"}}
""".replace("1025KiB", "20480KiB"), """\
listen:
  - {address: "unix:/tmp/a b.sock", mode: "0600", trusted_proxies: [unix, 10.0.0.0/8, "fd00::/8"]}
  - {address: "systemd:pull", proxy_protocol: [192.0.2.1]}
"""]
    folder = tempfile.TemporaryDirectory(prefix="pg-cli-")
    authority = Authority(folder.name, "ours")
    (a, b), (c, d) = authority.sign("a.test"), authority.sign("b.test")
    texts.append(f"""\
listen: {{address: 127.0.0.1:5000, tls: {{cert: {a}, key: {b}, certs: [{{cert: {c},
  key: {d}}}], client_ca: {authority.file}, client_auth: optional}}}}
""")
    for text in texts:
        _, code, shown, err = with_file(text, "config", "show")
        assert code == 0, err
        _, code, again, err = with_file(shown, "config", "show")
        assert code == 0, (shown, err)
        plain = lambda s: [l.split("  #")[0] for l in s.splitlines()[1:]]
        assert plain(shown) == plain(again)
        for word in ["mode", "trusted_proxies", "fd00::/8", "unix,", "proxy_protocol", "client_ca", "optional"]:
            assert (word in text) == (word in shown), (word, shown)


def test_mistakes_are_found_and_unreadable_is_something_else():
    name, code, out, err = with_file("tags:\n  tlt: 60s\nlog: {level: loud}\n", "config", "check")
    assert code == 1 and out == (
        f'{name}:2:3: unknown key "tlt"; did you mean "ttl"?\n'
        f'{name}:3:14: log.level: "loud" is none of debug, info, warn, error\n'), (code, out)
    _, code, out, err = with_file("tags:\n  tlt: 60s\n", "config", "check", "--json")
    fits("config-check", out)
    assert code == 1 and json.loads(out)["problems"][0]["line"] == 2
    code, out, err = run("config", "check", "-c", "/nonexistent/pullgate.yaml")
    assert code == 2 and "/nonexistent/pullgate.yaml" in err and not out
    name, code, out, err = with_file("tags: [\n", "config", "show")
    assert code == 2 and f"{name}:2:1: not YAML" in err and not out


def test_J07_a_password_in_a_url_is_not_repeated():
    text = 'upstreams: {a.test: {url: "https://canary1:canary2@a.test"}}\n'
    for command in [["config", "check"], ["config", "check", "--json"], ["config", "show"], ["serve"]]:
        _, code, out, err = with_file(text, *command)
        assert code in (1, 2) and "canary" not in out + err and "user or password" in out + err


def test_a_config_that_others_may_write_is_refused():
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write(EXAMPLE)
        f.flush()
        os.chmod(f.name, 0o666)
        for command in [["config", "check"], ["serve"]]:
            code, out, err = run(*command, "-c", f.name)
            assert code == 2 and "can be written by others" in err and "chmod go-w" in err, err


def test_a_store_that_is_not_there():
    """Commands that only look make no directory, and say so: there is none, not that it cannot be made."""
    with tempfile.TemporaryDirectory() as folder:
        text = f"storage: {{path: {folder}/store}}\n"
        for command in [["fsck"], ["backup", folder + "/copy"]]:
            _, code, out, err = with_file(text, *command)
            assert code == 2 and f"there is no store at {folder}/store" in err, (out, err)
        _, code, out, err = with_file(text, "restore", folder + "/copy")
        assert code == 2 and f"there is no store at {folder}/copy" in err, (out, err)
        assert not os.listdir(folder)


def test_a_socket_without_a_directory():
    with tempfile.TemporaryDirectory() as folder:
        _, code, out, err = with_file(
            f"listen: unix:{folder}/none/pull.sock\nstorage: {{path: {folder}/data}}\n"
            f"admin: {{listen: 127.0.0.1:0}}\n", "serve")
        assert code == 2 and "/none/pull.sock: its directory does not exist" in err, err


def test_a_full_output_is_noticed():
    with open("/dev/full", "w") as full:
        code, _, err = run("config", "example", stdout=full)
    assert code == 2 and "standard output" in err, (code, err)


def test_version_and_its_schema():
    code, out, err = run("version", "--json")
    fits("version", out)
    assert json.loads(out)["libraries"]["openssl"].startswith("3.")
    assert run("--version")[1].startswith("pullgate " + json.loads(out)["version"])


def test_status_over_tcp_and_without_a_server():
    pg = Pullgate(Upstream())
    code, out, err = run("status", "--admin", f"127.0.0.1:{pg.admin_port}", "--json")
    assert code == 0, err
    fits("status", out)
    code, out, err = run("status", "--admin", f"127.0.0.1:{pg.admin_port}")
    assert code == 0 and "origin.test" in out and "revision 1" in out
    code, out, err = run("status", "--admin", f"127.0.0.1:{pg.port}")
    assert code == 2 and "404" in err, err
    pg.stop()
    code, out, err = run("status", "--admin", f"127.0.0.1:{pg.admin_port}")
    assert code == 2 and "nothing answers" in err, err


def test_fsck_of_a_good_store_and_of_a_damaged_one():
    up = Upstream()
    d = up.blob(b"x" * 100_000)
    pg = Pullgate(up)
    assert pg.get(f"/v2/library/app/blobs/{d}").status == 200
    pg.landed(1)
    pg.end()
    code, out, err = pg.command("fsck", "--deep", "--json")
    fits("fsck", out)
    assert code == 0 and json.loads(out)["blobs"] == 1 and not json.loads(out)["findings"], out
    os.chmod(pg.blob_file(d), 0o600)
    with open(pg.blob_file(d), "r+b") as f:
        f.truncate(1000)
    code, out, err = pg.command("fsck", "--json")
    fits("fsck", out)
    found = json.loads(out)["findings"]
    assert code == 1 and [f["kind"] for f in found] == ["file-size"] and not found[0]["repaired"], out
    code, out, err = pg.command("fsck")
    assert code == 1 and d.split(":")[1] in out and "found 1, repaired 0" in out, out
    code, out, err = pg.command("fsck", "--repair")
    assert code == 0, (out, err)
    pg.fsck()
    pg.start()
    assert pg.get(f"/v2/library/app/blobs/{d}") == (200, up.blobs[d])
    pg.stop()


def test_two_on_one_store():
    pg = Pullgate(Upstream())
    code, out, err = pg.command("serve")
    assert code == 2 and "in use by another pullgate" in err and not out, err
    code, out, err = pg.command("fsck", "--repair")
    assert code == 2 and "in use by another pullgate" in err, err
    assert pg.get("/v2/").status == 200
    pg.stop()


def test_our_own_listener_is_no_upstream_after_a_reload():
    """Of the file alone it would be good: the listener moves away in it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = """\
listen: 127.0.0.1:{port}
admin: {{listen: 127.0.0.1:0}}
storage: {{path: "{{dir}}/data"}}
upstreams: {{{upstream}}}
"""
    pg = Pullgate(conf=text.format(port=port, upstream=""))
    mine = f"a.test: {{url: 'http://127.0.0.1:{port}', allow_private: true}}"
    pg.write(text.format(port=0, upstream=mine).replace("{dir}", pg.dir))
    a = pg.control("POST", "/api/v1/reload")
    assert a.status == 400 and "our own listener" in a.body.decode(), a
    pg.write(text.format(port=port, upstream=""))
    pg.stop()


def test_a_restart_is_named_where_a_reload_does_not_do():
    up = Upstream()
    up.image("library/app", "v1")
    pg = Pullgate(up)
    with open(pg.conf) as f:
        conf = f.read()
    pg.write(conf.replace("listen: 127.0.0.1:0\n", "listen: 127.0.0.1:1\nthreads: 1\n", 1))
    a = pg.control("POST", "/api/v1/reload")
    assert a.status == 200, a
    pg.wait_log("threads is taken over by a restart only")
    pg.wait_log("other addresses in listen are taken over by a restart only")
    shown = pg.admin("/api/v1/config").json()
    assert shown["options"]["threads"] == 0 and shown["listen"][0]["address"] == "127.0.0.1:0"
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.write(conf)
    pg.stop()


def test_without_a_default_unaddressed_names_are_refused():
    up = Upstream()
    up.image("library/app", "v1")
    pg = Pullgate(conf=f"""\
listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0}}
storage: {{path: "{{dir}}/data"}}
upstreams: {{origin.test: {{url: "{up.url}", allow_private: true}}}}
""")
    assert pg.get("/v2/origin.test/library/app/manifests/v1").status == 200
    a = pg.get("/v2/library/app/manifests/v1")
    assert a.status == 404 and a.code() == "NAME_UNKNOWN", a
    pg.stop()


def test_many_reloads():
    """K10"""
    pg = Pullgate(Upstream())
    before = pg.metric("pullgate_config_reloads_total")
    for _ in range(100):
        pg.reload()
    for _ in range(20):
        assert pg.control("POST", "/api/v1/reload").status == 200
    assert pg.metric("pullgate_config_reloads_total") >= before + 20
    pg.stop()


def test_a_second_sigterm_ends_at_once():
    up, gate = Upstream(), Gate()
    d = up.blob(b"z" * 3_000_000)
    up.on(d, pause(gate), methods=("GET",))
    pg = Pullgate(up, more="limits: {drain_timeout: 1h}")
    pull = pg.start_get(f"/v2/library/app/blobs/{d}")
    gate.wait_reached()
    pg.proc.send_signal(signal.SIGTERM)
    pg.wait_log("drains 1 connection")
    pg.proc.send_signal(signal.SIGTERM)
    assert pg.proc.wait(stage.DEADLINE) == 0
    gate.open()
    pull.join()


def test_the_drain_command_drains():
    pg = Pullgate(Upstream())
    assert pg.control("POST", "/api/v1/drain").status == 200
    assert pg.proc.wait(stage.DEADLINE) == 0


def test_config_check_reads_certificates():
    with tempfile.TemporaryDirectory() as d:
        for name in ("cert", "key", "ca"):
            with open(f"{d}/{name}", "w") as f:
                f.write("not PEM\n")
            os.chmod(f"{d}/{name}", 0o600)
        with open(f"{d}/conf", "w") as f:
            f.write(f'tls: {{cert: {d}/cert, key: {d}/key}}\nupstreams:\n'
                    f'  a.test: {{url: "https://a.test", ca_file: {d}/ca}}\n')
        p = subprocess.run([os.environ["PULLGATE"], "config", "check", "-c", f"{d}/conf"],
                           text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert p.returncode == 1, p.stdout
        assert f"conf:1:6: TLS: no certificates could be read from {d}/cert" in p.stdout, p.stdout
        assert f"{d}/ca holds no certificates in PEM form" in p.stdout, p.stdout


def test_fsck_says_what_is_missing_and_what_to_do():
    up = Upstream()
    up.image("library/app", "v1", [b"layer"])
    pg = Pullgate(up)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.landed(1)
    pg.end()
    shutil.rmtree(f"{pg.dir}/data/index")
    code, out, err = pg.command("fsck")
    assert code == 2 and "is missing" in err and "--repair" in err, err
    assert pg.command("fsck", "--repair")[0] == 0
    pg.fsck()
    shutil.rmtree(f"{pg.dir}/data/journal")
    code, out, err = pg.command("fsck")
    assert code == 2 and "pullgate fsck --repair --accept-loss" in err, err
    assert pg.command("fsck", "--repair", "--accept-loss")[0] == 0
    pg.start()
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
