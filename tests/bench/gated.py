# SPDX-License-Identifier: Apache-2.0
"""What a policy costs: the same requests of two servers, one of which wants all images signed.

The images are signed as cosign does it, by a key, under the tag sha256-HEX.sig.
"""
import base64, json, os, statistics, subprocess, time

from servers import MIB, OCI_MANIFEST, Image, fetch, sha256, start_pullgate, wait_until_quiet, wrk

SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"
POLICY = """\
audit: {required: false}
policy:
  default: deny
  rules:
  - name: signed
    match: {repositories: ["origin.test/library/**"]}
    require: {signature: {any_of: [{key: %s}]}}
"""


def key_of(folder):
    """(private, public), made once."""
    private, public = folder + "/sign.key", folder + "/sign.pub"
    if not os.path.exists(public):
        run = lambda *a: subprocess.run(["openssl", *a], check=True, capture_output=True)
        run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private)
        run("pkey", "-in", private, "-pubout", "-out", public)
    return private, public


def sign(image, folder):
    payload = json.dumps({"critical": {"identity": {"docker-reference": "origin.test/" + image.repo},
                                       "image": {"docker-manifest-digest": image.digest},
                                       "type": "cosign container image signature"}, "optional": None}).encode()
    said = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key_of(folder)[0]], input=payload,
                          capture_output=True, check=True).stdout
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [sha256(payload)]}}).encode()
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": image.blob(config), "size": len(config)},
        "layers": [{"mediaType": SIGNATURE, "digest": image.blob(payload), "size": len(payload), "annotations": {
            "dev.cosignproject.cosign/signature": base64.b64encode(said).decode()}}]}).encode()
    for ref in ["sha256-" + image.digest[7:] + ".sig", sha256(body)]:
        with open(f"{image.root}/manifests/{ref}", "wb") as f:
            f.write(body)
    return image


def start_gated(folder, origin, name="pullgate-gated", more="", **named):
    return start_pullgate(folder, origin, name, more=POLICY % key_of(folder)[1] + more, **named)


def spent(server, path, seconds):
    """Microseconds of CPU for each request."""
    before = server.cpu_ns()
    n, _, bad = wrk(f"http://127.0.0.1:{server.port}{path}", seconds, 16, "GET")
    assert n and not bad, (server.name, path, n, bad)
    return (server.cpu_ns() - before) / n / 1000


def warm(table, free, gated, image, seconds):
    for what, path in [("manifest by digest", image.manifest()), ("5 KiB blob", image.layer(0))]:
        for s in (free, gated):
            for first in (image.manifest("v1"), path):
                fetch(s.port, first)
            wait_until_quiet(s)
        rounds = [(spent(free, path, seconds), spent(gated, path, seconds)) for _ in range(3)]
        over = statistics.median(g - f for f, g in rounds)
        table.add(f"warm verdict, {what}", {"pullgate": (over, f"{over:.1f}")}, "us of CPU beyond no policy")


def cold(table, folder, origin, free, gated, n=15):
    took = {free.name: [], gated.name: []}
    for i in range(n):
        image = sign(Image(origin, f"library/signed{i}", [5 << 10], 1000 + i), folder)
        for s in (free, gated) if i % 2 else (gated, free):
            began = time.monotonic()
            fetch(s.port, image.manifest("v1"))
            took[s.name].append(time.monotonic() - began)
    over = (statistics.median(took[gated.name]) - statistics.median(took[free.name])) * 1000
    table.add("cold verdict of a signature", {"pullgate": (over, f"{over:.1f}")}, "ms beyond no policy")


def compare(folder, origin, table, seconds):
    free, gated = start_pullgate(folder, origin, "pullgate-free"), start_gated(folder, origin)
    try:
        warm(table, free, gated, sign(Image(origin, "library/gated", [5 << 10, MIB], 99), folder), seconds)
        cold(table, folder, origin, free, gated)
    finally:
        free.end()
        gated.end()
