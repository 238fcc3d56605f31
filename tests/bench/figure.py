# SPDX-License-Identifier: Apache-2.0
"""Tables as Markdown and CSV, and figures as SVG files that need nothing beside them."""
import html, math

COLOURS = {"pullgate": "#1f6f54", "nginx": "#7d8aa5", "varnish": "#b9a36b", "docker-registry": "#b5726a",
           "direct": "#444444"}
PALETTE = ["#1f6f54", "#7d8aa5", "#b9a36b", "#b5726a", "#5b4a8a", "#444444"]
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 400, 64, 20, 56, 64


def columns(rows):
    """Lines of a Markdown table; the first row is its head."""
    width = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(r, width)) + " |" for r in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in width) + "|")
    return "\n".join(lines)


def colour(name, n):
    return COLOURS.get(name, PALETTE[n % len(PALETTE)])


def text(x, y, words, anchor="middle", size=12, more=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" {more}>'
            f"{html.escape(words)}</text>")


def frame(title, unit, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'font-family="sans-serif" fill="#222">\n<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n'
            + text(LEFT, 22, title, "start", 15, 'font-weight="bold"') + "\n"
            + text(LEFT, 42, unit, "start", 11, 'fill="#666"') + "\n" + "\n".join(parts) + "\n</svg>\n")


def legend(names):
    parts, x = [], LEFT
    for n, name in enumerate(names):
        parts.append(f'<rect x="{x}" y="{HEIGHT - 24}" width="11" height="11" fill="{colour(name, n)}"/>')
        parts.append(text(x + 16, HEIGHT - 14, name, "start", 12))
        x += 36 + 7 * len(name)
    return parts


def ceiling(value):
    """A round number not below value."""
    if value <= 0:
        return 1
    step = 10 ** math.floor(math.log10(value))
    return next(m * step for m in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if m * step >= value * 0.999)


def axis(top):
    parts = []
    for i in range(5):
        value, y = top * i / 4, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * i / 4
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(text(LEFT - 6, y + 4, f"{value:g}", "end", 11))
    return parts


def bars(title, unit, groups):
    """groups: {what: {server: number}}."""
    names = list(dict.fromkeys(n for g in groups.values() for n in g))
    top = ceiling(max((v for g in groups.values() for v in g.values()), default=1))
    parts, room = axis(top), (WIDTH - LEFT - RIGHT) / max(1, len(groups))
    for g, (what, cells) in enumerate(groups.items()):
        wide = room * 0.8 / max(1, len(names))
        for n, name in enumerate(names):
            if name not in cells:
                continue
            tall = (HEIGHT - TOP - BOTTOM) * cells[name] / top
            x, y = LEFT + g * room + room * 0.1 + n * wide, HEIGHT - BOTTOM - tall
            parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide * 0.9:.1f}" height="{tall:.1f}" '
                         f'fill="{colour(name, n)}"/>')
            parts.append(text(x + wide * 0.45, y - 4, f"{cells[name]:.3g}", size=10))
        parts.append(text(LEFT + (g + 0.5) * room, HEIGHT - BOTTOM + 18, what))
    return frame(title, unit, parts + legend(names))


def lines(title, unit, series):
    """series: {name: {x: number}}, x by powers of ten."""
    xs = sorted({x for points in series.values() for x in points})
    top = ceiling(max((v for points in series.values() for v in points.values()), default=1))
    low, high = math.log10(xs[0]), math.log10(xs[-1]) or 1
    across = lambda x: LEFT + 30 + (WIDTH - LEFT - RIGHT - 60) * (math.log10(x) - low) / ((high - low) or 1)
    up = lambda v: HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * v / top
    parts = axis(top) + [text(across(x), HEIGHT - BOTTOM + 18, f"{x:,}") for x in xs]
    for n, (name, points) in enumerate(series.items()):
        path = " ".join(f"{across(x):.1f},{up(v):.1f}" for x, v in sorted(points.items()))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour(name, n)}" stroke-width="2"/>')
        for x, v in points.items():
            parts.append(f'<circle cx="{across(x):.1f}" cy="{up(v):.1f}" r="3.5" fill="{colour(name, n)}"/>')
            parts.append(text(across(x), up(v) - 8, f"{v:.3g}", size=10))
    return frame(title, unit, parts + legend(series))
