# SPDX-License-Identifier: Apache-2.0
"""The listening side: certificates, client certificates, sockets, proxies in front."""
import grp, http.client, os, pwd, re, shutil, socket, ssl, stat, struct, subprocess, sys, tempfile, threading

import pg as stage
from pg import Pullgate, Upstream
from pki import Authority

PING = b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def conf(listen, more=""):
    return ("listen:\n" + listen + "admin: {listen: 127.0.0.1:0}\n" +
            "storage: {path: '{dir}/data', reserve: 0}\n" + more +
            "upstreams:\n  origin.test: {url: 'http://127.0.0.1:1', default: true, allow_private: true}\n")


class Folder(tempfile.TemporaryDirectory):
    """Certificates in it belong to whoever runs this, and their keys are 0600."""
    def __init__(self):
        super().__init__(prefix="pg-door-")
        self.authority = Authority(self.name, "ours")

    def put(self, pair, cert="cert", key="key"):
        """As a renewal does: each file is replaced at once, one after the other."""
        for source, name in zip(pair, (cert, key)):
            shutil.copy(source, f"{self.name}/{name}.new")
            os.rename(f"{self.name}/{name}.new", f"{self.name}/{name}")
        return f"{self.name}/{cert}", f"{self.name}/{key}"

    def context(self, *client):
        c = ssl.create_default_context(cafile=self.authority.file)
        if client:
            c.load_cert_chain(*client)
        return c


def talk(s, data=PING):
    """All that comes back; b"" too when the other side breaks off."""
    out = b""
    try:
        s.sendall(data)
        while chunk := s.recv(65536):
            out += chunk
    except (ConnectionError, ssl.SSLError):
        pass
    s.close()
    return out


def plain(port):
    return socket.create_connection(("127.0.0.1", port), stage.DEADLINE)


def secure(port, context, name="127.0.0.1", session=None, first=b""):
    s = plain(port)
    s.sendall(first)
    return context.wrap_socket(s, server_hostname=name, session=session)


def names_of(port, context, name="127.0.0.1"):
    with secure(port, context, name) as s:
        return {v for _, v in s.getpeercert()["subjectAltName"]}


def ports(pg):
    """Of all listeners, in their order."""
    pg.wait_log("serves on")
    return [int(m[1]) for l in pg.log if (m := re.search(r'start text="?listener \S*?:(\d+)', l))]


def test_J14_new_certificates_are_taken_over_and_bad_ones_are_not_under_load():
    f = Folder()
    old, new = f.authority.sign("127.0.0.1", "old.test"), f.authority.sign("127.0.0.1", "new.test", file="new")
    cert, key = f.put(old)
    text = conf(f"  - address: 127.0.0.1:0\n    tls: {{cert: {cert}, key: {key}}}\n")
    pg = Pullgate(conf=text)
    context, over, said = f.context(), threading.Event(), []

    def pull():
        while not over.is_set():
            c = http.client.HTTPSConnection("127.0.0.1", pg.port, timeout=stage.DEADLINE, context=context)
            for _ in range(5):
                c.request("GET", "/v2/")
                r = c.getresponse()
                said.append((r.status, len(r.read())))
            c.close()

    pulls = [threading.Thread(target=pull, daemon=True) for _ in range(3)]
    [p.start() for p in pulls]
    f.put((new[0], old[1]))                                  # they do not fit each other
    pg.wait_metric("pullgate_tls_stale", 1)
    assert "the certificate does not belong to the key" in pg.wait_log("are no good, the old ones stay")
    assert pg.admin("/healthz").json()["status"] == "degraded"
    assert any("certificate" in p for p in pg.admin("/api/v1/status").json()["problems"])
    assert "old.test" in names_of(pg.port, context)
    a = pg.control("POST", "/api/v1/reload")                 # and no reload takes such a thing over
    assert a.status >= 400 and "does not belong to the key" in a.body.decode(), a
    assert pg.metric("pullgate_config_refused_total") == 1
    os.chmod(key, 0o644)                                     # C16, while it runs
    pg.wait_log("can be read or written by others")
    f.put(new)
    pg.wait_metric("pullgate_tls_loaded_total", 2)
    pg.wait_metric("pullgate_tls_stale", 0, at_least=False)
    assert "new.test" in names_of(pg.port, context)
    assert pg.admin("/healthz").json()["status"] == "ok"
    os.unlink(key)
    pg.wait_metric("pullgate_tls_stale", 1)
    f.put(old)
    pg.wait_metric("pullgate_tls_loaded_total", 3)
    assert "old.test" in names_of(pg.port, context)
    f.put(new, "cert2", "key2")                              # other names, by a reload
    pg.write(text.replace(cert, cert + "2").replace(key, key + "2"))
    assert pg.control("POST", "/api/v1/reload").status == 200
    assert "new.test" in names_of(pg.port, context)
    over.set()
    [p.join() for p in pulls]
    assert len(said) > 20 and set(said) == {(200, 2)}, set(said)
    assert pg.metric("pullgate_tls_expires_seconds") > 1e9
    pg.stop(fsck=False)


def test_C16_keys_that_others_may_read_are_refused():
    f = Folder()
    cert, key = f.put(f.authority.sign("127.0.0.1"))
    os.chmod(key, 0o644)
    text = conf(f"  - address: 127.0.0.1:0\n    tls: {{cert: {cert}, key: {key}}}\n").replace("{dir}", f.name)
    with open(f.name + "/conf", "w") as c:
        c.write(text)
    for args in [["serve"], ["config", "check"]]:
        p = subprocess.run([os.environ["PULLGATE"], *args, "-c", f.name + "/conf"], text=True,
                           capture_output=True, timeout=stage.DEADLINE)
        said = p.stdout + p.stderr
        assert p.returncode and f"{key} can be read or written by others (mode 0644); run: chmod 0600" in said, said
    if os.geteuid() == 0:
        os.chmod(key, 0o600)
        os.chown(key, 12345, -1)
        p = subprocess.run([os.environ["PULLGATE"], "serve", "-c", f.name + "/conf"], text=True,
                           capture_output=True, timeout=stage.DEADLINE)
        assert p.returncode == 2 and "belongs to uid 12345" in p.stderr, p.stderr


def test_certificates_are_chosen_by_the_host_that_is_asked_for():
    f = Folder()
    a, b, c = (f.authority.sign(n) for n in ["a.test", "*.b.test", "c.test"])
    pair = lambda p: f"{{cert: '{p[0]}', key: '{p[1]}'}}"
    pg = Pullgate(conf=conf(f"  - address: 127.0.0.1:0\n    tls: {{cert: {a[0]}, key: {a[1]}, "
                            f"certs: [{pair(b)}, {pair(c)}]}}\n"))
    context = f.context()
    assert names_of(pg.port, context, "a.test") == {"a.test"}
    assert names_of(pg.port, context, "x.b.test") == {"*.b.test"}
    assert names_of(pg.port, context, "C.TEST") == {"c.test"}
    context.check_hostname = False
    for name in ["unknown.test", "x.y.b.test", "b.test", None]:
        assert names_of(pg.port, context, name) == {"a.test"}, name
    pg.stop(fsck=False)


def test_C18_a_session_opens_no_other_door():
    f = Folder()
    a, b, client = f.authority.sign("a.test"), f.authority.sign("b.test"), f.authority.sign("client.test")
    tls = f"cert: {a[0]}, key: {a[1]}, certs: [{{cert: {b[0]}, key: {b[1]}}}]"
    pg = Pullgate(conf=conf(f"  - address: 127.0.0.1:0\n    tls: {{{tls}}}\n"
                            f"  - address: 127.0.0.2:0\n    tls: {{{tls}, client_ca: {f.authority.file}}}\n"
                            f"  - address: 127.0.0.3:0\n    tls: {{{tls}}}\n"))
    public, private, other = ports(pg)
    at = lambda host, port: socket.create_connection((host, port), stage.DEADLINE)
    for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
        context = f.context()
        context.minimum_version = context.maximum_version = version
        open_at = lambda host, port, name, session: context.wrap_socket(
            at(host, port), server_hostname=name, session=session)
        s = open_at("127.0.0.1", public, "a.test", None)
        s.sendall(PING)
        assert s.recv(65536).startswith(b"HTTP/1.1 200")
        session = s.session                                  # its ticket came with the answer
        assert session.has_ticket
        s.close()
        s = open_at("127.0.0.1", public, "a.test", session)
        assert s.session_reused and talk(s).startswith(b"HTTP/1.1 200")
        s = open_at("127.0.0.1", public, "b.test", session)  # another certificate
        assert not s.session_reused and talk(s).startswith(b"HTTP/1.1 200")
        s = open_at("127.0.0.3", other, "a.test", session)   # another listener
        assert not s.session_reused and talk(s).startswith(b"HTTP/1.1 200")
        try:                                                 # one that wants a certificate
            s = open_at("127.0.0.2", private, "a.test", session)
            assert not s.session_reused
            assert talk(s) == b""
        except ssl.SSLError:
            assert version == ssl.TLSVersion.TLSv1_2
        shown = f.context(*client)
        shown.maximum_version = version
        with shown.wrap_socket(at("127.0.0.2", private), server_hostname="a.test") as s:
            s.sendall(PING)
            assert s.recv(65536).startswith(b"HTTP/1.1 200")
            assert not (s.session and s.session.has_ticket)  # each time it is shown anew
    pg.stop(fsck=False)


def test_client_certificates():
    f = Folder()
    server = f.authority.sign("127.0.0.1")
    hostile = f.authority.sign("h.test", subject='/O=A, Inc/CN=evil"\n2026 info client=admin', file="hostile")
    good = f.authority.sign("g.test", subject="/O=Ünlü/CN=runner-7", file="good")
    huge = f.authority.sign("l.test", subject="/CN=x" + "".join(f"/OU={i:060}" for i in range(9)), file="huge")
    stranger = Authority(f.name, "stranger").sign("client.test")
    tls = f"cert: {server[0]}, key: {server[1]}, client_ca: {f.authority.file}"
    pg = Pullgate(conf=conf(f"  - address: 127.0.0.1:0\n    tls: {{{tls}, client_auth: optional}}\n"
                            f"  - address: 127.0.0.1:0\n    tls: {{{tls}}}\n"))
    optional, required = ports(pg)
    answers = lambda port, *shown: b"HTTP/1.1 200" in reach(port, f.context(*shown))

    def reach(port, context):
        try:
            return talk(secure(port, context))
        except (ssl.SSLError, ConnectionError):
            return b""

    assert answers(optional) and not answers(required)
    pg.wait_log("TLS handshake failed.*peer did not return a certificate")
    for port in optional, required:
        assert answers(port, *good)
        assert not answers(port, *stranger)                  # one that is no good is worse than none
        assert not answers(port, *huge)
    pg.wait_log("the subject of the client's certificate is too long")
    assert r"subject=CN=runner-7,O=\\C3\\9Cnl\\C3\\BC" in pg.wait_log("subject=.CN=runner").replace('"', "")
    for _ in range(10):             # who is refused is told why, however much it said meanwhile
        with secure(required, f.context()) as s:
            [s.sendall(PING) for _ in range(3)]
            try:
                assert not s.recv(100)
            except ssl.SSLError as e:
                assert e.reason == "TLSV13_ALERT_CERTIFICATE_REQUIRED", e
                continue
            raise AssertionError("no alert")
    assert answers(required, *hostile)
    line = pg.wait_log("subject=.*evil")
    assert "client=127.0.0.1" in line and r"\\0A2026 info" in line, line
    assert pg.metric("pullgate_tls_handshakes_failed_total") >= 5
    pg.stop(fsck=False)


def test_plain_http_on_a_tls_port_is_told_so():
    f = Folder()
    cert, key = f.authority.sign("127.0.0.1")
    pg = Pullgate(conf=conf(f"  - address: 127.0.0.1:0\n    tls: {{cert: {cert}, key: {key}}}\n"))
    said = talk(plain(pg.port))
    assert b" 400 " in said and b"ask for https://" in said and said.count(b"HTTP/1.1") == 1, said
    said = talk(plain(pg.port), b"\0" * 100)
    assert said == b"" or said[0] == 0x15, said              # an alert, at most
    pg.stop(fsck=False)


def test_J13_what_is_the_admins_is_not_on_the_public_port():
    f = Folder()
    cert, key = f.authority.sign("127.0.0.1")
    tls = f"tls: {{cert: {cert}, key: {key}}}"
    pg = Pullgate(conf=conf(f"  - 127.0.0.1:0\n  - address: 127.0.0.1:0\n    {tls}\n"
                            f"  - address: unix:{f.name}/pull.sock\n    mode: '0600'\n"))
    clear, secret, *_ = ports(pg)

    def local():
        s = socket.socket(socket.AF_UNIX)
        s.connect(f.name + "/pull.sock")
        return s
    for path in ["/metrics", "/healthz", "/readyz", "/debug/requests", "/debug/flights", "/debug/faults",
                 "/api/v1/status", "/api/v1/config", "/api/v1/version", "/api/v1/reload", "/api/v1/drain",
                 "/v2/../metrics", "//metrics", "/metrics/", "/%6detrics"]:
        for method in ["GET", "POST"]:
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            for s in [plain(clear), secure(secret, f.context()), local()]:
                said = talk(s, head)
                assert re.match(rb"HTTP/1.1 (404|400|405) ", said), (method, path, said[:200])
                assert b"pullgate_" not in said and b'"status"' not in said, said[:200]
    assert pg.metric("pullgate_draining") == 0
    pg.stop(fsck=False)


# ---- sockets

def test_a_unix_socket_has_its_mode_and_replaces_a_stale_one():
    f = Folder()
    path = f.name + "/pull.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)                                         # and is gone without unlinking it
    pg = Pullgate(conf=conf(f"  - 127.0.0.1:0\n  - address: unix:{path}\n    mode: '0666'\n"
                            "    trusted_proxies: [unix]\n"))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o666
    for extra, client in [(b"", f'client="unix:uid={os.geteuid()}" method'),
                          (b"X-Forwarded-For: 192.0.2.7\r\n", 'client=192.0.2.7 via="unix:uid=')]:
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        assert b" 200 " in talk(s, PING[:-2] + extra + b"\r\n")
        pg.wait_log(client)
    p = subprocess.run([os.environ["PULLGATE"], "config", "check", "-c", pg.conf], text=True, capture_output=True)
    assert p.returncode == 0, p.stdout
    pg.stop(fsck=False)
    assert not os.path.exists(path)


def test_a_unix_socket_is_given_to_its_owner():
    f = Folder()
    path = f.name + "/pull.sock"
    listen = lambda owner: conf(f"  - 127.0.0.1:0\n  - {{address: 'unix:{path}', owner: '{owner}'}}\n")
    for owner, said in [("no-such-user", 'there is no user "no-such-user"'),
                        (":no-such-group", 'there is no group "no-such-group"'), ("root:", "there is no group")]:
        p = subprocess.run([os.environ["PULLGATE"], "config", "check", "-c", pg_conf(f, listen(owner))],
                           text=True, capture_output=True)
        assert p.returncode == 1 and said in p.stdout, p.stdout
    if os.geteuid():
        raise stage.Skip("only root gives files away")
    for owner, wanted in [("daemon", (pwd.getpwnam("daemon").pw_uid, os.getegid())),
                          (":daemon", (os.geteuid(), grp.getgrnam("daemon").gr_gid)),
                          ("daemon:bin", (pwd.getpwnam("daemon").pw_uid, grp.getgrnam("bin").gr_gid))]:
        pg = Pullgate(conf=listen(owner))
        st = os.stat(path)
        assert (st.st_uid, st.st_gid) == wanted and stat.S_IMODE(st.st_mode) == 0o660, (owner, st)
        pg.stop(fsck=False)


def test_sockets_of_systemd_outlive_the_process():
    f = Folder()
    first, second, admin = (socket.create_server(("127.0.0.1", 0)) for _ in range(3))
    local = socket.socket(socket.AF_UNIX)
    local.bind(f.name + "/local.sock")
    local.listen()
    fds = [s.fileno() for s in (first, second, admin, local)]
    pull_port, admin_port = second.getsockname()[1], admin.getsockname()[1]
    starter = f.name + "/starter"                            # puts them where systemd would
    with open(starter, "w") as s:
        s.write(f"#!{sys.executable}\nimport fcntl, os, sys\n"
                f"high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in {fds}]\n"
                "[os.dup2(fd, 3 + i) for i, fd in enumerate(high)]\n"
                "[os.close(fd) for fd in high]\n"
                "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='4',"
                " LISTEN_FDNAMES='other:pull:admin:local')\n"
                f"os.execv({os.environ['PULLGATE']!r}, ['pullgate', *sys.argv[1:]])\n")
    os.chmod(starter, 0o755)
    text = conf(f"  - systemd:pull\n  - unix:{f.name}/local.sock\n").replace(
        "admin: {listen: 127.0.0.1:0}", f"admin: {{listen: 127.0.0.1:{admin_port}}}")
    pg = Pullgate(conf=text, program=[starter], pass_fds=fds)
    assert (pg.port, pg.admin_port) == (pull_port, admin_port)
    assert 'the socket \\"other\\"' in pg.wait_log("was passed, and nothing listens on it")
    assert pg.get("/v2/").status == 200 and pg.admin("/healthz").status == 200

    def ask_local():
        s = socket.socket(socket.AF_UNIX)
        s.connect(f.name + "/local.sock")
        return s
    assert b" 200 " in talk(ask_local())
    pg.end()
    early, early_local = plain(pull_port), ask_local()       # while nobody is there
    pg.start()
    assert b" 200 " in talk(early) and b" 200 " in talk(early_local)
    pg.stop(fsck=False)
    assert os.path.exists(f.name + "/local.sock")            # systemd's, not ours
    p = subprocess.run([os.environ["PULLGATE"], "serve", "-c", pg_conf(f, text)], text=True, capture_output=True)
    assert p.returncode == 2 and "no socket of that name was passed" in p.stderr, p.stderr


def pg_conf(f, text):
    with open(f.name + "/conf", "w") as c:
        c.write(text.replace("{dir}", f.name))
    return f.name + "/conf"


# ---- proxies in front

V1 = b"PROXY TCP4 192.0.2.33 198.51.100.1 56324 443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(command, family, body):
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", len(body)) + body


V2 = v2(0x21, 0x21, socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) +
        struct.pack(">HH", 1234, 443) + b"\x02\0\x09host.test" + b"\x04\0\x64" + b"n" * 100)
LOCAL = v2(0x20, 0, b"")


def test_the_proxy_protocol_names_the_client():
    f = Folder()
    cert, key = f.authority.sign("127.0.0.1")
    text = conf("  - address: 127.0.0.1:0\n    proxy_protocol: [127.0.0.0/8]\n"
                "  - address: 127.0.0.1:0\n    proxy_protocol: [127.0.0.1]\n"
                f"    tls: {{cert: {cert}, key: {key}}}\n")
    pg = Pullgate(conf=text)
    clear, secret = ports(pg)
    for header, client in [(V1, "client=192.0.2.33:56324 via=127.0.0.1:"),
                           (V2, r"client=\"?\[2001:db8::7\]:1234\"? via=127.0.0.1:"),
                           (LOCAL, r"client=127.0.0.1:\d+ method"),
                           (b"PROXY UNKNOWN\r\n", r"client=127.0.0.1:\d+ method")]:
        for read_ahead in [True, False]:
            pg.log.clear()
            s = plain(clear)
            if read_ahead:
                said = talk(s, header + PING)
            else:
                for byte in header[:-1]:
                    s.sendall(bytes([byte]))
                said = talk(s, header[-1:] + PING)
            assert b" 200 " in said, (header, said)
            pg.wait_log(client)
        pg.log.clear()
        s = secure(secret, f.context(), first=header)
        assert b" 200 " in talk(s), header
        pg.wait_log(client)
    for header in [b"", b"PROXY TCP4 192.0.2.33 198.51.100.1 56324 99999\r\n", b"PROXY TCP4 ::1 ::1 1 2\r\n",
                   b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", b"PROXY " + b"x" * 200, b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
                   v2(0x22, 0x11, bytes(12)), v2(0x21, 0x12, bytes(12)), v2(0x21, 0x11, bytes(11)),
                   v2(0x21, 0x11, bytes(5000))]:
        assert talk(plain(clear), header + PING) == b"", header
    pg.wait_log("PROXY header: ")
    pg.write(text.replace("127.0.0.0/8", "192.0.2.0/24"))    # of a reload
    assert pg.control("POST", "/api/v1/reload").status == 200
    assert talk(plain(clear), V1 + PING) == b"" and talk(plain(clear), PING) == b""
    pg.wait_log("not one of those who may send a PROXY header")
    pg.stop(fsck=False)


def test_K02_a_proxy_header_that_does_not_come():
    pg = Pullgate(conf=conf("  - address: 127.0.0.1:0\n    proxy_protocol: [127.0.0.1]\n",
                            "limits: {head_timeout: 200ms}\n"))
    for start in [b"", V1[:20], V2[:14], V2[:40]]:
        assert talk(plain(pg.port), start) == b""            # it is they who close
    assert b" 200 " in talk(plain(pg.port), V1 + PING)
    pg.stop(fsck=False)


def test_C17_whom_a_trusted_proxy_names():
    pg = Pullgate(conf=conf("  - address: 127.0.0.1:0\n    trusted_proxies: [127.0.0.1, 10.0.0.0/8, 'fd00::/8']\n"
                            "  - address: 127.0.0.1:0\n    trusted_proxies: [192.0.2.1]\n"
                            "  - 127.0.0.1:0\n"))
    trusted, untrusted, silent = ports(pg)
    us = r"127\.0\.0\.1:\d+"
    cases = [
        ("X-Forwarded-For: 203.0.113.5", r"203\.0\.113\.5"),
        ("X-Forwarded-For: 203.0.113.5:4711", r"203\.0\.113\.5:4711"),
        ("X-Forwarded-For: [2001:db8::1]:4711", r"\[2001:db8::1\]:4711"),
        ("X-Forwarded-For: 2001:db8::1", r"2001:db8::1"),
        ("X-Forwarded-For: 1.1.1.1, 203.0.113.5", r"203\.0\.113\.5"),           # the left one is a lie
        ("X-Forwarded-For: 203.0.113.5, 10.1.2.3,10.9.9.9", r"203\.0\.113\.5"),
        ("X-Forwarded-For: 203.0.113.5, fd00::1", r"203\.0\.113\.5"),
        ("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 203.0.113.5", r"203\.0\.113\.5"),
        ("X-Forwarded-For: 203.0.113.5\r\nX: y\r\nx-forwarded-for: 10.1.2.3", r"203\.0\.113\.5"),
        ("X-Forwarded-For: 10.0.0.1, 10.0.0.2", r"10\.0\.0\.1"),
        ("X-Forwarded-For: evil, 10.1.2.3", r"10\.1\.2\.3"),                    # garbage ends it
        ("X-Forwarded-For: 1.1.1.1, unknown, 10.1.2.3", r"10\.1\.2\.3"),
        ("X-Forwarded-For: 1.1.1.1,", us),
        ("X-Forwarded-For: ", us),
        ("X-Forwarded-For: 1.1.1.1 x", us),
        ("Forwarded: for=203.0.113.5;proto=https", r"203\.0\.113\.5"),
        ("Forwarded: proto=http;For=\"[2001:db8::1]:4711\"", r"\[2001:db8::1\]:4711"),
        ("Forwarded: for=1.1.1.1, for=203.0.113.5;by=_x, for=10.0.0.1", r"203\.0\.113\.5"),
        ("Forwarded: for=\"1.1.1.1, for=203.0.113.5", r"203\.0\.113\.5"),
        ("Forwarded: for=_hidden", us),
        ("Forwarded: for=1.1.1.1;for=2.2.2.2", us),
        ("Forwarded: for=203.0.113.5\r\nX-Forwarded-For: 203.0.113.5", r"203\.0\.113\.5"),
        ("Forwarded: for=1.1.1.1\r\nX-Forwarded-For: 203.0.113.5", us),         # one of them lies
    ]
    for header, client in cases:
        for port, wanted in [(trusted, client), (untrusted, us), (silent, us)]:
            pg.log.clear()
            assert b" 200 " in talk(plain(port), PING[:-2] + header.encode() + b"\r\n\r\n")
            line = pg.wait_log("request .*op=ping")
            assert re.search(f'client="?{wanted}"?( via={us})? method', line), (header, port, line)
            assert ("via=" in line) == (wanted != us), line
    pg.stop(fsck=False)


if __name__ == "__main__":
    stage.main(globals())
