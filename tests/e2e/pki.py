# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made with openssl(1)."""
import ipaddress, os, subprocess

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*args):
    p = subprocess.run(["openssl", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert p.returncode == 0, p.stdout


def key_pair(folder, name, *how):
    """A private key NAME.key and its NAME.pub."""
    openssl("genpkey", *(how or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")),
            "-out", f"{folder}/{name}.key")
    openssl("pkey", "-in", f"{folder}/{name}.key", "-pubout", "-out", f"{folder}/{name}.pub")


def alternative(name):
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


class Authority:
    """A certificate authority and what it signed, in a folder."""
    def __init__(self, folder, name):
        self.file, self.key = f"{folder}/{name}.crt", f"{folder}/{name}.key"
        openssl("req", "-x509", *NEW_KEY, "-keyout", self.key, "-out", self.file, "-days", "2",
                "-subj", f"/CN={name}")

    def sign(self, *names, subject=None, file=None):
        """(certificate, key) for these names."""
        path = f"{os.path.splitext(self.file)[0]}-{file or names[0]}"
        openssl("req", *NEW_KEY, "-utf8", "-keyout", path + ".key", "-out", path + ".csr", "-subj",
                subject or f"/CN={names[0]}")
        with open(path + ".ext", "w") as f:
            f.write("subjectAltName=" + ",".join(map(alternative, names)))
        openssl("x509", "-req", "-in", path + ".csr", "-CA", self.file, "-CAkey", self.key,
                "-CAcreateserial", "-days", "2", "-extfile", path + ".ext", "-out", path + ".crt")
        return path + ".crt", path + ".key"
