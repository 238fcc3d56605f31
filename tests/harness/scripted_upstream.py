#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The scripted registry of the e2e tests, driven over standard input by a test in C.

Prints its port; then each line that it reads is Python: the value of an expression, or "ok" after a
statement, is printed as one line. `up` is the registry, `token` a token endpoint that is not used
before `up.on("^/v2/", token.guard)`; all of upstream.py is at hand. Ends with its input.
"""
import os, random, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import upstream as u
from upstream import *  # noqa: F403


def main():
    scope = {**vars(u), "random": random, "up": u.Upstream(), "token": u.Token()}
    scope["up"].on("^/token", scope["token"].issue)
    print(scope["up"].port, flush=True)
    for line in sys.stdin:
        line = line.rstrip("\n")
        try:
            try:
                said = eval(line, scope)
            except SyntaxError:
                exec(line, scope)
                said = "ok"
        except Exception as e:
            said = f"failed: {type(e).__name__}: {e}"
        print(str(said).replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
