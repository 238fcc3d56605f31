# SPDX-License-Identifier: Apache-2.0
"""The real Syft makes SBOMs of an image as it is cached here, and pullgate reads them."""
import json, os, subprocess, tempfile

import pg as stage
from pg import Pullgate, need
from test_scan import DEBIAN, FIXTURES, reports
from upstream import Upstream

REPO = "fixtures/debian12"


def put(up, folder):
    with open(f"{folder}/index.json") as f:
        entry = json.load(f)["manifests"][0]
    read = lambda digest: open(f"{folder}/blobs/{digest.replace(':', '/')}", "rb").read()
    doc = json.loads(read(entry["digest"]))
    for one in [doc["config"], *doc["layers"]]:
        up.blob(read(one["digest"]))
    return up.manifest(REPO, "v1", read(entry["digest"]), entry["mediaType"])


def test_sboms_of_a_cached_image():
    need("syft")
    up = Upstream()
    assert put(up, os.path.join(FIXTURES, "oci/debian12")) == DEBIAN
    pg = Pullgate(up)
    for turn in ("cold", "warm"):
        with tempfile.TemporaryDirectory(prefix="pg-syft-") as folder:
            made = {form: f"{folder}/{form}" for form in ("spdx-json", "cyclonedx-json")}
            p = subprocess.run(["syft", "scan", f"registry:127.0.0.1:{pg.port}/{REPO}@{DEBIAN}", "-q",
                                *(a for form, path in made.items() for a in ("-o", f"{form}={path}"))],
                               capture_output=True, text=True, timeout=stage.DEADLINE * 10,
                               env={**os.environ, "SYFT_REGISTRY_INSECURE_USE_HTTP": "true", "HOME": folder,
                                    "SYFT_CHECK_FOR_APP_UPDATE": "false"})
            assert p.returncode == 0, (turn, p.stderr)
            for form, path in made.items():
                with open(path) as f:
                    assert "libssl3" in f.read(), (turn, form)
                said = reports("debian12/trivy.json", "--digest", DEBIAN, "--sbom", path)[0]
                assert said["counts"], (turn, form, said)
                other = reports("clean/trivy.json", "--static", "--sbom", path)[0]
                assert not other["counts"] and other["code"] == "other_sbom", (form, other)
        up.die()
    pg.stop()


if __name__ == "__main__":
    stage.main(globals())
