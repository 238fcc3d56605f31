# SPDX-License-Identifier: Apache-2.0
"""Clients that Debian does not have, built with Go: crane, oras, regctl, helm, cosign. They have no
settings for mirrors: the proxy is in the name."""
import json, os

import node
import pg as stage
from clients import Cosign, Crane, Helm, Oras, Regctl
from matrix import DEFAULT, NAMED, Scene, broken, killed, pulls, seen
from node import need_node
from origin import Origin
from pg import Upstream

FORMS = {"by name": NAMED, "default upstream": DEFAULT}


def test_crane_pulls():
    need_node()
    pulls(Crane, FORMS)


def test_crane_A19_killed():
    need_node()
    killed(Crane, NAMED + "library/app:v1")


def test_crane_E09_upstream_breaks_off():
    need_node()
    broken(Crane, NAMED + "library/app:v1")


def test_crane_lists_and_validates():
    need_node()
    origin = Origin()
    origin.push("library/app", "v1", "crane")
    with Scene(origin) as scene, Crane(scene.ours.file) as client:
        assert client.run("ls", NAMED + "library/app").split() == ["v1"]
        client.run("validate", "--remote", NAMED + "library/app:v1")


def test_regctl_pulls():
    need_node()
    pulls(Regctl, FORMS)


def test_regctl_A19_killed():
    need_node()
    killed(Regctl, NAMED + "library/app:v1")


def test_regctl_E09_upstream_breaks_off():
    need_node()
    broken(Regctl, NAMED + "library/app:v1")


def test_oras_pulls():
    need_node()
    pulls(Oras, FORMS)


def test_oras_A19_killed():
    need_node()
    killed(Oras, NAMED + "library/app:v1")


def test_oras_E09_upstream_breaks_off():
    need_node()
    broken(Oras, NAMED + "library/app:v1")


def test_a_refusal_says_why():
    """To everyone who asks by name."""
    need_node()
    for make in [Crane, Regctl, Oras]:
        with Scene(Upstream()) as scene, make(scene.ours.file) as client:
            code, said = client.pull(NAMED + "pullgate/canary:v1", ok=False)
            assert code != 0 and "the canary of pullgate is refused always" in said, said
            seen(client, "refusal is final")
    with Scene(Upstream()) as scene, Helm(scene.ours.file) as client:
        code, said = client.run("pull", f"oci://{NAMED}pullgate/canary", "--version", "1.2.3", ok=False)
        assert code != 0 and "403" in said, said
        seen(client, "refusal is final")


def test_oras_artifact():
    """Files, and what was attached to them, are found and come; cold, warm and without upstream."""
    need_node()
    origin = Origin()
    with Scene(origin) as scene, Oras(scene.ours.file) as client:
        os.chdir(client.dir)
        for name in ["hello", "sbom"]:
            with open(name, "w") as f:
                f.write(name * 1000)
        art, there = f"{NAMED}library/art:v1", f"{origin.host}/library/art:v1"
        client.run("push", "--plain-http", "--artifact-type", "application/vnd.test", there, "hello")
        client.run("attach", "--plain-http", "--artifact-type", "application/vnd.sbom", there, "sbom")

        def pull(reference, name):
            client.run("pull", "-o", "out", reference)
            with open("out/" + name) as f:
                assert f.read() == name * 1000
        pull(art, "hello")
        found = json.loads(client.run("discover", "--format", "json", art))
        (one,) = found.get("referrers") or found["manifests"]
        assert one["artifactType"] == "application/vnd.sbom"
        attached = f"{NAMED}library/art@{one['digest']}"
        pull(attached, "sbom")
        assert client.run("repo", "tags", NAMED + "library/art").split()[-1] == "v1"
        origin.die()
        assert json.loads(client.run("discover", "--format", "json", art)) == found
        pull(art, "hello")
        pull(attached, "sbom")
        seen(client, "artifacts", "files, attachments")


def test_helm_chart():
    need_node()
    origin = Origin()
    with Scene(origin) as scene, Helm(scene.ours.file) as client:
        os.chdir(client.dir)
        client.run("create", "app")
        client.run("package", "app", "--version", "1.2.3")
        client.run("push", "app-1.2.3.tgz", f"oci://{origin.host}/charts", "--plain-http")
        with open("app-1.2.3.tgz", "rb") as f:
            chart = f.read()
        for form, prefix in FORMS.items():
            for n in range(2):
                os.unlink("app-1.2.3.tgz")
                client.run("pull", f"oci://{prefix}charts/app", "--version", "1.2.3")
                with open("app-1.2.3.tgz", "rb") as f:
                    assert f.read() == chart
            seen(client, form)
        assert "1.2.3" in client.run("show", "chart", f"oci://{NAMED}charts/app")   # the newest, by its tags
        seen(client, "cold, warm")
        origin.die()
        client.run("pull", f"oci://{NAMED}charts/app", "--version", "1.2.3")
        seen(client, "upstream down")
        seen(client, "artifacts", "charts")


def test_cosign_finds_signatures_that_are_referrers():
    """As OCI 1.1 has them; at a registry without that API, by the tag that stands for it."""
    need_node()
    origin = Origin()
    digest = origin.push("library/app", "v1", "referrers")
    with Scene(origin) as scene, Cosign(scene.ours.file) as client:
        client.env.update(COSIGN_PASSWORD="", SIGSTORE_NO_CACHE="1", COSIGN_EXPERIMENTAL="1")
        os.chdir(client.dir)
        client.run("generate-key-pair")
        client.run("sign", "--key", "cosign.key", "--tlog-upload=false", "--yes",
                   "--registry-referrers-mode", "oci-1-1", f"{origin.host}/library/app@{digest}")

        def look():
            said = client.run("verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true",
                              "--offline", "--experimental-oci11", NAMED + "library/app:v1")
            assert digest in said, said
        look()
        old = [r for r in origin.requests() if r[1].endswith(".sig") and r[2] < 400]
        assert not old, old             # it is not there in the old way
        origin.die()
        look()


def test_cosign_verifies_and_finds():
    """The signature is at the registry as a tag; it is verified through the proxy, offline."""
    need_node()
    origin = Origin()
    digest = origin.push("library/app", "v1", "cosign")
    with Scene(origin) as scene, Cosign(scene.ours.file) as client:
        client.env.update(COSIGN_PASSWORD="", SIGSTORE_NO_CACHE="1")
        os.chdir(client.dir)
        client.run("generate-key-pair")
        there = f"{origin.host}/library/app@{digest}"
        client.run("sign", "--key", "cosign.key", "--tlog-upload=false", "--yes", there)
        client.run("attest", "--key", "cosign.key", "--tlog-upload=false", "--yes", "--type", "custom",
                   "--predicate", "cosign.pub", there)

        def look(image):
            said = client.run("verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true",
                              "--offline", image)
            assert digest in said, said
            client.run("verify-attestation", "--key", "cosign.pub", "--insecure-ignore-tlog=true",
                       "--offline", "--type", "custom", image)
            said = client.run("tree", image)
            assert ".sig" in said and ".att" in said, said
        for form, prefix in FORMS.items():
            look(prefix + "library/app:v1")
            look(f"{prefix}library/app@{digest}")
            seen(client, form)
        seen(client, "cold, warm")
        origin.push("library/other", "v1", "unsigned")
        code, said = client.run("verify", "--key", "cosign.pub", "--insecure-ignore-tlog=true",
                                "--offline", NAMED + "library/other:v1", ok=False)
        assert code != 0 and "no signatures found" in said, said
        origin.die()
        look(NAMED + "library/app:v1")
        seen(client, "upstream down")
        seen(client, "artifacts", "signatures, attestations")


if __name__ == "__main__":
    node.enter()
    stage.main(globals())
