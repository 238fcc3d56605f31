# SPDX-License-Identifier: Apache-2.0
"""Webhooks: what happens is told, signed, in order, and again until it is taken; and nothing waits
for who does not take it."""
import base64, hashlib, hmac, http.client, json, os, tempfile, threading, time
from http.server import BaseHTTPRequestHandler

import pg as stage
from pg import Pullgate, Upstream
from web import Web

SECRET = b"s3cret of the hook"


class Receiver(Web):
    """Takes events; answers says what it answers to the next ones, 200 after that."""
    def __init__(self, answers=(), tls=None, start=True):
        self.answers, self.tries, self.events = list(answers), [], []
        self.news = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *a):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.news:
                    status = receiver.answers.pop(0) if receiver.answers else 200
                    receiver.tries.append((self.headers, body))
                    if status == 200:
                        receiver.events.append(json.loads(body))
                    receiver.news.notify_all()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        super().__init__(Handler, tls, start)

    def wait(self, look, what):
        """The deadline is for what stands still."""
        with self.news:
            while not look(self):
                n = len(self.tries)
                moves = self.news.wait_for(lambda: len(self.tries) > n, stage.DEADLINE * 2)
                assert moves or look(self), (what, self.events[-5:])

    def wait_types(self, *types):
        """Events of these types came, in this order, perhaps with others between."""
        want = ["io.pullgate." + t for t in types]

        def has_all(r):
            it = iter(e["type"] for e in r.events)
            return all(t in it for t in want)
        self.wait(has_all, want)

    def of(self, kind):
        return [e for e in self.events if e["type"] == "io.pullgate." + kind]


def secret():
    fd, path = tempfile.mkstemp()
    with os.fdopen(fd, "wb") as f:
        f.write(SECRET + b"\n")
    return path


def hook(receiver, file, events=None):
    return (f'webhooks: [{{url: "http://127.0.0.1:{receiver.port}/in?key=hidden", secret_file: {file}'
            + (f", events: [{events}]" if events else "") + "}]")


def revoke(pg, digest):
    assert pg.command("revoke", digest, "--reason", "bad build")[0] == 0


def test_what_happens_is_told_as_signed_cloud_events():
    file, r, up = secret(), Receiver(), Upstream()
    old = up.image("library/app", "v1", [b"one"])
    pg = Pullgate(up, more=hook(r, file) + "\ntags: {ttl: 0s}")
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.wait_true(lambda: pg.control("GET", "/api/v1/tags?n=9").json()["tags"], "the tag never landed")
    new = up.image("library/app", "v1", [b"two"])
    assert pg.get("/v2/library/app/manifests/v1").headers["Docker-Content-Digest"] == new.digest
    r.wait_types("tag-moved")
    moved = r.of("tag-moved")[0]
    assert moved["data"] == {"repository": "origin.test/library/app", "tag": "v1", "was": old.digest, "is": new.digest}
    revoke(pg, new.digest)
    assert pg.get("/v2/library/app/manifests/v1").status == 403
    r.wait_types("tag-moved", "revocation", "denial")
    assert r.of("revocation")[0]["data"]["reason"] == "bad build"
    assert r.of("denial")[0]["subject"] == "origin.test/library/app"
    for headers, body in r.tries:
        event = json.loads(body)
        assert event["specversion"] == "1.0" and event["source"].startswith("urn:pullgate:") and event["time"]
        assert headers["Content-Type"].startswith("application/cloudevents+json")
        assert headers["webhook-id"] == event["id"] and abs(int(headers["webhook-timestamp"]) - time.time()) < 3600
        signed = f'{event["id"]}.{headers["webhook-timestamp"]}.'.encode() + body
        mac = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == "v1," + mac
    assert len({e["id"] for e in r.events}) == len(r.events)
    assert "hidden" not in "".join(pg.log) and SECRET.decode() not in "".join(pg.log)
    pg.stop()
    r.stop()
    os.unlink(file)


def test_who_does_not_take_it_gets_it_again_and_in_order():
    file, r, up = secret(), Receiver(answers=[503, 429, 500]), Upstream()
    pg = Pullgate(up, more=hook(r, file, "revocation"))
    digests = ["sha256:" + hashlib.sha256(b"%d" % i).hexdigest() for i in range(3)]
    for d in digests:
        revoke(pg, d)
    r.wait(lambda r: len(r.events) == 3, "events after failures")
    assert [e["subject"] for e in r.events] == digests
    first = [json.loads(body)["id"] for _, body in r.tries[:4]]
    assert len(set(first)) == 1, first                          # the same event, four times
    assert pg.metric("pullgate_webhook_failures_total") == 3 and pg.metric("pullgate_webhook_dropped_total") == 0
    pg.wait_log("does not take events: it answers 503")
    pg.wait_log("takes events")
    r.answers = [400]                                           # refused for good: not again
    revoke(pg, digests[0][:-1] + "0")
    pg.wait_metric("pullgate_webhook_dropped_total", 1)
    revoke(pg, digests[0][:-1] + "1")
    r.wait(lambda r: len(r.events) == 4, "the event after the one that was refused")
    assert len(r.tries) == 8, len(r.tries)
    pg.stop()
    r.stop()
    os.unlink(file)


def test_a_dead_receiver_costs_no_pull_and_what_it_cannot_hold_is_counted():
    file, r, up = secret(), Receiver(start=False), Upstream()     # nobody listens there
    image = up.image("library/app", "v1")
    pg = Pullgate(up, more=hook(r, file, "denial"))
    revoke(pg, image.digest)
    c = http.client.HTTPConnection("127.0.0.1", pg.port, timeout=stage.DEADLINE)
    for _ in range(1010):                                       # the queue holds a thousand
        c.request("GET", f"/v2/library/app/manifests/{image.digest}")
        answer = c.getresponse()
        assert answer.read() and answer.status == 403
    pg.wait_metric("pullgate_webhook_dropped_total", 1)
    pg.wait_metric("pullgate_webhook_waiting", 1)
    assert pg.get("/v2/").status == 200
    r.start()                                                   # it comes back: what waits arrives
    with open(pg.conf) as f:
        text = f.read()
    pg.write(text.replace("[denial]", "[denial, revocation]"))  # and it is not waited for the next try
    assert pg.control("POST", "/api/v1/reload").status == 200
    r.wait(lambda r: len(r.events) >= 900, "what waited for the receiver")
    pg.stop()
    r.stop()
    os.unlink(file)


def test_what_waits_is_sent_at_the_end_and_another_configuration_tells_another():
    file, one, two, up = secret(), Receiver(), Receiver(), Upstream()
    pg = Pullgate(up, more=hook(one, file, "revocation"))
    digest = "sha256:" + "ab" * 32
    revoke(pg, digest)
    one.wait_types("revocation")
    text = open(pg.conf).read()
    pg.write(text.replace(f":{one.port}/", f":{two.port}/"))
    pg.reload()
    pg.wait_metric("pullgate_config_reloads_total", 2)
    assert pg.command("unrevoke", digest)[0] == 0
    two.wait_types("revocation")
    assert len(one.events) == 1 and two.events[0]["data"]["state"] == "not revoked"
    revoke(pg, digest)
    pg.end()                                                    # at once
    two.wait(lambda r: len(r.events) == 2, "the event of the last moment")
    one.stop()
    two.stop()
    os.unlink(file)


def test_over_tls_the_receiver_has_a_certificate_by_the_authority_that_is_named():
    *pair, authority = stage.tls_files()
    file, r = secret(), Receiver(tls=pair)
    conf = f'webhooks: [{{url: "https://127.0.0.1:{r.port}/in", secret_file: {file}}}]'
    pg = Pullgate(Upstream(), more=conf)
    revoke(pg, "sha256:" + "ab" * 32)
    pg.wait_log("does not take events: ")                       # by none of the system's
    assert not r.events
    with open(pg.conf) as f:
        text = f.read()
    pg.write(text.replace(conf, conf.replace("}]", f", ca_file: {authority}}}]")))
    assert pg.control("POST", "/api/v1/reload").status == 200
    r.wait_types("revocation")
    pg.stop()
    r.stop()
    os.unlink(file)


def test_room_that_is_made_is_told():
    file, r, up = secret(), Receiver(), Upstream()
    for i in range(12):
        up.image("library/app", f"v{i}", [os.urandom(2_000_000)])
    pg = Pullgate(up, more=hook(r, file, "eviction, water-mark"), storage="max_size: 16MiB")
    for i in range(12):
        for blob in pg.get(f"/v2/library/app/manifests/v{i}").json()["layers"]:
            pg.get(f"/v2/library/app/blobs/{blob['digest']}")
        if i < 5:
            pg.landed(2 * (i + 1))                              # what is not there yet cannot go
    r.wait_types("water-mark", "eviction")
    assert r.of("eviction")[0]["data"]["bytes"] > 0 and r.of("water-mark")[0]["data"]["mark"] == "high"
    pg.stop()
    r.stop()
    os.unlink(file)


def test_a_list_that_is_wrong_is_refused_with_its_place():
    file = secret()
    pg = Pullgate(Upstream())
    with open(pg.conf) as f:
        lines = f.read().rstrip("\n").split("\n")
    for text, what in [
            ("webhooks: {}", "webhooks must be a list"),
            ("webhooks: [{url: 'https://h.test/'}]", "secret_file is missing"),
            (f"webhooks: [{{secret_file: {file}}}]", "url is missing"),
            (f"webhooks: [{{url: 'https://me:pw@h.test/', secret_file: {file}}}]", "without a login in it"),
            (f"webhooks: [{{url: 'https://h.test/', secret_file: {file}, events: [evictions]}}]", "did you mean eviction?"),
            (f"webhooks: [{{url: 'https://h.test/', secret_file: {file}, event: [a]}}]", 'did you mean "events"?'),
            ("webhooks: [{url: 'https://h.test/', secret_file: hook.secret}]", "absolute path"),
            ("webhooks: [{url: 'https://h.test/', secret_file: /nowhere/it/is}]", "/nowhere/it/is")]:
        pg.write("\n".join([*lines, text]) + "\n")
        code, out, err = pg.command("config check")
        said = out + err
        assert code == 1 and what in said and f"yaml:{len(lines) + 1}:" in said and "pw" not in said, (text, said)
    os.chmod(file, 0o644)
    pg.write("\n".join([*lines, f"webhooks: [{{url: 'https://h.test/', secret_file: {file}}}]"]) + "\n")
    code, out, err = pg.command("config check")
    assert code == 1 and file in out + err, (out, err)          # others may read it
    os.chmod(file, 0o600)
    code, out, err = pg.command("config show")
    assert code == 0 and '- {url: "https://h.test/"' in out, (out, err)
    shown = out
    pg.write(shown)
    assert pg.command("config check")[0] == 0                # what is shown loads again
    os.unlink(file)
    pg.end()


if __name__ == "__main__":
    stage.main(globals())
