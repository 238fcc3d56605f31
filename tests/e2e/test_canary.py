# SPDX-License-Identifier: Apache-2.0
"""`pullgate doctor --canary`: a client that asks elsewhere is told from one that does not."""
import json, os, shutil, subprocess

import node
import pg as stage
from clients import HOSTS_DIR, Containerd, Containerd2, Docker, Podman
from test_cli import fits
from test_clientconf import TAR, Open


def canary(client, name, *more, proxy="https://cache.test:5000"):
    """As on a node: the client finds its daemon and its store as it does there."""
    env = {**client.env, "CONTAINERD_ADDRESS": f"{client.dir}/sock",
           "DOCKER_HOST": f"unix://{client.dir}/sock"}
    p = subprocess.run([os.environ["PULLGATE"], "doctor", "--canary", name, "--proxy", proxy, *more],
                       text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, timeout=180)
    return p.returncode, p.stdout, p.stderr


def ours(world):
    return ["--upstream", "docker.io", "--ca", world.scene.ours.file]


def test_the_digest_is_that_of_the_image():
    """With it an image that is somewhere would be pulled: `open` needs no guessing then."""
    up = stage.Upstream()
    digest = up.image("pullgate/canary", "v1", [TAR]).digest
    with open("cli/canary.c") as f:
        assert f'#define CANARY_DIGEST "{digest}"' in f.read()
    up.die()


def test_podman_closed_open_and_held():
    with Open("podman") as world, Podman(world.trust) as client:
        assert canary(client, "podman", *ours(world))[:2] == (
            0, "closed       docker.io: podman asked the proxy, was refused, and asked nobody else\n")
        assert world.direct() == []
        path = "/etc/containers/registries.conf.d/999-pullgate.conf"
        with open(path, "w") as f:
            f.write('[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n'
                    '[[registry.mirror]]\nlocation = "cache.test:5000/docker.io"\n')
        code, out, _ = canary(client, "podman", *ours(world))
        assert code == 1 and out.startswith("open         docker.io: podman got what"), out
        assert "pullgate clientconf --for podman" in out
        assert "pullgate/canary" not in client.run("images")    # not left behind
        world.hub.manifests.clear()
        code, out, _ = canary(client, "podman", *ours(world))
        assert code == 1 and "podman asked docker.io, too, and was answered" in out, out
        world.hub.die()
        code, out, _ = canary(client, "podman", *ours(world))
        assert code == 1 and out.startswith("held         docker.io: podman tried docker.io"), out
        world.hub.live()


def containerd(make, path):
    with Open(make.kind()) as world, make(world.trust) as client:
        client.env["PATH"] = path(client) + ":" + os.environ["PATH"]
        code, out, err = canary(client, "containerd", *ours(world))
        assert (code, out) == (0, "closed       docker.io: containerd asked the proxy, was refused, "
                               "and asked nobody else\n"), (out, err)
        assert world.direct() == []
        with open(f"{HOSTS_DIR}/docker.io/hosts.toml", "w") as f:
            f.write(f'[host."https://cache.test:5000"]\nca = "{HOSTS_DIR}/pullgate-ca.crt"\n'
                    'capabilities = ["pull", "resolve"]\n')
        code, out, _ = canary(client, "containerd", *ours(world))
        assert code == 1 and out.startswith("open         docker.io: containerd got what"), out
        world.hub.manifests.clear()
        code, out, _ = canary(client, "containerd", *ours(world))
        assert code == 1 and "asked registry-1.docker.io, too, and was answered" in out, out
        world.hub.die()
        code, out, _ = canary(client, "containerd", *ours(world))
        assert code == 1 and out.startswith("held         docker.io: "), out
        world.hub.live()
        with open("/etc/containerd/config.toml") as f:
            text = f.read()
        with open("/etc/containerd/config.toml", "w") as f:
            f.write("".join(l + "\n" for l in text.splitlines() if "imports" not in l and
                            "config_path" not in l))
        code, out, _ = canary(client, "containerd", *ours(world))
        assert code == 1 and "open         Kubernetes: containerd's configuration has no" in out, out


def test_containerd_closed_open_and_held():
    containerd(Containerd, lambda client: client.dir)


def test_containerd2_closed_open_and_held():
    """Under the names that it has on a node."""
    def names(client):
        for name in ["containerd", "ctr"]:
            os.symlink(shutil.which(name + "2"), f"{client.dir}/{name}")
        return client.dir
    containerd(Containerd2, names)


def test_docker_is_open_and_held():
    with Open("docker") as world, Docker(world.trust) as client:
        there = dict(world.hub.manifests)
        world.hub.manifests.clear()
        code, out, _ = canary(client, "docker", *ours(world))
        assert code == 1 and "was answered" in out, out
        world.hub.die()
        code, out, _ = canary(client, "docker", *ours(world))
        assert code == 1 and out.startswith("held         docker.io: docker tried another"), out
        world.hub.live()
        world.hub.manifests.update(there)
        code, out, _ = canary(client, "docker", *ours(world))
        assert code == 1 and out.startswith("open         docker.io: docker got what"), out
        assert "pullgate/canary" not in client.run("images")


def test_what_cannot_be_seen_is_said():
    with Open("podman") as world, Podman(world.trust) as client:
        for args, name, said in [
                ([*ours(world)[:2], "--ca", world.trust], "podman", "the proxy does not answer: SSL"),
                (ours(world), "containerd", "there is no ctr here")]:
            client.env["PATH"] = "/nonexistent" if name == "containerd" else os.environ["PATH"]
            code, out, _ = canary(client, name, *args)
            assert code == 2 and out.startswith("inconclusive") and said in out, out
        code, out, _ = canary(client, "podman", *ours(world), proxy="https://registry-1.docker.io")
        assert code == 2 and "the proxy does not answer" in out, out
        code, out, _ = canary(client, "podman", "--ca", world.trust, proxy="https://registry-1.docker.io")
        assert code == 2 and "this is no pullgate" in out, out


def test_json():
    with Open("podman") as world, Podman(world.trust) as client:
        code, out, _ = canary(client, "podman", *ours(world), "--json")
        fits("canary", out)
        assert code == 0 and [r["verdict"] for r in json.loads(out)["results"]] == ["closed"], out
        code, out, _ = canary(client, "podman", *ours(world), "--upstream", "ghcr.io", "--json")
        fits("canary", out)
        assert code == 1 and len(json.loads(out)["results"]) == 2, out


def test_wrong_arguments():
    for args, said in [(["--canary", "podmann"], "did you mean podman?"),
                       (["--canary", "vax"], "no client vax")]:
        p = subprocess.run([os.environ["PULLGATE"], "doctor", *args], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert p.returncode == 2 and said in p.stderr, p.stderr


if __name__ == "__main__":
    node.enter()
    stage.main(globals())
