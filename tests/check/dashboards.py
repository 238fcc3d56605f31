#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every metric that an alert, the dashboard or the docs name is one that is told.

usage: dashboards.py   run from the source root; prints each offence. With promtool installed the
rules are read by Prometheus' own parser, too.
"""
import glob, json, re, shutil, subprocess, sys

RULES, DASHBOARD = "conf/pullgate-alerts.yaml", "conf/grafana-dashboard.json"
NAME = r"\b(?:pullgate|process)_[a-z0-9_]+\b"
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}
NOT_METRICS = {"pullgate_yaml"}


def told():
    """Names in the exposition, as the sources have them: the table, and rows written by hand."""
    names = set()
    for name, kind in re.findall(r'X\(\w+,\s*(\w+),\s*"(\w+)"', open("base/metric_table.h").read()):
        names |= {kind} if name != "SECONDS" else {kind + s for s in SUFFIXES["histogram"]}
    for path in ("proxy/admin/metrics.c", "proxy/admin/process.c"):
        names |= set(re.findall(rf'"({NAME})"', open(path).read()))
    return names


def expressions():
    """(where, expression) of the rules and of the dashboard."""
    text = open(RULES).read()
    for m in re.finditer(r"- alert: (\w+)\n\s+expr: (?:\|\n((?:\s{10,}.*\n)+)|(.*)\n)", text):
        yield f"{RULES}: {m[1]}", m[2] or m[3]
    for panel in json.load(open(DASHBOARD))["panels"]:
        for target in panel.get("targets", []):
            yield f"{DASHBOARD}: {panel['title']}", target["expr"]


def offences():
    names = told()
    if len(names) < 30:
        yield "the metrics were not found in the sources"
    where = list(expressions())
    if len(where) < 20:
        yield "the expressions were not found"
    for place, text in where:
        for name in set(re.findall(NAME, text)) - names:
            yield f"{place}: {name} is not told by /metrics"
    for path in glob.glob("docs/*.md"):
        for name in set(re.findall(rf"`?({NAME})`?", open(path).read())):
            if name not in names | NOT_METRICS and not any(n.startswith(name) for n in names):
                yield f"{path}: {name} is not told by /metrics"
    text = open(RULES).read()
    if text.count("- alert:") != text.count("summary:") or \
            text.count("- alert:") != text.count("severity:"):
        yield f"{RULES}: an alert without summary or severity"
    if shutil.which("promtool"):
        p = subprocess.run(["promtool", "check", "rules", RULES], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
        if p.returncode:
            yield p.stdout


def main():
    bad = list(offences())
    for line in bad:
        print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
