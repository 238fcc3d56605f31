# SPDX-License-Identifier: Apache-2.0
"""The audit log: what is decided and done is in it, it cannot be changed unseen, and nothing that has
to be recorded happens without."""
import csv, glob, io, json, os, subprocess

import pg as stage
import test_admit as admit
from pg import Pullgate
from upstream import Upstream


def run(pg, what, *args):
    p = subprocess.run([os.environ["PULLGATE"], "audit", what, "-c", pg.conf, *args], capture_output=True,
                       text=True)
    return p.returncode, p.stdout, p.stderr


def entries(pg, *args):
    code, out, err = run(pg, "query", "--json", *args)
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def decisions(pg, *args):
    return [e for e in entries(pg, *args) if e["kind"] == "decision"]


def verified(pg, *args):
    code, out, err = run(pg, "verify", *args)
    assert code == 0 and "it is as it was written" in out, (out, err)


def last_segment(pg):
    return sorted(glob.glob(pg.dir + "/data/audit/*.log"))[-1]


def image(up):
    return up.manifest("library/app", "v1", b'{"schemaVersion":2,"mediaType":'
                       b'"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":'
                       b'"application/vnd.oci.image.config.v1+json","digest":"sha256:%064d","size":2},"layers":[]}'
                       % 1, "application/vnd.oci.image.manifest.v1+json")


def test_decisions_are_recorded_once_each_with_rule_reason_and_revisions():
    up = Upstream()
    good = admit.Layout("v3-bundle-key").put(up)
    bad = admit.Layout("v3-bundle-other-key_fail").put(up, repo="library/bad")
    pg = admit.start(up)
    for path in admit.doors(good) * 2:
        assert pg.get(path).status == 200
    refused = [pg.get(path) for path in admit.doors(bad, "library/bad")]
    assert {r.status for r in refused} == {403}
    pg.end()
    allowed, denied = decisions(pg, "--verdict", "allow"), decisions(pg, "--verdict", "deny")
    assert len(allowed) == 4, allowed      # two pulls by tag, two by digest; their blobs have none
    assert len(denied) == len(refused), denied
    one = allowed[0]
    assert (one["repository"], one["reference"], one["digest"], one["method"]) == \
        ("origin.test/library/app", "v1", good.digest, "GET"), one
    assert one["address"].startswith("127.0.0.1:") and one["caller"] == "anonymous" and one["request"] > 0
    assert len(one["policy"]) == len(one["trust"]) == 64
    assert all(e["rule"] == "signed-by-builder" and e["reason"] for e in denied), denied
    # Refusals are recorded behind the answer, by whichever loop gave it: in no order.
    assert sorted(e["digest"] for e in denied) == sorted(
        [bad.digest, bad.digest, bad.doc["config"]["digest"], *[l["digest"] for l in bad.doc["layers"]]]), denied
    assert decisions(pg, "--image", "origin.test/library/bad*") == denied
    assert decisions(pg, "--digest", good.digest, "--caller", "127.0.0.1") == allowed
    assert decisions(pg, "--until", "2020-01-01") == []
    code, out, _ = run(pg, "export", "--csv", "--verdict", "deny")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0 and [r["digest"] for r in rows] == [e.get("digest", "") for e in denied], out
    verified(pg)
    pg.start()
    pg.stop()


def test_without_a_policy_pulls_are_recorded_too():
    up = Upstream()
    image(up)
    pg = Pullgate(up)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.end()
    [one] = decisions(pg)
    assert (one["verdict"], one["rule"]) == ("allow", "none") and "policy" not in one, one
    verified(pg)
    pg.start()
    pg.stop()


def test_switched_off_there_is_none():
    up = Upstream()
    image(up)
    pg = Pullgate(up, more="audit: {enabled: false}")
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.end()
    assert not os.path.exists(pg.dir + "/data/audit")
    pg.start()
    pg.stop()


def test_acts_are_recorded_with_who_did_what_on_what_and_how_it_ended():
    """N10: over the control socket, whose other end is known."""
    up = Upstream()
    image(up)
    pg = Pullgate(up)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.landed(1)
    assert pg.control("POST", "/api/v1/reload").status == 200
    assert pg.control("POST", "/api/v1/purge?ref=origin.test/library/app").status == 200
    with open(pg.conf, "a") as f:
        f.write("nonsense: 1\n")
    refused = pg.control("POST", "/api/v1/reload")
    assert refused.status == 400, refused
    pg.end()
    with open(pg.conf) as f:
        text = f.read()
    pg.write(text.replace("nonsense: 1\n", ""))
    acts = [(e["act"], e.get("target"), e["result"]) for e in entries(pg)
            if e["kind"] == "act" and e["caller"] == "operator"]
    assert acts[:2] == [("reload", None, "ok"), ("purge", "ref=origin.test/library/app", "ok")], acts
    assert acts[2][0] == "reload" and "nonsense" in acts[2][2], acts
    all_acts = [e for e in entries(pg) if e["kind"] == "act"]
    assert [e["act"] for e in all_acts if e["caller"] == "pullgate"] == \
        ["start", "configuration", "configuration", "configuration", "stop"], all_acts
    assert all(e["address"].startswith("unix:uid=") for e in all_acts if e["caller"] == "operator")
    pg.start()
    pg.stop()


def test_policies_that_were_in_force_are_recorded():
    up = Upstream()
    pg = admit.start(up)
    admit.set_policy(pg, "default: allow\nrules: []\n")
    pg.end()
    forces = [e for e in entries(pg, "--act", "configuration")]
    assert len(forces) == 2 and forces[0]["policy"] != forces[1]["policy"], forces
    assert forces[0]["target"].endswith("/policy.yaml")
    pg.start()
    pg.stop()


def test_a_report_is_one_file_and_what_clients_said_is_no_markup_in_it():
    up = Upstream()
    good = admit.Layout("v3-bundle-key").put(up)
    bad = admit.Layout("v3-bundle-other-key_fail").put(up, repo="library/bad")
    pg = admit.start(up)
    assert pg.get(admit.doors(good)[0]).status == 200 and pg.get(admit.doors(good)[0]).status == 200
    assert pg.get(admit.doors(bad, "library/bad")[0]).status == 403
    assert pg.control("POST", "/api/v1/purge?ref=origin.test/library/app&x=<script>").status >= 400
    pg.end()
    code, out, err = run(pg, "report", "--json", "--since", "1h")
    assert code == 0, err
    report = json.loads(out)
    [served], [refused] = report["served"]["rows"], report["refused"]["rows"]
    assert (served["digest"], served["times"]) == (good.digest, 2) and len(served["policy"]) == 64, served
    assert (refused["repository"], refused["verdict"], refused["rule"]) == \
        ("origin.test/library/bad", "deny", "signed-by-builder"), refused
    assert report["policies"]["rows"][0]["policy"] == served["policy"] and report["findings"] == 0
    page = pg.dir + "/report.html"
    assert run(pg, "report", "--html", page)[0] == 0
    with open(page) as f:
        html = f.read()
    assert good.digest in html and "<script" not in html and "http://" not in html, html
    assert run(pg, "report", "--html", page)[0] == 2, "nothing is overwritten"
    pg.start()
    pg.stop()


def test_J06_an_edit_is_found_by_verify_and_at_the_next_start():
    up = Upstream()
    image(up)
    pg = Pullgate(up)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.end()
    path = last_segment(pg)
    text = open(path).read()
    assert '"verdict":"allow"' in text
    open(path, "w").write(text.replace('"verdict":"allow"', '"verdict":"denys"'))
    code, out, err = run(pg, "verify")
    assert code == 1 and "line 4: it was changed" in out and "1 finding" in out, (out, err)
    pg.start()
    pg.wait_log("the audit log .* is not as it was written")
    assert pg.metric("pullgate_audit_damaged") == 1
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.end()
    code, out, err = run(pg, "verify")
    assert code == 1 and "the server found damage" in out, out
    assert len(decisions(pg)) == 2, "the log goes on behind it"
    pg.start()
    pg.stop()


def test_N23_a_cut_tail_is_found_by_the_head_that_was_kept():
    up = Upstream()
    image(up)
    pg = Pullgate(up)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    beside = pg.dir + "/data/audit/head"
    old = open(beside).read()
    pg.end()
    code, head, err = run(pg, "head")
    assert code == 0 and json.loads(head)["kind"] == "head", err
    kept = pg.dir + "/kept.json"
    open(kept, "w").write(head)
    verified(pg, "--head", kept)
    path = last_segment(pg)
    lines = open(path).readlines()
    open(path, "w").writelines(lines[:-2])
    open(beside, "w").write(old)
    verified(pg)                                   # nobody could tell
    code, out, err = run(pg, "verify", "--json", "--head", kept)
    assert code == 1 and json.loads(out)["found"] == 1 and "it ends with entry" in out, (out, err)
    pg.start()
    pg.stop()


def test_N23_a_log_without_its_head_is_not_whole():
    up = Upstream()
    image(up)
    pg = Pullgate(up)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.end()
    os.unlink(pg.dir + "/data/audit/head")
    code, out, err = run(pg, "verify", "--json")
    assert code == 1 and json.loads(out)["found"] == 1 and "the head" in out, (out, err)
    pg.start()
    assert pg.metric("pullgate_audit_damaged") == 1    # and the server finds it, too
    pg.stop()


def test_it_is_whole_after_kills():
    up = Upstream()
    image(up)
    pg = Pullgate(up)
    for turn in range(3):
        for _ in range(20):
            assert pg.get("/v2/library/app/manifests/v1").status == 200
        if turn == 0:
            with open(last_segment(pg)) as f:
                before = f.read()
        pg.kill()
        if turn == 1:
            with open(last_segment(pg), "a") as f:  # what a kill in the middle of a write leaves
                f.write(before.splitlines()[-1][:100])
        pg.start()
    pg.end()
    verified(pg)
    assert len([e for e in entries(pg) if e["kind"] == "recovered"]) == 1
    pg.start()
    pg.stop()


def faulty(up, more="", policy=True, **args):
    env = {"PG_FAULTS": "audit.write:ENOSPC@2+"}   # the first is the start's own
    pg = admit.start(up, env=env, **args) if policy else Pullgate(up, more=more, env=env)
    pg.wait_metric("pullgate_audit_failing", 1)
    return pg


def test_J11_with_a_policy_what_cannot_be_recorded_is_not_served():
    up = Upstream()
    good = admit.Layout("v3-bundle-key").put(up)
    pg = faulty(up)
    got = pg.get(admit.doors(good)[0])
    assert got.status == 503 and "audit log" in got.message(), got
    assert got.headers["Retry-After"], got.headers
    pg.stop()


def test_J11_without_a_policy_it_is_served_and_alarmed():
    up = Upstream()
    image(up)
    pg = faulty(up, policy=False)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.wait_log("the disk of the audit log .* is full")
    pg.stop()


def test_J11_required_switched_off_it_is_served():
    up = Upstream()
    good = admit.Layout("v3-bundle-key").put(up)
    pg = faulty(up, audit="required: false")
    assert pg.get(admit.doors(good)[0]).status == 200
    pg.stop()


def test_J07_no_secret_of_a_client_or_of_ours_is_in_it():
    up = Upstream()
    image(up)
    pg = Pullgate(up)
    headers = {"Authorization": "Basic Y2FuYXJ5OmNhbmFyeS1zZWNyZXQ=", "Cookie": "canary-cookie"}
    for path in ("/v2/library/app/manifests/v1?token=canary-token", "/v2/library/app/manifests/canary"):
        pg.get(path, headers=headers)
    pg.end()
    for path in glob.glob(pg.dir + "/data/audit/*.log"):
        text = open(path).read()
        assert "canary-" not in text and "Y2FuYXJ5" not in text, text
    pg.start()
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
