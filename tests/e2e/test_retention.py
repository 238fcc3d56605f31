# SPDX-License-Identifier: Apache-2.0
"""Rules of retention, against the store of a server: what they would do, and why."""
import csv, glob, io, json, os, signal, subprocess, time

import pg as stage
from pg import Pullgate, Upstream

DAY = 86400

RULES = """retention:
  rules:
    - name: production
      match: {repositories: ["**"], tags: ["prod-*"]}
      keep: forever
    - name: builds
      match: {repositories: ["origin.test/**"], tags: ["ci-*"]}
      delete: {not_pulled_for: 7d}
"""


def told(pg, *words):
    """`pullgate retention plan -c ...`: the option stands behind both words of the command."""
    n = 2 if words[0] == "retention" else 1
    p = subprocess.run([os.environ["PULLGATE"], *words[:n], "-c", pg.conf, *words[n:]], text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=pg.env, timeout=stage.DEADLINE * 4)
    return p.returncode, p.stdout, p.stderr


def rules(pg, text=RULES):
    path = os.path.join(pg.dir, "rules.yaml")
    with open(path, "w") as f:
        f.write(text)
    return path


def pull(pg, repo, tag):
    manifest = pg.get(f"/v2/{repo}/manifests/{tag}")
    assert manifest.status == 200
    m = manifest.json()
    for blob in [m["config"], *m["layers"]]:
        assert pg.get(f"/v2/{repo}/blobs/{blob['digest']}").status == 200
    return manifest


def day(n):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + n * DAY))


def test_a_plan_of_a_later_day_says_what_goes_and_what_stays():
    up = Upstream()
    base = b"base" * 50_000
    for tag, layers in {"ci-1": [base], "prod-1": [base, b"app" * 1000], "ci-2": [b"other" * 10_000]}.items():
        up.image("library/app", tag, layers)
    pg = Pullgate(up)
    for tag in ("ci-1", "prod-1", "ci-2"):
        pull(pg, "library/app", tag)
    pg.wait_true(lambda: len(json.loads(told(pg, "retention", "plan", "--rules", rules(pg), "--json")[1])
                             ["images"]) == 3, "the manifests never landed")
    file = rules(pg)
    code, out, err = told(pg, "retention", "plan", "--rules", file)
    assert code == 0 and out.startswith("0 of 3 manifests go"), (out, err)
    code, out, err = told(pg, "retention", "plan", "--rules", file, "--as-of", day(8), "--json")
    plan = json.loads(out)
    by_tag = {i["tags"][0]: i for i in plan["images"]}
    assert by_tag["ci-2"]["action"] == "delete" and by_tag["ci-2"]["rule"] == "builds", by_tag
    assert by_tag["prod-1"]["action"] == "keep" and by_tag["prod-1"]["why"] == "rule"
    assert by_tag["ci-1"]["action"] == "keep" and by_tag["ci-1"]["why"] == "base", by_tag   # prod-1 stands on it
    assert plan["deleted"] == 1 and 50_000 <= plan["freed"] < 60_000, plan
    assert plan["freed"] == sum(i["frees"] for i in plan["images"])
    code, out, err = told(pg, "retention", "plan", "--rules", file, "--as-of", day(8), "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [r["tags"] for r in rows if r["action"] == "delete"] == ["ci-2"], rows
    code, out, err = told(pg, "retention", "plan", "--rules", file, "--as-of", day(8), "--all")
    assert "- origin.test/library/app:ci-2" in out and 'rule "builds" deletes it' in out, out
    assert "it is what stands under origin.test/library/app:prod-1" in out, out
    pg.end()                                                 # and with no server
    code, offline, err = told(pg, "retention", "plan", "--rules", file, "--as-of", day(8), "--all")
    assert code == 0 and offline == out, (offline, err)
    code, out, err = told(pg, "deps", "origin.test/library/app:prod-1")
    assert code == 0 and "built on  origin.test/library/app:ci-1" in out, (out, err)
    code, out, err = told(pg, "deps", "origin.test/library/app:ci-1")
    assert code == 0 and "base of  origin.test/library/app:prod-1" in out, (out, err)
    code, out, err = told(pg, "deps", "origin.test/library/app:none")
    assert code == 2 and "not in the store" in err, (out, err)


def test_what_is_wrong_with_rules_is_told_with_its_place():
    pg = Pullgate(Upstream())
    code, out, err = told(pg, "retention", "plan", "--rules", rules(pg, RULES.replace("delete:", "delet:")))
    assert code == 1 and ':8:7: unknown key "delet" in a rule; did you mean "delete"?' in err, (code, err)
    code, out, err = told(pg, "retention", "plan", "--rules", rules(pg), "--as-of", "tomorrow")
    assert code == 2 and "no date" in err, err
    code, out, err = told(pg, "retention", "plan", "--rules", "/nowhere")
    assert code == 2 and "cannot read /nowhere" in err, err
    code, out, err = told(pg, "retention", "plan")
    assert code == 2 and "--rules" in err, err
    pg.stop()


def test_a_plan_is_carried_out_and_what_changed_stays():
    up = Upstream()
    for tag in ("ci-1", "ci-2", "prod-1"):
        up.image("library/app", tag, [tag.encode() * 20_000])
    pg = Pullgate(up)
    for tag in ("ci-1", "ci-2", "prod-1"):
        pull(pg, "library/app", tag)
    file = rules(pg, """retention:
  rules:
    - {name: prod, match: {repositories: ["**"], tags: ["prod-*"]}, keep: forever}
    - {name: ci, match: {repositories: ["**"], tags: ["ci-*"]}, delete: {beyond_newest: 0}}
""")
    pg.wait_true(lambda: '"deleted":2' in told(pg, "retention", "plan", "--rules", file, "--json")[1],
                 "the manifests never landed")
    plan = json.loads(told(pg, "retention", "plan", "--rules", file, "--json")[1])
    pg.wait_true(lambda: all(i["last_pull"] for i in json.loads(
        told(pg, "retention", "plan", "--rules", file, "--json")[1])["images"]), "the uses were never saved")
    code, out, err = told(pg, "retention", "apply", "--rules", file)
    assert code == 0 and "2 manifests removed" in out and "0 changed" in out, (out, err)
    stored = {(r["repo"], r["tag"]) for r in json.loads(told(pg, "ls", "--json")[1])["tags"]}
    assert stored == {("origin.test/library/app", "prod-1")}, stored
    left = json.loads(told(pg, "retention", "plan", "--rules", file, "--json")[1])
    assert left["bytes"] == plan["bytes"] - plan["freed"] and left["deleted"] == 0, (left, plan)
    assert pull(pg, "library/app", "ci-1").status == 200      # fetched again for who asks
    assert pull(pg, "library/app", "prod-1").status == 200
    code, out, err = told(pg, "retention", "apply", "--rules", file, "--rate", "x")
    assert code == 2 and "--rate" in err, err
    pg.stop()


def test_what_was_pulled_since_the_plan_stays():
    up = Upstream()
    tags = [f"ci-{i}" for i in range(4)]
    for tag in tags:
        up.image("library/app", tag, [tag.encode() * 5_000])
    pg = Pullgate(up)
    for tag in tags:
        pull(pg, "library/app", tag)
    file = rules(pg, """retention:
  rules:
    - {name: ci, match: {repositories: ["**"], tags: ["ci-*"]}, delete: {beyond_newest: 0}}
""")

    def plan():
        return json.loads(told(pg, "retention", "plan", "--rules", file, "--json")[1])

    pg.wait_true(lambda: plan()["deleted"] == 4 and all(i["last_pull"] for i in plan()["images"]),
                 "the uses were never saved")
    order = [i["tags"][0] for i in plan()["images"]]
    p = subprocess.Popen([os.environ["PULLGATE"], "retention", "apply", "-c", pg.conf, "--rules", file, "--rate", "1"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=pg.env)
    first = p.stdout.readline()
    p.send_signal(signal.SIGSTOP)
    assert first.endswith(": removed\n"), (first, p.stderr)
    assert pg.get(f"/v2/library/app/manifests/{order[3]}").status == 200
    up.image("library/app", order[2], [b"another"])          # its tag moves
    code, out, err = told(pg, "refresh", f"origin.test/library/app:{order[2]}")
    assert code == 0, (out, err)
    p.send_signal(signal.SIGCONT)
    out, err = p.communicate(timeout=stage.DEADLINE * 4)
    assert p.returncode == 0 and "3 manifests removed" in out and "1 changed" in out, (out, err)
    assert "was pulled since the plan was made: it stays" in out, out
    left = {r["tag"] for r in json.loads(told(pg, "ls", "--json")[1])["tags"]}
    assert left == {order[2], order[3]}, left                # the tag is another image's by now
    pg.stop()


ECR = """{"rules": [
  {"rulePriority": 1, "description": "keep production indefinitely",
   "selection": {"tagStatus": "tagged", "tagPrefixList": ["prod-"],
                 "countType": "imageCountMoreThan", "countNumber": %d},
   "action": {"type": "expire"}}]}
"""


def test_rules_of_others_are_linted_and_imported():
    pg = Pullgate(Upstream())
    ecr = rules(pg, ECR % 0)
    for word in ("import", "lint"):                          # a file, and no configuration
        p = subprocess.run([os.environ["PULLGATE"], "retention", word, ecr], text=True, capture_output=True,
                           timeout=stage.DEADLINE)
        assert p.returncode == 1, p
        said = p.stderr if word == "import" else p.stdout
        assert f"{ecr}:4:68: " in said and ("does not take 0" in said or "keep: forever" in said), p
    p = subprocess.run([os.environ["PULLGATE"], "retention", "lint", "--json", ecr], text=True, capture_output=True,
                       timeout=stage.DEADLINE)
    finding = json.loads(p.stdout)["findings"][0]
    assert finding["line"] == 4 and "deletes every image" in finding["message"], p
    p = subprocess.run([os.environ["PULLGATE"], "retention", "import", rules(pg, ECR % 2)], text=True,
                       capture_output=True, timeout=stage.DEADLINE)
    assert p.returncode == 0 and "order: first_match" in p.stdout and "beyond_newest: 2" in p.stdout, p
    code, out, err = told(pg, "retention", "plan", "--rules", rules(pg, p.stdout))
    assert code == 0 and out.startswith("0 of 0 manifests go"), (out, err)
    pg.stop()


def test_the_examples_lint_well():
    examples = glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../conf/retention/*.yaml"))
    assert len(examples) >= 2
    for path in examples:
        p = subprocess.run([os.environ["PULLGATE"], "retention", "lint", path], text=True, capture_output=True,
                           timeout=stage.DEADLINE)
        assert p.returncode == 0 and "nothing found" in p.stdout, p


if __name__ == "__main__":
    stage.main(globals())
