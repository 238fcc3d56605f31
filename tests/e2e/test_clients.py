# SPDX-License-Identifier: Apache-2.0
"""Real clients pull real images out of a real registry through pullgate."""
import hashlib, io, json, os, random, shutil, tarfile, tempfile

import node
import pg as stage
from clients import Podman, Skopeo
from matrix import DEFAULT, NAMED, broken, judged, killed, pulls
from node import need_node
from origin import POLICY, Origin, run
from pg import Pullgate, need
from upstream import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST


def layout_digests(folder):
    """name -> sha256 of what is in it, of every blob a client wrote."""
    blobs = os.path.join(folder, "blobs/sha256")
    found = {}
    for name in os.listdir(blobs):
        with open(os.path.join(blobs, name), "rb") as f:
            found[name] = hashlib.sha256(f.read()).hexdigest()
    return found


def skopeo_pull(pg, reference, digest):
    """All platforms into a new folder; every byte has the name it should have."""
    folder = tempfile.mkdtemp(prefix="pg-client-")
    try:
        run("skopeo", "copy", "--insecure-policy", "--all", "--preserve-digests",
            "--src-tls-verify=false", f"docker://127.0.0.1:{pg.port}/{reference}", f"oci:{folder}:x")
        found = layout_digests(folder)
        assert all(name == content for name, content in found.items())
        with open(os.path.join(folder, "index.json")) as f:
            assert json.load(f)["manifests"][0]["digest"] == digest
        return len(found)
    finally:
        shutil.rmtree(folder)


def blob_gets(origin):
    return [r for r in origin.requests() if r[0] == "GET" and "/blobs/" in r[1]]


def test_skopeo_cold_warm_by_tag_by_digest_and_without_upstream():
    origin = Origin()
    digest = origin.push("library/app", "v1", "one")
    pg = Pullgate(origin, more="tags: {ttl: 0s}")
    before = len(blob_gets(origin))
    assert skopeo_pull(pg, "library/app:v1", digest) == 9      # index, 2 x (manifest, config, 2 layers)
    cold = blob_gets(origin)[before:]
    assert len(cold) == len({path for _, path, _ in cold}) == 6, cold
    skopeo_pull(pg, "library/app:v1", digest)
    skopeo_pull(pg, f"library/app@{digest}", digest)
    skopeo_pull(pg, "origin.test/library/app:v1", digest)
    assert len(blob_gets(origin)) == before + 6                # the origin's own log says so
    inspected = json.loads(run("skopeo", "inspect", "--tls-verify=false",
                               f"docker://127.0.0.1:{pg.port}/library/app:v1"))
    assert inspected["Architecture"] == "amd64"
    pg.landed(9)
    origin.die()
    skopeo_pull(pg, "library/app:v1", digest)
    skopeo_pull(pg, f"library/app@{digest}", digest)
    pg.restart()
    skopeo_pull(pg, "library/app:v1", digest)
    pg.stop()
    origin.end()


def test_podman_with_a_mirror():
    need("podman")
    origin = Origin()
    digest = origin.push("library/app", "v1", "two")
    pg = Pullgate(conf=f"""\
listen: 127.0.0.1:0
admin: {{listen: 127.0.0.1:0}}
storage: {{path: {{dir}}/data, reserve: 0}}
upstreams:
  docker.io: {{url: "{origin.url}", default: true, allow_private: true}}
""")
    work = tempfile.mkdtemp(prefix="pg-podman-")
    with open(work + "/registries.conf", "w") as f:
        f.write('unqualified-search-registries = ["docker.io"]\n[[registry]]\nprefix = "docker.io"\n'
                f'location = "127.0.0.1:{pg.port}/docker.io"\ninsecure = true\n')
    with open(work + "/policy.json", "w") as f:
        f.write(POLICY)
    with open(work + "/storage.conf", "w") as f:
        f.write(f'[storage]\ndriver = "vfs"\nrunroot = "{work}/run"\ngraphroot = "{work}/graph"\n')
    env = {"CONTAINERS_REGISTRIES_CONF": work + "/registries.conf", "HOME": work,
           "CONTAINERS_STORAGE_CONF": work + "/storage.conf", "TMPDIR": work}
    podman = ["podman", "--root", work + "/graph", "--runroot", work + "/run", "--storage-driver", "vfs",
              "--cgroup-manager", "cgroupfs", "--events-backend", "none"]
    def pull(reference):
        run(*podman, "pull", "--signature-policy", work + "/policy.json", reference, env=env)
        said = json.loads(run(*podman, "image", "inspect", reference, env=env))
        run(*podman, "rmi", "-f", reference, env=env)
        return said[0]
    try:
        one = pull("docker.io/library/app:v1")
        assert digest in " ".join(one["RepoDigests"]) or one["Digest"] == digest, one["RepoDigests"]
        asked = len(blob_gets(origin))
        pull("docker.io/library/app:v1")
        pull(f"docker.io/library/app@{digest}")
        assert len(blob_gets(origin)) == asked
        origin.die()
        assert pull("docker.io/library/app:v1")["Id"] == one["Id"]
    finally:
        shutil.rmtree(work, ignore_errors=True)
    pg.stop()
    origin.end()


# ---- a layer of which only pieces are needed

def tar_of(changed):
    """60 files of 30 kB; those named are others."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for n in range(60):
            data = random.Random(1000 + n if n in changed else n).randbytes(30_000)
            entry = tarfile.TarInfo(f"file{n}")
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def push_chunked(origin, tag, layer):
    with tempfile.TemporaryDirectory(prefix="pg-layout-") as folder:
        os.makedirs(folder + "/blobs/sha256")

        def put(media, data):
            digest = hashlib.sha256(data).hexdigest()
            with open(f"{folder}/blobs/sha256/{digest}", "wb") as f:
                f.write(data)
            return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}
        one = put(OCI_LAYER, layer)
        config = put(OCI_CONFIG, json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
            "type": "layers", "diff_ids": [one["digest"]]}, "history": [{"created_by": tag}]}).encode())
        manifest = put(OCI_MANIFEST, json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                                                 "config": config, "layers": [one]}).encode())
        for name, text in [("index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]})),
                           ("oci-layout", '{"imageLayoutVersion":"1.0.0"}')]:
            with open(f"{folder}/{name}", "w") as f:
                f.write(text)
        run("skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", "--dest-compress-format",
            "zstd:chunked", f"oci:{folder}", f"docker://{origin.host}/library/app:{tag}")


def test_A19_podman_asks_for_the_pieces_of_a_zstd_chunked_layer_that_it_lacks():
    """Several ranges of a cold blob: one download, and of the answer only the pieces."""
    need("podman", "skopeo")
    work = tempfile.mkdtemp(prefix="pg-podman-")
    with open(work + "/storage.conf", "w") as f:
        f.write(f'[storage]\ndriver = "overlay"\nrunroot = "{work}/run"\ngraphroot = "{work}/graph"\n'
                '[storage.options]\npull_options = {enable_partial_images = "true"}\n')
    with open(work + "/policy.json", "w") as f:
        f.write(POLICY)
    env = {"HOME": work, "CONTAINERS_STORAGE_CONF": work + "/storage.conf", "TMPDIR": work}
    podman = ["podman", "--cgroup-manager", "cgroupfs", "--events-backend", "none"]
    if os.geteuid() != 0 or run(*podman, "info", env=env, ok=False)[0] != 0:
        raise stage.Skip("podman with overlay needs root and a filesystem that can")
    origin = Origin()
    layers = {"v1": tar_of([]), "v2": tar_of([3, 4, 20, 40, 59])}
    for tag, layer in layers.items():
        push_chunked(origin, tag, layer)
    pg = Pullgate(origin, more="log: {format: json}")
    try:
        for tag, layer in layers.items():
            image = f"127.0.0.1:{pg.port}/library/app:{tag}"
            run(*podman, "pull", "--tls-verify=false", "--signature-policy", work + "/policy.json",
                image, env=env)
            root = run(*podman, "image", "mount", image, env=env).strip()
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                for entry in tar:
                    with open(f"{root}/{entry.name}", "rb") as f:
                        assert f.read() == tar.extractfile(entry).read(), (tag, entry.name)
            run(*podman, "image", "umount", image, env=env)
        pieces = [l for l in map(json.loads, (l for l in pg.log if l.startswith("{")))
                  if l.get("status") == 206 and 100_000 < l["bytes"] < 400_000]
        assert len(pieces) == 1, pg.said()           # five files, in one answer
        assert len(blob_gets(origin)) == 4           # two configs, two layers
    finally:
        run(*podman, "system", "reset", "-f", env=env, ok=False)
        run("umount", work + "/graph/overlay", ok=False)
        shutil.rmtree(work, ignore_errors=True)
    pg.stop()
    origin.end()


# ---- all that every client is put through, on a machine of its own

FORMS = {"mirror": "docker.io/", "by name": NAMED, "default upstream": DEFAULT}


def test_podman_pulls():
    need_node()
    pulls(Podman, FORMS, "podman")


def test_podman_A19_killed():
    need_node()
    killed(Podman, "docker.io/library/app:v1", "podman")


def test_podman_E09_upstream_breaks_off():
    need_node()
    broken(Podman, "docker.io/library/app:v1", "podman")


def test_skopeo_pulls():
    need_node()
    pulls(Skopeo, FORMS, "podman")


def test_skopeo_A19_killed():
    need_node()
    killed(Skopeo, "docker.io/library/app:v1", "podman")


def test_skopeo_E09_upstream_breaks_off():
    need_node()
    broken(Skopeo, "docker.io/library/app:v1", "podman")


def test_podman_pulls_what_is_signed_and_tells_why_not():
    need_node()
    judged(Podman, FORMS, "podman")


def test_skopeo_copies_what_is_signed_and_tells_why_not():
    need_node()
    judged(Skopeo, FORMS, "podman")


if __name__ == "__main__":
    node.enter()
    stage.main(globals())
