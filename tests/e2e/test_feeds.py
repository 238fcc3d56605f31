# SPDX-License-Identifier: Apache-2.0
"""Feeds of revocations: signed lists that are fetched, believed if they are by their key and newer than
what was believed before, and in force for the next request."""
import contextlib, datetime, http.client, json, os, subprocess
from http.server import BaseHTTPRequestHandler

import pg as stage
from pg import Pullgate
from pki import key_pair
from test_audit import entries, verified
from test_revoke import denied, paths, served
from test_upgrade import upgrade
from upstream import Upstream
from web import Web

TYPE = "application/vnd.pullgate.revocations+json"
REPO = "library/app"


def until(**delta):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Feed(Web):
    """Made as docs/admission.md says it: a file, served at a URL."""
    def __init__(self, folder, name="feed"):
        self.folder, self.name = folder, name
        key_pair(folder, name)
        self.key, self.file = f"{folder}/{name}.pub", f"{folder}/{name}.dsse.json"
        feed = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                body = open(feed.file, "rb").read() if os.path.exists(feed.file) else b""
                with contextlib.suppress(OSError):              # it ended meanwhile
                    self.send_response(200 if body else 404)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        *pair, self.ca = stage.tls_files()
        super().__init__(Handler, pair)

    def put(self, serial, entries, epoch=1, expires=None, key=None, payload=None, type=TYPE):
        """With openssl(1) and a shell."""
        doc = f"{self.folder}/{self.name}.json"
        with open(doc, "w") as f:
            f.write(payload if payload is not None else json.dumps(
                {"epoch": epoch, "serial": serial, "expires": expires or until(hours=1), "entries": entries}))
        script = r"""set -e
{ printf 'DSSEv1 %d %s %d ' ${#TYPE} $TYPE $(stat -c %s $DOC); cat $DOC; } > $DOC.pae
openssl dgst -sha256 -sign $KEY -out $DOC.sig $DOC.pae
printf '{"payloadType":"%s","payload":"%s","signatures":[{"sig":"%s"}]}\n' \
    $TYPE $(base64 -w0 $DOC) $(base64 -w0 $DOC.sig) > $OUT.new
mv $OUT.new $OUT
"""
        subprocess.run(["bash", "-c", script], check=True, env={
            **os.environ, "TYPE": type, "DOC": doc, "OUT": self.file, "KEY": key or f"{self.folder}/{self.name}.key"})

    def conf(self, more=""):
        return f"{{name: {self.name}, url: '{self.url}/feed', ca_file: {self.ca}, key: {self.key}, interval: 10s{more}}}"


def folder():
    path = os.path.join(os.path.dirname(stage.tls_files()[0]), f"feeds-{len(made)}")
    os.mkdir(path)
    made.append(path)
    return path


made = []


def start(up, *feeds, env=None):
    return Pullgate(up, more="revocation_feeds: [%s]" % ", ".join(feeds), env=env)


def poke(pg):
    """Its thread begins anew, and fetches at once."""
    text = open(pg.conf).read()
    pg.write(text.replace("interval: 10s", "interval: 11s") if "interval: 10s" in text
             else text.replace("interval: 11s", "interval: 10s"))
    assert pg.control("POST", "/api/v1/reload").status == 200


def taken(pg, serial, feed="feed", epoch=1):
    poke(pg)
    pg.wait_log(f"the feed of revocations {feed}: ok: epoch {epoch}, serial {serial},")


def refused(pg, why):
    before = pg.metric("pullgate_revocation_feed_failures_total")
    poke(pg)
    pg.wait_metric("pullgate_revocation_feed_failures_total", before + 1)
    pg.wait_log("the feed of revocations feed: .*" + why)


def test_what_a_feed_takes_back_is_refused_and_it_alone_gives_it_back():
    up, feed = Upstream(), Feed(folder())
    image = up.image(REPO, "v1", layers=[b"bad"])
    other = up.image("library/other", "v1", layers=[b"good"], arch="arm64")
    feed.put(1, [])
    pg = start(up, feed.conf())
    served(pg, paths(image))
    feed.put(2, [{"digest": image.digest, "reason": "it steals"}])
    taken(pg, 2)
    denied(pg, paths(image))
    assert "by feed feed" in pg.get(paths(image)[0]).message()
    served(pg, paths(other, repo="library/other"))
    [shown] = json.loads(pg.command("revocations", "--json")[1])["revocations"]
    assert (shown["what"], shown["by"], shown["reason"]) == (image.digest, "feed feed", "it steals")
    assert "feed feed" in pg.command("revocations")[1]
    code, out, err = pg.command("unrevoke", image.digest)
    assert code != 0 and "feed" in err, (code, out, err)
    denied(pg, paths(image))
    pg.restart()                                            # before anything is fetched
    denied(pg, paths(image))
    assert pg.command("revoke", "--reason", "ours", image.digest)[0] == 0
    feed.put(3, [])
    taken(pg, 3)
    denied(pg, paths(image), why="ours")                    # N18: it cannot undo ours
    assert pg.command("unrevoke", image.digest)[0] == 0
    served(pg, paths(image))
    pg.end()
    acts = [e["result"] for e in entries(pg, "--act", "revocation feed")]
    assert len(acts) == 3 and acts[0].startswith("ok: epoch 1, serial 1, 0 entries"), acts
    verified(pg)
    pg.start()
    pg.stop()


def test_layers_and_repositories_are_taken_back():
    up, feed = Upstream(), Feed(folder())
    image, other = up.image(REPO, "v1", layers=[b"bad"]), up.image("library/other", "v1", layers=[b"ok"])
    feed.put(1, [{"layer": image.layers[0], "reason": "it steals"},
                 {"repository": "origin.test/library/other", "reason": "it steals"}])
    pg = start(up, feed.conf())
    pg.wait_log("ok: epoch 1, serial 1, 2 entries")
    denied(pg, paths(image)[:2])
    denied(pg, paths(other, repo="library/other")[:2])
    pg.stop()


def test_N18_older_forked_and_foreign_editions_change_nothing():
    up, feed = Upstream(), Feed(folder())
    image = up.image(REPO, "v1", layers=[b"bad"])
    bad = [{"digest": image.digest, "reason": "it steals"}]
    feed.put(5, bad)
    pg = start(up, feed.conf())
    pg.wait_log("ok: epoch 1, serial 5")
    denied(pg, paths(image)[:2])
    feed.put(4, [])
    refused(pg, "is older than what it said before")
    feed.put(9, [], epoch=0)
    refused(pg, "is older than what it said before")
    feed.put(5, [])
    refused(pg, "says something else than it did before")
    key_pair(feed.folder, "other")
    feed.put(6, [], key=f"{feed.folder}/other.key")
    refused(pg, "is not signed by its key")
    feed.put(7, [], expires=until(hours=-1))
    refused(pg, "has expired")
    feed.put(8, [], type="application/json")
    refused(pg, "payloadType")
    with open(feed.file, "w") as f:
        f.write("{")
    refused(pg, "")
    for entry in [{"digest": "sha256:00"}, {"key": "zz"}, {"repository": "nginx"}, {"image": "x"},
                  {"digest": image.digest, "layer": image.digest}, {"identity": "", "reason": "x"}]:
        feed.put(10, [entry])
        refused(pg, "entry 1")
    feed.put(11, [], payload='{"epoch":1,"serial":11,"expires":"%s","entries":[],"undo":true}' % until(hours=1))
    refused(pg, "members that are not known")
    os.unlink(feed.file)
    refused(pg, "404")
    denied(pg, paths(image)[:2])
    feed.put(4, [])                                         # over a restart, too
    pg.restart()
    pg.wait_log("is older than what it said before")
    denied(pg, paths(image)[:2])
    feed.put(1, [], epoch=2)                                # after the loss of its counter
    taken(pg, 1, epoch=2)
    served(pg, paths(image)[:2])
    pg.stop()


def test_N18_a_frozen_feed_is_alarmed_and_denies_if_it_is_to():
    up, feed, soft = Upstream(), Feed(folder()), Feed(folder(), "soft")
    image = up.image(REPO, "v1", layers=[b"good"])
    clock = stage.Shift()
    pg = start(up, feed.conf(", when_stale: deny"), soft.conf(), env=clock.env)
    got = pg.get(paths(image)[0])                           # neither came yet
    assert got.status == 403 and "must be current" in got.message(), got
    assert pg.metric("pullgate_revocation_feeds_stale") == 2
    assert any("feeds of revocations" in p for p in pg.admin("/api/v1/status").json()["problems"])
    feed.put(1, [], expires=until(hours=1))
    poke(pg)
    pg.wait_metric("pullgate_revocation_feeds_stale", 1, at_least=False)
    served(pg, paths(image))                                # the other one only alarms
    soft.put(1, [], expires=until(hours=9))
    poke(pg)
    pg.wait_metric("pullgate_revocation_feeds_stale", 0, at_least=False)
    clock.by(3700)
    pg.wait_log("the feed of revocations feed has expired")     # by then no loop is in a turn of before
    pg.wait_metric("pullgate_revocation_feeds_stale", 1)
    pg.wait_true(lambda: pg.get(paths(image)[0]).status == 403, "an expired feed does not deny")
    feed.put(2, [], expires=until(hours=9))
    taken(pg, 2)
    pg.wait_true(lambda: pg.get(paths(image)[0]).status == 200, "it stays denied")
    pg.stop()


def test_after_an_upgrade_the_old_process_sees_that_a_feed_is_current_again():
    up, feed = Upstream(), Feed(folder())
    up.image(REPO, "v1", layers=[b"good"])
    pg = Pullgate(up, more="limits: {drain_timeout: 10m}\nrevocation_feeds: [%s]" % feed.conf(", when_stale: deny"))
    s = pg.connect()                                            # which keeps the old process alive
    s.sendall(b"GET ")
    old = upgrade(pg, by_signal=False)
    feed.put(1, [])
    poke(pg)                                                    # the heir has the control socket
    both = lambda: sum("the feed of revocations feed is current" in line for line in pg.log) == 2
    pg.wait_true(both, "not both processes know that it is current")
    s.sendall(f"/v2/{REPO}/manifests/v1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    r = http.client.HTTPResponse(s)
    r.begin()
    assert r.status != 403 and b"must be current" not in r.read(), r.status
    s.close()
    old.ended()
    pg.stop()


def test_a_feed_may_be_a_file():
    up, feed = Upstream(), Feed(folder())
    image = up.image(REPO, "v1", layers=[b"bad"])
    feed.put(1, [{"digest": image.digest, "reason": "it steals"}])
    pg = start(up, f"{{name: feed, url: 'file:{feed.file}', key: {feed.key}, interval: 10s}}")
    pg.wait_log("ok: epoch 1, serial 1, 1 entries")
    denied(pg, paths(image)[:2])
    feed.put(2, [])                                         # another file of that name
    taken(pg, 2)
    served(pg, paths(image)[:2])
    pg.stop()


def test_many_entries_come_and_go():
    up, feed = Upstream(), Feed(folder())
    image = up.image(REPO, "v1", layers=[b"bad"])
    many = [{"digest": f"sha256:{i:064x}", "reason": "r" * 100} for i in range(3000)]
    feed.put(1, many + [{"digest": image.digest, "reason": "it steals"}])
    pg = start(up, feed.conf())
    pg.wait_log("ok: epoch 1, serial 1, 3001 entries")
    denied(pg, paths(image)[:2])
    pg.restart()
    assert len(json.loads(pg.command("revocations", "--json")[1])["revocations"]) == 3001
    feed.put(2, many[:1])
    taken(pg, 2)
    assert len(json.loads(pg.command("revocations", "--json")[1])["revocations"]) == 1
    served(pg, paths(image)[:2])
    pg.stop()


def test_what_is_wrong_with_a_feed_is_said_with_its_place():
    where = folder()
    key_pair(where, "good")
    with open(where + "/bad.pub", "w") as f:
        f.write("no key\n")
    good = where + "/good.pub"
    for text, why in [("{name: a, url: 'https://h/'}", "key is missing"),
                      (f"{{name: a, key: {good}}}", "url is missing"),
                      (f"{{name: a, url: 'ftp://h/', key: {good}}}", "neither https://HOST/PATH nor file:/PATH"),
                      (f"{{name: a, url: 'file:x', key: {good}}}", "neither https://HOST/PATH nor file:/PATH"),
                      (f"{{name: A, url: 'https://h/', key: {good}}}", "a-z, 0-9 and -"),
                      (f"{{name: a, url: 'https://h/', key: {good}, interval: 1s}}", "interval"),
                      (f"{{name: a, url: 'https://h/', key: {good}, when_stale: no}}", "neither alarm nor deny"),
                      (f"{{name: a, url: 'https://h/', key: {where}/bad.pub}}", "bad.pub"),
                      (f"{{name: a, url: 'https://h/', key: {where}/none.pub}}", "none.pub"),
                      (f"{{name: a, url: 'https://h/', key: {good}, keys: 1}}", "unknown key")]:
        code, said, path = stage.config_check("# 1\n# 2\nrevocation_feeds: [%s]\n" % text)
        assert code != 0 and why in said and f"{path}:3:" in said, (text, said)


if __name__ == "__main__":
    stage.main(globals())
