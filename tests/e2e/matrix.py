# SPDX-License-Identifier: Apache-2.0
"""What every client is put through, and the table of it in docs/clients.md (tests/check/clients.py).
For use inside a node: the proxy is cache.test:5000, with TLS; its docker.io is the test's."""
import gzip, hashlib, json, os, subprocess, tempfile

from node import SETTINGS
from pki import Authority, key_pair
from origin import Origin, Writer, layer
from pg import Gate, Pullgate, Upstream
from upstream import cut, pause

NAMED, DEFAULT = "cache.test:5000/docker.io/", "cache.test:5000/"
CONF = """\
listen:
  - {{address: 127.0.0.1:0}}
  - {{address: 127.0.0.1:5000, tls: {{cert: {cert}, key: {key}}}}}
admin: {{listen: 127.0.0.1:0}}
storage: {{path: {{dir}}/data, reserve: 0}}
tags: {{ttl: 0s}}
{top}
upstreams:
  docker.io: {{url: "{url}", default: true, allow_private: true{more}}}
"""


def seen(client, column, value="yes"):
    """One cell of the table, once it was seen; the run of all clients keeps them."""
    if file := os.environ.get("PG_CLIENTS_SEEN"):
        with open(file, "a") as f:
            f.write(json.dumps({"client": client.name, "version": client.version(),
                                "column": column, "value": value}) + "\n")


def write_conf(kind, ca):
    """The client's files where it looks for them; what clientconf says on standard error."""
    for path in SETTINGS:
        assert os.path.ismount(path), f"{path} is the machine's own"
        subprocess.run(f"rm -rf {path}/*", shell=True, check=True)
    p = subprocess.run([os.environ["PULLGATE"], "clientconf", "--for", kind, "--proxy",
                        "https://cache.test:5000", "--upstream", "docker.io", "--ca", ca,
                        "--dir", "/"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert p.returncode == 0, p.stderr
    return p.stderr


class Scene:
    """A proxy with a certificate in front of `upstream`, and the settings of one kind of client."""
    def __init__(self, upstream, kind=None, url=None, more="", top=""):
        self.upstream = upstream
        self.folder = tempfile.TemporaryDirectory(prefix="pg-scene-")
        self.ours = Authority(self.folder.name, "ours")
        cert, key = self.ours.sign("cache.test")
        self.pg = Pullgate(conf=CONF.format(cert=cert, key=key, url=url or upstream.url, more=more,
                                            top=top))
        self.said = write_conf(kind, self.ours.file) if kind else ""

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        if failed:
            self.pg.kill()
        else:
            self.pg.stop()
        if isinstance(self.upstream, Origin):
            self.upstream.end()
        else:
            self.upstream.die()
        self.folder.cleanup()


def blob_gets(origin):
    return [p for m, p, _ in origin.requests() if m == "GET" and "/blobs/" in p]


def pulls(make, forms, kind=None):
    """An index of two platforms: cold, then warm by tag and by digest in every form, then with the
    upstream gone, and after a restart. The registry's own log says that nothing came twice."""
    origin = Origin()
    digest = origin.push("library/app", "v1", make.__name__)
    with Scene(origin, kind) as scene, make(scene.ours.file) as client:
        before = len(blob_gets(origin))

        def pull(reference):
            client.pull(reference)
            assert digest in client.digest(reference), client.digest(reference)
            client.drop(reference)
        prefix = list(forms.values())[0]
        pull(prefix + "library/app:v1")
        cold = blob_gets(origin)[before:]
        assert len(cold) == len(set(cold)) >= 3, cold
        for form, prefix in forms.items():
            pull(prefix + "library/app:v1")
            pull(f"{prefix}library/app@{digest}")
            seen(client, form)
        assert blob_gets(origin)[before:] == cold
        seen(client, "cold, warm")
        scene.pg.landed(len(cold) + 2)
        origin.die()
        for again in range(2):
            for prefix in forms.values():
                pull(prefix + "library/app:v1")
                pull(f"{prefix}library/app@{digest}")
            if not again:
                scene.pg.restart()
        seen(client, "upstream down")


SIGNED = """\
default: deny
rules:
- name: by-the-builder
  match: {repositories: ["docker.io/library/**"]}
  require: {signature: {any_of: [{key: builder.pub}]}}
"""


def judged(make, forms, kind=None):
    """An index that is signed comes, by tag and by digest, and an image of it by its own. Of what is
    not signed, or by somebody else, the client tells its user which rule, why, and what would help;
    make.tells says what one tells that asks by HEAD, where no reason can be."""
    origin = Origin()
    with tempfile.TemporaryDirectory(prefix="pg-judged-") as folder:
        with open(folder + "/policy.yaml", "w") as f:
            f.write(SIGNED)
        digests = {repo: origin.push("library/" + repo, "v1", repo, mib=0) for repo in
                   ("app", "unsigned", "other")}
        for name, repo in [("builder", "app"), ("other", "other")]:
            key_pair(folder, name)
            Writer(origin).sign("library/" + repo, digests[repo], f"{folder}/{name}.key")
        with Scene(origin, kind, top=f"policy: {{file: {folder}/policy.yaml}}") as scene, \
                make(scene.ours.file) as client:
            index = scene.pg.get(f"/v2/library/app/manifests/{digests['app']}").json()
            for prefix in forms.values():
                for ref in [":v1", "@" + digests["app"], "@" + index["manifests"][0]["digest"]]:
                    client.pull(f"{prefix}library/app{ref}")
                    client.drop(f"{prefix}library/app{ref}")
            for repo, why in [("unsigned", "none was found"), ("other", "not signed by the trusted key")]:
                for ref in [":v1", "@" + digests[repo]]:
                    code, said = client.pull(f"{NAMED}library/{repo}{ref}", ok=False)
                    for text in make.tells or ['denied by policy rule "by-the-builder"',
                                               "a signature by key builder.pub",
                                               why, "what would help: have this image signed so"]:
                        assert code != 0 and text in said.replace("\\", ""), said


def scripted(seed):
    """An upstream with an image of one layer of 4 MiB: (upstream, digest of its index, the layer)."""
    up = Upstream()
    image = up.image("library/app", None, [tar(seed)])
    return up, up.index("library/app", "v1", {"amd64": image, "arm64": image}), image.layers[0]


def tar(seed):
    return gzip.decompress(layer({"stuff": hashlib.shake_256(seed.encode()).digest(4 << 20)})[0])


def killed(make, reference, kind=None):
    """A19: the client is killed in the middle of a layer and starts again: the download went on."""
    up, digest, big = scripted("killed " + make.__name__)
    gate = Gate()
    up.on(f"/blobs/{big}", pause(gate))
    with Scene(up, kind) as scene, make(scene.ours.file) as client:
        first = client.start_pull(reference)
        gate.wait_reached()
        first.kill()
        first.wait()
        first.stdout.close()
        gate.open()
        client.pull(reference)
        assert digest in client.digest(reference)
        assert up.count("GET", big) == 1
        seen(client, "client killed")


def broken(make, reference, kind=None):
    """E09: the upstream breaks off in a layer; the client does not notice, and only the rest is asked."""
    up, digest, big = scripted("broken " + make.__name__)
    up.on(f"/blobs/{big}", cut(3 << 20), times=1)
    with Scene(up, kind) as scene, make(scene.ours.file) as client:
        client.pull(reference)
        assert digest in client.digest(reference)
        asked = [h.get("Range") for m, p, h in up.asked if m == "GET" and big in p]
        assert asked == [None, f"bytes={3 << 20}-"], asked
        seen(client, "upstream breaks off")
