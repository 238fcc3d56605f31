# SPDX-License-Identifier: Apache-2.0
"""A policy that asks an Open Policy Agent, which is a stand-in here: what it is told, what becomes
of what it says, and of what it does not say."""
import atexit, json, os, shutil, sys, tempfile, threading
from http.server import BaseHTTPRequestHandler

import pg as stage
from pg import Pullgate
from test_admit import FIXTURES, Layout, doors
from test_facts import Made, served
from upstream import Gate, Upstream
from web import Server, UnixServer

ROOT = os.path.join(os.path.dirname(__file__), "../..")
sys.path.insert(0, os.path.join(ROOT, "tests/check"))
from generated import misfits

RULES = "rules:\n- name: no-arm\n  match: {repositories: ['origin.test/**']}\n  require: {platforms: [linux/amd64]}\n"


def fits(told):
    with open(os.path.join(ROOT, "docs/api/policy-input.schema.json")) as f:
        wrong = list(misfits(told, json.load(f)))
    assert not wrong, wrong


class Opa:
    """POST /v1/data/pullgate/decision: what `says` makes of the input, with the bundle's revision."""
    def __init__(self, says, unix=None):
        self.says, self.asked, self.revision, self.raw, self.status = says, [], "r1", None, 200
        opa = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = unix is None

            def address_string(self):
                return "client"

            def log_message(self, *args):
                pass

            def do_POST(self):
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == "/v1/data/pullgate/decision?provenance=true", self.path
                assert list(told) == ["input"], told
                fits(told["input"])
                opa.asked.append(told["input"])
                answer = opa.says(told["input"])
                body = {} if answer is None else {"result": answer}
                body["provenance"] = {"version": "1.22.2", "bundles": {"b": {"revision": opa.revision}}}
                data = opa.raw if opa.raw is not None else json.dumps(body).encode()
                self.send_response(opa.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass

        self.server = UnixServer(unix, Handler) if unix else Server(("127.0.0.1", 0), Handler)
        self.url = f"unix:{unix}" if unix else "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def by_label(told):
    """Allows what a label says is reviewed."""
    if told["content"]["labels"].get("reviewed") == "yes":
        return {"allow": True, "reasons": []}
    return {"allow": False, "reasons": ["not reviewed", "ask\nthe team"]}


def policy(opa, more="", rules=RULES, default="allow"):
    return f"default: {default}\n{rules}opa: {{url: '{opa.url}', path: pullgate/decision, timeout: 5s{more}}}\n"


def start(up, text, **args):
    folder = tempfile.mkdtemp(prefix="pg-opa-")
    atexit.register(shutil.rmtree, folder)
    for key in ("k1.pub",):
        shutil.copy(os.path.join(FIXTURES, "keys", key), folder)
    with open(folder + "/policy.yaml", "w") as f:
        f.write(text)
    return Pullgate(up, more=f"policy: {{file: {folder}/policy.yaml}}\n" + args.pop("more", ""), **args)


def denied(pg, image, *texts, rule="opa"):
    for path in image.doors:
        for ask in (pg.get, pg.head):
            got = ask(path)
            assert (got.status, got.headers["X-Pullgate-Verdict"]) == (403, "deny"), (path, got)
    message = pg.get(image.doors[0]).message()
    assert f'policy rule "{rule}"' in message, message
    for text in texts:
        assert text in message, message


def test_it_tightens_and_never_widens():
    up = Upstream()
    good, bad = Made(up, "good", labels={"reviewed": "yes"}), Made(up, "bad")
    arm = Made(up, "arm", arch="arm64", labels={"reviewed": "yes"})
    opa = Opa(by_label)
    pg = start(up, policy(opa))
    served(pg, good)
    denied(pg, bad, "not reviewed; ask the team")
    before = len(opa.asked)
    denied(pg, arm, rule="no-arm")
    assert len(opa.asked) == before, "what our rules deny, OPA is not asked about"
    told = next(t for t in opa.asked if t["image"].get("tag") == "good")
    assert told["version"] == 1 and told["image"]["repository"] == "origin.test/library/app", told
    assert told["image"]["digest"] == good.digest and told["image"]["tags"] == ["good"], told
    assert told["content"]["platform"] == "linux/amd64" and told["content"]["shape"] == "image", told
    assert told["evidence"] == {"state": "complete", "signed": 0, "refused": 0}, told
    pg.stop()
    opa.stop()


def test_a_verdict_is_kept_by_input_and_bundle():
    up = Upstream()
    image, other = Made(up, "v1", labels={"reviewed": "yes"}), Made(up, "v2", labels={"reviewed": "yes"})
    opa = Opa(by_label)
    pg = start(up, policy(opa, ", cache: 60s"))
    served(pg, image)
    served(pg, image)
    asked = len(opa.asked)
    assert asked == 2, f"{asked} questions: by tag and by digest, once each"
    opa.says = lambda told: {"allow": False, "reasons": ["the new bundle"]}
    served(pg, image)
    opa.revision = "r2"
    denied(pg, other, "the new bundle")     # by which a new revision is known
    denied(pg, image, "the new bundle")
    pg.stop()
    opa.stop()


def test_it_is_told_who_signed():
    up = Upstream()
    image = Layout("v3-bundle-key").put(up)
    signed = lambda told: {"allow": any(s["by"] == "key" and s["kind"] == "signature" for s in told["signed"])}
    opa = Opa(signed)
    rule = ("authorities: {builder: {key: k1.pub}}\nrules:\n- name: signed\n  match: {repositories: ['origin.test/**']}\n"
            "  require: {signature: {any_of: [builder]}}\n")
    pg = start(up, policy(opa, rules=rule))
    for path in doors(image):
        got = pg.get(path)
        assert got.status == 200, (path, got)
    assert opa.asked[0]["evidence"]["signed"] >= 1, opa.asked[0]
    pg.stop()
    opa.stop()


def test_N16_undefined_empty_or_no_boolean_is_no():
    up = Upstream()
    image = Made(up, "v1")
    opa = Opa(lambda told: None)
    pg = start(up, policy(opa, ", cache: 0s"))
    for answer, text in ((None, "undefined"), ({}, "has no allow"), (True, "no object"), ([], "no object"),
                         ({"allow": "true"}, "no boolean"), ({"allow": 1}, "no boolean"),
                         ({"allow": None}, "no boolean"), ("yes", "no object")):
        opa.says = lambda told: answer
        denied(pg, image, text)
    opa.says = lambda told: {"allow": True}
    served(pg, image)
    pg.stop()
    opa.stop()


def test_N16_slow_dead_or_not_itself_is_what_on_error_says():
    up = Upstream()
    image = Made(up, "v1")
    opa = Opa(lambda told: {"allow": True})
    for on_error, status in (("wait", 503), ("deny", 403)):
        text = policy(opa, f", cache: 0s, on_error: {on_error}")
        pg = start(up, text)
        for raw, code, said in ((b"no JSON", 200, "no JSON"), (b'{"result":', 200, "no JSON"), (b"[]", 200, "no JSON object"),
                                (b"{}", 500, "status 500"), (b'"' + b"x" * (2 << 20) + b'"', 200, "longer than")):
            opa.raw, opa.status = raw, code
            got = pg.get(image.doors[0])
            assert got.status == status and said in got.message(), (raw[:20], got, got.message())
        opa.raw, opa.status = None, 200
        served(pg, image)                   # a failure is not remembered
        pg.wait_log("OPA answers again")
        pg.stop()
        pg, gate = start(up, text.replace("5s", "200ms")), Gate()
        opa.says = lambda told: gate.pass_through()
        got = pg.get(image.doors[0])
        assert got.status == status and "within 200 ms" in got.message(), (got, got.message())
        gate.open()
        opa.says = lambda told: {"allow": True}
        pg.wait_true(lambda: pg.get(image.doors[0]).status == 200, "a failure is remembered")
        pg.stop()
    opa.stop()
    pg = start(up, policy(opa))
    got = pg.get(image.doors[0])
    assert got.status == 503 and "OPA was asked in vain" in got.message(), got
    pg.stop()


def test_over_a_unix_socket_and_explained():
    up = Upstream()
    image = Made(up, "v1")
    folder = tempfile.mkdtemp(prefix="pg-opa-")
    atexit.register(shutil.rmtree, folder)
    opa = Opa(by_label, unix=folder + "/opa.sock")
    pg = start(up, policy(opa))
    denied(pg, image, "not reviewed")
    _, said, _ = pg.command("explain", "library/app:v1")
    assert "opa pullgate/decision" in said and "bundles: b=r1" in said, said
    pg.stop()
    opa.stop()


def test_a_crowd_asks_once_or_fails_at_once():
    up = Upstream()
    image = Made(up, "v1", labels={"reviewed": "yes"})
    opa = Opa(by_label)
    pg = start(up, policy(opa))
    got = []
    pull = lambda: got.append(pg.get(image.doors[0]).status)
    crowd = [threading.Thread(target=pull) for _ in range(20)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert got == [200] * 20, got
    assert len(opa.asked) <= 4, f"{len(opa.asked)} questions of a crowd: as many as there are threads"
    pg.stop()
    opa.stop()


if __name__ == "__main__":
    stage.main(globals())
