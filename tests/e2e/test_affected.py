# SPDX-License-Identifier: Apache-2.0
"""The question of every incident: who has it, where from, who pulled it, would it still be served?"""
import json, os, sys

import pg as stage
from gated import Gated
from test_scans import DEBIAN, FAILED, GOOD, Scanner, offer, pull, start
from upstream import OCI_MANIFEST, Upstream

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../check"))
from generated import misfits

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/api/affected.schema.json")
POLICY = """\
default: allow
rules:
- name: scanned
  match: {{repositories: ["origin.test/**"]}}
  require: {{scan: {{max_severity: {}, on_missing: serve}}}}
"""


def ask(pg, name, status=1):
    code, out, err = pg.command("affected", name, "--json")
    assert code == status and not err, (code, out, err)
    doc = json.loads(out)
    with open(SCHEMA) as f:
        wrong = list(misfits(doc, json.load(f)))
    assert not wrong and doc["name"] == name and doc["next"] is None, (wrong, doc)
    return doc


def told(pg, name):
    """What is found, of the one image: (source, vulnerability, package), sorted."""
    (image,) = ask(pg, name)["images"]
    assert image["digest"] == DEBIAN and image["nfindings"] == len(image["findings"])
    return sorted((f["source"], f["vulnerability"], f["package"]) for f in image["findings"])


def test_every_name_of_it_finds_the_image_in_all_sources_results():
    up, trivy, grype = Upstream(), Scanner("trivy"), Scanner("grype")
    offer(up)
    pg = start(up, trivy, grype)
    pull(pg, "debian12")
    pg.wait_metric(GOOD, 2)
    pull(pg, "clean")
    pg.wait_metric(FAILED, 2)
    requests = [("grype", "GHSA-j8r2-6x86-q33q", "requests"), ("trivy", "CVE-2023-32681", "requests")]
    assert told(pg, "CVE-2023-32681") == requests                # grype knows it by another name
    assert told(pg, "ghsa-J8R2-6x86-q33q") == requests[:1]
    assert told(pg, "requests") == told(pg, "Requests@2.30.0") == requests
    assert told(pg, "pkg:pypi/requests") == told(pg, "pkg:pypi/requests@2.30.0") == requests
    assert told(pg, "zlib1g@1:1.2.13.dfsg-1") == [(s, "CVE-2099-0001", "zlib1g") for s in ("grype", "trivy")]
    for one in "fixture-clean", "fixture-clean@1.0-1", "pkg:deb/debian/fixture-clean":   # nothing is found in it
        assert told(pg, one) == [(s, "", "fixture-clean") for s in ("grype", "trivy")], one
    for other in "fixture-clean@1.0", "CVE-2023-3268", "requests@2.31.0", "pkg:npm/requests", "pkg:pypi/requests@2.31.0", "request":
        doc = ask(pg, other, status=0)
        assert doc["images"] == [] and (doc["scanned"], doc["unscanned"]) == (1, 1), doc
    fixed = {f["fixed"] for f in ask(pg, "CVE-2023-0464")["images"][0]["findings"]}
    assert fixed == {"3.0.9-1"}, fixed
    code, out, _ = pg.command("affected", "CVE-2023-0464")
    assert code == 1 and "CVE-2023-0464 high in libssl3 3.0.8-1, fixed in 3.0.9-1, says trivy since 2" in out, out
    assert "  from origin.test/library/debian12 :v1 since 2" in out and "; would be served" in out, out
    assert "CVE-2023-0464: 1 of 1 scanned image; 1 would be served now; of 1 image nothing is known" in out, out
    code, out, _ = pg.command("affected", "CVE-2099-0001")
    assert "no fix is known" in out, out
    code, out, _ = pg.command("affected", "fixture-clean")
    assert code == 1 and "  has fixture-clean 1.0-1, in which nothing is found, says grype\n" in out, out
    pg.restart()                                                 # it is kept
    assert told(pg, "CVE-2023-32681") == requests
    pg.stop()


def test_who_pulled_it_and_whether_it_would_be_served_now():
    up, s = Upstream(), Scanner()
    offer(up)
    raw = up.manifests["library/debian12", "v1"][1]
    up.manifest("team/copy", "stable", raw)
    pg = Gated(up, POLICY.format("critical"), more="scanners:\n" + s.config())
    pull(pg, "debian12")
    pg.wait_metric(GOOD, 1)
    assert pg.command("explain", "library/debian12:v1")[0] == 0    # a question is no pull
    for _ in range(2):
        assert pg.get("/v2/team/copy/manifests/stable", {"Accept": OCI_MANIFEST}).status == 200

    def look():
        (image,) = ask(pg, "CVE-2099-0001")["images"]
        return image

    def pulls():
        return sorted((p["caller"], p["repo"], p["reference"], p["count"]) for p in look()["pulls"])
    pg.wait_true(lambda: pulls() == [("127.0.0.1", "origin.test/library/debian12", "v1", 1),
                                     ("127.0.0.1", "origin.test/team/copy", "stable", 2)], "who pulled it")

    def served():
        return {p["repo"]: (p["served"], p["rule"]) for p in look()["repositories"]}
    both = ["origin.test/library/debian12", "origin.test/team/copy"]
    assert served() == {r: (True, "scanned") for r in both}, served()
    assert sorted(p["tags"] for p in look()["repositories"]) == [["stable"], ["v1"]]
    pg.use(POLICY.format("high"))
    assert served() == {r: (False, "scanned") for r in both}, served()
    assert all("CVE-2099-0001" in p["reason"] for p in look()["repositories"])
    pg.use(POLICY.format("critical"))
    assert pg.command("revoke", both[1], "--reason", "a copy")[0] == 0
    assert [served()[r][0] for r in both] == [True, False], served()
    assert pg.command("purge", both[1])[0] == 0
    assert list(served()) == both[:1], served()
    code, out, _ = pg.command("affected", "CVE-2099-0001")
    assert code == 1 and "  pulled by 127.0.0.1 from origin.test/team/copy as stable, last 2" in out, out
    pg.stop()


def test_what_cannot_be_asked_is_told():
    pg = stage.Pullgate(Upstream())
    for name, said in [("", "has 1 to 512 characters"), ("x" * 513, "has 1 to 512 characters"),
                       ("two words", "no blanks"), ("zlib@", "no version behind the @"),
                       ("pkg:deb", "pkg:")]:
        code, out, err = pg.command("affected", name)
        assert code == 2 and said in err and not out, (name, code, out, err)
    code, out, err = pg.command("affected")
    assert code == 2 and "affected needs one NAME" in err, err
    assert pg.command("affected", "CVE-1")[:2] == (0, "CVE-1: 0 of 0 scanned images; 0 would be served now\n")
    for path in "/api/v1/affected", "/api/v1/affected?name=x&ref=nginx", "/api/v1/revocations?name=x", \
            "/api/v1/affected?name=x&cursor=y":
        assert pg.control("GET", path).status == 400, path
    assert pg.admin("/api/v1/affected?name=x").status == 404   # who pulled what is not for the network
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
