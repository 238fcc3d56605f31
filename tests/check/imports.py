#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The server takes nothing from OpenSSL that parses CMS: timestamps are looked at by a program of
their own, which does, and has no socket. usage: imports.py PULLGATE PULLGATE_TSA"""
import re, subprocess, sys

CONTAINERS = re.compile(r"(?:d2i_|i2d_|PEM_read_bio_|SMIME_\w*)?(?:TS|PKCS7|CMS|PKCS12)_")
SOCKETS = {"socket", "connect", "bind", "listen", "accept", "open", "openat", "execve", "fork"}


def imports(program):
    lines = subprocess.check_output(["nm", "-D", "--undefined-only", program], text=True)
    return {line.split()[-1].split("@")[0] for line in lines.splitlines()}


def main(server, helper):
    bad = [f"{server} imports {name}" for name in sorted(imports(server)) if CONTAINERS.match(name)]
    if not any(CONTAINERS.match(name) for name in imports(helper)):
        bad.append(f"{helper} imports nothing of what it is for: is this check still right?")
    bad += [f"{helper} imports {name}" for name in sorted(imports(helper) & SOCKETS)]
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
