# SPDX-License-Identifier: Apache-2.0
"""The real Open Policy Agent: the bundle of conf/policies/rego, asked by pullgate, says the same as
the same rules in our own language."""
import atexit, calendar, hashlib, http.client, json, os, select, shutil, socket, subprocess
import tempfile, time

import pg as stage
from pg import need
from test_admit import FIXTURES, Layout, start, write_policy
from test_facts import Made
from test_policies import Folder, f_root
from upstream import DEADLINE, Upstream

BUNDLE = os.path.join(os.path.dirname(__file__), "../../conf/policies/rego")
SOURCE = "org.opencontainers.image.source"

OURS = """\
default: allow
authorities: {release: {key: k1.pub}, security: {key: p384.pub}}
rules:
- name: runs-here
  match: {repositories: ["origin.test/a/**", "origin.test/young/**", "origin.test/ours/**", "origin.test/both/**"]}
  require: {platforms: [linux/amd64, linux/arm]}
- name: no-secrets
  match: {repositories: ["origin.test/**"]}
  require: {secrets: deny}
- name: settled
  match: {repositories: ["origin.test/young/**"]}
  require: {min_age: 72h}
- name: versioned
  match: {repositories: ["origin.test/ours/**"]}
  require: {tags: {deny: [latest]}, labels: {require: {%s: "https://github.com/acme/**"}}}
- name: signed
  match: {repositories: ["origin.test/signed/**"]}
  require: {signature: {any_of: [release, security]}}
- name: both
  match: {repositories: ["origin.test/both/**"], tags: ["v*"]}
  require: {signature: {all_of: [release, security]}}
""" % SOURCE

THEIRS = """\
default: allow
authorities: {release: {key: k1.pub}, security: {key: p384.pub}}
opa: {url: "unix:%s", path: pullgate/decision, timeout: 10s}
"""


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("opa")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(DEADLINE)
        self.sock.connect(self.path)


class Opa:
    """`opa run --server` with the bundle and these data, on a unix socket."""
    def __init__(self, settings):
        need("opa")
        self.dir = tempfile.mkdtemp(prefix="pg-rego-")
        atexit.register(shutil.rmtree, self.dir)
        shutil.copytree(BUNDLE, self.dir + "/bundle")
        os.remove(self.dir + "/bundle/pullgate_test.rego")
        with open(self.dir + "/bundle/data.json", "w") as f:
            json.dump({"settings": settings}, f)
        self.socket = self.dir + "/opa.sock"
        self.proc = subprocess.Popen(["opa", "run", "--server", "--addr", "unix://" + self.socket, "--log-format", "json",
                                      "--bundle", self.dir + "/bundle"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        end = time.monotonic() + DEADLINE
        while not self.is_well():
            assert time.monotonic() < end and self.proc.poll() is None, "opa did not start"

    def is_well(self):
        """It says nothing when it begins to serve."""
        try:
            c = Connection(self.socket)
            c.request("GET", "/health")
            return c.getresponse().status == 200
        except OSError:
            select.select([], [], [], 0.05)
            return False

    def ask(self, document):
        c = Connection(self.socket)
        c.request("POST", "/v1/data/pullgate/decision", json.dumps({"input": document}))
        return json.loads(c.getresponse().read())

    def stop(self):
        self.proc.terminate()
        self.proc.wait(DEADLINE)


def key_of(name):
    der = subprocess.run(["openssl", "pkey", "-pubin", "-in", os.path.join(FIXTURES, "keys", name), "-outform", "DER"],
                         capture_output=True, check=True).stdout
    return hashlib.sha256(der).hexdigest()


def settings():
    return {"repositories": ["origin.test/**"], 
            "runs_here": {"repositories": ["origin.test/%s/**" % r for r in ("a", "young", "ours", "both")],
                          "platforms": ["linux/amd64", "linux/arm"]},
            "settled": {"repositories": ["origin.test/young/**"], "hours": 72},
            "versioned": {"repositories": ["origin.test/ours/**"], "tags": ["latest"], "source": "https://github.com/acme/**"},
            "signers": {"release": {"key": key_of("k1.pub")}, "security": {"key": key_of("p384.pub")}},
            "signed": [{"name": "signed", "repositories": ["origin.test/signed/**"], "any_of": ["release", "security"]},
                       {"name": "both", "repositories": ["origin.test/both/**"], "tags": ["v*"],
                        "all_of": ["release", "security"]}],
            "attested": []}


def images(up):
    """{name: (paths, whether it may leave)}"""
    acme = {SOURCE: "https://github.com/acme/app"}
    made = {
        "plain": (Made(up, "v1", repo="a/plain"), True),
        "arm": (Made(up, "v1", repo="a/arm", arch="arm"), True),
        "s390x": (Made(up, "v1", repo="a/s390x", arch="s390x"), False),
        "secret": (Made(up, "v1", repo="a/secret", env=["DB_PASSWORD=hunter22"]), False),
        "no secret": (Made(up, "v1", repo="a/none", env=["PATH=/bin"]), True),
        "young": (Made(up, "v1", repo="young/app"), False),
        "ours": (Made(up, "v1", repo="ours/app", labels=acme), True),
        "other source": (Made(up, "v1", repo="ours/fork", labels={SOURCE: "https://github.com/other/app"}), False),
        "no source": (Made(up, "v1", repo="ours/bare"), False),
        "unsigned": (Made(up, "v1", repo="signed/bare"), False),
        "unbound tag": (Made(up, "edge", repo="both/edge"), True),
        "half signed": (Made(up, "v1", repo="both/bare"), False),
    }
    result = {name: (image.doors, may) for name, (image, may) in made.items()}
    for case, may in (("v3-bundle-key", True), ("v2-sig-key", True), ("v3-bundle-other-key_fail", False)):
        image = Layout(case).put(up, repo=f"signed/{case.replace('_', '-')}")
        base = f"/v2/signed/{case.replace('_', '-')}"
        result[case] = ([f"{base}/manifests/v1", f"{base}/manifests/{image.digest}"], may)
    return result


def test_the_bundle_is_in_order():
    need("opa")
    for args in (["check", "--strict"], ["fmt", "--fail", "--list"], ["test"]):
        p = subprocess.run(["opa", *args, BUNDLE], capture_output=True, text=True, timeout=120)
        assert p.returncode == 0, (args, p.stdout, p.stderr)


def test_both_languages_say_the_same():
    opa = Opa(settings())
    up = Upstream()
    corpus = images(up)
    ours, theirs = start(up, policy=OURS), start(up, policy=THEIRS % opa.socket)
    for name, (paths, may) in corpus.items():
        for path in paths:
            a, b = ours.get(path), theirs.get(path)
            assert a.status == b.status == (200 if may else 403), (name, path, a, b)
            if not may:
                assert 'policy rule "opa": OPA denies it: ' in b.message() or "/blobs/" in path, b.message()
    ours.stop()
    theirs.stop()
    opa.stop()


def test_N16_undefined_and_what_is_no_document():
    opa = Opa(settings())
    for document in ({}, {"version": 2}, None, [], {"version": 1, "image": {}}):
        said = opa.ask(document)
        assert said["result"]["allow"] is False, (document, said)
    up = Upstream()
    image = Made(up, "v1", repo="a/plain")
    pg = start(up, policy=THEIRS.replace("pullgate/decision", "pullgate/nothing") % opa.socket)
    got = pg.get(image.doors[0])
    assert got.status == 403 and "undefined" in got.message(), got
    _, said, _ = pg.command("explain", "a/plain:v1")
    assert "opa pullgate/nothing" in said, said
    write_policy(pg.policy, THEIRS % opa.socket)
    pg.reload()
    pg.wait_true(lambda: pg.get(image.doors[0]).status == 200, "the new policy asks another document")
    _, said, _ = pg.command("explain", "a/plain:v1")
    assert "OPA allows it (bundles: " in said and "=seed-1" in said, said
    opa.stop()
    pg.wait_true(lambda: pg.get(f"/v2/a/plain/manifests/{image.digest}").status in (200, 503), "it has ended")
    pg.stop()


# ---- a policy that somebody has in Rego, and what it is in our language -----------------------------

EXAMPLE = os.path.join(os.path.dirname(__file__), "../fixtures/policy")
RELEASE = "https://github.com/acme/shop/.github/workflows/release.yml@refs/tags/v1.4.2"
PROD = """\
default: deny
authorities:
  release: {keyless: {issuer: "https://token.actions.githubusercontent.com", subject: "%s"}}
rules:
- name: prod
  match: {repositories: ["docker.io/library/*", "ghcr.io/acme/**"]}
  require:
    signature: {any_of: [release]}
    tags: {deny: ["*"]}
    scan: {counts: {critical: 0, high: 0}, database_max_age: 72h, grace: none, on_missing: deny}
""" % RELEASE


def variants():
    """{name: input}: as they are, and each with one thing changed."""
    result = {}
    for name in ("small", "allow", "deny"):
        with open(f"{EXAMPLE}/input-{name}.json") as f:
            result[name] = json.load(f)
    def change(name, what):
        result[name] = json.loads(json.dumps(result["small"]))
        what(result[name])
    change("nobody signed", lambda i: i.update(signatures=[]))
    change("another repository", lambda i: i["image"].update(registry="quay.io"))
    change("by tag", lambda i: i["image"].pop("digest"))
    change("never scanned", lambda i: i["scan"].update(status="none", findings=[]))
    change("an old database", lambda i: i["scan"].update(db_built="2026-11-19T06:00:00Z"))
    change("one that is critical", lambda i: i["scan"]["findings"][0].update(severity="Critical"))
    change("one that is high, and waived", lambda i: i["scan"]["findings"].append(
        {"id": "CVE-2023-0001", "severity": "High", "fixed_version": "", "package": "zlib"}))
    change("one that is high, and not", lambda i: i["scan"]["findings"].append(
        {"id": "CVE-2023-0099", "severity": "High", "fixed_version": "", "package": "zlib"}))
    change("low ones", lambda i: i["scan"].update(findings=[{"id": "CVE-2023-0098", "severity": "Low",
                                                             "fixed_version": "", "package": "zlib"}]))
    return result


def trial(name, told, waived, allow):
    """The same facts as a test of a policy."""
    image, scan = told["image"], told["scan"]
    seconds = lambda text: calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
    name_of = f"{image['registry']}/{image['repository']}" + ("" if "digest" in image else ":" + image["tag"])
    test = {"name": name, "image": name_of, "now": told["now"], "expect": "allow" if allow else "deny", "here": "1d", "platform": "linux/amd64",
            "signed": ["release"] if told["signatures"] else []}
    if scan["status"] == "complete":
        age = f"{seconds(told['now']) - seconds(scan['db_built'])}s"
        test["scan"] = [{"source": "grype", "age": "1h", "database_age": age, "findings": [
            {"id": f["id"], "severity": f["severity"].lower(), "package": f["package"], "version": "1",
             **({"fixed": f["fixed_version"]} if f["fixed_version"] else {}), "settled": f["id"] in waived} for f in scan["findings"]]}]
    return test


def test_an_example_says_the_same_in_our_language():
    need("opa")
    f = Folder(more=f"trust: {{trusted_root: {f_root()}}}\n")
    f.write("prod.yaml", PROD)
    with open(EXAMPLE + "/data.json") as data:
        waived = {w["id"] for w in json.load(data)["waivers"]}
    tests = []
    for name, told in variants().items():
        f.write("input.json", json.dumps(told))
        p = subprocess.run(["opa", "eval", "-d", EXAMPLE + "/admission.rego", "-d", EXAMPLE + "/data.json", "-i",
                            f.dir + "/input.json", "--format", "raw", "data.ociproxy.admission.decision"],
                           capture_output=True, text=True, timeout=60)
        assert p.returncode == 0, p
        tests.append(trial(name, told, waived, json.loads(p.stdout)["allow"]))
    assert {t["name"] for t in tests if t["expect"] == "allow"} == {
        "small", "allow", "one that is high, and waived", "low ones"}, tests
    f.write("prod.test.yaml", json.dumps({"policy": "prod.yaml", "tests": tests}))
    code, out, err = f.run("policy", "test", "-c", f.conf, f.dir + "/prod.test.yaml")
    assert (code, out, err) == (0, f"{len(tests)} passed, 0 failed, in 1 file\n", ""), (code, out, err)
    f.close()


if __name__ == "__main__":
    stage.main(globals())
