# SPDX-License-Identifier: Apache-2.0
"""A machine of a client's own: a network with nothing but loopback, names that lead there, empty
folders for the client's settings. What a client does in it can reach no one but the test, so that
it may ask docker.io itself, and is seen doing so. Needs root; the stage is run again inside it."""
import ctypes, fcntl, os, shutil, socket, struct, subprocess, sys, tempfile

from pg import Skip

REGISTRY = "127.0.0.2"               # here answers who claims to be docker.io
NAMES = ["docker.io", "registry-1.docker.io", "auth.docker.io", "index.docker.io", "ghcr.io",
         "quay.io", "elsewhere.example"]
SETTINGS = ["/etc/docker", "/etc/containerd", "/etc/containers", "/etc/buildkit"]
MARK = "PG_NODE"


def enter():
    """Call it first: this process goes on inside, or every test is skipped with a word."""
    if os.environ.get(MARK):
        prepare()
        return
    inside = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if shutil.which("unshare") and os.geteuid() == 0 and \
            subprocess.run([*inside, "true"], stderr=subprocess.DEVNULL).returncode == 0:
        os.execvpe(inside[0], [*inside, sys.executable, *sys.argv], {**os.environ, MARK: "1"})


def need_node():
    if not os.environ.get(MARK):
        raise Skip("a network and mounts of its own need root")


def mount(source, target, kind, flags=0):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode(), flags, None) < 0:
        raise OSError(ctypes.get_errno(), f"mount on {target}")


def prepare():
    with socket.socket() as s:       # ip link set lo up
        request = struct.pack("16sh", b"lo", 0)
        flags, = struct.unpack("16xh", fcntl.ioctl(s, 0x8913, request))
        fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", flags | 1))
    for folder in [*SETTINGS, "/run"]:
        os.makedirs(folder, exist_ok=True)      # what is not there yet stays behind, empty
        mount("none", folder, "tmpfs")
    with tempfile.NamedTemporaryFile("w", prefix="pg-hosts-") as f:
        f.write("127.0.0.1 localhost cache.test\n" + "".join(f"{REGISTRY} {n}\n" for n in NAMES))
        f.flush()
        mount(f.name, "/etc/hosts", "none", 4096)   # MS_BIND: it stays when its name is gone
    os.environ.pop("DOCKER_HOST", None)
