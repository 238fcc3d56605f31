# SPDX-License-Identifier: Apache-2.0
"""A serving loop never waits: no fsync, no resolver, no byte of a blob that is not in memory."""
import os, re, subprocess, tempfile

import pg as stage
from pg import HERE, Pullgate, Upstream, compile_to, need, preload

SINNER = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
int main(int n, char **paths)
{
    char byte;
    struct addrinfo *a;
    int fd = open(paths[n - 1], O_RDWR);
    pthread_setname_np(pthread_self(), "pg-loop-0");
    fsync(fd);
    fdatasync(fd);
    getaddrinfo("127.0.0.1", NULL, NULL, &a);
    return pread(fd, &byte, 1, 0) == 1 ? 0 : 1;
}
"""


def guard(folder):
    return compile_to(folder, "guard.so", os.path.join(HERE, "../harness/guard.c"), "-shared", "-fPIC")


def forget_pages(path):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def test_the_guard_sees_what_it_is_for():
    need("cc")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        source = os.path.join(folder, "sinner.c")
        open(source, "w").write(SINNER)
        sinner = compile_to(folder, "sinner", source)
        os.mkdir(os.path.join(folder, "blobs"))
        blob = os.path.join(folder, "blobs/x")
        with open(blob, "wb") as f:
            f.write(b"x" * 8192)
            os.fsync(f.fileno())
        forget_pages(blob)
        said = subprocess.run([sinner, blob], env={**os.environ, "LD_PRELOAD": guard(folder)},
                              stderr=subprocess.PIPE, text=True).stderr
    for sin in ("CALLS fsync", "CALLS fdatasync", "CALLS getaddrinfo", "READS COLD BYTES"):
        assert sin in said, said


def test_loops_do_not_wait():
    need("cc")
    up = Upstream()
    image = up.image("library/app", "v1", [b"small", b"l" * 3_000_000])
    with tempfile.TemporaryDirectory() as folder:
        pg = Pullgate(up, more="sandbox: false", env=preload(guard(folder)))
        for _ in range(2):
            assert pg.get("/v2/library/app/manifests/v1").status == 200
            for layer in image.layers:
                assert pg.get(f"/v2/library/app/blobs/{layer}").status == 200
            pg.landed(3)
        pg.restart()
        for layer in image.layers:
            forget_pages(pg.blob_file(layer))
        for layer in image.layers:
            assert pg.get(f"/v2/library/app/blobs/{layer}").status == 200
        assert pg.get("/v2/library/app/manifests/v2").status == 404
        log = "".join(pg.log)
        pg.stop()
    assert "a loop reads warm bytes" in log, log
    assert not re.findall(r"a loop (?:CALLS|READS).*", log), log


if __name__ == "__main__":
    stage.main(dict(globals()))
