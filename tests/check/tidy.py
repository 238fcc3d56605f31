#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-tidy over every C file of the house, as many at a time as there are CPUs.

A file that passed is not looked at again until it, a header of ours that it includes, or
.clang-tidy changes: what was seen is kept in BUILD/tidy.  usage: tidy.py BUILD [FILE...]
"""
import concurrent.futures, hashlib, json, os, re, subprocess, sys

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def closure(path, roots, seen):
    """path and all of our own files that it includes."""
    if path in seen:
        return seen
    seen[path] = text = open(path, encoding="utf-8").read()
    for name in INCLUDE.findall(text):
        for root in roots:
            if os.path.exists(os.path.join(root, name)):
                closure(os.path.normpath(os.path.join(root, name)), roots, seen)
                break
    return seen


def stamp(path, salt):
    h = hashlib.sha256(salt)
    for name, text in sorted(closure(path, [".", "tests"], {}).items()):
        h.update(name.encode() + b"\0" + text.encode() + b"\0")
    return h.hexdigest()


def main(build, only):
    units = {os.path.relpath(c["file"]): c["command"]
             for c in json.load(open(os.path.join(build, "compile_commands.json")))}
    units = {u: c for u, c in units.items() if not u.startswith(("..", "build"))}
    seen_dir = os.path.join(build, "tidy")
    os.makedirs(seen_dir, exist_ok=True)
    version = subprocess.run(["clang-tidy", "--version"], stdout=subprocess.PIPE).stdout
    salt = version + open(".clang-tidy", "rb").read()

    def look(unit):
        mark = os.path.join(seen_dir, stamp(unit, salt))
        if os.path.exists(mark):
            return unit, 0, ""
        ran = subprocess.run(["clang-tidy", "--quiet", "-p", build, unit], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if ran.returncode == 0:
            open(mark, "w").close()
        return unit, ran.returncode, ran.stdout + (ran.stderr if ran.returncode else "")

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(look, only or sorted(units)))
    for unit, status, said in results:
        if status:
            print(f"{unit}:\n{said}")
    return 1 if any(status for _, status, _ in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
