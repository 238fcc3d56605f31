# SPDX-License-Identifier: Apache-2.0
"""The server carries rules of retention out by itself: by schedule, by a signal, by command."""
import csv, io, json, os, signal, threading, time

import pg as stage
from pg import Pullgate, Shift, Upstream
from upstream import status

PULLS = int(os.environ.get("PG_RACES", "240"))
KILLS = int(os.environ.get("PG_KILLS", "3"))
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
    def __init__(self, upstream, rules, more="", **kw):
        self.rules_text = rules
        super().__init__(upstream, more="retention: {rules: {dir}/rules.yaml}\n" + more, **kw)

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
    told = pg.command("audit query", "--act", "retention")[1]
    assert "act retention origin.test/library/app:ci-1 sha256:" in told, told
    pg.fsck()


def audit(pg, act):
    code, out, err = pg.command("audit query", "--json", "--act", act)
    assert code == 0, (out, err)
    return [json.loads(line) for line in out.splitlines()]


def test_a_signal_and_the_schedule_begin_a_run():
    shift = Shift()
    shift.by(wall=int(600 - time.time()) % HOUR)          # ten past: nothing is due but what the test makes due
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
    pg.wait_true(lambda: pg.state()["run"]["removed"] == 2, "what is old stays")    # of 8 days
    run = pg.state()["run"]
    assert run["why"] == "schedule" and run["going"] == 2, run   # prod-1 was pulled 4 days ago
    assert pg.tags() == {"prod-1"}
    pg.stop()


def test_the_schedule_keeps_to_its_windows():
    shift, ahead = Shift(), int(600 - time.time()) % HOUR   # ten past: one run is due, not two
    hour = (time.gmtime(time.time() + ahead).tm_hour + 2) % 24
    shift.by(wall=ahead)
    up, pg = stocked(ALL_CI.replace("schedule: never", 'schedule: "@hourly"\n  windows: [{from: "0 %d * * *", for: 2h}]'
                                    % hour), env=shift.env)
    shift.by(HOUR)
    assert pg.control("POST", "/api/v1/reload").status == 200      # which makes it look
    assert pg.state()["run"] is None, pg.state()
    shift.by(2 * HOUR)
    pg.reload()
    run = pg.wait_run(1)
    assert run["why"] == "schedule" and run["removed"] == 2, run
    pg.stop()


def test_a_quota_is_kept():
    rules = """retention:
  schedule: never
  quotas: [{repositories: ["origin.test/**"], high: 200KiB, low: 100KiB}]
  rules:
    - {name: prod, match: {repositories: ["**"], tags: ["prod-*"]}, keep: forever}
"""
    shift = Shift()
    up, pg = stocked(rules, ["ci-1", "prod-1"], env=shift.env)
    assert pg.now()["going"] == 0                           # 201 KB are less
    shift.by(HOUR)
    up.image("library/app", "ci-2", [b"ci-2" * 20_000])
    pg.pull("library/app", "ci-2")
    pg.wait_true(lambda: "ci-2" in pg.tags(), "the tag never landed")
    pg.landed(9)
    run = pg.now()
    assert run["removed"] == run["going"] == 2, run         # of what no rule keeps, until it is below low
    assert pg.tags() == {"prod-1"}
    pg.end()
    assert all("more than their quota of 200KiB" in e["reason"] for e in audit(pg, "retention"))
    pg.fsck()


def test_G16_a_clock_that_is_wrong_makes_nothing_old():
    shift = Shift()
    up, pg = stocked(WEEK, env=shift.env)
    shift.by(wall=-2 * HOUR)                                # back
    assert pg.now()["going"] == 0
    shift.by(wall=2 * HOUR)
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


def test_G16_what_comes_after_a_jump_of_the_clock_is_as_young_as_it_is():
    shift = Shift()
    up, pg = stocked(WEEK.replace("not_pulled_for", "seen_over"), ["ci-1"], env=shift.env)
    up.image("library/app", "ci-2", [b"ci-2" * 20_000])
    shift.by(wall=30 * DAY)
    assert pg.now()["going"] == 0
    shift.by(31 * DAY)
    pg.pull("library/app", "ci-2")
    pg.landed(6)
    pg.wait_true(lambda: "ci-2" in pg.tags(), "the tag never landed")
    run = pg.now()
    assert run["removed"] == run["going"] == 1, run
    assert pg.tags() == {"ci-2"}
    pg.restart()                                            # it goes on from there, and that is told at once
    pg.wait_true(lambda: abs(pg.metric("pullgate_clock_apart_seconds") - 30 * DAY) < 60, "nobody looks at the clocks")
    pg.wait_log("the wall clock jumped")
    pg.stop()


def test_G10_pulls_race_the_removal_of_what_they_pull():
    tags = [f"ci-{i}" for i in range(8)]
    up, pg = stocked(ALL_CI, tags)
    enough, wrong = threading.Event(), []

    def clients(n):
        i = 0
        while i < PULLS // 4 or not enough.is_set():
            try:
                pg.pull("library/app", tags[(n + i) % len(tags)])
            except Exception as e:                          # told by the test, not by a thread
                wrong.append(e)
                return
            i += 1

    threads = [threading.Thread(target=clients, args=(n,), daemon=True) for n in range(4)]
    for t in threads:
        t.start()
    removed = lambda: pg.metric('pullgate_retention_images_total{result="removed"}')
    while any(t.is_alive() for t in threads):
        assert pg.control("POST", "/api/v1/gc").status == 200
        if removed() > len(tags):                           # there was something to race with
            enough.set()
    assert not wrong, wrong[:3]
    assert removed() > len(tags) and pg.now()["failed"] == 0
    pg.stop()


def test_G02_G03_killed_while_it_removes():
    tags = [f"ci-{i}" for i in range(12)]
    up, pg = stocked(ALL_CI, [*tags, "prod-1"])
    for _ in range(KILLS):
        for tag in tags:
            pg.pull("library/app", tag)
        pg.landed(3 * len(tags) + 3)
        pg.proc.send_signal(signal.SIGUSR1)
        pg.wait_metric('pullgate_retention_images_total{result="removed"}', 1)
        pg.kill()
        pg.start()
        pg.recovered()
    asked = len(up.asked)
    pg.pull("library/app", "prod-1")
    assert not [a for a in up.asked[asked:] if a[0] == "GET" and "/blobs/" in a[1]], up.asked[asked:]
    assert pg.now()["failed"] == 0                          # the next run does the rest
    assert pg.tags() == {"prod-1"}
    pg.stop()


def test_under_pressure_what_rules_delete_goes_first():
    up = Upstream()
    for tag in ("prod-1", "ci-1", "ci-2"):                  # prod was used longest ago
        up.image("library/app", tag, [os.urandom(8 << 20)])
    pg = Keeper(up, ALL_CI)
    for tag in ("prod-1", "ci-1", "ci-2"):
        pg.pull("library/app", tag)
    pg.landed(9)
    pg.wait_true(lambda: len(pg.tags()) == 3, "the tags never landed")
    with open(pg.conf) as f:
        text = f.read()
    with open(pg.conf, "w") as f:
        f.write(text.replace("reserve: 0", "reserve: 0, max_size: 20MiB"))
    answer = pg.control("POST", "/api/v1/reload")
    assert answer.status == 200, answer
    run = pg.wait_run(1)
    assert run["why"] == "room" and run["removed"] == 2, run
    assert pg.tags() == {"prod-1"}
    asked = len(up.asked)
    pg.pull("library/app", "prod-1")
    assert not [a for a in up.asked[asked:] if a[0] == "GET"], up.asked[asked:]
    pg.stop()


def test_G12_removed_from_one_repository_read_through_another():
    rules = ALL_CI.replace('["**"]', '["*/library/a"]')
    up = Upstream()
    for repo in ("library/a", "library/b"):
        up.image(repo, "ci-1", [b"both have it" * 20_000])
    pg = Keeper(up, rules)
    m = pg.pull("library/a", "ci-1").json()
    pg.pull("library/b", "ci-1")
    pg.wait_true(lambda: len(json.loads(pg.command("ls", "--json")[1])["tags"]) == 2, "the tags never landed")
    pg.landed(3)
    run = pg.now()
    assert run["removed"] == run["going"] == 1 and run["bytes"] == 0, run
    asked = len(up.asked)
    pg.pull("library/b", "ci-1")                            # it is here still, for whom it is for
    assert not [a for a in up.asked[asked:] if a[0] == "GET"], up.asked[asked:]
    up.on("/v2/library/a/", status(404), methods=("GET", "HEAD"))
    layer = f"/v2/library/a/blobs/{m['layers'][0]['digest']}"
    assert pg.get("/v2/library/a/manifests/ci-1").status == 404
    assert pg.get(layer).status == 404                      # that b has it gives a no right
    assert pg.get(layer.replace("/a/", "/b/")).status == 200
    pg.stop()


def test_the_last_copy_stays_unless_the_rule_says_delete():
    up, pg = stocked(ALL_CI, ["ci-1", "ci-2"], more="tags: {ttl: 0s}", origin=", when_deleted: keep")
    digest = pg.get("/v2/library/app/manifests/ci-1").headers["Docker-Content-Digest"]
    lost = {k: v for k, v in up.manifests.items() if k[1] in ("ci-1", digest)}
    for key in lost:
        del up.manifests[key]
    assert pg.get("/v2/library/app/manifests/ci-1").status == 200    # served all the same
    run, tags = pg.now(), pg.tags()
    assert run["removed"] == 1 and tags == {"ci-1"}, (run, tags)
    code, out, err = pg.command("retention plan", "--rules", os.path.join(pg.dir, "rules.yaml"), "--json")
    (image,) = json.loads(out)["images"]
    assert image["action"] == "keep" and image["why"] == "last-copy", image
    pg.rules(ALL_CI.replace("beyond_newest: 0}", "beyond_newest: 0}, last_copy: delete"))
    assert pg.control("POST", "/api/v1/reload").status == 200
    assert pg.now()["removed"] == 1 and pg.tags() == set()
    pg.stop()


def test_what_upstream_has_again_is_no_last_copy():
    up, pg = stocked(ALL_CI, ["ci-1"], more="tags: {ttl: 0s}", origin=", when_deleted: keep")
    lost = dict(up.manifests)
    up.manifests.clear()
    assert pg.get("/v2/library/app/manifests/ci-1").status == 200
    assert pg.now()["removed"] == 0
    up.manifests.update(lost)
    code, out, err = pg.command("refresh", "origin.test/library/app:ci-1")
    assert code == 0, (out, err)
    assert pg.now()["removed"] == 1
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


def test_the_plan_of_now_over_the_control_socket():
    up, pg = stocked(ALL_CI)
    plan = pg.control("GET", "/api/v1/retention/plan").json()
    assert {i["tags"][0]: i["action"] for i in plan["images"]} == {"ci-1": "delete", "ci-2": "delete", "prod-1": "keep"}
    answer = pg.control("GET", "/api/v1/retention/plan.csv")
    assert answer.headers["Content-Type"].startswith("text/csv"), answer.headers
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert sorted(r["tags"] for r in rows if r["action"] == "delete") == ["ci-1", "ci-2"], rows
    answer = pg.control("GET", "/api/v1/retention/plan.txt")
    assert "2 of 3 manifests go" in answer.body.decode(), answer
    assert pg.admin("/api/v1/retention/plan").status == 404  # there alone
    run = pg.now()
    assert run["bytes"] == plan["freed"] and run["removed"] == plan["deleted"], (run, plan)
    pg.stop()


def test_without_rules_there_is_nothing_to_do():
    pg = Pullgate(Upstream())
    code, out, err = pg.command("gc", "--now")
    assert code == 1 and "names no rules" in err, (code, out, err)
    code, out, err = pg.command("gc")
    assert code == 0 and "no rules are configured" in out, (code, out, err)
    assert pg.control("GET", "/api/v1/retention/plan").status != 200
    pg.proc.send_signal(signal.SIGUSR1)
    pg.wait_log("SIGUSR1: the configuration names no rules")
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
