#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a released program must be, read from the program itself. usage: hardening.py PROGRAM"""
import os, re, subprocess, sys

SIZE_MAX = 8 << 20        # stripped of debug information; a sudden growth is looked at by hand
ENDBR64 = bytes.fromhex("f30f1efa")
LIBRARIES = {"libuv", "libssl", "libcrypto", "liblmdb", "libcurl", "libjansson", "libyaml-0",
             "libxxhash", "libllhttp", "libseccomp", "libc", "libm", "ld-linux-x86-64", "ld-linux-aarch64",
             "libgcc_s"}  # the compiler's own: cleanup attributes under -fexceptions


def readelf(flag, program):
    return subprocess.run(["readelf", "-W", flag, program], stdout=subprocess.PIPE, text=True,
                          check=True).stdout


def offences(program):
    head, segments = readelf("-h", program), readelf("-l", program)
    dynamic, symbols = readelf("-d", program), readelf("--dyn-syms", program)
    if not re.search(r"Type:\s+DYN", head):
        yield "not position independent"
    if "GNU_RELRO" not in segments or "BIND_NOW" not in dynamic and "NOW" not in dynamic:
        yield "no full RELRO"
    stack = re.search(r"GNU_STACK.*", segments)
    if not stack or "RWE" in stack[0]:
        yield "the stack can be executed"
    if re.search(r"LOAD.*RWE", segments):
        yield "a segment that is both writable and executable"
    if re.search(r"\((RPATH|RUNPATH|TEXTREL)\)", dynamic):
        yield "RPATH, RUNPATH or TEXTREL"
    if "__stack_chk_fail" not in symbols:
        yield "no stack protector"
    if not re.search(r"__\w+_chk\b", symbols.replace("__stack_chk_fail", "")):
        yield "no FORTIFY"
    # The note itself needs a C library built so (Debian 12's is not); the landing pads do not.
    if "X86-64" in head and open(program, "rb").read().count(ENDBR64) < 2:
        yield "no landing pads for indirect branches (-fcf-protection)"
    if re.search(r"\b__(asan|tsan|ubsan)_", symbols):
        yield "built with a sanitizer"
    for lib in re.findall(r"\(NEEDED\).*\[(\S+?)\.so", dynamic):
        if lib not in LIBRARIES:
            yield f"needs {lib}, which is not on the list"
    loaded = sum(int(m[1], 16) for m in re.finditer(r"LOAD\s+\S+\s+\S+\s+\S+\s+(0x[0-9a-f]+)", segments))
    if loaded > SIZE_MAX:
        yield f"{loaded} bytes are loaded: over {SIZE_MAX}"
    strings = subprocess.run(["strings", "-a", program], stdout=subprocess.PIPE, text=True).stdout
    if "PG_FAULTS" in strings:
        yield "fault points are in it"
    if not os.access(program, os.X_OK):
        yield "not executable"


if __name__ == "__main__":
    found = list(offences(sys.argv[1]))
    for offence in found:
        print(f"{sys.argv[1]}: {offence}")
    sys.exit(1 if found else 0)
