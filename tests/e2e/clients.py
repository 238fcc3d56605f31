# SPDX-License-Identifier: Apache-2.0
"""Real clients with a common face: pull(reference), digest(reference), drop(reference). Each keeps
what it has in a folder of its own; those that have a daemon start it. For use inside a node."""
import json, os, re, shutil, signal, subprocess, tempfile

from pg import DEADLINE, need

HOSTS_DIR = "/etc/containerd/certs.d"
POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


class Client:
    programs, daemon = (), None
    tells = None                    # of a refusal: why, unless it says less
    version_words = ("--version",)

    def __init__(self, trust=None):
        """trust: a file of authorities that all of the client trusts, as the system's are."""
        need(*self.programs)
        self.dir = tempfile.mkdtemp(prefix=f"pg-{self.programs[0]}-")
        self.env = {**os.environ, "HOME": self.dir, "TMPDIR": self.dir, "SSL_CERT_DIR": "/nonexistent"}
        if trust:
            self.env["SSL_CERT_FILE"] = trust
        self.set_up()

    def set_up(self):
        pass

    @property
    def name(self):
        return self.programs[0]

    def version(self):
        said = subprocess.check_output([self.programs[0], *self.version_words], text=True,
                                       stderr=subprocess.STDOUT)
        return re.search(r"\d+\.\d+\.\d+", said)[0]

    def run(self, *args, ok=True):
        p = subprocess.run([*self.command, *args], text=True, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, env=self.env, timeout=180)
        assert not ok or p.returncode == 0, f"{' '.join([*self.command, *args])}: {p.stdout[-3000:]}"
        return p.stdout if ok else (p.returncode, p.stdout)

    def pull(self, reference, ok=True):
        return self.run(*self.words(reference), ok=ok)

    def start_pull(self, reference):
        return subprocess.Popen([*self.command, *self.words(reference)], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, env=self.env, text=True)

    def words(self, reference):
        return ["pull", reference]

    def start_daemon(self, *command):
        self.log = open(f"{self.dir}/daemon.log", "w+")
        self.daemon = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=self.env)

    def wait_daemon(self, *question):
        """Asks until it answers; in between waits for its end, and does not miss it."""
        import select, time
        gone, end = os.pidfd_open(self.daemon.pid), time.monotonic() + 4 * DEADLINE
        while self.run(*question, ok=False)[0] != 0:
            ended = select.select([gone], [], [], 0.1)[0]
            assert not ended and time.monotonic() < end, self.daemon_log()
        os.close(gone)

    def daemon_log(self):
        with open(f"{self.dir}/daemon.log") as f:
            return f.read()[-4000:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.daemon:
            self.daemon.send_signal(signal.SIGTERM)
            try:
                self.daemon.wait(DEADLINE * 2)
            except subprocess.TimeoutExpired:
                self.daemon.kill()
                self.daemon.wait()
            self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Containers(Client):
    """What reads registries.conf."""
    def set_up(self):
        os.makedirs("/etc/containers", exist_ok=True)
        for path, text in [("/etc/containers/policy.json", POLICY),
                           ("/etc/containers/registries.conf",
                            'unqualified-search-registries = ["docker.io"]\n')]:
            with open(path, "w") as f:
                f.write(text)
        with open(f"{self.dir}/storage.conf", "w") as f:
            f.write(f'[storage]\ndriver = "vfs"\nrunroot = "{self.dir}/run"\n'
                    f'graphroot = "{self.dir}/graph"\n')
        self.env["CONTAINERS_STORAGE_CONF"] = f"{self.dir}/storage.conf"


class Podman(Containers):
    programs = ("podman",)

    @property
    def command(self):
        return ["podman", "--root", f"{self.dir}/graph", "--runroot", f"{self.dir}/run",
                "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none"]

    def digest(self, reference):
        said = json.loads(self.run("image", "inspect", reference))[0]
        return {said["Digest"], *(d.split("@")[1] for d in said["RepoDigests"])}

    def drop(self, reference):
        self.run("rmi", "-f", reference)


class Buildah(Containers):
    programs = ("buildah",)

    @property
    def command(self):
        return ["buildah", "--root", f"{self.dir}/graph", "--runroot", f"{self.dir}/run",
                "--storage-driver", "vfs"]

    def digest(self, reference):
        return {json.loads(self.run("inspect", "--type", "image", reference))["FromImageDigest"],
                *self.run("images", "--digests", "--format", "{{.Digest}}").split()}

    def drop(self, reference):
        self.run("rmi", "-f", reference)


class Skopeo(Containers):
    programs, command = ("skopeo",), ["skopeo"]

    def words(self, reference):
        shutil.rmtree(f"{self.dir}/out", ignore_errors=True)
        return ["copy", "--all", "--preserve-digests", f"docker://{reference}", f"oci:{self.dir}/out:x"]

    def digest(self, reference):
        with open(f"{self.dir}/out/index.json") as f:
            return {json.load(f)["manifests"][0]["digest"]}

    def drop(self, reference):
        shutil.rmtree(f"{self.dir}/out")


CONTAINERD = {
    "containerd1": """\
version = 2
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
""", "containerd2": """\
version = 3
imports = ["/etc/containerd/conf.d/*.toml"]
[plugins."io.containerd.cri.v1.images"]
snapshotter = "native"
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
platform = "linux/%s"
snapshotter = "native"
"""}


class Containerd(Client):
    """With ctr, in the way of its version: 2 leaves a pull to the daemon. The native snapshotter
    works on every filesystem. The daemon's configuration has what clientconf writes."""
    programs, tells = ("containerd", "ctr"), ["403 Forbidden"]

    @classmethod
    def kind(cls):
        """For clientconf; by the version of what is here."""
        need(*cls.programs)
        said = subprocess.check_output([cls.programs[0], "--version"], text=True)
        return "containerd1" if re.search(r"\sv?1\.", said) else "containerd2"

    def set_up(self):
        os.makedirs("/etc/containerd", exist_ok=True)
        self.command = [self.programs[1], "-a", f"{self.dir}/sock"]
        arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
        text, ours = CONTAINERD[self.kind()].replace("%s", arch), "/etc/containerd/pullgate-config.toml"
        if os.path.exists(ours):        # by hand, as it says
            with open(ours) as f:
                text += f.read()
        with open("/etc/containerd/config.toml", "w") as f:
            f.write(f'{text}\n[plugins."io.containerd.internal.v1.opt"]\npath = "{self.dir}/opt"\n')
        self.daemon_command = [self.programs[0]]
        self.start_daemon(*self.daemon_command, "--root", f"{self.dir}/root", "--state",
                          f"{self.dir}/state", "--address", f"{self.dir}/sock")
        self.wait_daemon("version")

    def words(self, reference):
        return ["images", "pull", "--hosts-dir", HOSTS_DIR, "--snapshotter", "native", reference]

    def settings(self):
        return subprocess.check_output([*self.daemon_command, "config", "dump"], text=True)

    def digest(self, reference):
        return {w for w in self.run("images", "ls", f"name=={reference}").split() if
                w.startswith("sha256:")}

    def drop(self, reference):
        self.run("images", "rm", "--sync", reference)


class Containerd2(Containerd):
    """Built beside the system's."""
    programs = ("containerd2", "ctr2")


class Kubernetes:
    """The same daemons as a kubelet asks them: over CRI, with what their configuration says."""
    def set_up(self):
        super().set_up()
        self.ctr, self.command = self.command, ["crictl", "-r", f"unix://{self.dir}/sock", "-i",
                                                f"unix://{self.dir}/sock"]

    @property
    def name(self):
        return "Kubernetes with " + self.programs[0]

    def words(self, reference):
        return ["pull", reference]

    def digest(self, reference):
        said = self.run("inspecti", "-o", "json", reference)
        said = json.loads(said[said.index("{\n"):])      # behind its warnings
        return {d.split("@")[1] for d in said["status"]["repoDigests"]}

    def drop(self, reference):
        self.run("rmi", reference)


class Cri(Kubernetes, Containerd):
    programs = ("containerd", "ctr", "crictl")


class Cri2(Kubernetes, Containerd2):
    programs = ("containerd2", "ctr2", "crictl")


class Docker(Client):
    """dockerd reads /etc/docker/daemon.json, which clientconf writes."""
    programs = ("dockerd", "docker")

    def set_up(self):
        os.makedirs("/etc/docker", exist_ok=True)
        self.command = ["docker", "-H", f"unix://{self.dir}/sock"]
        self.env["PATH"] = os.environ["PATH"] + ":/usr/sbin:/sbin"
        self.start_daemon(self.programs[0], "--iptables=false", "--ip6tables=false", "--bridge=none",
                          "--data-root", f"{self.dir}/data", "--exec-root", f"{self.dir}/exec",
                          "--pidfile", f"{self.dir}/pid", "-H", f"unix://{self.dir}/sock")
        self.wait_daemon("version")

    def digest(self, reference):
        said = json.loads(self.run("image", "inspect", reference))[0]
        return {d.split("@")[1] for d in said["RepoDigests"]}

    def drop(self, reference):
        self.run("rmi", "-f", reference)


class Docker29(Docker):
    """With the containerd image store. Not built with the others: it takes too long. In
    build/tools: go install github.com/moby/moby/v2/cmd/dockerd@v2.0.0-beta.24, as dockerd29."""
    programs, name = ("dockerd29", "docker", "containerd2"), "dockerd with containerd store"

    def version(self):
        return go_version("dockerd29")

    def set_up(self):
        os.symlink(shutil.which("containerd2"), f"{self.dir}/containerd")
        os.environ["PATH"], path = f"{self.dir}:{os.environ['PATH']}", os.environ["PATH"]
        try:
            super().set_up()
        finally:
            os.environ["PATH"] = path


class BuildKit(Client):
    """A build FROM the reference. Not built with the others: it wants a module of its own, with
    buildkitd and buildctl of github.com/moby/buildkit v0.34.2 as tools."""
    programs, name = ("buildkitd", "buildctl", "runc"), "BuildKit"

    def version(self):
        return go_version("buildkitd")

    def set_up(self):
        self.command = ["buildctl", "--addr", f"unix://{self.dir}/sock"]
        self.start_daemon("buildkitd", "--config", "/etc/buildkit/buildkitd.toml", "--root",
                          f"{self.dir}/root", "--addr", f"unix://{self.dir}/sock",
                          "--oci-worker=true", "--oci-worker-snapshotter=native",
                          "--containerd-worker=false", "--oci-worker-net=host")
        self.wait_daemon("debug", "workers")

    def words(self, reference):
        folder = f"{self.dir}/context"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/Dockerfile", "w") as f:
            f.write(f"FROM {reference}\nCOPY Dockerfile /\n")
        return ["build", "--progress=plain", "--frontend", "dockerfile.v0", "--local",
                f"context={folder}", "--local", f"dockerfile={folder}", "--output",
                f"type=oci,dest={self.dir}/out.tar"]

    def pull(self, reference, ok=True):
        said = super().pull(reference, ok)
        self.said = said if ok else said[1]
        return said

    def digest(self, reference):
        return set(re.findall(r"FROM \S+@(sha256:[0-9a-f]{64})", self.said))

    def drop(self, reference):
        self.run("prune", "--all")


class Crane(Client):
    programs, command, version_words = ("crane",), ["crane"], ("version",)

    def version(self):
        return go_version("crane")

    def words(self, reference):
        shutil.rmtree(f"{self.dir}/out", ignore_errors=True)
        return ["pull", "--format", "oci", reference, f"{self.dir}/out"]

    def digest(self, reference):
        return {self.run("digest", reference).strip()}

    def drop(self, reference):
        shutil.rmtree(f"{self.dir}/out")


class Regctl(Client):
    programs, command = ("regctl",), ["regctl"]

    def version(self):
        return go_version("regctl")

    def words(self, reference):
        shutil.rmtree(f"{self.dir}/out", ignore_errors=True)
        return ["image", "copy", "--verbosity", "error", reference, f"ocidir://{self.dir}/out"]

    def digest(self, reference):
        return {self.run("image", "digest", reference).strip()}

    def drop(self, reference):
        shutil.rmtree(f"{self.dir}/out")


class Oras(Client):
    programs, command = ("oras",), ["oras"]

    def version(self):
        return go_version("oras")

    def words(self, reference):
        shutil.rmtree(f"{self.dir}/out", ignore_errors=True)
        return ["copy", "--to-oci-layout", reference, f"{self.dir}/out:x"]

    def digest(self, reference):
        with open(f"{self.dir}/out/index.json") as f:
            return {json.load(f)["manifests"][0]["digest"]}

    def drop(self, reference):
        shutil.rmtree(f"{self.dir}/out")


class Helm(Client):
    programs, command = ("helm",), ["helm"]

    def version(self):
        return go_version("helm")


class Cosign(Client):
    programs, command, more = ("cosign",), ["cosign"], []

    def version(self):
        return go_version(self.programs[0])

    def set_up(self):
        self.env.update(COSIGN_PASSWORD="", SIGSTORE_NO_CACHE="1")

    def sign(self, key, image, *words, what="sign"):
        """No log, no service: nothing of a network is there but the registry."""
        self.run(what, "--key", key, "--tlog-upload=false", "--yes", *self.more, *words, image)

    def verify(self, key, image, *words, what="verify", ok=True):
        return self.run(what, "--key", key, "--insecure-ignore-tlog=true", "--offline", *words, image, ok=ok)


class Cosign3(Cosign):
    """Its signatures are bundles, unless told."""
    programs, command, more = ("cosign3",), ["cosign3"], ["--use-signing-config=false"]


class Notation(Client):
    """Its library, in a command of the tests' own (tests/interop/notation)."""
    programs, command = ("notation",), ["notation"]

    def set_up(self):
        self.env["XDG_CONFIG_HOME"] = self.dir


def go_version(program):
    """As the module says that it was built of."""
    said = subprocess.run(["go", "version", "-m", shutil.which(program)], text=True,
                          stdout=subprocess.PIPE).stdout
    found = re.search(r"\smod\s+\S+\s+v(\S+)", said)
    return found[1] if found else "?"
