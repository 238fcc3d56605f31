# SPDX-License-Identifier: Apache-2.0
"""The server carries rules of retention out by itself: by schedule, by a signal, by command."""
import json, os, signal, subprocess

import pg as stage
from pg import Pullgate, Shift, Upstream

HOUR, DAY, YEAR = 3600, 86400, 365 * 86400

ALL_CI = """retention:
  schedule: never
  rules:
    - {name: ci, match: {repositories: ["**"], tags: ["ci-*"]}, delete: {beyond_newest: 0}}
"""
WEEK = """retention:
  schedule: "@hourly"
  untagged: 7d
  rules:
    - {name: ci, match: {repositories: ["**"]}, delete: {not_pulled_for: 7d}}
"""


class Keeper(Pullgate):
    """With rules, which may be changed."""
    def __init__(self, upstream, rules, **kw):
        self.rules_text = rules
        super().__init__(upstream, more="retention: {rules: {dir}/rules.yaml}", **kw)

    def write(self, text):
        self.rules(self.rules_text)
        super().write(text)

    def rules(self, text):
        with open(os.path.join(self.dir, "rules.yaml"), "w") as f:
            f.write(text)

    def pull(self, repo, ref):
        manifest = self.get(f"/v2/{repo}/manifests/{ref}")
        assert manifest.status == 200, manifest
        m = manifest.json()
        for blob in [m["config"], *m["layers"]]:
            assert self.get(f"/v2/{repo}/blobs/{blob['digest']}").status == 200
        return manifest

    def state(self):
        code, out, err = self.command("gc", "--json")
        assert code == 0, (out, err)
        return json.loads(out)

    def now(self, expect=0):
        code, out, err = self.command("gc", "--now", "--json")
        assert code == expect, (out, err)
        return json.loads(out)["run"]

    def tags(self):
        return {r["tag"] for r in json.loads(self.command("ls", "--json")[1])["tags"]}

    def wait_run(self, n):
        """That run number n has ended."""
        self.wait_metric("pullgate_retention_runs_total", n)
        return self.state()["run"]


def stocked(rules, tags=("ci-1", "ci-2", "prod-1"), **kw):
    up = Upstream()
    for tag in tags:
        up.image("library/app", tag, [tag.encode() * 20_000])
    pg = Keeper(up, rules, **kw)
    for tag in tags:
        pg.pull("library/app", tag)
    pg.landed(3 * len(tags))
    pg.wait_true(lambda: pg.tags() == set(tags), "the tags never landed")
    return up, pg


def test_gc_now_carries_out_what_the_rules_say():
    up, pg = stocked(ALL_CI)
    assert pg.state()["run"] is None and pg.state()["next"] is None, pg.state()
    run = pg.now()
    assert run["removed"] == run["going"] == 2 and run["result"] == "ok" and run["why"] == "command", run
    assert 150_000 < run["bytes"] < 170_000, run
    assert pg.tags() == {"prod-1"}
    assert pg.metric('pullgate_retention_images_total{result="removed"}') == 2
    assert pg.metric("pullgate_retention_freed_bytes_total") == run["bytes"]
    assert pg.metric("pullgate_store_blobs") == 3
    code, out, err = pg.command("gc")
    assert code == 0 and "2 of 3 manifests were to go, 2 removed" in out, (out, err)
    code, out, err = pg.command("gc", "--now")              # nothing is left to do
    assert code == 0 and "0 of 1 manifests were to go" in out, (out, err)
    pg.pull("library/app", "ci-1")                          # fetched again for who asks
    pg.end()
    entries = audit(pg, "retention")
    assert len(entries) == 2 and {e["rule"] for e in entries} == {"ci"}, entries
    assert all(e["result"] == "removed" and e["repository"] == "origin.test/library/app" and e["bytes"] > 0
               and 'rule "ci" deletes it' in e["reason"] for e in entries), entries
    pg.fsck()


def audit(pg, act):
    p = subprocess.run([os.environ["PULLGATE"], "audit", "query", "-c", pg.conf, "--json", "--act", act], text=True,
                       capture_output=True, env=pg.env, timeout=stage.DEADLINE)
    assert p.returncode == 0, p
    return [json.loads(line) for line in p.stdout.splitlines()]


def test_a_signal_and_the_schedule_begin_a_run():
    shift = Shift()
    up, pg = stocked(WEEK, env=shift.env)
    assert pg.state()["next"] is not None
    pg.proc.send_signal(signal.SIGUSR1)
    run = pg.wait_run(1)
    assert run["why"] == "signal" and run["going"] == 0, run
    shift.by(2 * HOUR)
    pg.reload()                                             # it need not wait until it looks again
    run = pg.wait_run(2)
    assert run["why"] == "schedule" and run["going"] == 0, run
    shift.by(4 * DAY)
    pg.pull("library/app", "prod-1")
    shift.by(4 * DAY)
    pg.reload()
    run = pg.wait_run(3)
    assert run["removed"] == run["going"] == 2, run         # of 8 days; prod-1 was pulled 4 days ago
    assert pg.tags() == {"prod-1"}
    pg.stop()


def test_G16_a_clock_that_is_wrong_makes_nothing_old():
    shift = Shift()
    up, pg = stocked(WEEK, env=shift.env)
    shift.by(wall=-HOUR)                                    # an hour back
    assert pg.now()["going"] == 0
    shift.by(wall=HOUR)
    shift.by(wall=10 * YEAR)                                # ten years ahead
    assert pg.now()["going"] == 0
    assert pg.metric("pullgate_retention_clock_lags") == 1
    pg.pull("library/app", "prod-1")
    pg.wait_log(r"the clock went ahead by 87[56]\d\d hours")
    assert pg.now()["going"] == 0
    pg.restart()                                            # nor after a start in that time
    assert pg.now()["going"] == 0
    assert pg.tags() == {"ci-1", "ci-2", "prod-1"}
    shift.by(wall=-10 * YEAR)                               # it is right again
    assert pg.now()["going"] == 0
    assert pg.metric("pullgate_retention_clock_lags") == 0
    pg.stop()


def test_rules_that_are_no_good_leave_those_in_force():
    up, pg = stocked(ALL_CI)
    pg.rules(ALL_CI.replace("delete:", "delet:"))
    status, body = pg.control("POST", "/api/v1/reload")
    assert status == 400 and "rules.yaml:4:" in body.decode() and "delet" in body.decode(), (status, body)
    socket = os.path.join(pg.dir, "data/control.sock")
    code, out, err = pg.command("gc", "--now", "--json", "--control", socket)
    assert json.loads(out)["run"]["removed"] == 2, (out, err)   # those that were in force still are
    pg.rules("retention: {rules: [], schedule: never}")
    status, body = pg.control("POST", "/api/v1/reload")
    assert status == 200, body
    pg.pull("library/app", "ci-1")
    pg.landed(6)
    assert pg.now()["going"] == 0
    pg.stop()


def test_without_rules_there_is_nothing_to_do():
    pg = Pullgate(Upstream())
    code, out, err = pg.command("gc", "--now")
    assert code == 1 and "names no rules" in err, (code, out, err)
    code, out, err = pg.command("gc")
    assert code == 0 and "no rules are configured" in out, (code, out, err)
    pg.proc.send_signal(signal.SIGUSR1)
    pg.wait_log("SIGUSR1: the configuration names no rules")
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
