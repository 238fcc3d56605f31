# SPDX-License-Identifier: Apache-2.0
"""Traces: what a client began goes on to upstream, and spans reach a collector."""
import json, os, subprocess, threading
from http.server import BaseHTTPRequestHandler

import pg as stage
from pg import Pullgate, Upstream
from upstream import DEADLINE
from web import Web

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{PARENT}-01"


class Collector(Web):
    """Takes spans as OTLP says; answers what it is told to, first."""
    def __init__(self, answers=()):
        self.spans, self.bodies, self._answers = [], [], list(answers)
        self._news = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer._take(self.path, self.headers["Content-Type"], body)
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        super().__init__(Handler)
        self.url += "/v1/traces"

    def _take(self, path, kind, body):
        with self._news:
            self.bodies.append((path, kind, body))
            status = self._answers.pop(0) if self._answers else 200
            if status == 200:
                for resource in json.loads(body)["resourceSpans"]:
                    for scope in resource["scopeSpans"]:
                        self.spans += scope["spans"]
            self._news.notify_all()
        return status

    def wait(self, n):
        with self._news:
            assert self._news.wait_for(lambda: len(self.spans) >= n, DEADLINE * 2), self.spans
            return list(self.spans)


def attributes(span):
    return {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}


def sent(up, what):
    return [h for method, path, h in up.asked if what in path]


def test_a_trace_goes_on_to_upstream():
    up = Upstream()
    image = up.image("library/app", "v1", [b"layer" * 100])
    pg = Pullgate(up)
    pg.get("/v2/library/app/manifests/v1", {"traceparent": SAMPLED, "tracestate": "vendor=secret"})
    pg.get(f"/v2/library/app/blobs/{image.layers[0]}", {"traceparent": SAMPLED.upper()})
    manifest, blob = sent(up, "/manifests/")[0], sent(up, "/blobs/")[0]
    assert manifest["traceparent"] == SAMPLED, manifest.items()
    assert "tracestate" not in manifest and "traceparent" not in blob
    assert TRACE in pg.wait_log("op=manifest")
    pg.stop()


def test_spans_of_a_request_and_what_it_asked():
    up, collector = Upstream(), Collector(answers=[503])
    image = up.image("library/app", "v1", [b"layer" * 100])
    pg = Pullgate(up, more=f'trace: {{endpoint: "{collector.url}", sample: 0}}')
    pg.get("/v2/library/app/manifests/v1", {"traceparent": SAMPLED})
    pg.get("/v2/library/app/manifests/v1")          # its client traces nothing, nor does chance
    server, client = sorted(collector.wait(2), key=lambda s: s["kind"])
    assert server["traceId"] == client["traceId"] == TRACE
    assert server["parentSpanId"] == PARENT and client["parentSpanId"] == server["spanId"]
    assert (server["kind"], client["kind"]) == (2, 3) and server["name"] == "GET manifest"
    assert sent(up, "/manifests/")[0]["traceparent"] == f"00-{TRACE}-{client['spanId']}-01"
    told = attributes(server)
    assert told["http.response.status_code"] == "200" and told["pullgate.cache"] == "miss", told
    assert told["pullgate.repository"] == "library/app" and told["pullgate.upstream"] == "origin.test"
    assert int(server["startTimeUnixNano"]) <= int(client["startTimeUnixNano"]) \
        < int(client["endTimeUnixNano"]) <= int(server["endTimeUnixNano"]) + 1_000_000
    path, kind, first = collector.bodies[0]
    assert path == "/v1/traces" and kind == "application/json"
    assert first == collector.bodies[1][2]           # refused once, sent again
    resource = {a["key"] for a in json.loads(first)["resourceSpans"][0]["resource"]["attributes"]}
    assert {"service.name", "service.version", "service.instance.id"} <= resource
    pg.wait_metric('pullgate_trace_spans_total{result="sent"}', 2)
    pg.stop()


def test_a_dead_collector_costs_nothing_but_its_spans():
    up = Upstream()
    up.image("library/app", "v1", [b"layer"])
    pg = Pullgate(up, more='trace: {endpoint: "http://127.0.0.1:1/v1/traces", sample: 100}')
    for _ in range(3):
        assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.wait_log("collector at trace.endpoint does not answer")
    pg.wait_metric('pullgate_trace_spans_total{result="dropped"}', 3)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.stop()


def test_what_is_left_is_sent_at_the_end():
    up, collector = Upstream(), Collector()
    up.image("library/app", "v1", [b"layer"])
    pg = Pullgate(up, more=f'trace: {{endpoint: "{collector.url}", sample: 100}}')
    for _ in range(20):
        pg.get("/v2/library/app/manifests/v1")
    pg.stop()
    assert len([s for s in collector.spans if s["kind"] == 2]) == 20


def test_a_bad_endpoint_is_refused():
    pg = Pullgate()
    for endpoint in ("ftp://x/y", "http://127.0.0.1:4318", "http://a b/c"):
        pg.write(f'storage: {{path: "{{dir}}/data"}}\ntrace: {{endpoint: "{endpoint}"}}\n')
        p = subprocess.run([os.environ["PULLGATE"], "config", "check", "-c", pg.conf],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        status, out, err = p.returncode, p.stdout, ""
        assert status != 0 and "trace.endpoint" in out + err, (out, err)
    pg.stop(fsck=False)


if __name__ == "__main__":
    stage.main(dict(globals()))
