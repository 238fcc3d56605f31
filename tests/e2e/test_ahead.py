#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What is fetched before a client asks for it, and what is not."""
import concurrent.futures, os

from pg import Gate, Pullgate, main
from upstream import Upstream, hold, pause, status

ACCEPT = {"Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"}
MIB = 1 << 20


def manifest(repo="library/app", ref="v1"):
    return f"/v2/{repo}/manifests/{ref}"


def blob(digest, repo="library/app"):
    return f"/v2/{repo}/blobs/{digest}"


def gets(up, digests):
    """Of these blobs, those that were asked for, in that order."""
    with up.lock:
        asked = [p.rsplit("/", 1)[1] for m, p, _ in up.asked if m == "GET" and "/blobs/" in p]
    return [d for d in asked if d in digests]


def idle(pg):
    """Waits until no download is under way."""
    pg.wait_metric("pullgate_flights", 0, at_least=False)


def test_a_manifest_alone_brings_config_and_layers_in_their_order():
    up = Upstream()
    image = up.image("library/app", "v1", [os.urandom(300_000), b"two", b"three"])
    pg = Pullgate(up, origin=", max_connections: 3")    # one at a time for what nobody waits for
    assert pg.get(manifest(), ACCEPT).status == 200
    pg.landed(5)
    assert gets(up, [image.config, *image.layers]) == [image.config, *image.layers]
    idle(pg)
    up.die()
    for d in [image.config, *image.layers]:
        assert pg.get(blob(d)).status == 200
    assert pg.metric("pullgate_fetched_ahead_total") == 4
    pg.stop()


def test_of_an_index_the_child_that_is_asked_for():
    up = Upstream()
    images = {a: up.image("library/app", None, [a.encode() * 1000], arch=a) for a in ("amd64", "arm64")}
    up.index("library/app", "v1", images)
    pg = Pullgate(up)
    assert pg.get(manifest(), ACCEPT).status == 200
    assert pg.get(manifest(ref=images["arm64"].digest), ACCEPT).status == 200
    pg.landed(4)
    idle(pg)
    assert gets(up, images["amd64"].layers) == [] and len(gets(up, images["arm64"].layers)) == 1
    pg.stop()


def test_N19_heads_bring_no_blob():
    up = Upstream()
    image = up.image("library/app", "v1", [b"one", b"two"])
    pg = Pullgate(up)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: pg.head(manifest(), ACCEPT).status, range(1000))) == {200}
    assert pg.metric("pullgate_fetched_ahead_total") == 0 and gets(up, [image.config, *image.layers]) == []
    assert pg.get(manifest(ref=image.digest), ACCEPT).status == 200     # as docker does after it
    pg.landed(4)
    pg.stop()


def test_it_may_be_switched_off():
    up = Upstream()
    image = up.image("library/app", "v1", [b"one"])
    pg = Pullgate(up, origin=", fetch_ahead: false")
    assert pg.get(manifest(), ACCEPT).status == 200
    assert pg.get(blob(image.config)).status == 200
    pg.landed(2)
    assert pg.metric("pullgate_fetched_ahead_total") == 0 and gets(up, image.layers) == []
    pg.stop()


def test_what_a_client_asks_for_comes_first():
    up, gate = Upstream(), Gate()
    image = up.image("library/app", "v1", [bytes([i]) * 100_000 for i in range(6)])
    up.on(rf"/blobs/{image.config}", hold(gate))
    pg = Pullgate(up, origin=", max_connections: 3")    # two for blobs, one of them for this
    assert pg.get(manifest(), ACCEPT).status == 200
    gate.wait_reached()
    pg.wait_metric("pullgate_flights", 7)
    assert len(pg.get(blob(image.layers[3])).body) == 100_000           # though others wait
    assert gets(up, image.layers[1:]) == [image.layers[3]]
    gate.open()
    pg.landed(8)
    assert gets(up, image.layers) == [image.layers[i] for i in (3, 0, 1, 2, 4, 5)]
    pg.stop()


def test_a_client_joins_what_is_on_its_way():
    up, gate = Upstream(), Gate()
    data = os.urandom(MIB)
    image = up.image("library/app", "v1", [data])
    up.on(rf"/blobs/{image.layers[0]}", pause(gate))
    pg = Pullgate(up)
    assert pg.get(manifest(), ACCEPT).status == 200
    gate.wait_reached()
    client = pg.start_get(blob(image.layers[0]))
    pg.wait_metric("pullgate_flight_waiters", 1)
    gate.open()
    assert client.done() == (200, data)
    assert len(gets(up, image.layers)) == 1
    pg.stop()


def test_one_caller_has_a_cap():
    up, gate = Upstream(), Gate()
    for i in range(4):
        up.image(f"library/app{i}", "v1", [b"%d %d" % (i, n) * 100 for n in range(30)])
    up.on("/blobs/", hold(gate))
    pg = Pullgate(up)
    for i in range(4):
        assert pg.get(manifest(f"library/app{i}"), ACCEPT).status == 200
    pg.wait_metric("pullgate_fetched_ahead_total", 4 * 31)
    pg.wait_true(lambda: len(pg.admin("/debug/flights").json()["flights"]) == 64, "a cap of 64")
    gate.open()
    pg.landed(4 + 64)
    idle(pg)
    pg.stop()


def test_nothing_is_evicted_for_it():
    up = Upstream()
    old = up.image("library/old", "v1", [os.urandom(9 * MIB)])
    new = up.image("library/new", "v1", [b"small", os.urandom(9 * MIB)])
    pg = Pullgate(up, storage="max_size: 16MiB")
    assert pg.get(manifest("library/old"), ACCEPT).status == 200
    pg.landed(3)
    assert pg.get(manifest("library/new"), ACCEPT).status == 200
    pg.wait_metric("pullgate_fetched_ahead_total", 5)
    idle(pg)
    assert gets(up, new.layers[1:]) == [] and pg.metric("pullgate_store_evicted_total") == 0
    assert os.path.exists(pg.blob_file(old.layers[0]))
    assert len(pg.get(blob(new.layers[1], "library/new")).body) == 9 * MIB      # a client may
    pg.wait_metric("pullgate_store_evicted_total", 1)
    pg.stop()


def test_what_is_purged_meanwhile_is_not_fetched():
    up, gate = Upstream(), Gate()
    image = up.image("library/app", "v1", [bytes([i]) * 1000 for i in range(6)])
    up.on("/blobs/", hold(gate))
    pg = Pullgate(up, origin=", max_connections: 4")
    assert pg.get(manifest(), ACCEPT).status == 200
    pg.wait_metric("pullgate_flights", 7)
    gate.wait_reached()
    pg.landed(1)
    code, out, err = pg.command("purge", "library/app")
    assert code == 0, (code, out, err)
    gate.open()
    idle(pg)
    assert gets(up, image.layers[1:]) == [], up.asked                   # what was begun is ended
    pg.stop()


def test_a_refusal_ends_it():
    up = Upstream()
    image = up.image("library/app", "v1", [bytes([i]) * 1000 for i in range(20)])
    gate = Gate()
    refuse = status(404)
    up.on("/blobs/", lambda x: gate.pass_through() or refuse(x))
    pg = Pullgate(up, origin=", max_connections: 4")
    assert pg.get(manifest(), ACCEPT).status == 200
    pg.wait_metric("pullgate_flights", 21)
    gate.open()
    idle(pg)
    assert len(gets(up, [image.config, *image.layers])) <= 4, up.asked
    up.well()
    assert pg.get(blob(image.layers[9])).status == 200
    pg.stop()


def test_an_upstream_that_counts_blobs_is_not_asked():
    up = Upstream()
    first = up.image("library/one", "v1", [bytes([i]) * 1000 for i in range(5)])
    second = up.image("library/two", "v1", [b"other"])

    def counted(x):
        code, media, body = x.body()
        x.answer(code, {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "99;w=21600"}, body)
        return True
    up.on("/blobs/", counted)
    pg = Pullgate(up)
    assert pg.get(blob(first.layers[0], "library/one")).status == 200   # which says so
    assert pg.get(manifest("library/one"), ACCEPT).status == 200
    assert pg.get(manifest("library/two"), ACCEPT).status == 200
    assert pg.get(blob(second.config, "library/two")).status == 200
    assert gets(up, first.layers + second.layers) == [first.layers[0]]
    assert pg.metric("pullgate_fetched_ahead_total") == 0
    pg.stop()


def test_a_busy_upstream_keeps_room_for_who_waits():
    up, gate = Upstream(), Gate()
    up.image("library/big", "v1", [bytes([i]) * 1000 for i in range(30)])
    other = up.image("library/other", "v1", [b"wanted now"])
    up.on("/library/big/blobs/", hold(gate))
    pg = Pullgate(up)
    assert pg.get(manifest("library/big"), ACCEPT).status == 200
    pg.wait_metric("pullgate_flights", 31)
    assert pg.get(manifest("library/other"), ACCEPT).status == 200
    assert pg.get(blob(other.layers[0], "library/other")) == (200, b"wanted now")
    gate.open()
    pg.stop()


def part(x, gate, at):
    """The part that is asked for; stops after `at` bytes of it."""
    code, media, body = x.body()
    first, last = (int(n) for n in x.headers["Range"][6:].split("-"))
    data = body[first:last + 1]
    x.send_response(206)
    x.send_header("Content-Length", str(len(data)))
    x.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
    x.end_headers()
    x.wfile.write(data[:at])
    x.wfile.flush()
    gate.pass_through()
    x.wfile.write(data[at:])
    return True


def test_of_a_blob_in_parts_what_is_in_order_survives_a_kill():
    up, gate = Upstream(), Gate()
    data = os.urandom(28 * MIB)
    image = up.image("library/app", "v1", [data])
    layer = image.layers[0]
    up.on(layer, lambda x: x.headers.get("Range", "").startswith("bytes=0-") and part(x, gate, 3 * MIB))
    pg = Pullgate(up)
    assert pg.get(manifest(), ACCEPT).status == 200
    client = pg.start_get(blob(layer))
    length = lambda: max(pg.files("partial").values(), default=0)
    pg.wait_true(lambda: length() > 28 * MIB, "no part came before its turn")       # and a mark behind
    pg.wait_metric("pullgate_fetched_bytes_total", 20 * MIB)
    pg.kill()
    assert client.done().body == data[:len(client.answer.body)]                     # a short one
    gate.open()
    with up.lock:
        up.asked.clear()
    pg.start()
    pg.recovered()
    assert MIB <= length() <= 3 * MIB, length()
    assert pg.get(blob(layer)) == (200, data)
    with up.lock:
        begins = [int(h["Range"][6:].split("-")[0]) for m, p, h in up.asked if layer in p and m == "GET"]
    assert MIB <= min(begins) <= 3 * MIB, begins
    pg.landed(3)
    pg.stop()


def test_a_client_that_reads_slowly_does_not_hold_up_the_parts():
    up = Upstream()
    data = os.urandom(28 * MIB)
    image = up.image("library/app", "v1", [data])
    pg = Pullgate(up, origin=", fetch_ahead: false")
    assert pg.get(manifest(), ACCEPT).status == 200
    with pg.connect(receive_buffer=8192) as s:
        s.sendall(f"GET {blob(image.layers[0])} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        pg.landed(2)                                            # and it has not read a byte
    pg.stop()


if __name__ == "__main__":
    main(globals())
