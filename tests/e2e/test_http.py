# SPDX-License-Identifier: Apache-2.0
"""Requests as raw bytes: what is refused, and that nothing behind a refused one is read.

Table A of the cases, by name. PING must never be answered where it was smuggled.
"""
import re, socket, struct

import pg as stage
from pg import Gate, Pullgate, Upstream
from upstream import instead, pause, sha256

SMUGGLED = b"GET /v2/smuggled/app/manifests/v1 HTTP/1.1\r\nHost: x\r\n\r\n"
HOST = b"Host: localhost\r\n"


def statuses(said):
    return [int(s) for s in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


def refused(pg, up, head, wanted=(400,), then=SMUGGLED):
    """head is refused with one answer, the connection closes, what follows is not looked at."""
    said = pg.raw(head + then)
    got = statuses(said)
    assert len(got) == 1 and got[0] in wanted, (head[:200], said[:300])
    assert up.count("GET", "smuggled") == up.count("HEAD", "smuggled") == 0, head[:200]
    return said


def stand():
    up = Upstream()
    up.image("library/app", "v1", [b"0123456789" * 100])
    return up, Pullgate(up)


def test_A01_length_and_chunked():
    up, pg = stand()
    refused(pg, up, b"GET /v2/ HTTP/1.1\r\n" + HOST +
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    refused(pg, up, b"GET /v2/ HTTP/1.1\r\n" + HOST +
            b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n")
    pg.stop()


def test_A02_transfer_encodings():
    up, pg = stand()
    for te in [b"chunked, identity", b"identity, chunked", b"xchunked", b"chunkedchunked",
               b"identity", b"gzip", b"", b"chunked, chunked", b"chunked;x=y"]:
        refused(pg, up, b"POST /v2/ HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: " + te +
                b"\r\n\r\n0\r\n\r\n")
    refused(pg, up, b"POST /v2/ HTTP/1.1\r\n" + HOST +
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    refused(pg, up, b"POST /v2/ HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    pg.stop()


def test_A03_two_lengths():
    up, pg = stand()
    for lines in [b"Content-Length: 5\r\nContent-Length: 6\r\n",
                  b"Content-Length: 5\r\nContent-Length: 5\r\n", b"Content-Length: 5, 5\r\n"]:
        refused(pg, up, b"POST /v2/ HTTP/1.1\r\n" + HOST + lines + b"\r\nhello")
    pg.stop()


def test_A04_lengths_that_are_none():
    up, pg = stand()
    for n in [b"", b"+5", b"0x5", b"5 6", b"-1", b"18446744073709551616", b"9" * 10_000]:
        refused(pg, up, b"POST /v2/ HTTP/1.1\r\n" + HOST + b"Content-Length: " + n + b"\r\n\r\n",
                (400, 431))
    pg.stop()


def test_A05_folded_lines():
    up, pg = stand()
    for h in [b"X-A: b\r\n c\r\n", b"X-A: b\r\n\tc\r\n", b"Transfer-Encoding:\r\n chunked\r\n"]:
        refused(pg, up, b"GET /v2/ HTTP/1.1\r\n" + HOST + h + b"\r\n")
    pg.stop()


def test_A06_line_ends():
    up, pg = stand()
    for head in [b"GET /v2/ HTTP/1.1\nHost: x\n\n", b"GET /v2/ HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
                 b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
                 b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\rX: y\r\n\r\n",
                 b"GET /v2/ HTTP/1.1\rHost: x\r\r"]:
        refused(pg, up, head)
    pg.stop()


def test_A07_header_names():
    up, pg = stand()
    for h in [b"Host : x\r\n", HOST + b"Content-Length : 5\r\n", HOST + b" Content-Length: 5\r\n",
              HOST + b": v\r\n", HOST + b"nocolon\r\n", HOST + b"X\x00Y: 1\r\n",
              HOST + b"X\x01: 1\r\n", HOST + b"X\x80: 1\r\n", HOST + b"X: a\x00b\r\n"]:
        refused(pg, up, b"GET /v2/ HTTP/1.1\r\n" + h + b"\r\n")
    pg.stop()


def test_A08_chunks():
    up, pg = stand()
    post = b"POST /v2/ HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    for body in [b"11111111111111111\r\n", b"5;\n", b"5;a=\x00\r\nhello\r\n0\r\n\r\n",
                 b"5\r\nhelloXX0\r\n\r\n", b"xyz\r\n", b"5\nhello\r\n0\r\n\r\n"]:
        refused(pg, up, post + body, (400, 405, 413))
    refused(pg, up, post + b"5;" + b"e" * (1 << 20), (400, 405, 413), b"")
    pg.stop()


def test_A09_hosts():
    up, pg = stand()
    for h in [b"", b"Host: a\r\nHost: a\r\n", b"Host: a b\r\n", b"Host: a/b\r\n",
              b"Host: u@a\r\n", b"Host: a,b\r\n", b"Host: [::1\r\n"]:
        refused(pg, up, b"GET /v2/ HTTP/1.1\r\n" + h + b"\r\n")
    refused(pg, up, b"GET http://other/v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    said = pg.raw(b"GET http://localhost/v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert statuses(said) == [200]
    pg.stop()


def test_A10_other_protocols():
    up, pg = stand()
    for head in [b"GET /v2/\r\n\r\n", b"GET /v2/ HTTP/1.2\r\nHost: x\r\n\r\n",
                 b"GET /v2/ HTTP/2.0\r\nHost: x\r\n\r\n",
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
                 b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
                 b"TRACE /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                 b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"]:
        refused(pg, up, head, (400, 405, 501, 505))
    pg.stop()


def test_A11_an_early_answer_and_a_body_under_way():
    up, pg = stand()
    body = b"x" * 200_000 + SMUGGLED
    for head in [b"PUT /v2/library/app/manifests/v1 HTTP/1.1\r\n", b"GET /v2/ HTTP/1.1\r\n"]:
        said = pg.raw(head + HOST + b"Content-Length: 1073741824\r\n\r\n" + body)
        assert len(statuses(said)) <= 1, said[:300]
        assert up.count("GET", "smuggled") == 0
    small = pg.raw(b"PUT /v2/library/app/manifests/v1 HTTP/1.1\r\n" + HOST +
                   b"Content-Length: 5\r\n\r\nhello"
                   b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert statuses(small) in ([405], [405, 200]), small
    pg.stop()


def test_A12_connection_names_headers():
    up, pg = stand()
    said = pg.raw(b"GET /v2/ HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n"
                  b"Connection: content-length, host, authorization\r\n\r\nhello"
                  b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert statuses(said) == [200, 200], said
    pg.stop()


def test_A13_pipelined_by_one_who_does_not_read():
    up, pg = stand()
    layer = up.blob(b"b" * 4_000_000)
    path = f"/v2/library/app/blobs/{layer}".encode()
    pg.get(path.decode())
    with open(f"/proc/{pg.proc.pid}/statm") as f:
        before = int(f.read().split()[1]) * 4096
    with pg.connect(1, receive_buffer=4096) as s:
        try:
            s.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            s.sendall((b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n") * 100_000)
        except TimeoutError:
            pass                                     # no room in the kernel either
        with open(f"/proc/{pg.proc.pid}/statm") as f:
            assert int(f.read().split()[1]) * 4096 - before < 16 << 20
    said = pg.raw(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n" * 999 +
                  b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert statuses(said) == [200] * 1000
    pg.stop()


def test_A14_expect():
    up, pg = stand()
    refused(pg, up, b"GET /v2/ HTTP/1.1\r\n" + HOST + b"Expect: 200-maybe\r\n\r\n", (417,))
    said = pg.raw(b"PUT /v2/library/app/manifests/v1 HTTP/1.1\r\n" + HOST +
                  b"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
    assert statuses(said)[-1] == 405, said
    said = pg.raw(b"GET /v2/ HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
    assert statuses(said)[-1] == 200, said
    pg.stop()


def test_A16_too_large():
    up, pg = stand()
    refused(pg, up, b"GET /v2/" + b"a" * 65536 + b" HTTP/1.1\r\nHost: x\r\n\r\n", (414, 431))
    refused(pg, up, b"GET /v2/ HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: 1\r\n" % i for i in range(101)) +
            b"\r\n", (431,))
    refused(pg, up, b"GET /v2/ HTTP/1.1\r\n" + HOST + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n", (431,))
    pg.stop()


RANGES = [  # header, size 1000: status and the part
    ("bytes=0-0", 206, (0, 1)), ("bytes=500-", 206, (500, 1000)), ("bytes=-500", 206, (500, 1000)),
    ("bytes=500-1499", 206, (500, 1000)), ("bytes=999-999", 206, (999, 1000)),
    ("bytes=0-999", 206, (0, 1000)), ("bytes=-2000", 206, (0, 1000)),
    ("bytes=1000-", 416, None), ("bytes=5000-10000", 416, None), ("bytes=-0", 416, None),
    ("bytes=9223372036854775807-", 416, None),
    ("bytes=500-0", 200, None), ("bytes=-9223372036854775608", 206, (0, 1000)),
    ("items=1-2", 200, None), ("bytes=a-b", 200, None), ("bytes=", 200, None),
    ("bytes=0-18446744073709551616", 206, (0, 1000)),
]


def test_A18_ranges():
    up, pg = stand()
    data = bytes(range(250)) * 4
    path = f"/v2/library/app/blobs/{up.blob(data)}"
    for warm in [False, True]:
        for value, code, part in RANGES:
            a = pg.get(path, {"Range": value})
            assert a.status == code, (value, a.status)
            if part:
                assert a.body == data[part[0]:part[1]], value
                assert a.headers["Content-Range"] == f"bytes {part[0]}-{part[1] - 1}/1000"
            elif code == 416:
                assert a.headers["Content-Range"] == "bytes */1000"
            else:
                assert a.body == data
    many = "bytes=" + ",".join(f"{i}-{i}" for i in range(0, 1000, 2))
    assert pg.get(path, {"Range": many}).status == 200
    assert up.count("GET", path) == 1
    pg.stop()


def parts_of(answer):
    """[(first, last, total, bytes)] of a multipart/byteranges, read strictly."""
    boundary = re.fullmatch(r"multipart/byteranges; boundary=([0-9a-f]{32})",
                            answer.headers["Content-Type"])[1].encode()
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    first, *middle, last = (b"\r\n" + answer.body).split(b"\r\n--" + boundary)
    assert first == b"" and last == b"--\r\n", (first, last)
    parts = []
    for part in middle:
        head, data = part.split(b"\r\n\r\n", 1)
        m = re.fullmatch(rb"\r\nContent-Type: application/octet-stream\r\n"
                         rb"Content-Range: bytes (\d+)-(\d+)/(\d+)", head)
        first, last, total = map(int, m.groups())
        assert len(data) == last - first + 1
        parts.append((first, last, total, data))
    return boundary, parts


def test_A18_several_ranges():
    up, pg = stand()
    data = bytes(range(250)) * 4
    path = f"/v2/library/app/blobs/{up.blob(data)}"
    wholes = ["bytes=0-499,500-999", "bytes=0-,0-", "bytes=0-0,x", "bytes=0-0,5-4",
              "bytes=" + ",".join(f"{i}-{i}" for i in range(33))]
    boundaries = set()
    for warm in [False, True]:
        for value, wanted in [("bytes=10-19,900-", [(10, 19), (900, 999)]),
                              ("bytes=-5, 0-0", [(995, 999), (0, 0)]),           # unsorted
                              ("bytes=0-9,10-19,20-29", [(0, 9), (10, 19), (20, 29)]),
                              ("bytes=0-99,50-149", [(0, 99), (50, 149)]),       # overlapping
                              ("bytes=0-0,1000-,2-2", [(0, 0), (2, 2)]),
                              ("bytes=" + ",".join(f"{i}-{i + 1}" for i in range(0, 320, 10)),
                               [(i, i + 1) for i in range(0, 320, 10)])]:
            a = pg.get(path, {"Range": value})
            assert a.status == 206 and a.headers["Content-Range"] is None, value
            boundary, parts = parts_of(a)
            assert parts == [(f, l, 1000, data[f:l + 1]) for f, l in wanted], value
            boundaries.add(boundary)
        for value in wholes:
            assert pg.get(path, {"Range": value}) == (200, data), value
        one = pg.get(path, {"Range": "bytes=5000-,10-19"})
        assert one == (206, data[10:20]) and one.headers["Content-Range"] == "bytes 10-19/1000"
        assert pg.get(path, {"Range": "bytes=1000-,2000-3000"}).status == 416
        assert pg.get(path, {"Range": "bytes=0-1,4-5", "If-Range": '"other"'}) == (200, data)
        head = pg.head(path, {"Range": "bytes=0-1,4-5"})
        assert head.status == 200 and head.headers["Content-Length"] == "1000"
        pg.landed(1)
    assert len(boundaries) == 12                     # a new one each time
    assert up.count("GET", path) == 1
    pg.stop()


def test_A18_large_ranges_to_a_client_that_reads_late_and_one_that_goes_on():
    import random
    up, pg = stand()
    data = random.Random(18).randbytes(16 << 20)
    path = f"/v2/library/app/blobs/{up.blob(data)}"
    ask = f"GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=9000000-,17-4000000\r\n"
    for warm in [False, True]:
        with pg.connect() as s:
            s.sendall(f"{ask}\r\n{ask}Connection: close\r\n\r\n".encode())
            got = b""
            while chunk := s.recv(1 << 20):
                got += chunk
        assert statuses(got) == [206, 206]
        assert got.count(b"\r\n\r\n" + data[9000000:] + b"\r\n--") == 2
        assert got.count(b"\r\n\r\n" + data[17:4000001] + b"\r\n--") == 2
        pg.landed(1)
    assert up.count("GET", path) == 1
    pg.stop()


def test_A19_several_ranges_of_a_cold_blob_wait_for_it_and_for_its_digest():
    """As podman asks for a zstd:chunked layer: its end first, then what it lacks, in one request."""
    up, gate = Upstream(), Gate()
    data = bytes(i * 7 % 251 for i in range(1_000_000))
    path = f"/v2/library/app/blobs/{up.blob(data)}"
    up.on(path, pause(gate), methods=("GET",))
    pg = Pullgate(up)
    chunks = [(0, 63), (100_000, 199_999), (200_000, 200_999), (999_000, 999_999)]
    footer = pg.start_get(path, {"Range": "bytes=999936-999999"})
    gate.wait_reached()
    several = pg.start_get(path, {"Range": "bytes=" + ",".join(f"{f}-{l}" for f, l in chunks)})
    many = [pg.start_get(path, {"Range": f"bytes={f}-{f + 99}"})         # as eStargz does
            for f in random_firsts(24, len(data) - 100)]
    pg.wait_metric("pullgate_flight_followers_total", 25)
    gate.open()
    assert footer.done() == (206, data[-64:])
    assert parts_of(several.done())[1] == [(f, l, len(data), data[f:l + 1]) for f, l in chunks]
    for first, pull in zip(random_firsts(24, len(data) - 100), many):
        assert pull.done() == (206, data[first:first + 100])
    assert up.count("GET", path) == 1
    pg.stop()


def test_A19_several_ranges_of_a_corrupt_blob_are_never_whole():
    """E09: the bytes are there, their digest does not match."""
    up, pg = stand()
    data = b"good" * 100_000
    path = f"/v2/library/app/blobs/{up.blob(data)}"
    up.on(path, instead(b"evil" * 100_000))
    said = pg.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                  "Range: bytes=0-9,20-29\r\n\r\n".encode())
    if b"206 Partial" in said:                       # it began before the end was known
        head, body = said.split(b"\r\n\r\n", 1)
        assert len(body) < int(re.search(rb"Content-Length: (\d+)", head)[1])
        assert not body.endswith(b"--\r\n")
    else:
        assert statuses(said) in ([502], []), said[:200]
    pg.stop()


def random_firsts(n, below):
    import random
    return [random.Random(f"{n} {i}").randrange(below) for i in range(n)]


def test_A19_ranges_of_what_is_not_here_yet():
    up, gate = Upstream(), Gate()
    data = bytes(i * 7 % 251 for i in range(1_000_000))
    path = f"/v2/library/app/blobs/{up.blob(data)}"
    up.on(path, pause(gate), methods=("GET",))
    pg = Pullgate(up)
    before = pg.start_get(path, {"Range": "bytes=100000-199999"})        # cold
    gate.wait_reached()
    past = pg.start_get(path, {"Range": "bytes=800000-"})                # in flight, not here
    pg.wait_metric("pullgate_flight_followers_total", 1)
    gate.open()
    assert before.done() == (206, data[100_000:200_000])
    assert past.done() == (206, data[800_000:])
    assert pg.get(path, {"Range": "bytes=-5"}) == (206, data[-5:])       # warm
    assert up.count("GET", path) == 1
    pg.stop()


def test_A20_parallel_ranges_of_a_cold_blob():
    import random
    up = Upstream()
    data = random.Random(20).randbytes(12 << 20)     # comes over one connection
    path = f"/v2/library/app/blobs/{up.blob(data)}"
    pg = Pullgate(up)
    piece, parts = 3 << 19, {}

    def read(first):
        with pg.connect() as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes={first}-\r\n\r\n".encode())
            got = b""
            while b"\r\n\r\n" not in got:
                got += s.recv(65536)
            head, got = got.split(b"\r\n\r\n", 1)
            assert head.startswith(b"HTTP/1.1 206 "), head
            while len(got) < min(piece, len(data) - first):
                more = s.recv(65536)
                assert more, "cut short"
                got += more
            parts[first] = got[:piece]               # and is dropped: the rest is not wanted

    import threading
    firsts = list(range(0, len(data), piece))
    random.Random(1).shuffle(firsts)
    threads = [threading.Thread(target=read, args=(f,)) for f in firsts]
    [t.start() for t in threads]
    [t.join(stage.DEADLINE * 3) for t in threads]
    assert b"".join(parts[f] for f in sorted(parts)) == data
    assert up.count("GET", path) == 1
    pg.stop()


def test_A23_clients_that_reset():
    import random
    up, pg = stand()
    data = random.Random(23).randbytes(2_000_000)
    path = f"/v2/library/app/blobs/{up.blob(data)}"
    rnd, fds = random.Random(5), None
    for n in range(300):
        s = pg.connect()
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        left = rnd.choice([0, 1, 200, 5000, 500_000])
        while left > 0:
            left -= len(s.recv(min(left, 65536)))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    assert pg.get(path) == (200, data)
    import os
    pg.wait_metric("pullgate_connections", 1, at_least=False)
    assert len(os.listdir(f"/proc/{pg.proc.pid}/fd")) < 100
    assert up.count("GET", path) == 1
    pg.stop()


def test_K02_slow_ones_are_closed():
    up = Upstream()
    up.image("library/app", "v1")
    pg = Pullgate(up, more="limits: {head_timeout: 300ms, idle_timeout: 300ms}")
    for sent in [b"", b"GET /v2/ HTT", b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX: "]:
        said = pg.raw(sent)                          # comes back when pullgate closes
        assert statuses(said) in ([], [408]), said
    said = pg.raw(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert statuses(said) == [200]
    pg.stop()


def test_whatever_writes_is_405():
    up, pg = stand()
    for method in ["POST", "PUT", "PATCH", "DELETE"]:
        for path in ["/v2/library/app/manifests/v1", "/v2/library/app/blobs/uploads/",
                     f"/v2/library/app/blobs/{sha256(b'x')}", "/v2/library/app/blobs/uploads/1-2"]:
            a = pg.get(path, method=method)
            assert a.status == 405 and a.code() == "UNSUPPORTED", (method, path, a)
            assert "read" in a.message()
    assert not [1 for m, _, _ in up.asked if m not in ("GET", "HEAD")]
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
