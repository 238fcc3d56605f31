#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The servers that are compared, each a cache before one origin, and what asks them.

All logs are on, to a file, as in production; over TLS all have one certificate and one suite.
"""
import functools, hashlib, http.client, json, os, random, re, select, signal, socket, ssl, subprocess, sys, tempfile, time

TICK = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20
SUITE = "TLS_AES_128_GCM_SHA256"                # what pullgate chooses: the same for all
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tree(pid):
    """pid and all its children."""
    found = [pid]
    for p in found:
        try:
            for t in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{t}/children") as f:
                    found += [int(c) for c in f.read().split()]
        except OSError:
            pass
    return found


def status_kib(pid, field):
    total = 0
    for p in tree(pid):
        with open(f"/proc/{p}/status") as f:
            m = re.search(rf"^{field}:\s+(\d+) kB", f.read(), re.M)
            total += int(m[1]) if m else 0
    return total


class Server:
    """A process in a folder of its own. under: what it is started by, as valgrind."""
    def __init__(self, name, folder, under=()):
        self.name, self.dir, self.port = name, os.path.join(folder, name), free_port()
        self.tls_port, self.under, self.title, self.twin = None, under, name, None
        os.makedirs(self.dir, exist_ok=True)

    def spawn(self, *command, env=None):
        with open(self.dir + "/log", "ab") as log:
            self.proc = subprocess.Popen([*self.under, *command], stdout=log, stderr=log, env={**os.environ, **(env or {})})
        end, gone = time.monotonic() + 60, os.pidfd_open(self.proc.pid)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if select.select([gone], [], [], 0.02)[0] or time.monotonic() > end:
                    self.proc.kill()
                    with open(self.dir + "/log") as f:
                        sys.exit(f"bench: {self.name} does not start: {f.read()[-2000:]}")
        os.close(gone)
        return self

    def over_tls(self):
        """The server that speaks TLS: this one, or its twin; None if there is none."""
        return self.twin or (self if self.tls_port else None)

    def cpu(self):
        total = 0
        for p in tree(self.proc.pid):
            with open(f"/proc/{p}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def cpu_ns(self):
        """By the scheduler, of the threads there are: far finer than ticks."""
        total = 0
        for p in tree(self.proc.pid):
            for t in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{t}/schedstat") as f:
                    total += int(f.read().split()[0])
        return total

    def end(self):
        if self.twin is not None:
            self.twin.end()
        self.proc.send_signal(signal.SIGTERM)
        try:
            self.proc.wait(30)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()


def has_ended(pid, seconds):
    """Within that time."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended = bool(select.select([fd], [], [], seconds)[0])
    os.close(fd)
    return ended


def wait_until_quiet(server):
    """Waits until it has used no CPU for a while: what was fetched is landed."""
    spent, since = -1, 0
    while time.monotonic() - since < 0.7:
        if server.cpu() != spent:
            spent, since = server.cpu(), time.monotonic()
        if has_ended(server.proc.pid, 0.05):
            sys.exit(f"bench: {server.name} has ended")


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


NGINX = """\
daemon off; {workers}; pid {dir}/pid; error_log {dir}/error.log;
{user}
events {{ worker_connections 30000; }}
http {{
  access_log {dir}/access.log; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  keepalive_timeout 600s;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  {http}
  server {{ listen 127.0.0.1:{port} backlog=4096; {tls} {server} }}
}}
"""


def certificate(folder):
    """(certificate, key), made once: one for all."""
    cert, key = folder + "/bench.crt", folder + "/bench.key"
    if not os.path.exists(cert):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return cert, key


def nginx(server, http, body, tls="", workers=2):
    """workers=0: one process that does it all."""
    user = "user root;" if os.geteuid() == 0 else ""
    count = f"worker_processes {workers}" if workers else "master_process off"
    conf = write(server.dir + "/nginx.conf", NGINX.format(dir=server.dir, port=server.port, user=user,
                                                          workers=count, http=http, server=body, tls=tls))
    return server.spawn("nginx", "-e", server.dir + "/error.log", "-c", conf, "-p", server.dir)


def start_origin(folder):
    """A registry's read side as files: what direct means here. Below /slow/ each connection is
    paced: 256 KiB, then a pause, as far as a link of about 85 MiB/s would. (Without the chunk nginx
    sends 2 MiB at once and pauses after the last byte was taken: no link does that, and whoever
    hashes what it reads pays for each burst.)"""
    s = Server("origin", folder)
    return nginx(s, "", f"""root {s.dir}/www;
      location ~ ^/v2/$ {{ default_type application/json; return 200 "{{}}"; }}
      location ~ /manifests/ {{ default_type {OCI_MANIFEST}; }}
      location ~ /link/.*/blobs/ {{ default_type application/octet-stream; limit_rate 20m;
                                      sendfile_max_chunk 256k; }}
      location ~ /slow/.*/blobs/ {{ default_type application/octet-stream; limit_rate 100m;
                                      sendfile_max_chunk 256k; }}
      location ~ /blobs/ {{ default_type application/octet-stream; }}""")


def pg_config(s, origin, more=""):
    admin, s.tls_port = free_port(), free_port()
    cert, key = certificate(os.path.dirname(s.dir))
    return write(s.dir + "/pullgate.yaml", f"""\
listen:
  - 127.0.0.1:{s.port}
  - {{address: "127.0.0.1:{s.tls_port}", tls: {{cert: "{cert}", key: "{key}"}}}}
admin: {{listen: "127.0.0.1:{admin}"}}
storage: {{path: {s.dir}/store, reserve: 0}}
tags: {{ttl: 1h}}
limits: {{connections: 30000, idle_timeout: 10m}}
upstreams:
  origin.test: {{url: "http://127.0.0.1:{origin.port}", default: true, allow_private: true}}
{more}
""")


def start_pullgate(folder, origin, name="pullgate", under=(), workers=None, more=""):
    s = Server(name, folder, under)
    if workers:
        more += f"threads: {workers}\n"
    return s.spawn(os.environ.get("PULLGATE", "build/release/pullgate"), "serve", "-c", pg_config(s, origin, more))


def start_nginx(folder, origin, name="nginx", under=(), workers=2):
    s = Server(name, folder, under)
    s.tls_port = free_port()
    cert, key = certificate(folder)
    return nginx(s, f"proxy_cache_path {s.dir}/cache levels=1:2 keys_zone=z:32m max_size=20g;",
                 f"""location / {{ proxy_pass http://127.0.0.1:{origin.port}; proxy_cache z;
                 proxy_cache_valid 200 1h; proxy_cache_lock on; proxy_cache_lock_timeout 600s;
                 proxy_http_version 1.1; proxy_set_header Connection ""; proxy_max_temp_file_size 4096m; }}""",
                 f"""listen 127.0.0.1:{s.tls_port} ssl backlog=4096; ssl_certificate {cert};
                 ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
                 ssl_prefer_server_ciphers on; ssl_conf_command Ciphersuites {SUITE};""", workers)


def start_varnish(folder, origin, name="varnish", under=()):
    s = Server(name, folder, under)
    vcl = write(s.dir + "/default.vcl", f"""vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{origin.port}"; }}
sub vcl_backend_response {{ set beresp.ttl = 1h; }}
""")
    return s.spawn("varnishd", "-F", "-a", f"127.0.0.1:{s.port}", "-f", vcl, "-n", s.dir + "/work",
                   "-s", "malloc,128m" if under else "malloc,512m")


def one_registry(folder, origin, name, under, tls):
    s = Server(name, folder, under)
    cert, key = certificate(folder)
    more = f', tls: {{certificate: "{cert}", key: "{key}"}}' if tls else ""
    conf = write(s.dir + "/config.yml", f"""version: 0.1
log: {{level: warn, accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: {s.dir}/data}}}}
http: {{addr: "127.0.0.1:{s.port}"{more}}}
proxy: {{remoteurl: "http://127.0.0.1:{origin.port}"}}
""")
    return s.spawn("docker-registry", "serve", conf)


def start_registry(folder, origin, name="docker-registry", under=()):
    """It listens in one place: a twin, with a store of its own, speaks TLS."""
    s = one_registry(folder, origin, name, under, False)
    s.twin = one_registry(folder, origin, name + "-tls", under, True)
    s.twin.tls_port, s.twin.title = s.twin.port, s.title
    return s


def start_floor(folder, origin, name="floor", size=1100, workers=2):
    """What only receives and sends (floor.c): it answers all with size bytes."""
    s = Server(name, folder)
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "floor.c")
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-pthread", "-o", s.dir + "/floor", source], check=True)
    return s.spawn(s.dir + "/floor", str(s.port), str(size), str(workers))


STARTERS = {"pullgate": start_pullgate, "nginx": start_nginx, "varnish": start_varnish,
            "docker-registry": start_registry}


class Image:
    """Files under the origin's root."""
    def __init__(self, origin, repo, sizes, seed):
        self.repo, self.root = repo, f"{origin.dir}/www/v2/{repo}"
        os.makedirs(self.root + "/manifests", exist_ok=True)
        os.makedirs(self.root + "/blobs", exist_ok=True)
        rnd = random.Random(seed)
        describe = lambda d: {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": self.blob(d),
                              "size": len(d)}
        self.layers = [describe(rnd.randbytes(n)) for n in sizes]
        config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
            "type": "layers", "diff_ids": [l["digest"] for l in self.layers]}}).encode()
        self.config = {**describe(config), "mediaType": "application/vnd.oci.image.config.v1+json"}
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": self.config,
                           "layers": self.layers}).encode()
        self.digest = sha256(body)
        for ref in [self.digest, "v1"]:
            with open(f"{self.root}/manifests/{ref}", "wb") as f:
                f.write(body)

    def blob(self, data):
        d = sha256(data)
        with open(f"{self.root}/blobs/{d}", "wb") as f:
            f.write(data)
        return d

    def manifest(self, ref=None):
        return f"/v2/{self.repo}/manifests/{ref or self.digest}"

    def layer(self, n):
        return f"/v2/{self.repo}/blobs/{self.layers[n]['digest']}"


@functools.cache
def insecure():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def fetch(port, path, tls=False):
    if tls:
        c = http.client.HTTPSConnection("127.0.0.1", port, timeout=120, context=insecure())
    else:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    c.request("GET", path, headers={"Accept": OCI_MANIFEST + ", */*"})
    r = c.getresponse()
    n = 0
    while chunk := r.read(MIB):
        n += len(chunk)
    c.close()
    assert r.status == 200, (port, path, r.status)
    return n


def ab(url, seconds, connections):
    """wrk waits for the body of a HEAD: ab does not."""
    said = subprocess.run(["ab", "-q", "-k", "-i", f"-c{connections}", f"-t{seconds}", "-n10000000",
                           "-H", f"Accept: {OCI_MANIFEST}, */*", url],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    number = lambda what: float(m[1]) if (m := re.search(what + r":\s+([\d.]+)", said)) else 0
    return (int(number("Complete requests")), number("Time taken for tests"),
            int(number("Failed requests") + number("Non-2xx responses")))


def said_by_wrk(url, seconds, connections, script):
    said = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, "--timeout", "60s", url],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    m = re.search(r"(\d+) requests in ([\d.]+)(m?s)", said)
    bad = sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", said))
    if errors := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said):
        bad += sum(map(int, errors.groups()))
    read = re.search(r", ([\d.]+)([KMGT]?)B read", said)
    gib = float(read[1]) * 1024 ** ("KMGT".find(read[2]) + 1 if read[2] else 0) / (1 << 30)
    return int(m[1]), float(m[2]) / (1000 if m[3] == "ms" else 1), bad, gib


def wrk(url, seconds, connections, method="GET"):
    """(requests, seconds, errors)"""
    if method == "HEAD":
        return ab(url, seconds, connections)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as f:
        f.write(f'wrk.headers["Accept"] = "{OCI_MANIFEST}, */*"\n')
        f.flush()
        return said_by_wrk(url, seconds, connections, f.name)[:3]
