#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which of what is stored should go when there is no room: LRU, S3-FIFO and GDSF on one made trace.

The trace has what a cache of images sees, of 60 days, from a fixed seed: clusters pull images of a
Zipf popularity; CI builds all day, each build pulled a few times within hours and never again, on
bases that many share; once a day a scanner reads all that came in the last week, in order. Sizes are
lognormal. Prints for each size of the store the share of requests, and of bytes, that were hits.

usage: eviction.py [--days N]
"""
import argparse, bisect, collections, heapq, random

IMAGES, LAYERS, PULLS, BUILDS = 600, 5, 900, 40     # popular images; layers each; of a day


def trace(days, seed=1):
    """(object, bytes) of each request, in order."""
    dice = random.Random(seed)
    size = {}

    def thing(name):
        size.setdefault(name, max(2_000, min(int(dice.lognormvariate(16, 1.8)), 2_000_000_000)))
        return name
    bases = [[thing(("base", b, i)) for i in range(3)] for b in range(25)]
    images = [bases[dice.randrange(25)] + [thing(("image", n, i)) for i in range(LAYERS - 3)] for n in range(IMAGES)]
    weights, total = [], 0.0
    for n in range(IMAGES):
        total += 1 / (n + 1) ** 0.9
        weights.append(total)
    out, recent = [], collections.deque(maxlen=BUILDS * 7)
    for day in range(days):
        events = [(dice.random(), images[bisect.bisect(weights, dice.random() * total)]) for _ in range(PULLS)]
        for b in range(BUILDS):
            build = bases[dice.randrange(25)] + [thing(("ci", day, b, i)) for i in range(2)]
            at = dice.random() * 0.9
            recent.append(build)
            events += [(at + k * 0.02, build) for k in range(dice.randrange(1, 5))]
        events += [(0.95 + n * 1e-5, build) for n, build in enumerate(recent)]          # the scan
        for _, layers in sorted(events, key=lambda e: e[0]):
            out += [(layer, size[layer]) for layer in layers]
    return out, sum(size[o] for o in {o for o, _ in out})


def lru(room):
    kept, used = collections.OrderedDict(), 0

    def ask(o, n):
        nonlocal used
        if o in kept:
            kept.move_to_end(o)
            return True
        if n <= room:
            kept[o] = n
            used += n
            while used > room:
                used -= kept.popitem(last=False)[1]
        return False
    return ask


def gdsf(room):
    """The least of age + uses / bytes goes; age rises to what went last."""
    kept, heap, used, age = {}, [], 0, 0.0

    def ask(o, n):
        nonlocal used, age
        hit = o in kept
        if not hit and n > room:
            return False
        uses = kept[o][1] + 1 if hit else 1
        kept[o] = (age + uses / n, uses, n)
        heapq.heappush(heap, (kept[o][0], o))
        used += 0 if hit else n
        while used > room:
            rank, victim = heapq.heappop(heap)
            if victim in kept and kept[victim][0] == rank:
                used -= kept.pop(victim)[2]
                age = rank
        return hit
    return ask


def s3fifo(room):
    """A small queue of a tenth for what is new, a main one for what was asked for again, and names
    of what left the small one."""
    small, main, ghost = collections.OrderedDict(), collections.OrderedDict(), collections.OrderedDict()
    uses, used = {}, [0, 0, 0]

    def trim_main():
        while used[1] > room - room // 10:
            o, n = main.popitem(last=False)
            if uses[o] > 0:
                uses[o] -= 1
                main[o] = n
            else:
                used[1] -= n
                del uses[o]

    def trim_small():
        while used[0] > room // 10:
            o, n = small.popitem(last=False)
            used[0] -= n
            if uses[o] > 1:
                uses[o], main[o] = 0, n
                used[1] += n
                trim_main()
            else:
                del uses[o]
                ghost[o] = n
                used[2] += n
                while used[2] > room:
                    used[2] -= ghost.popitem(last=False)[1]

    def ask(o, n):
        if o in uses:
            uses[o] = min(uses[o] + 1, 3)
            return True
        if n > room // 10:
            return False
        uses[o] = 0
        if o in ghost:
            used[2] -= ghost.pop(o)
            main[o] = n
            used[1] += n
            trim_main()
        else:
            small[o] = n
            used[0] += n
            trim_small()
        return False
    return ask


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--days", type=int, default=60)
    requests, whole = trace(args.parse_args().days)
    warm = len(requests) // 4                         # not counted
    print(f"{len(requests)} requests, {whole / 2**30:.0f} GiB of different objects\n")
    print("| store | LRU | S3-FIFO | GDSF |\n|---|---|---|---|")
    for share in (2, 5, 10, 20, 40):
        cells = []
        for policy in (lru, s3fifo, gdsf):
            ask, hits, bytes_hit, asked = policy(whole * share // 100), 0, 0, 0
            for i, (o, n) in enumerate(requests):
                hit = ask(o, n)
                if i >= warm:
                    hits, bytes_hit, asked = hits + hit, bytes_hit + hit * n, asked + n
            cells.append(f"{hits * 100 / (len(requests) - warm):.1f} / {bytes_hit * 100 / asked:.1f}")
        print(f"| {share} % | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
