# SPDX-License-Identifier: Apache-2.0
"""A real registry (Debian's docker-registry) with real images in it, made here and now."""
import gzip, hashlib, io, json, os, re, select, shutil, subprocess, tarfile, tempfile, threading, time

from pg import DEADLINE, need
from upstream import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST

POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


def put(folder, data):
    """A blob of an OCI layout."""
    digest = hashlib.sha256(data).hexdigest()
    os.makedirs(os.path.join(folder, "blobs/sha256"), exist_ok=True)
    with open(os.path.join(folder, "blobs/sha256", digest), "wb") as f:
        f.write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}


def layer(files):
    """A gzipped tar of {path: bytes}, and the digest of what is in it."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as t:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o755
            t.addfile(info, io.BytesIO(data))
    return gzip.compress(tar.getvalue(), 1, mtime=0), hashlib.sha256(tar.getvalue()).hexdigest()


def layout(folder, seed, arches=("amd64", "arm64"), mib=2):
    """An OCI layout with a multi-arch image; returns the digest of its index."""
    children = []
    for arch in arches:
        stuff = hashlib.shake_256(f"{seed} {arch}".encode()).digest(mib << 20)
        layers = [layer({"bin/hello": b"#!/bin/sh\necho " + arch.encode()}),
                  layer({"data/stuff": stuff, "etc/os-release": b"ID=test\n"})]
        config = json.dumps({"architecture": arch, "os": "linux", "config": {"Cmd": ["/bin/hello"]},
                             "rootfs": {"type": "layers", "diff_ids": ["sha256:" + d for _, d in layers]}})
        doc = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
               "config": {"mediaType": OCI_CONFIG, **put(folder, config.encode())},
               "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                           **put(folder, data)} for data, _ in layers]}
        children.append({"mediaType": OCI_MANIFEST, **put(folder, json.dumps(doc).encode()),
                         "platform": {"architecture": arch, "os": "linux"}})
    index = put(folder, json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX,
                                    "manifests": children}).encode())
    with open(os.path.join(folder, "oci-layout"), "w") as f:
        f.write('{"imageLayoutVersion": "1.0.0"}')
    with open(os.path.join(folder, "index.json"), "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [
            {"mediaType": OCI_INDEX, **index, "annotations": {"org.opencontainers.image.ref.name": "v1"}}]}, f)
    return index["digest"]


class Origin:
    def __init__(self):
        need("docker-registry", "skopeo")
        self.dir = tempfile.mkdtemp(prefix="pg-origin-")
        self.log = []
        config = os.path.join(self.dir, "config.yml")
        with open(config, "w") as f:
            f.write(f"version: 0.1\nlog: {{accesslog: {{disabled: false}}, level: warn}}\n"
                    f"storage: {{filesystem: {{rootdirectory: {self.dir}/data}}}}\n"
                    f"http: {{addr: '127.0.0.1:0'}}\n")
        self.port = self._start(config)
        self.url, self.host = f"http://127.0.0.1:{self.port}", f"127.0.0.1:{self.port}"

    def _start(self, config):
        """It does not say which port it took: a free one is chosen for it, and tried again."""
        import socket
        for _ in range(20):
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                port = s.getsockname()[1]
            self.proc = subprocess.Popen(
                ["docker-registry", "serve", config], text=True, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}"})
            threading.Thread(target=self._read, args=(self.proc.stdout,), daemon=True).start()
            gone, end = os.pidfd_open(self.proc.pid), time.monotonic() + DEADLINE
            while time.monotonic() < end:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    return port
                except OSError:
                    if select.select([gone], [], [], 0.02)[0]:
                        break
        raise AssertionError("docker-registry does not start: " + "".join(self.log[-5:]))

    def _read(self, out):
        for line in out:
            self.log.append(line)

    def requests(self):
        """From its own access log: (method, path, status) of each request so far. A request of
        our own marks the end, so that nothing before it is missed."""
        import http.client
        mark = f"/v2/mark{time.monotonic_ns()}"
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        c.request("GET", mark)
        c.getresponse().read()
        end = time.monotonic() + DEADLINE
        while not any(mark in l for l in self.log):
            assert time.monotonic() < end, "no access log: " + "".join(self.log[-5:])
            select.select([], [], [], 0.01)
        found = (re.search(r'"(GET|HEAD|POST|PUT|PATCH) (\S+) HTTP/1\.1" (\d+)', l) for l in self.log)
        return [(m[1], m[2], int(m[3])) for m in found if m and "/v2/mark" not in m[2]]

    def push(self, repo, tag, seed, **more):
        folder = os.path.join(self.dir, "layout-" + hashlib.md5(f"{repo}:{tag}".encode()).hexdigest())
        digest = layout(folder, seed, **more)
        run("skopeo", "copy", "--insecure-policy", "--all", "--preserve-digests", "--dest-tls-verify=false",
            f"oci:{folder}:v1", f"docker://{self.host}/{repo}:{tag}")
        return digest

    def die(self):
        self.proc.kill()
        self.proc.wait()

    def end(self):
        self.die()
        shutil.rmtree(self.dir)


def run(*command, env=None, ok=True):
    p = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env={**os.environ, **(env or {})}, timeout=180)
    assert not ok or p.returncode == 0, f"{' '.join(command)}: {p.stdout[-3000:]}"
    return p.stdout if ok else (p.returncode, p.stdout)
