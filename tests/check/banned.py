#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What base/banned.h bans does not compile, and what is beside it does.  usage: banned.py CC"""
import re, subprocess, sys

FINE = """#include <curl/curl.h>
int f(char *to, const char *s);
int f(char *to, const char *s) { return snprintf(to, 4, "%s", s) + (int)strtol(s, NULL, 10); }
"""


def compiles(cc, text):
    ran = subprocess.run([cc, "-D_GNU_SOURCE=", "-include", "base/banned.h", "-I.", "-xc", "-",
                          "-fsyntax-only"], input=text, text=True, stderr=subprocess.PIPE)
    return ran.returncode == 0, ran.stderr


def main(cc):
    names = re.findall(r"^#define (\w+)\(\.\.\.\)", open("base/banned.h").read(), re.M)
    bad = 0 if len(names) > 20 else 1
    ok, said = compiles(cc, FINE)
    if not ok:
        print(f"what is not banned does not compile:\n{said}")
        bad += 1
    for name in names:
        ok, said = compiles(cc, f"void f(char *a);\nvoid f(char *a) {{ (void){name}(a); }}\n")
        if ok or f"{name} is banned" not in said:
            print(f"{name} is not banned:\n{said}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
