# SPDX-License-Identifier: Apache-2.0
"""Commands that ask a running server: what they say, what they change, and what they refuse."""
import json, os, signal, subprocess, sys

import pg as stage
from pg import Gate, Pullgate, Upstream
from upstream import OCI_INDEX, OCI_MANIFEST, sha256

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
    assert "origin.test" in out and "DEGRADED     upstream dead.test does not answer" in out, out
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


if __name__ == "__main__":
    stage.main(globals())
