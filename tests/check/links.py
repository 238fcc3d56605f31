#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each relative link in a Markdown file leads to a file of the tree, and to a heading if it names one.

usage: links.py [ROOT]   prints each offence.
"""
import os, re, subprocess, sys

LINK = re.compile(r"\[[^\]\[]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
FENCE = re.compile(r"^ {0,3}(```|~~~)")


def text_of(path):
    """Its lines, without what stands in code."""
    fenced = False
    with open(path, encoding="utf-8") as f:
        for no, line in enumerate(f, 1):
            if FENCE.match(line):
                fenced = not fenced
            elif not fenced and not line.startswith("    "):
                yield no, re.sub(r"`[^`]*`", lambda m: "x" * len(m[0]), line)


def anchors(path):
    """As GitHub names headings: lower case, blanks are dashes, what is no word character is gone."""
    seen = {}
    with open(path, encoding="utf-8") as f:
        fenced = False
        for line in f:
            if FENCE.match(line):
                fenced = not fenced
            heading = None if fenced else re.match(r"#{1,6}\s+(.*?)\s*#*\s*$", line)
            if heading:
                bare = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
                name = re.sub(r"[^\w\- ]", "", bare).replace(" ", "-")
                yield name if name not in seen else f"{name}-{seen[name]}"
                seen[name] = seen.get(name, 0) + 1


def offences(root, files):
    for file in files:
        folder = os.path.dirname(file)
        for no, line in text_of(os.path.join(root, file)):
            for target in LINK.findall(line):
                if re.match(r"[a-z][a-z0-9+.-]*:", target):
                    continue
                path, _, anchor = target.partition("#")
                there = os.path.normpath(os.path.join(folder, path)) if path else file
                full = os.path.join(root, there)
                if there.startswith("..") or not os.path.exists(full):
                    yield f"{file}:{no}: {target}: no such file"
                elif anchor and (not full.endswith(".md") or anchor not in anchors(full)):
                    yield f"{file}:{no}: {target}: no such heading"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    p = subprocess.run(["git", "-C", root, "ls-files", "-z", "*.md"], stdout=subprocess.PIPE, text=True)
    files = [f for f in p.stdout.split("\0") if f]
    if not files:  # an archive of the sources
        files = [os.path.relpath(os.path.join(d, f), root) for d, _, names in os.walk(root)
                 if "/build" not in d for f in names if f.endswith(".md")]
    found = list(offences(root, sorted(files)))
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
