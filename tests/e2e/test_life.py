# SPDX-License-Identifier: Apache-2.0
"""The life of the process: its sandbox, its end, and what may go wrong around it."""
import json, os, re, shutil, subprocess, tempfile

from pg import Pullgate, Skip, Upstream, main


def has_sandbox(pg):
    """Else this kernel has no Landlock or no seccomp, and the log says so."""
    if pg.metric("pullgate_sandboxed") != 1:
        raise Skip(pg.wait_log("not closed off"))


def test_every_thread_is_in_the_sandbox():
    up = Upstream()
    up.image("library/app", "v1", [b"layer"])
    pg = Pullgate(up)
    has_sandbox(pg)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    tasks = f"/proc/{pg.proc.pid}/task"
    for task in os.listdir(tasks):
        status = open(f"{tasks}/{task}/status").read()
        assert re.search(r"^Seccomp:\s+2$", status, re.M), status
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M), status
    pg.stop()


def test_a_file_outside_of_the_sandbox_is_refused_by_a_reload_with_the_reason():
    pg = Pullgate(Upstream())
    has_sandbox(pg)
    elsewhere = tempfile.mkdtemp(prefix="pg-e2e-")
    for where, status in ((elsewhere, 422), (pg.dir, 200)):   # beside the configuration: let in
        secret = os.path.join(where, "secret")
        with open(secret, "w") as f:
            f.write("pw\n")
        os.chmod(secret, 0o600)
        conf = open(pg.conf).read()
        with open(pg.conf, "w") as f:
            f.write(re.sub(r"(allow_private: true)[^}]*}",
                           rf"\1, username: u, password_file: {secret}}}", conf))
        answer = pg.control("POST", "/api/v1/reload")
        if where == elsewhere:
            assert answer.status >= 400 and "sandbox does not reach" in answer.message(), answer
        else:
            assert answer.status == 200, answer
    pg.restart()                                              # which reads all that is named
    assert pg.metric("pullgate_sandboxed") == 1
    shutil.rmtree(elsewhere)
    pg.stop()


def test_the_sandbox_can_be_switched_off():
    pg = Pullgate(Upstream(), more="sandbox: false")
    pg.wait_log("the sandbox is switched off")
    assert pg.metric("pullgate_sandboxed") == 0
    status = open(f"/proc/{pg.proc.pid}/status").read()
    assert re.search(r"^Seccomp:\s+0$", status, re.M), status
    pg.stop()


main(globals())
