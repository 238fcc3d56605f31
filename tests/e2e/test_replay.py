# SPDX-License-Identifier: Apache-2.0
"""`policy replay`: what a policy would have decided otherwise about the requests that were."""
import json, os, sys

import pg as stage
from test_admit import Layout, doors, start
from test_admit import POLICY as SIGNED
from test_facts import Made
from test_opa import Opa
from upstream import Upstream

ROOT = os.path.join(os.path.dirname(__file__), "../..")
sys.path.insert(0, os.path.join(ROOT, "tests/check"))
from generated import misfits

OPEN = "default: allow\n"
AMD64 = "default: allow\nrules:\n- name: amd64\n  match: {repositories: ['origin.test/**']}\n  require: {platforms: [linux/amd64]}\n"


def replay(pg, policy, *args):
    """(exit status, text, document) of both forms."""
    with open(pg.policy + "/new.yaml", "w") as f:
        f.write(policy)
    run = lambda *more: pg.command("policy replay", "--policy", pg.policy + "/new.yaml", *args, *more)
    (code, text, err), (same, doc, _) = run(), run("--json")
    assert code == same < 2, (code, text, err, same, doc)
    with open(os.path.join(ROOT, "docs/api/policy-replay.schema.json")) as f:
        wrong = list(misfits(json.loads(doc), json.load(f)))
    assert not wrong, wrong
    return code, text, json.loads(doc)


def recorded(pg, n):
    """What is decided is written a moment later, and what was fetched lands: by its end all is."""
    pg.restart()
    assert len(pg_log(pg)) == n, pg_log(pg)


def pg_log(pg):
    return [l for l in pg.command("audit query", "--json")[1].splitlines() if '"kind":"decision"' in l]


def test_what_would_change_and_what_not():
    up = Upstream()
    good, arm = Made(up, "good"), Made(up, "arm", arch="arm64")
    pg = start(up, policy=OPEN)
    for path in good.doors + arm.doors + arm.doors[:1]:
        assert pg.get(path).status == 200
    recorded(pg, 5)
    status, text, doc = replay(pg, AMD64)
    assert status == 1 and doc["requests"] == 5 and doc["images"] == 2, doc
    assert doc["changed"] == {"requests": 3, "images": 1, "callers": 1}, doc
    by_tag = next(c for c in doc["changes"] if c["tag"] == "arm")
    assert (by_tag["recorded"], by_tag["verdict"], by_tag["rule"]) == ("allow", "deny", "amd64"), by_tag
    assert by_tag["requests"] == 2 and by_tag["some_callers"] == ["127.0.0.1"] and not by_tag["unsure"], by_tag
    assert "would be refused, and were served" in text and "origin.test/library/app:arm@sha256:" in text, text
    assert "3 of 5 requests would be decided otherwise: 1 of 2 images, 1 caller\n" in text, text
    assert replay(pg, OPEN)[0] == 0
    assert replay(pg, AMD64, "--image", "*:good")[2]["changes"] == []
    assert replay(pg, AMD64, "--until", "2020-01-01")[2]["requests"] == 0
    pg.stop()


def test_what_was_refused_would_be_served():
    up = Upstream()
    arm = Made(up, "arm", arch="arm64")
    pg = start(up, policy=AMD64)
    assert pg.get(arm.doors[0]).status == 403
    recorded(pg, 1)
    _, _, doc = replay(pg, OPEN)
    assert [(c["recorded"], c["verdict"]) for c in doc["changes"]] == [("deny", "allow")], doc
    pg.stop()


def test_signatures_count_as_the_store_has_them():
    up = Upstream()
    image = Layout("v3-bundle-key").put(up)
    pg = start(up)
    for path in doors(image)[:2]:
        assert pg.get(path).status == 200
    recorded(pg, 2)
    same = SIGNED.format(default="allow", tags="", more="")
    assert replay(pg, same)[2]["changes"] == []
    _, _, doc = replay(pg, same.replace("k1.pub", "p384.pub"))
    assert len(doc["changes"]) == 2 and not any(c["unsure"] for c in doc["changes"]), doc
    pg.stop()


def test_what_nobody_has_fetched_is_told():
    up = Upstream()
    image = Layout("v3-bundle-key").put(up)
    pg = start(up, policy=OPEN)
    assert pg.get(doors(image)[0]).status == 200
    recorded(pg, 1)
    _, text, doc = replay(pg, SIGNED.format(default="allow", tags="", more=""))
    assert [c["unsure"] for c in doc["changes"]] == [True] and "not sure" in text, doc
    pg.stop()


def test_what_changed_since_is_not_laid_to_the_policy():
    up = Upstream()
    image = Layout("v3-bundle-key").put(up, evidence=False)
    pg = start(up)
    assert pg.get(doors(image)[0]).status == 403
    image.put(up)
    pg.restart()                            # what was looked for is looked for again
    assert pg.get(doors(image)[0]).status == 200
    recorded(pg, 2)
    _, text, doc = replay(pg, SIGNED.format(default="deny", tags="", more=""))
    assert doc["changes"] == [] and doc["otherwise"] >= 1, doc
    assert "the policy in force says the same now" in text, text
    pg.stop()


def test_N08_age_is_that_of_then():
    up = Upstream()
    image = Made(up, "v1")
    pg = start(up, policy=OPEN)
    assert pg.get(image.doors[0]).status == 200
    recorded(pg, 1)
    _, _, doc = replay(pg, AMD64.replace("platforms: [linux/amd64]", "min_age: 1h"))
    assert [(c["verdict"], "known" in c["reason"] or "old" in c["reason"]) for c in doc["changes"]] == [("deny", True)], doc
    pg.stop()


def test_an_opa_is_asked_and_what_is_wrong_is_told():
    up = Upstream()
    image = Made(up, "v1")
    opa = Opa(lambda told: {"allow": False, "reasons": ["nobody reviewed it"]})
    pg = start(up, policy=OPEN)
    assert pg.get(image.doors[0]).status == 200
    recorded(pg, 1)
    _, _, doc = replay(pg, OPEN + f"opa: {{url: '{opa.url}', path: pullgate/decision, timeout: 5s}}\n")
    assert [c["reason"] for c in doc["changes"]] == ["OPA denies it: nobody reviewed it"], doc
    code, out, err = pg.command("policy replay")
    assert code == 2 and "--policy" in err, err
    with open(pg.policy + "/bad.yaml", "w") as f:
        f.write("default: allow\nrules: 1\n")
    code, out, err = pg.command("policy replay", "--policy", pg.policy + "/bad.yaml")
    assert code == 1 and "bad.yaml:2:8" in out + err, (out, err)
    code, out, err = pg.command("policy replay", "--policy", pg.policy + "/policy.yaml", "--since", "soon")
    assert code == 2 and "--since soon" in err, err
    pg.stop()
    opa.stop()


if __name__ == "__main__":
    stage.main(globals())
