# SPDX-License-Identifier: Apache-2.0
"""Clients that Debian does not have, built with Go: crane and oras."""
import json, os, shutil, tempfile

import pg as stage
from origin import Origin, run
from pg import Pullgate, need
from test_clients import blob_gets, layout_digests


def test_crane():
    need("crane")
    origin = Origin()
    digest = origin.push("library/app", "v1", "crane")
    pg = Pullgate(origin)
    image = f"127.0.0.1:{pg.port}/library/app"
    before = len(blob_gets(origin))
    for n in range(2):
        for reference in [image + ":v1", f"{image}@{digest}"]:
            assert run("crane", "digest", "--insecure", reference).strip() == digest
            folder = tempfile.mkdtemp(prefix="pg-crane-")
            run("crane", "pull", "--insecure", "--format", "oci", reference, folder + "/out")
            assert all(n == c for n, c in layout_digests(folder + "/out").items())
            shutil.rmtree(folder)
        if n == 0:
            cold = blob_gets(origin)[before:]
            assert len(cold) == 6, cold
    assert len(blob_gets(origin)) == before + 6
    assert run("crane", "ls", "--insecure", image).split() == ["v1"]
    run("crane", "validate", "--insecure", "--remote", image + ":v1")
    pg.stop()
    origin.end()


def test_oras():
    need("oras")
    origin = Origin()
    work = tempfile.mkdtemp(prefix="pg-oras-")
    with open(work + "/hello.txt", "w") as f:
        f.write("hello")
    env = {"HOME": work}
    os.chdir(work)
    run("oras", "push", "--plain-http", "--artifact-type", "application/vnd.test",
        f"{origin.host}/library/art:v1", "hello.txt", env=env)
    pg = Pullgate(origin)
    for n in range(2):
        run("oras", "pull", "--plain-http", "-o", f"{work}/out{n}",
            f"127.0.0.1:{pg.port}/library/art:v1", env=env)
        with open(f"{work}/out{n}/hello.txt") as f:
            assert f.read() == "hello"
    tags = run("oras", "repo", "tags", "--plain-http", f"127.0.0.1:{pg.port}/library/art", env=env)
    assert tags.split() == ["v1"]
    run("oras", "discover", "--plain-http", f"127.0.0.1:{pg.port}/library/art:v1", env=env)
    pg.stop()
    origin.end()
    shutil.rmtree(work)


if __name__ == "__main__":
    stage.main(globals())
