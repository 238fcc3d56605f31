# SPDX-License-Identifier: Apache-2.0
"""The life of the process: its sandbox, its end, and what may go wrong around it."""
import json, os, re, select, shutil, signal, socket, subprocess, sys, tempfile, threading

from pg import Pullgate, Skip, Upstream, main

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../check"))
from generated import misfits


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


# ---- the log: where it goes may be full, shut, or read by nobody


def test_a_full_log_disk_costs_lines_and_nothing_else():
    up = Upstream()
    d = up.blob(b"x" * 100_000)
    with open("/dev/full", "w") as full:
        pg = Pullgate(up, more="log: {level: debug}", stderr=full)
        for _ in range(5):
            assert pg.get(f"/v2/library/app/blobs/{d}") == (200, up.blobs[d])
        pg.wait_metric("pullgate_log_dropped_total", 5)
        pg.stop()


def test_a_log_that_has_room_again_says_what_was_lost():
    with tempfile.TemporaryDirectory(prefix="pg-e2e-") as folder:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder]).returncode:
            raise Skip("mount is not permitted")
        try:
            path, filler = os.path.join(folder, "log"), os.path.join(folder, "filler")
            with open(path, "w") as log:
                pg = Pullgate(Upstream(), stderr=log)
            with open(filler, "wb") as f:
                try:
                    while f.write(b"x" * 512):
                        f.flush()
                except OSError:
                    f.raw.close()
            pg.wait_true(lambda: pg.get("/v2/").status == 200 and
                         pg.metric("pullgate_log_dropped_total") > 0, "no line was lost")
            os.remove(filler)
            look = lambda: pg.get("/v2/") and "log lines were dropped" in open(path).read()
            pg.wait_true(look, "nobody says that lines were lost")
            lines = open(path).read().splitlines()
            assert all(re.match(r"\d{4}-\d\d-\d\dT", l) for l in lines[-3:]), lines[-3:]
            pg.stop()
        finally:
            subprocess.run(["umount", folder], check=True)


def test_a_log_that_nobody_reads_holds_up_no_request():
    up = Upstream()
    d = up.blob(b"x" * 1000)
    reading, writing = os.pipe()
    pg = Pullgate(up, more="log: {level: debug}", stderr=writing)
    os.close(writing)
    ask = b"GET /healthz?%s HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n"
    many = ask % (b"q" * 3000, b"keep-alive") * 300 + ask % (b"q", b"close")
    while pg.metric("pullgate_log_dropped_total") == 0:   # the pipe and the queue are full soon
        pg.raw(many, pg.admin_port)
        assert pg.get(f"/v2/library/app/blobs/{d}") == (200, up.blobs[d])
    assert pg.get(f"/v2/library/app/blobs/{d}") == (200, up.blobs[d])
    pg.end()                                     # it does not wait for ever for the reader
    os.close(reading)
    pg.fsck()
    shutil.rmtree(pg.dir)


def test_a_log_whose_reader_went_away_does_not_end_the_server():
    up = Upstream()
    d = up.blob(b"x" * 1000)
    reading, writing = os.pipe()
    pg = Pullgate(up, stderr=writing)
    os.close(writing)
    os.close(reading)
    for _ in range(3):
        assert pg.get(f"/v2/library/app/blobs/{d}") == (200, up.blobs[d])
    pg.wait_metric("pullgate_log_dropped_total", 3)
    pg.stop()


# ---- the service manager


class Manager:
    """$NOTIFY_SOCKET: hears how the server is."""
    def __init__(self, abstract=False):
        self.folder = tempfile.mkdtemp(prefix="pg-e2e-")
        self.path = f"@{self.folder}/notify" if abstract else f"{self.folder}/notify"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path.replace("@", "\0"))
        self.sock.settimeout(30)

    def hear(self, state):
        """Waits for it; all that came before is passed over."""
        while True:
            said = self.sock.recv(4096).decode()
            if state in said:
                return said

    def close(self):
        self.sock.close()
        shutil.rmtree(self.folder)


def test_the_service_manager_hears_how_it_is():
    for abstract in (False, True):
        manager = Manager(abstract)
        pg = Pullgate(Upstream(), env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "100000"})
        manager.hear("READY=1")
        manager.hear("WATCHDOG=1")
        manager.hear("WATCHDOG=1")
        pg.reload()
        assert re.search(r"MONOTONIC_USEC=\d+", manager.hear("RELOADING=1"))
        manager.hear("READY=1")
        with open(pg.conf, "a") as f:
            f.write("nonsense: 1\n")
        pg.reload()
        manager.hear("RELOADING=1")
        manager.hear("READY=1")                  # refused: all is as it was
        pg.end()
        manager.hear("STOPPING=1")
        manager.close()
        shutil.rmtree(pg.dir)


def test_the_service_manager_is_told_of_the_process_that_took_over():
    manager = Manager()
    pg = Pullgate(Upstream(), env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "100000",
                                   "WATCHDOG_PID": "1"})   # who the manager began: not the heir
    manager.hear("READY=1")
    pg.recovered()
    pg.proc.send_signal(signal.SIGUSR2)
    heir = int(re.search(r"MAINPID=(\d+)", manager.hear("MAINPID="))[1])
    serves = re.search(r"process (\d+) serves now", pg.wait_log("serves now"))
    assert heir == int(serves[1])
    pg.proc.wait(30)
    manager.hear("WATCHDOG=1")                   # by nobody but the heir
    gone = os.pidfd_open(heir)
    signal.pidfd_send_signal(gone, signal.SIGTERM)
    manager.hear("STOPPING=1")
    assert select.select([gone], [], [], 30)[0], "the heir does not end"
    os.close(gone)
    manager.close()
    shutil.rmtree(pg.dir)


# ---- the layout of the store


def test_G18_a_store_of_the_first_layout_is_brought_up_and_a_newer_one_refused():
    up = Upstream()
    d = up.blob(os.urandom(100_000))
    pg = Pullgate(up)
    assert pg.get(f"/v2/library/app/blobs/{d}").status == 200
    pg.landed(1)
    pg.end()
    version, tag = (os.path.join(pg.dir, "data", f) for f in ("version", "CACHEDIR.TAG"))
    now = open(version).read()
    os.remove(tag)
    with open(version, "w") as f:
        f.write("1\n")
    code, out, err = pg.command("fsck")
    assert code == 2 and "older than this pullgate's" in err, (out, err)
    pg.start()
    pg.wait_log("bringing layout 1 up to 2.*has a backup")
    assert open(version).read() == now and os.path.exists(tag)
    assert pg.get(f"/v2/library/app/blobs/{d}") == (200, up.blobs[d]) and up.count("GET", d) == 1
    pg.end()
    with open(version, "w") as f:
        f.write("99\npullgate 7.1.0\n")
    before = pg.files("")
    code, out, err = pg.command("serve")
    assert code == 2 and "run pullgate 7.1.0 or a later one" in err, (out, err)
    assert pg.files("") == before                  # nothing was touched
    shutil.rmtree(pg.dir)


# ---- backup


def backup(pg, *args):
    return pg.command("backup", os.path.join(pg.dir, "backup"), *args)


def test_G19_a_backup_under_load_is_restored_and_clean():
    up = Upstream()
    layers = [os.urandom(100_000 + i) for i in range(20)]
    images = [up.image("library/app", f"v{i}", [l]) for i, l in enumerate(layers)]
    pg = Pullgate(up)
    for i, image in enumerate(images[:10]):
        assert pg.get(f"/v2/library/app/manifests/v{i}").status == 200
        assert pg.get(f"/v2/library/app/blobs/{image.layers[0]}").status == 200
    pg.landed(20)
    pg.wait_true(lambda: len(json.loads(pg.command("ls", "--json")[1])["tags"]) == 10, "the tags never landed")
    over, bad = threading.Event(), []

    def load():
        n = 0
        while not over.is_set():
            image, n = images[n % 20], n + 1
            for path in (f"manifests/{image.digest}", f"blobs/{image.layers[0]}",
                         f"blobs/{up.blob(os.urandom(5000))}"):
                answer = pg.get("/v2/library/app/" + path)
                if answer.status != 200:
                    bad.append(answer)

    clients = [threading.Thread(target=load, daemon=True) for _ in range(3)]
    for c in clients:
        c.start()
    try:
        code, out, err = backup(pg, "--deep", "--json")
    finally:
        over.set()
    for c in clients:
        c.join()
    assert not bad, bad[:2]
    assert code == 0, (out, err)
    told = json.loads(out)
    schema = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/api/backup.schema.json")
    assert not list(misfits(told, json.load(open(schema)))), told
    assert told["found"] == 0 and told["blobs"] >= 20 and told["linked"] + told["copied"] >= 20, told
    assert told["tags"] >= 10, told
    pg.stop()


def test_G19_what_was_backed_up_is_served_from_the_restored_store_alone():
    up = Upstream()
    image = up.image("library/app", "v1", [os.urandom(300_000)])
    pg = Pullgate(up)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    assert pg.get(f"/v2/library/app/blobs/{image.layers[0]}").status == 200
    pg.landed(2)
    code, out, err = backup(pg)
    assert code == 0 and "nothing is wrong" in out, (out, err)
    code, out, err = backup(pg)
    assert code == 2 and "is not empty" in err, (out, err)
    code, out, err = pg.command("restore", os.path.join(pg.dir, "backup"))
    assert code == 2 and "in use by another pullgate" in err, (out, err)
    pg.end()
    code, out, err = pg.command("restore", os.path.join(pg.dir, "backup"))
    assert code == 2 and "is not empty" in err, (out, err)
    code, out, err = pg.command("restore", "--force", "--deep", os.path.join(pg.dir, "backup"))
    assert code == 0 and "is in the folder replaced-" in out, (out, err)
    pg.fsck()
    up.die()
    pg.start()
    assert pg.get("/v2/library/app/manifests/v1") == (200, image.body)
    assert pg.get(f"/v2/library/app/blobs/{image.layers[0]}") == (200, up.blobs[image.layers[0]])
    pg.stop()


def test_a_backup_of_the_journal_alone_gives_back_what_cannot_be_fetched():
    up = Upstream()
    image = up.image("library/app", "v1", [os.urandom(300_000)])
    pg = Pullgate(up, more="tags: {ttl: 1h}")
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.landed(1)
    pg.end()                                       # offline
    code, out, err = backup(pg, "--no-blobs")
    assert code == 0 and "0 blobs" in out, (out, err)
    shutil.rmtree(os.path.join(pg.dir, "data"))
    code, out, err = pg.command("restore", os.path.join(pg.dir, "backup"))
    assert code == 0, (out, err)
    pg.fsck()
    pg.start()
    assert pg.get(f"/v2/library/app/manifests/{image.digest}") == (200, image.body)
    pg.stop()


def test_what_a_restore_has_half_moved_away_is_no_store():
    up = Upstream()
    up.image("library/app", "v1", [os.urandom(1000)])
    pg = Pullgate(up)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.landed(1)
    pg.end()
    assert backup(pg)[0] == 0
    there = set(os.listdir(os.path.join(pg.dir, "data"))) - {"lock", "control.sock"}
    for n in range(2, len(there) + 1):             # a crash before the n-th
        pg.env["PG_FAULTS"] = f"backup.move:EIO@{n}"
        code, out, err = pg.command("restore", "--force", os.path.join(pg.dir, "backup"))
        del pg.env["PG_FAULTS"]
        assert code == 2 and "cannot move away" in err, (n, out, err)
        code, out, err = pg.command("serve")
        assert code == 2 and "no cache of pullgate" in err, (n, out, err)
        data = os.path.join(pg.dir, "data")
        for folder in [f for f in os.listdir(data) if f.startswith("replaced-")]:
            for f in os.listdir(os.path.join(data, folder)):
                os.rename(os.path.join(data, folder, f), os.path.join(data, f))
            os.rmdir(os.path.join(data, folder))
    code, out, err = pg.command("restore", "--force", os.path.join(pg.dir, "backup"))
    assert code == 0, (out, err)
    pg.fsck()
    shutil.rmtree(pg.dir)


def test_a_backup_that_broke_off_is_no_store():
    up = Upstream()
    up.image("library/app", "v1", [os.urandom(1000)])
    pg = Pullgate(up)
    assert pg.get("/v2/library/app/manifests/v1").status == 200
    pg.landed(1)
    for fault in ("index.copy:ENOSPC@1", "backup.copy:ENOSPC@1", "backup.sync:EIO@1"):
        pg.env["PG_FAULTS"] = fault
        code, out, err = backup(pg)
        del pg.env["PG_FAULTS"]
        assert code == 2 and err, (fault, out, err)
        assert not os.path.exists(os.path.join(pg.dir, "backup/version")), fault
        code, out, err = pg.command("restore", os.path.join(pg.dir, "backup"))
        assert code == 2 and "no cache of pullgate" in err, (out, err)
        shutil.rmtree(os.path.join(pg.dir, "backup"))
    pg.env["PG_FAULTS"] = "backup.link:EPERM@1+"   # another filesystem: copied
    code, out, err = backup(pg, "--json")
    assert code == 0 and json.loads(out)["linked"] == 0 and json.loads(out)["copied"] >= 1, (out, err)
    del pg.env["PG_FAULTS"]
    pg.stop()


main(globals())
