# SPDX-License-Identifier: Apache-2.0
"""The bars that pullgate is held to, and whether a run held them.

A bar looks at one row of the table: at pullgate's cell, or at its ratio to nginx's.
"""

# What is promised, the row, how it is looked at, the bar, and what is wished for beyond it.
BARS = [
    ("manifest by digest: less CPU than nginx", "manifest by digest, CPU", "ratio", 1.0, 0.5),
    ("HEAD of a tag: less CPU than nginx", "tag HEAD, CPU", "ratio", 1.0, 0.5),
    ("5 KiB blob: less CPU than nginx", "5 KiB blob, CPU", "ratio", 1.0, 0.67),
    ("64 MiB blob: CPU per GiB as nginx, at most", "64 MiB blob, CPU", "ratio", 1.0, None),
    ("64 MiB blob over TLS: 0.6 of nginx's CPU", "64 MiB blob, TLS, CPU", "ratio", 0.6, None),
    ("cold pull: never above 1.02 of direct", "cold pull of 70 MiB / direct, paced to 85 MiB/s a connection",
     "value", 1.02, None),
    ("cold pull: half of direct where each connection is limited",
     "cold pull of 70 MiB / direct, paced to 20 MiB/s a connection", "value", 0.5, None),
    ("first byte of a cold blob within 5 ms of upstream's", "first byte of a cold blob, behind direct", "value", 5, None),
    ("herd of 100 cold clients: one upstream GET", "100 clients on a cold blob", "value", 1, None),
    ("1,000 downloads in 256 MiB: all whole", "1,000 downloads in 256 MiB, failed", "value", 0, None),
    ("1,000 downloads in 256 MiB: memory of the process", "1,000 downloads in 256 MiB, peak memory", "value", 256, 32),
    ("1,000 downloads over TLS in 256 MiB: memory of the process", "1,000 downloads in 256 MiB, TLS, peak memory",
     "value", 256, None),
    ("idle connection: 8 KiB", "idle connection (10,000)", "value", 8, 2),
    ("idle connection over TLS: 48 KiB", "idle connection, TLS (10,000)", "value", 48, None),
    ("warm verdict: 20 us on top of an ungated manifest", "warm verdict, manifest by digest", "value", 20, None),
    ("warm verdict of a blob: 20 us", "warm verdict, 5 KiB blob", "value", 20, None),
    ("cold verdict of a signature: 50 ms", "cold verdict of a signature", "value", 50, None),
    ("peak memory of the whole comparison", "peak memory of it all", "value", None, 32),
    ("flat from 1,000 to 1,000,000 blobs: CPU of a manifest", "1,000,000 blobs / 1,000, CPU of a manifest",
     "value", None, 1.1),
    ("ready in 2 s with 1,000,000 blobs", "ready with 1,000,000 blobs", "value", 2, None),
]

# Which other run looks.
ELSEWHERE = [
    ("upstream dead: cached pulls all succeed", "./dev test e2e.operate and the cases of table K"),
    ("kill -9: no wrong byte, no orphan, ready in 2 s", "./dev test e2e.crash; ./dev test --long"),
]


def seen(table, row, how):
    """The number a bar is about, or None."""
    cells = next((c for what, _, c in table.rows if what == row), {})
    if "pullgate" not in cells:
        return None
    if how == "value":
        return cells["pullgate"][0]
    return cells["pullgate"][0] / cells["nginx"][0] if cells.get("nginx", (0,))[0] else None


def verdict(value, bar):
    if bar is None:
        return "-"
    if value <= bar:
        return f"held ({bar:g})"
    return f"MISSED by {(value / bar - 1) * 100:.0f} % ({bar:g})" if bar else f"MISSED ({bar:g})"


def verdicts(table, all_was_run):
    """Rows: what, seen, against the bar, against the wish."""
    rows = [["bar", "seen", "verdict", "wished for"]]
    for what, row, how, bar, wish in BARS:
        value = seen(table, row, how)
        if value is None:
            why = "not measured: this run did not get there" if all_was_run else "not in this run (--all)"
            rows.append([what, "-", why, "-"])
        else:
            rows.append([what, f"{value:.3g}", verdict(value, bar), verdict(value, wish)])
    return rows + [[what, "-", "not measured here: " + where, "-"] for what, where in ELSEWHERE]
