# SPDX-License-Identifier: Apache-2.0
"""`pullgate report storage`: what takes the room, whose it is, and until when there is some."""
import json, os, re, sys, time

import pg as stage
from pg import Pullgate, Upstream

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "tests/check"))
from generated import misfits

DAY = 86400


def report(pg, *words):
    return pg.command("report storage", *words)


def pull(pg, repo, tag):
    m = pg.get(f"/v2/{repo}/manifests/{tag}").json()
    for blob in [m["config"], *m["layers"]]:
        assert pg.get(f"/v2/{repo}/blobs/{blob['digest']}").status == 200
    return {blob["digest"] for blob in [m["config"], *m["layers"]]}


def date(s):
    return time.strftime("%Y-%m-%d", time.gmtime(s))


def store():
    """Two namespaces, a layer that they share, a team with a name that is no good in HTML."""
    up = Upstream()
    base, own, other = b"b" * 200_000, b"o" * 50_000, b"x" * 30_000
    labels = lambda team, n: {"annotations": {"team": team, "build": n}}
    up.image("one/app", "1", [base, own], **labels("<b>pay&'\"</b>", "1"))
    up.image("one/app", "2", [base, own], **labels("<b>pay&'\"</b>", "2"))
    up.image("two/app", "1", [base, other])
    pg = Pullgate(up)
    blobs = set().union(*(pull(pg, *image) for image in [("one/app", "1"), ("one/app", "2"), ("two/app", "1")]))
    pg.landed(3 + len(blobs))
    pg.wait_true(lambda: json.loads(report(pg, "--json")[1])["all"]["manifests"] == 3, "the manifests are not linked")
    return pg


def test_each_byte_is_said_to_be_whose_it_is():
    pg = store()
    r = json.loads(report(pg, "--json")[1])
    with open(os.path.join(ROOT, "docs/api/report-storage.schema.json")) as f:
        assert not list(misfits(r, json.load(f)))
    by = {n["name"]: n for n in r["namespaces"]}
    assert set(by) == {"origin.test/one", "origin.test/two"}, by
    one, two = by["origin.test/one"], by["origin.test/two"]
    assert 200_000 <= one["shared"] == two["shared"] < 201_000, by       # the base, once in each
    assert 50_000 <= one["unique"] < 54_000 and 30_000 <= two["unique"] < 33_000, by
    assert one["bytes"] == one["unique"] + one["shared"] and one["manifests"] == 2
    assert one["apart"] - one["bytes"] >= 250_000 and one["duplicates"] >= 2, one
    assert r["all"]["bytes"] == one["unique"] + two["unique"] + one["shared"] == r["bytes"], r
    assert r["all"]["apart"] - r["all"]["bytes"] >= 450_000, r["all"]
    assert r["waste"] == {"unnamed": 0, "partial": 0, "quarantine": 0, "expired": None, "total": 0}, r["waste"]
    assert [u["name"] for u in r["upstreams"]] == ["origin.test"]
    assert r["upstreams"][0]["bytes"] == r["upstreams"][0]["unique"] == r["all"]["bytes"]
    code, out, err = report(pg)
    assert code == 0 and re.search(r"origin\.test/one +\d.*###", out), (out, err)
    assert "duplicates avoided" in out and "not known yet" in out, out
    pg.stop()
    assert report(pg, "--json")[0] == 2                                  # the store is gone: said, no crash


def test_a_label_of_an_image_is_no_markup_in_the_page():
    pg = store()
    page = os.path.join(pg.dir, "page.html")
    code, out, err = report(pg, "--html", page)
    assert code == 0, err
    html = open(page).read()
    assert "<b>pay" not in html and "&lt;b&gt;pay&amp;&#39;&quot;&lt;/b&gt;" in html
    assert "<svg" in html and "http" not in html.replace("http-equiv", ""), "the page needs others"
    code, out, err = report(pg, "--html", page)
    assert code == 2 and "cannot write" in err, err                      # nothing is overwritten
    code, out, err = report(pg, "--json", "--team", "nobody")
    assert [t["name"] for t in json.loads(out)["teams"]] == [""], out
    pg.stop()


def test_days_that_were_recorded_become_a_forecast_and_a_file_of_nonsense_none():
    pg = store()
    days = os.path.join(pg.dir, "data", "growth")
    pg.wait_true(lambda: os.path.exists(days), "no day was recorded")
    today = int(time.time()) // DAY * DAY
    assert open(days).read().startswith(date(today)[:8]), open(days).read()
    pg.end()
    with open(days, "w") as f:                                           # 1 GB a day; a day in the future
        f.writelines(f"{date(today - n * DAY)} {10**12 - n * 10**9} 5 1000\n" for n in range(9, -1, -1))
        f.write("nonsense\n" + f"{date(today + 40 * DAY)} 1 1 1\n")
    r = json.loads(report(pg, "--json")[1])
    assert len(r["days"]) == 11 and r["forecast"]["by"] == "record", r["days"]
    pg.start()
    pg.wait_true(lambda: date(today + 40 * DAY) not in open(days).read(), "the day in the future stays")
    with open(days, "w") as f:
        f.writelines(f"{date(today - n * DAY)} {10**12 - n * 10**9} 5 1000\n" for n in range(9, -1, -1))
    r = json.loads(report(pg, "--json")[1])
    f, left = r["forecast"], r["left"]
    assert abs(f["bytes_a_week"] - 7 * 10**9) < 10**6, f
    assert f["full"] in {date(time.time() + left / 10**9 * DAY + d) for d in (-3600, 0, 3600)} or left > 3650 * 10**9, (f, left)
    assert r["reclaimed"] == {"days": 10, "bytes": 10_000}, r["reclaimed"]
    with open(days, "wb") as f:
        f.write(bytes(range(256)) * 20)
    r = json.loads(report(pg, "--json")[1])
    assert r["days"] == [] and r["forecast"] is None, r
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
