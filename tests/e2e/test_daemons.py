# SPDX-License-Identifier: Apache-2.0
"""What runs on nodes besides podman: containerd, dockerd, buildah; each in a network of its own."""
import node
import pg as stage
from clients import Buildah, BuildKit, Containerd, Containerd2, Cri, Cri2, Docker, Docker29
from matrix import DEFAULT, NAMED, broken, judged, killed, pulls
from node import need_node


def docker(scenario, what, make=Docker):
    need_node()
    scenario(make, what, "docker")


def containerd(scenario, what, make):
    need_node()
    scenario(make, what, make.kind())


FORMS = {"?ns=": "docker.io/", "by name": NAMED, "default upstream": DEFAULT}


def test_containerd_pulls():
    containerd(pulls, FORMS, Containerd)


def test_containerd_A19_killed():
    containerd(killed, "docker.io/library/app:v1", Containerd)


def test_containerd_E09_upstream_breaks_off():
    containerd(broken, "docker.io/library/app:v1", Containerd)


def test_containerd2_pulls():
    containerd(pulls, FORMS, Containerd2)


def test_containerd2_A19_killed():
    containerd(killed, "docker.io/library/app:v1", Containerd2)


def test_containerd2_E09_upstream_breaks_off():
    containerd(broken, "docker.io/library/app:v1", Containerd2)


def test_kubernetes_pulls():
    containerd(pulls, FORMS, Cri)


def test_kubernetes_pulls_with_containerd2():
    containerd(pulls, FORMS, Cri2)


def test_docker_pulls():
    docker(pulls, {"mirror": "", "by name": NAMED, "default upstream": DEFAULT})


def test_docker_A19_killed():
    docker(killed, "library/app:v1")


def test_docker_E09_upstream_breaks_off():
    docker(broken, NAMED + "library/app:v1")


def test_docker29_pulls():
    docker(pulls, FORMS, Docker29)


def test_docker29_A19_killed():
    docker(killed, "library/app:v1", Docker29)


def test_docker29_E09_upstream_breaks_off():
    docker(broken, "library/app:v1", Docker29)


def test_buildah_pulls():
    need_node()
    pulls(Buildah, {"mirror": "docker.io/", "by name": NAMED, "default upstream": DEFAULT}, "podman")


def test_buildah_A19_killed():
    need_node()
    killed(Buildah, "docker.io/library/app:v1", "podman")


def test_buildah_E09_upstream_breaks_off():
    need_node()
    broken(Buildah, "docker.io/library/app:v1", "podman")


def test_buildkit_builds_from_it():
    need_node()
    pulls(BuildKit, {"mirror": "docker.io/", "by name": NAMED, "default upstream": DEFAULT}, "buildkit")


def test_buildkit_A19_killed():
    need_node()
    killed(BuildKit, "docker.io/library/app:v1", "buildkit")


def test_buildkit_E09_upstream_breaks_off():
    need_node()
    broken(BuildKit, "docker.io/library/app:v1", "buildkit")


# ---- under a policy: what is signed comes, and of what is not the user is told why

def test_docker_pulls_what_is_signed_and_tells_why_not():
    docker(judged, {"mirror": "", "by name": NAMED})


def test_containerd_pulls_what_is_signed_and_tells_why_not():
    containerd(judged, FORMS, Containerd)


def test_containerd2_pulls_what_is_signed_and_tells_why_not():
    containerd(judged, FORMS, Containerd2)


def test_kubernetes_pulls_what_is_signed_and_tells_why_not():
    containerd(judged, {"by name": NAMED}, Cri)


def test_buildah_pulls_what_is_signed_and_tells_why_not():
    need_node()
    judged(Buildah, {"by name": NAMED}, "podman")


if __name__ == "__main__":
    node.enter()
    stage.main(globals())
