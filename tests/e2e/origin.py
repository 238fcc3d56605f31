# SPDX-License-Identifier: Apache-2.0
"""A real registry (Debian's docker-registry) with real images in it, made here and now."""
import base64, gzip, hashlib, http.client, io, json, os, re, select, shutil, subprocess, tarfile, tempfile, threading, time

from pg import DEADLINE, need
from upstream import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, sha256

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
        stuff = hashlib.shake_256(f"{seed} {arch}".encode()).digest(mib << 20 or 32)
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


class Writer:
    """Puts blobs and manifests into it, byte for byte, as a client does; any thread. What it has in
    one repository is mounted into the next."""
    def __init__(self, origin):
        self.origin, self.at, self.local = origin, {}, threading.local()

    def ask(self, method, path, body=b"", media="application/octet-stream", good=(201,),
            accept="*/*"):
        if not hasattr(self.local, "c"):
            self.local.c = http.client.HTTPConnection("127.0.0.1", self.origin.port, timeout=DEADLINE)
        self.local.c.request(method, path, body, {"Content-Type": media, "Accept": accept})
        answer = self.local.c.getresponse()
        said = answer.read()
        assert answer.status in good, (method, path, answer.status, said)
        return answer.status, answer.headers, said

    def blob(self, repo, data, digest=None):
        digest = digest or sha256(data)
        there = self.at.get(digest)
        status, headers, _ = self.ask("POST", f"/v2/{repo}/blobs/uploads/" +
                                      (f"?mount={digest}&from={there}" if there else ""), good=(201, 202))
        if status == 202:
            where = headers["Location"]
            self.ask("PUT", f"{where}{'&' if '?' in where else '?'}digest={digest}", data)
        self.at.setdefault(digest, repo)
        return {"digest": digest, "size": len(data)}

    def manifest(self, repo, ref, body, media=OCI_MANIFEST):
        self.ask("PUT", f"/v2/{repo}/manifests/{ref}", body, media)

    def sign(self, repo, digest, key):
        """As cosign does, under its tag, with a private key in a file."""
        payload = json.dumps({"critical": {"identity": {"docker-reference": ""},
                                           "image": {"docker-manifest-digest": digest},
                                           "type": "cosign container image signature"}, "optional": None})
        signed = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=payload.encode(),
                                stdout=subprocess.PIPE, check=True).stdout
        self.manifest(repo, digest.replace(":", "-") + ".sig", json.dumps({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, **self.blob(repo, b"{}")},
            "layers": [{"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                        **self.blob(repo, payload.encode()), "annotations": {
                            "dev.cosignproject.cosign/signature": base64.b64encode(signed).decode()}}]}))


def run(*command, env=None, ok=True):
    p = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env={**os.environ, **(env or {})}, timeout=180)
    assert not ok or p.returncode == 0, f"{' '.join(command)}: {p.stdout[-3000:]}"
    return p.stdout if ok else (p.returncode, p.stdout)
