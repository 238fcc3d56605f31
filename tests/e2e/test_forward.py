# SPDX-License-Identifier: Apache-2.0
"""Entries of the audit log on their way to who collects them: over HTTPS and as syslog, over restarts
of either side, nothing lost, and what comes twice known by its id."""
import contextlib, glob, json, os, re, socket, struct, sys, threading
from http.server import BaseHTTPRequestHandler

import pg as stage
from pg import DEADLINE, Pullgate, Shift
from test_audit import image, verified
from test_upgrade import upgrade
from upstream import Upstream
from web import Web, context_of, kept_port

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.append(os.path.join(ROOT, "tests/check"))
from generated import misfits  # noqa: E402

CERT, KEY, AUTHORITY = stage.tls_files()


class Sink:
    """What both kinds have: records in the order in which they came, whatever life of the server."""
    def __init__(self):
        self.records, self.news = [], threading.Condition()

    def take(self, records):
        with self.news:
            self.records += records
            self.news.notify_all()

    def ids(self):
        with self.news:
            return {r["id"] for r in self.records}

    def wait(self, ids):
        with self.news:
            missing = lambda: set(ids) - {r["id"] for r in self.records}
            assert self.news.wait_for(lambda: not missing(), DEADLINE * 3), f"never came: {missing()}"

    def wait_records(self, n):
        with self.news:
            assert self.news.wait_for(lambda: len(self.records) >= n, DEADLINE * 3), self.records


class Https(Sink, Web):
    def __init__(self, status=200, start=True):
        Sink.__init__(self)
        self.status, self.headers, self.posts = status, [], 0
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                records = [json.loads(line) for line in body.splitlines()]
                status = sink.status(records) if callable(sink.status) else sink.status
                with sink.news:
                    sink.headers.append(dict(self.headers))
                    sink.posts += 1
                    sink.news.notify_all()
                if status == 200:
                    sink.take(records)
                with contextlib.suppress(OSError):              # it was killed meanwhile
                    self.send_response(status)
                    self.end_headers()

            def log_message(self, *_):
                pass

        Web.__init__(self, Handler, (CERT, KEY), start)

    def wait_posts(self, n):
        with self.news:
            assert self.news.wait_for(lambda: self.posts >= n, DEADLINE), self.posts

    def conf(self, more=""):
        return f"{{name: siem, url: '{self.url}/in', ca_file: {AUTHORITY}{more}}}"


MESSAGE = re.compile(r"<(\d+)>1 (\S+) \S+ pullgate - (\w+) \[meta sequenceId=\"(\d+)\"\] (\{.*\})", re.S)


class Syslog(Sink):
    """RFC 5424 in octets counted, over TLS or not."""
    def __init__(self, tls=True):
        super().__init__()
        self.context, self.reads = context_of(CERT, KEY) if tls else None, True
        self._kept = kept_port()
        self.port = self._kept.getsockname()[1]
        self.start()

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.peers, self.accepted = [], threading.Event()
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                s, _ = listener.accept()
                s = self.context.wrap_socket(s, server_side=True) if self.context else s
            except OSError:
                if listener.fileno() < 0:
                    return
                continue
            self.peers.append(s)
            self.accepted.set()
            if self.reads:
                threading.Thread(target=self._read, args=(s,), daemon=True).start()

    def _read(self, s):
        data = b""
        try:
            while chunk := s.recv(65536):
                data += chunk
                while (space := data.find(b" ")) > 0 and len(data) > space + (n := int(data[:space])):
                    self._message(data[space + 1:space + 1 + n].decode())
                    data = data[space + 1 + n:]
        except OSError:
            pass

    def _message(self, text):
        m = MESSAGE.fullmatch(text)
        assert m, text
        record = json.loads(m[5])
        assert int(m[4]) == record["seq"] and m[2] == record["time"] and m[3] == record["kind"], text
        record["severity"] = int(m[1]) % 8
        self.take([record])

    def stop(self, reset=True):
        """As a crash: what it did not read is gone."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in self.peers:
            if reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def conf(self):
        return f"{{name: siem, url: 'syslog+tls://127.0.0.1:{self.port}', ca_file: {AUTHORITY}}}" if self.context \
            else f"{{name: siem, url: 'syslog+tcp://127.0.0.1:{self.port}'}}"


def start(up, *sinks, env=None):
    return Pullgate(up, more="audit: {forward: [%s]}" % ", ".join(s if isinstance(s, str) else s.conf()
                                                                 for s in sinks), env=env)


def log_ids(pg):
    return [line[:64] for path in sorted(glob.glob(pg.dir + "/data/audit/0*.log"))
            for line in open(path) if line.endswith("\n")]          # the last may be half written


def pull(pg, n=1):
    for _ in range(n):
        assert pg.get("/v2/library/app/manifests/v1").status == 200


def first_ids(sink):
    """In the order in which each came first."""
    return list(dict.fromkeys(r["id"] for r in sink.records))


def test_entries_and_heads_come_over_https_as_they_are_in_the_log():
    up, sink = Upstream(), Https()
    image(up)
    token = os.path.join(os.path.dirname(CERT), "sink.token")
    with open(os.open(token, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write("canary-token\n")
    pg = start(up, sink.conf(f", token_file: {token}"))
    pull(pg, 5)
    pg.wait_metric("pullgate_audit_entries_total", 7)           # the start, the configuration, five pulls
    pg.wait_metric("pullgate_audit_forward_behind", 0, at_least=False)
    sink.wait(log_ids(pg))
    with sink.news:
        assert sink.news.wait_for(lambda: any(r["kind"] == "head" for r in sink.records), DEADLINE)
        assert {h["Authorization"] for h in sink.headers} == {"Bearer canary-token"}
        assert {h["Content-Type"] for h in sink.headers} == {"application/x-ndjson"}
    pg.end()
    assert "canary-token" not in "".join(pg.log)
    pg.start()
    sink.wait(log_ids(pg))                                      # the entry of the end, too
    pg.end()
    by_id = {r["id"]: {k: v for k, v in r.items() if k != "id"} for r in sink.records}
    for path in glob.glob(pg.dir + "/data/audit/0*.log"):
        for line in open(path).read().splitlines()[:len(by_id)]:
            if line[:64] in by_id:
                assert by_id[line[:64]] == json.loads(line[65:])
    with open(os.path.join(ROOT, "docs/api/audit-record.schema.json")) as f:
        schema = json.load(f)
    assert not [m for r in sink.records for m in misfits(r, schema)]
    heads = [r for r in sink.records if r["kind"] == "head"]
    assert heads and all(r["id"] == "head-" + r["previous"] for r in heads)
    kept = pg.dir + "/kept.json"                                # a head that was kept elsewhere is one
    with open(kept, "w") as f:
        f.write(json.dumps(heads[-1], separators=(",", ":"), ensure_ascii=False))
    verified(pg, "--head", kept)
    pg.start()
    pg.stop()


def test_a_sink_that_restarts_loses_nothing():
    up, sink = Upstream(), Https()
    image(up)
    pg = start(up, sink)
    pull(pg, 3)
    sink.wait_records(5)
    sink.stop()
    pull(pg, 20)
    pg.wait_metric("pullgate_audit_forward_failing", 1)
    assert any("audit log" in p for p in pg.admin("/api/v1/status").json()["problems"])
    pg.wait_metric("pullgate_audit_forward_behind", 1)          # it may be a head alone that failed first
    sink.status = 503                                           # it is there again, and not well
    sink.start()
    sink.wait_posts(sink.posts + 1)
    sink.status = 200
    sink.wait(log_ids(pg))
    pg.wait_metric("pullgate_audit_forward_failing", 0, at_least=False)
    order = [i for i in first_ids(sink) if not i.startswith("head-")]
    assert order == log_ids(pg)[:len(order)]
    pg.stop()


def test_nothing_is_lost_when_we_are_killed():
    up, sink = Upstream(), Https()
    image(up)
    pg = start(up, sink)
    for _ in range(3):
        pull(pg, 10)
        sink.wait_records(1)
        pg.kill()
        pg.start()
    pull(pg)
    sink.wait(log_ids(pg))
    pg.stop()


def test_less_is_sent_to_a_sink_that_finds_it_too_large():
    up = Upstream()
    sink = Https(status=lambda records: 413 if len(records) > 2 else 200, start=False)
    image(up)
    pg = start(up, sink)
    pull(pg, 9)
    sink.start()
    sink.wait(log_ids(pg))
    pg.stop()


def syslog_comes(tls):
    up, sink = Upstream(), Syslog(tls)
    image(up)
    pg = start(up, sink)
    pull(pg, 3)
    assert pg.get("/v2/library/app/manifests/none").status == 404
    sink.wait(log_ids(pg))
    assert {r["severity"] for r in sink.records if r["kind"] == "decision"} <= {4, 6}
    assert {r["severity"] for r in sink.records if r["kind"] == "act"} == {5}
    pg.stop()


def test_entries_come_as_syslog_over_tls():
    syslog_comes(True)


def test_entries_come_as_syslog_over_tcp():
    syslog_comes(False)


def test_what_a_syslog_server_did_not_read_before_it_crashed_comes_again():
    up, sink = Upstream(), Syslog()
    image(up)
    sink.reads = False                                          # it hangs, then crashes
    pg = start(up, sink)
    assert sink.accepted.wait(DEADLINE)
    pull(pg, 10)
    pg.wait_metric("pullgate_audit_forwarded_total", 10)
    sink.stop()
    sink.reads = True
    sink.start()
    pull(pg)
    sink.wait(log_ids(pg))
    pg.stop()


def test_what_a_syslog_server_had_for_a_while_does_not_come_again():
    up, sink, clock = Upstream(), Syslog(), Shift()
    image(up)
    pg = start(up, sink, env=clock.env)
    pull(pg, 5)
    ids = log_ids(pg)
    sink.wait(ids)
    where = pg.dir + "/data/audit/sent-siem"

    def taken():
        clock.by(6)                                             # the connection held for so long
        pull(pg)                                                # which rings
        return os.path.exists(where) and json.load(open(where))["seq"] >= 5
    pg.wait_true(taken, "what was sent is never taken")
    sink.stop()
    n = len(sink.records)
    sink.start()
    pull(pg)
    sink.wait(log_ids(pg))
    assert not set(ids[:5]) & {r["id"] for r in sink.records[n:]}
    pg.stop()


def test_a_sink_must_have_the_certificate_of_its_name():
    up, sink = Upstream(), Https()
    image(up)
    pg = start(up, f"{{name: siem, url: 'https://127.0.0.1:{sink.port}/'}}")     # the system's authorities
    pull(pg)
    pg.wait_metric("pullgate_audit_forward_failures_total", 1)
    pg.wait_log("the sink siem of the audit log takes nothing: ")
    assert not sink.records
    pg.stop()


def test_what_the_log_no_longer_had_is_told():
    """N23: the log was kept for less long than the sink was away."""
    up, sink = Upstream(), Https()
    image(up)
    pg = start(up, sink)
    sink.wait_records(3)
    pg.end()
    sink.stop()
    pg.start()
    pull(pg, 5)
    pg.end()
    beside = pg.dir + "/data/audit/"
    os.unlink(beside + "head")                                  # with that it begins another segment
    pg.start()
    os.unlink(beside + "00000001.log")
    pg.wait_metric("pullgate_audit_forward_failures_total", 1)
    pg.end()
    pg.start()
    sink.start()
    pg.wait_metric("pullgate_audit_forward_missed_total", 5)
    pg.wait_log("entries were removed from the log before the sink had them")
    with sink.news:
        told = lambda: any(r.get("act") == "forward" for r in sink.records)
        assert sink.news.wait_for(told, DEADLINE), sink.records
    pg.stop()


def test_sinks_are_taken_over_by_a_reload():
    up, sink, other = Upstream(), Https(), Https()
    image(up)
    pg = start(up, sink)
    sink.wait(log_ids(pg))
    with open(pg.conf) as f:
        text = f.read()
    pg.write(text.replace(sink.conf(), other.conf().replace("siem", "other")))
    assert pg.control("POST", "/api/v1/reload").status == 200
    pull(pg)
    other.wait(log_ids(pg))
    pg.stop()


def test_an_heir_goes_on_where_its_predecessor_was():
    up, sink = Upstream(), Https()
    image(up)
    pg = start(up, sink)
    pull(pg, 3)
    sink.wait(log_ids(pg))
    upgrade(pg, by_signal=False).ended()
    pull(pg, 3)
    sink.wait(log_ids(pg))
    pg.stop()


def test_what_is_wrong_with_a_sink_is_said_with_its_place():
    for text, why in [
            ("{name: a}", "url is missing"),
            ("{url: 'ftp://x/'}", "none of https://HOST/PATH"),
            ("{url: 'syslog+tls://h:6514/x'}", "there is nothing"),
            ("{url: 'syslog+tls://h'}", "a host and a port"), ("{url: 'syslog+tcp://[::1]'}", "a host and a port"),
            ("{url: 'https://h/', token: /x}", "unknown key"),
            ("{name: A b, url: 'https://h/'}", "a-z, 0-9 and -"),
            ("{url: 'http://h/', token_file: /x}", "is not encrypted"),
            ("{url: 'https://h/', ca_file: x}", "absolute path"),
            ("{url: 'https://h/', client_cert: /x}", "go together"),
            ("{url: 'https://h/1'}, {url: 'https://h/2'}", "two are named"),
            ("{url: 'https://h/', ca_file: /nonexistent}", "/nonexistent")]:
        code, said, path = stage.config_check("# 1\n# 2\n# 3\naudit: {forward: [%s]}\n" % text)
        assert code != 0 and why in said and f"{path}:4:" in said, (text, said)


if __name__ == "__main__":
    stage.main(globals())
