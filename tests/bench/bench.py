#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pullgate beside nginx, varnish and docker-registry, each as a cache before one origin, in one run.

usage: bench.py [--seconds N] [--only WORD] [--out FILE]     as --only manifest, --only tls

Every server gets the same requests from wrk on this machine. What counts is the CPU time that the
server's own processes spent (utime + stime of /proc), for each request or GiB: it is less noisy
than throughput, which is printed beside it. All logs are on, to a file, as in production.
"""
import argparse, concurrent.futures, hashlib, http.client, json, os, random, re, resource, select
import shutil, signal, socket, statistics, subprocess, sys, tempfile, time

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
    """A process in a folder of its own."""
    def __init__(self, name, folder):
        self.name, self.dir, self.port = name, os.path.join(folder, name), free_port()
        self.tls_port = None
        os.makedirs(self.dir, exist_ok=True)

    def spawn(self, *command, env=None):
        with open(self.dir + "/log", "ab") as log:
            self.proc = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(env or {})})
        end, gone = time.monotonic() + 20, os.pidfd_open(self.proc.pid)
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

    def cpu(self):
        total = 0
        for p in tree(self.proc.pid):
            with open(f"/proc/{p}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def end(self):
        self.proc.send_signal(signal.SIGTERM)
        try:
            self.proc.wait(30)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


NGINX = """\
daemon off; worker_processes 2; pid {dir}/pid; error_log {dir}/error.log;
{user}
events {{ worker_connections 20000; }}
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


def nginx(server, http, body, tls=""):
    user = "user root;" if os.geteuid() == 0 else ""
    conf = write(server.dir + "/nginx.conf", NGINX.format(dir=server.dir, port=server.port, user=user,
                                                          http=http, server=body, tls=tls))
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


def start_pullgate(folder, origin, name="pullgate"):
    s = Server(name, folder)
    admin, s.tls_port = free_port(), free_port()
    cert, key = certificate(folder)
    conf = write(s.dir + "/pullgate.yaml", f"""\
listen:
  - 127.0.0.1:{s.port}
  - {{address: "127.0.0.1:{s.tls_port}", tls: {{cert: "{cert}", key: "{key}"}}}}
admin: {{listen: "127.0.0.1:{admin}"}}
storage: {{path: {s.dir}/store, reserve: 0}}
tags: {{ttl: 1h}}
limits: {{connections: 20000, idle_timeout: 10m}}
upstreams:
  origin.test: {{url: "http://127.0.0.1:{origin.port}", default: true, allow_private: true}}
""")
    s.admin = admin
    return s.spawn(os.environ.get("PULLGATE", "build/release/pullgate"), "serve", "-c", conf)


def start_nginx(folder, origin, name="nginx"):
    s = Server(name, folder)
    s.tls_port = free_port()
    cert, key = certificate(folder)
    return nginx(s, f"proxy_cache_path {s.dir}/cache levels=1:2 keys_zone=z:32m max_size=20g;",
                 f"""location / {{ proxy_pass http://127.0.0.1:{origin.port}; proxy_cache z;
                 proxy_cache_valid 200 1h; proxy_cache_lock on; proxy_cache_lock_timeout 600s;
                 proxy_http_version 1.1; proxy_set_header Connection ""; proxy_max_temp_file_size 4096m; }}""",
                 f"""listen 127.0.0.1:{s.tls_port} ssl backlog=4096; ssl_certificate {cert};
                 ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
                 ssl_prefer_server_ciphers on; ssl_conf_command Ciphersuites {SUITE};""")


def start_varnish(folder, origin, name="varnish"):
    s = Server(name, folder)
    vcl = write(s.dir + "/default.vcl", f"""vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{origin.port}"; }}
sub vcl_backend_response {{ set beresp.ttl = 1h; }}
""")
    return s.spawn("varnishd", "-F", "-a", f"127.0.0.1:{s.port}", "-f", vcl, "-n", s.dir + "/work",
                   "-s", "malloc,512m")


def start_registry(folder, origin, name="docker-registry"):
    s = Server(name, folder)
    conf = write(s.dir + "/config.yml", f"""version: 0.1
log: {{level: warn, accesslog: {{disabled: false}}}}
storage: {{filesystem: {{rootdirectory: {s.dir}/data}}}}
http: {{addr: "127.0.0.1:{s.port}"}}
proxy: {{remoteurl: "http://127.0.0.1:{origin.port}"}}
""")
    return s.spawn("docker-registry", "serve", conf)


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


def fetch(port, path):
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


def wrk(url, seconds, connections, method="GET"):
    """(requests, seconds, errors)"""
    if method == "HEAD":
        return ab(url, seconds, connections)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as f:
        f.write(f'wrk.headers["Accept"] = "{OCI_MANIFEST}, */*"\n')
        f.flush()
        said = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", f.name,
                               "--timeout", "60s", url],
                              stdout=subprocess.PIPE, text=True, check=True).stdout
    m = re.search(r"(\d+) requests in ([\d.]+)(m?s)", said)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said) or re.search(r"Socket errors: .*read (\d+)", said)
    return int(m[1]), float(m[2]) / (1000 if m[3] == "ms" else 1), int(bad[1]) if bad else 0


class Table:
    def __init__(self, names):
        self.names, self.rows = names, []

    def add(self, what, cells, unit):
        """cells: {server: (number, text)}; the ratio to nginx stands beside pullgate's."""
        self.rows.append((what, unit, cells))
        print(f"  {what}: " + ", ".join(f"{n} {cells[n][1]}" for n in self.names if n in cells), flush=True)

    def text(self):
        head = ["", "unit", *self.names, "pullgate / nginx"]
        lines = [head]
        for what, unit, cells in self.rows:
            ratio = ""
            if "pullgate" in cells and cells.get("nginx", (0,))[0]:
                ratio = f"{cells['pullgate'][0] / cells['nginx'][0]:.2f}"
            lines.append([what, unit, *(cells.get(n, (0, "-"))[1] for n in self.names), ratio])
        width = [max(len(l[i]) for l in lines) for i in range(len(head))]
        out = ["| " + " | ".join(c.ljust(w) for c, w in zip(l, width)) + " |" for l in lines]
        out.insert(1, "|" + "|".join("-" * (w + 2) for w in width) + "|")
        return "\n".join(out)


def warm(servers, table, what, path, seconds, connections, size=0, method="GET", tls=False):
    """CPU for each request (or GiB), and throughput."""
    cpu, rate = {}, {}
    for s in servers:
        if tls and not s.tls_port:
            continue
        url = f"https://127.0.0.1:{s.tls_port}{path}" if tls else f"http://127.0.0.1:{s.port}{path}"
        try:
            fetch(s.port, path)
            wrk(url, 1, connections, method)
            before = s.cpu()
            n, took, bad = wrk(url, seconds, connections, method)
            spent = s.cpu() - before
        except (AssertionError, OSError, subprocess.CalledProcessError) as e:
            print(f"  {s.name} cannot: {e}")
            continue
        if bad or not n:
            print(f"  {s.name}: {bad} answers were errors")
            continue
        if size:
            gib = n * size / (1 << 30)
            cpu[s.name] = (spent / gib, f"{spent / gib:.3f}")
            rate[s.name] = (gib / took, f"{gib / took:.2f}")
        else:
            cpu[s.name] = (spent / n * 1e6, f"{spent / n * 1e6:.1f}")
            rate[s.name] = (n / took, f"{n / took:.0f}")
    table.add(what + ", CPU", cpu, "s/GiB" if size else "us/request")
    table.add(what + ", rate", rate, "GiB/s" if size else "requests/s")


def pull(port, image):
    """As a client does: manifest, then config and layers, three at a time."""
    began = time.monotonic()
    fetch(port, image.manifest("v1"))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda d: fetch(port, f"/v2/{image.repo}/blobs/{d['digest']}"),
                      [image.config, *image.layers]))
    return time.monotonic() - began


def cold(origin, servers, table, rounds, repo, what):
    """Ratio to direct, of medians, each round with an image nobody has pulled."""
    times = {"direct": [], **{s.name: [] for s in servers}}
    for n in range(rounds):
        image = Image(origin, f"{repo}{n}", [40 * MIB, 20 * MIB, 10 * MIB], 1000 + n)
        order = [("direct", origin), *((s.name, s) for s in servers)]
        random.Random(n).shuffle(order)
        for name, s in order:
            times[name].append(pull(s.port, image))
    direct = statistics.median(times.pop("direct"))
    table.add(f"cold pull of 70 MiB / direct{what}", {n: (statistics.median(t) / direct,
              f"{statistics.median(t) / direct:.2f}") for n, t in times.items()}, "ratio")


def herd(origin, servers, table, clients):
    """How many GETs reach the origin when all want one cold blob."""
    image, cells = Image(origin, "library/herd", [32 * MIB] * len(servers), 77), {}
    for n, s in enumerate(servers):
        fetch(s.port, image.manifest())
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            list(pool.map(lambda _: fetch(s.port, image.layer(n)), range(clients)))
        with open(origin.dir + "/access.log") as f:
            gets = len(re.findall(rf'"GET {re.escape(image.layer(n))} ', f.read()))
        cells[s.name] = (gets, str(gets))
    table.add(f"{clients} clients on a cold blob", cells, "origin GETs")


def idle(servers, table, count):
    """Memory of a connection that did one request and waits."""
    cells = {}
    for s in servers:
        before, held = status_kib(s.proc.pid, "RssAnon"), []
        try:
            for _ in range(count):
                c = socket.create_connection(("127.0.0.1", s.port), 10)
                c.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
                held.append(c)
            for c in held:
                c.recv(4096)
            each = (status_kib(s.proc.pid, "RssAnon") - before) / count
            cells[s.name] = (each, f"{each:.2f}")
        finally:
            for c in held:
                c.close()
    table.add(f"idle connection ({count})", cells, "KiB each")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--seconds", type=int, default=4)
    a.add_argument("--only", default="")
    a.add_argument("--servers", default=",".join(STARTERS))
    a.add_argument("--out")
    args = a.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder = tempfile.mkdtemp(prefix="pg-bench-")
    os.chmod(folder, 0o755)                     # varnish reads as another user
    names = [n for n in args.servers.split(",") if n in STARTERS]
    table, started = Table(names), []
    wanted = lambda word: args.only in word
    try:
        started.append(origin := start_origin(folder))
        started += (servers := [STARTERS[n](folder, origin) for n in names])
        image = Image(origin, "library/app", [5 << 10, MIB, 64 * MIB], 1)
        for tls, word, how in [(False, "", ""), (True, "tls ", ", TLS")]:
            look = lambda name, what, *args, **more: wanted(word + name) and warm(
                servers, table, what + how, *args, tls=tls, **more)
            look("manifest", "manifest by digest", image.manifest(), args.seconds, 16)
            look("tag", "tag HEAD", image.manifest("v1"), args.seconds, 16, method="HEAD")
            look("blob5k", "5 KiB blob", image.layer(0), args.seconds, 16)
            look("blob1m", "1 MiB blob", image.layer(1), args.seconds, 8, size=MIB)
            look("blob64m", "64 MiB blob", image.layer(2), args.seconds, 4, size=64 * MIB)
        if wanted("herd"):
            herd(origin, servers, table, 32)
        if wanted("cold"):
            cold(origin, servers, table, 5, "link/cold", ", paced to 20 MiB/s a connection")
            cold(origin, servers, table, 5, "slow/cold", ", paced to 85 MiB/s a connection")
            cold(origin, servers, table, 7, "library/cold", ", unlimited loopback")
        if wanted("idle"):
            idle(servers, table, 2000)
        table.add("peak memory of it all", {s.name: (status_kib(s.proc.pid, "VmHWM") / 1024,
                  f"{status_kib(s.proc.pid, 'VmHWM') / 1024:.0f}") for s in servers}, "MiB")
    finally:
        for s in started:
            s.end()
        shutil.rmtree(folder, ignore_errors=True)
    print("\n" + table.text())
    if args.out:
        write(args.out, table.text() + "\n")


if __name__ == "__main__":
    main()
