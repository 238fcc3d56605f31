# SPDX-License-Identifier: Apache-2.0
"""`pullgate clientconf`: what it writes is right for the real clients, and closed: what the proxy
refuses is not asked elsewhere, though the registry can be reached."""
import json, os, subprocess, tempfile, tomllib

import node
import pg as stage
from clients import (HOSTS_DIR, Buildah, BuildKit, Containerd, Containerd2, Cri, Cri2, Docker,
                     Docker29, Podman, Skopeo)
from node import REGISTRY
from matrix import NAMED, Scene, seen
from pg import Upstream
from pki import Authority

MARK = "the canary of pullgate is refused always"
PROXY = "https://cache.example:5000"
KINDS = ["docker", "containerd1", "containerd2", "podman", "crio", "k3s", "buildkit", "talos"]

def conf(*args):
    p = subprocess.run([os.environ["PULLGATE"], "clientconf", *args], text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=stage.DEADLINE)
    return p.returncode, p.stdout, p.stderr


def written(folder):
    found = {}
    for d, _, names in os.walk(folder):
        for n in names:
            with open(os.path.join(d, n)) as f:
                found[os.path.join(d, n).removeprefix(folder)] = f.read()
    return found


def write(kind, *more):
    with tempfile.TemporaryDirectory(prefix="pg-conf-") as folder:
        code, out, err = conf("--for", kind, "--proxy", PROXY, "--upstream", "docker.io",
                              "--upstream", "ghcr.io", "--dir", folder, *more)
        assert code == 0, err
        return written(folder), err


# ---- the files

def test_every_client_has_its_files_and_they_parse():
    for kind in KINDS:
        files, err = write(kind)
        assert files, kind
        for path, text in files.items():
            if path.endswith((".toml", ".conf")):
                tomllib.loads(text)
            elif path.endswith(".json"):
                json.loads(text)
            assert PROXY[8:] in text or "config_path" in text or "disable-default" in text, (path, text)
        code, out, _ = conf("--for", kind, "--proxy", PROXY, "--upstream", "docker.io", "--upstream",
                            "ghcr.io")
        assert code == 0 and all(f"# {p}\n{t}" in out for p, t in files.items()), out


def test_containerd_has_server_and_host():
    for kind in ["containerd1", "containerd2"]:
        files, _ = write(kind)
        for name in ["docker.io", "ghcr.io", "_default", "cache.example:5000"]:
            hosts = tomllib.loads(files[f"{HOSTS_DIR}/{name}/hosts.toml"])
            assert hosts["server"] == PROXY and list(hosts["host"]) == [PROXY], hosts


def test_registries_conf_relocates_and_blocks():
    files, _ = write("podman")
    doc = tomllib.loads(files["/etc/containers/registries.conf.d/999-pullgate.conf"])
    by = {r["prefix"]: r for r in doc["registry"]}
    assert by["ghcr.io"]["location"] == "cache.example:5000/ghcr.io"
    assert by["*.com"]["blocked"] and by["*.io"]["blocked"]
    assert by["cache.example:5000"]["location"] == "cache.example:5000"
    assert not any("mirror" in r or "insecure" in r for r in doc["registry"])


def test_plain_http_is_said_where_the_client_wants_to_know():
    with tempfile.TemporaryDirectory() as folder:
        def files(kind):
            code, _, err = conf("--for", kind, "--proxy", "http://[::1]:5000", "--upstream", "docker.io",
                                "--dir", f"{folder}/{kind}")
            assert code == 0, err
            return written(f"{folder}/{kind}")
        podman, = files("podman").values()
        assert all(r.get("insecure") for r in tomllib.loads(podman)["registry"] if "location" in r)
        assert tomllib.loads(*files("buildkit").values())["registry"]["[::1]:5000"] == {"http": True}
        docker = json.loads(files("docker")["/etc/docker/daemon.json"])
        assert docker == {"registry-mirrors": ["http://[::1]:5000"], "insecure-registries": ["[::1]:5000"]}
        hosts = tomllib.loads(files("containerd2")[f"{HOSTS_DIR}/docker.io/hosts.toml"])
        assert hosts["server"] == "http://[::1]:5000" and list(hosts["host"]) == ["http://[::1]:5000"]


def test_k3s_and_talos_switch_the_fallback_off():
    files, _ = write("k3s")
    assert "disable-default-registry-endpoint: true\n" in files["/etc/rancher/k3s/config.yaml.d/pullgate.yaml"]
    assert '  "*":\n    endpoint: ["https://cache.example:5000"]' in files["/etc/rancher/k3s/registries.yaml"]
    (talos,), _ = write("talos")[0].values(), None
    assert talos.count("kind: RegistryMirrorConfig") == talos.count("skipFallback: true") == 4


def test_who_cannot_be_closed_is_told_so():
    for kind in ["docker", "buildkit"]:
        assert "NOT CLOSED" in write(kind)[1]
    for kind in ["containerd1", "containerd2", "crio", "k3s", "talos"]:
        assert "NOT CLOSED" not in write(kind)[1]


def test_only_certificates_are_copied():
    with tempfile.TemporaryDirectory() as folder:
        ca = Authority(folder, "ours")
        with open(ca.file) as f, open(ca.key) as k, open(folder + "/both.pem", "w") as both:
            certificate = f.read()
            both.write("junk\n" + k.read() + certificate)
        for kind in KINDS:
            files, _ = write(kind, "--ca", folder + "/both.pem")
            assert "PRIVATE KEY" not in "".join(files.values())
            if kind != "talos":
                assert certificate in files.values(), kind
        hosts = tomllib.loads(write("containerd1", "--ca", ca.file)[0][f"{HOSTS_DIR}/docker.io/hosts.toml"])
        assert hosts["ca"] == hosts["host"][PROXY]["ca"] == f"{HOSTS_DIR}/pullgate-ca.crt"


def test_what_is_there_is_not_overwritten():
    with tempfile.TemporaryDirectory() as folder:
        args = ["--for", "docker", "--proxy", PROXY, "--dir", folder]
        assert conf(*args)[0] == 0
        code, out, _ = conf(*args)
        assert code == 0 and "as it was" in out and "written" not in out
        with open(folder + "/etc/docker/daemon.json", "w") as f:
            f.write("{}")
        os.unlink(folder + "/etc/docker/certs.d/ghcr.io/hosts.toml")
        code, out, err = conf(*args)
        assert code == 2 and "daemon.json is there and says something else" in err
        assert not os.path.exists(folder + "/etc/docker/certs.d/ghcr.io/hosts.toml")


def test_wrong_arguments():
    for args, said in [
            ([], "say for which client"), (["--for", "podmann"], "did you mean podman?"),
            (["--for", "vax"], "no client vax: --for takes one of docker, containerd1"),
            (["--for", "podman", "--proxy", "cache.example"], "must begin with https://"),
            (["--for", "podman", "--proxy", "https://u:p@cache.example"], "must not hold a user"),
            (["--for", "podman", "--proxy", "https://a/b"], "must not have a path"),
            (["--for", "podman", "--proxy", "https://a\"b"], "valid host name"),
            (["--for", "podman", "--upstream", "../../etc"], "--upstream takes the name of a registry"),
            (["--for", "podman", "--upstream", "_default/x"], "--upstream takes the name"),
            (["--for", "podman", "--ca", "/nonexistent"], "--ca /nonexistent: No such file")]:
        code, out, err = conf(*args)
        assert code == 2 and said in err and not out, (args, out, err)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write("listen: 0.0.0.0:5000\nupstreams:\n  only.test: {url: https://only.test}\n")
        f.flush()
        code, _, err = conf("--for", "podman", "-c", f.name)
        assert code == 2 and "say by which URL clients reach the proxy" in err
        code, out, _ = conf("--for", "k3s", "-c", f.name, "--proxy", PROXY)
        assert code == 0 and '"only.test":' in out and "docker.io" not in out


# ---- with the clients themselves

class Open:
    """docker.io can be reached by all, has what the proxy refuses, and writes down who asks."""
    def __init__(self, kind):
        node.need_node()
        self.folder = tempfile.TemporaryDirectory(prefix="pg-world-")
        world = Authority(self.folder.name, "world")
        self.trust = world.file
        self.hub = Upstream(cert=world.sign("registry-1.docker.io", *node.NAMES), address=(REGISTRY, 443))
        self.digest = self.hub.image("library/app", "v1", [TAR]).digest
        self.hub.image("pullgate/canary", "v1", [TAR])
        self.scene = Scene(self.hub, kind, "https://registry-1.docker.io", f", ca_file: {world.file}")

    def direct(self):
        """Requests to the registry that the proxy did not make."""
        with self.hub.lock:
            return [(m, p) for m, p, h in self.hub.asked if "pullgate" not in h.get("User-Agent", "")]

    def __enter__(self):
        return self

    def __exit__(self, *failed):
        self.scene.__exit__(*failed)
        self.folder.cleanup()


TAR = bytes(10240)      # the empty tar: the smallest layer that every client takes


def closed(kind, make, reason=True):
    with Open(kind) as world, make(world.trust) as client:
        client.pull("docker.io/library/app:v1")
        assert world.digest in client.digest("docker.io/library/app:v1")
        code, said = client.pull("docker.io/pullgate/canary:v1", ok=False)
        assert code != 0 and (MARK if reason else "403") in said, said
        code, said = client.pull("quay.io/library/app:v1", ok=False)    # no upstream of the proxy
        assert code != 0, said
        client.pull(NAMED + "library/app:v1")
        assert world.direct() == []
        seen(client, "refusal is final")


def test_podman_is_closed():
    closed("podman", Podman)


def test_buildah_is_closed():
    closed("podman", Buildah)


def test_skopeo_is_closed():
    closed("podman", Skopeo)


def test_a_mirror_alone_would_be_open():
    """The test itself: with the form of the manuals the same client gets what was refused."""
    with Open("podman") as world, Podman(world.trust) as client:
        with open("/etc/containers/registries.conf.d/999-pullgate.conf", "w") as f:
            f.write('[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n'
                    '[[registry.mirror]]\nlocation = "cache.test:5000/docker.io"\n')
        client.pull("docker.io/pullgate/canary:v1")
        assert world.direct()


def test_containerd_is_closed():
    closed(Containerd.kind(), Containerd, reason=False)     # ctr shows the status alone


def test_containerd2_is_closed():
    closed("containerd2", Containerd2, reason=False)


def test_kubernetes_is_closed():
    closed(Cri.kind(), Cri, reason=False)


def test_kubernetes_is_closed_with_containerd2():
    closed("containerd2", Cri2, reason=False)


def path_of_the_hosts(make):
    """For Kubernetes, whose plugin does not get --hosts-dir: without the path it asks elsewhere."""
    with Open(make.kind()) as world, make(world.trust) as client:
        said = client.settings().replace("'", '"')
        assert f'config_path = "{HOSTS_DIR}"' in said, said


def test_containerd_takes_the_path_of_the_hosts():
    path_of_the_hosts(Containerd)


def test_containerd2_takes_the_path_of_the_hosts():
    path_of_the_hosts(Containerd2)


def test_containerd_1_with_a_server_alone_would_be_open():
    if Containerd.kind() != "containerd1":
        raise stage.Skip("this containerd takes a server alone")
    with Open("containerd1") as world, Containerd(world.trust) as client:
        with open(f"{HOSTS_DIR}/docker.io/hosts.toml", "w") as f:
            f.write('server = "https://cache.test:5000"\n')
        client.pull("docker.io/pullgate/canary:v1")
        assert world.direct()


def only_by_name(kind, make):
    with Open(kind) as world, make(world.trust) as client:
        client.pull("docker.io/library/app:v1")
        assert world.digest in client.digest("docker.io/library/app:v1")
        client.pull(NAMED + "library/app:v1")
        code, said = client.pull(NAMED + "pullgate/canary:v1", ok=False)
        assert code != 0 and MARK in said, said
        assert world.direct() == []
        client.pull("docker.io/pullgate/canary:v1")     # as the files and standard error say
        assert world.direct() and "NOT CLOSED" in world.scene.said
        seen(client, "refusal is final", "by name only")


def test_docker_by_name_is_closed_and_by_mirror_is_not():
    only_by_name("docker", Docker)


def test_buildkit_by_name_is_closed_and_by_mirror_is_not():
    only_by_name("buildkit", BuildKit)


def test_docker29_is_closed():
    """With the containerd image store, which reads hosts.toml."""
    closed("docker", Docker29)


if __name__ == "__main__":
    node.enter()
    stage.main(globals())
