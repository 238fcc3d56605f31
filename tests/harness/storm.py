# SPDX-License-Identifier: Apache-2.0
"""An upstream that does anything: for blobs, what it does is drawn anew for each request."""
import random, re, threading


class Storm:
    def __init__(self, seed, evil, only=""):
        self.dice, self.evil, self.lock = random.Random(seed), evil, threading.Lock()
        self.never = threading.Event()
        self.kinds = [getattr(self, n) for n in dir(self) if re.match(f"do_({only})", n)]
        self.counts = {}

    def __call__(self, x):
        with self.lock:
            dice = random.Random(self.dice.random())
        act = dice.choice(self.kinds) if dice.random() < self.evil else self.slow
        if act == self.do_ask_for_patience and dice.random() < 0.7:    # it takes a second each time
            act = self.do_cut
        with self.lock:
            self.counts[act.__name__] = self.counts.get(act.__name__, 0) + 1
        body = x.body()[2]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", x.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1, len(body)) if asked and asked[2] else len(body)
        if first > len(body):
            return False
        return act(x, dice, body, asked is not None, first, end)

    def wait(self, seconds):
        self.never.wait(seconds)

    def head(self, x, part, first, end, total, length=None):
        x.send_response(206 if part else 200)
        x.send_header("Content-Length", str(end - first if length is None else length))
        if part:
            x.send_header("Content-Range", f"bytes {first}-{end - 1}/{total}")
        x.end_headers()

    def pieces(self, x, dice, data):
        n, pause = dice.choice([(2000, 0.003), (8000, 0.006), (16000, 0.02), (100000, 0)])
        for at in range(0, len(data), n):
            x.wfile.write(data[at:at + n])
            x.wfile.flush()
            self.wait(pause)

    def slow(self, x, dice, body, part, first, end):
        self.head(x, part, first, end, len(body))
        self.pieces(x, dice, body[first:end])
        return True

    def do_flip(self, x, dice, body, part, first, end):
        data = bytearray(body[first:end])
        if data:
            data[dice.randrange(len(data))] ^= 1
        self.head(x, part, first, end, len(body))
        self.pieces(x, dice, bytes(data))
        return True

    def do_cut(self, x, dice, body, part, first, end):
        self.head(x, part, first, end, len(body))
        self.pieces(x, dice, body[first:first + dice.randrange(end - first + 1)])
        x.raw(b"", dice.choice(["close", "reset"]))
        return True

    def do_stall(self, x, dice, body, part, first, end):
        self.head(x, part, first, end, len(body))
        self.pieces(x, dice, body[first:first + dice.randrange(end - first + 1)])
        self.wait(2)
        x.raw(b"")
        return True

    def do_say_nothing(self, x, dice, body, part, first, end):
        self.wait(dice.choice([0.1, 2]))
        x.raw(b"", dice.choice(["close", "reset"]))
        return True

    def do_other_part(self, x, dice, body, part, first, end):
        first, end = sorted((dice.randrange(len(body) + 1), dice.randrange(len(body) + 1)))
        self.head(x, True, first, max(end, first + 1), len(body))
        self.pieces(x, dice, body[first:end])
        x.raw(b"")
        return True

    def do_more_or_less_of_it(self, x, dice, body, part, first, end):
        end = min(max(first, end + dice.randrange(-3000, 3000)), len(body))
        return self.slow(x, dice, body, part, first, end)

    def do_other_size(self, x, dice, body, part, first, end):
        self.head(x, part, first, end, len(body) + dice.choice([-1, 1, 10 ** 12]))
        self.pieces(x, dice, body[first:end])
        return True

    def do_other_length(self, x, dice, body, part, first, end):
        self.head(x, part, first, end, len(body), max(0, end - first + dice.choice([-7, 7, 5000])))
        self.pieces(x, dice, body[first:end])
        x.raw(b"")
        return True

    def do_whole(self, x, dice, body, part, first, end):
        return self.slow(x, dice, body, False, 0, len(body))

    def do_whole_of_no_length(self, x, dice, body, part, first, end):
        x.send_response(200)
        x.end_headers()
        self.pieces(x, dice, body[:dice.choice([len(body), dice.randrange(len(body) + 1)])])
        x.raw(b"")
        return True

    def do_several(self, x, dice, body, part, first, end):
        x.answer(206, {"Content-Type": "multipart/byteranges; boundary=b"}, body[first:end])
        return True

    def do_status(self, x, dice, body, part, first, end):
        x.answer(dice.choice([400, 403, 404, 416, 500, 501, 503]), {})
        return True

    def do_ask_for_patience(self, x, dice, body, part, first, end):
        x.answer(429, {"Retry-After": "1"})
        return True

    def do_redirect(self, x, dice, body, part, first, end):
        x.answer(307, {"Location": x.path})
        return True

    def do_noise(self, x, dice, body, part, first, end):
        x.raw(dice.randbytes(dice.randrange(1, 300)))
        return True
