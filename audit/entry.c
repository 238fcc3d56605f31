/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/entry.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

#define WRONG "\xef\xbf\xbd" /* U+FFFD */

static const char *const kind_names[] = {
#define X(id, name) [ENTRY_##id] = (name),
    ENTRY_KINDS(X)
#undef X
};

static const struct {
    const char *name;
    struct sl front; /* as it is written */
    size_t max;
} texts[] = {
#define X(id, name, max) [ENTRY_TEXT_##id] = {name, SL(",\"" name "\":"), max},
    ENTRY_TEXTS(X)
#undef X
};

static const char *const number_names[] = {
#define X(id, name) [ENTRY_NUMBER_##id] = (name),
    ENTRY_NUMBERS(X)
#undef X
};

#define X(id, name, max) +(max)
_Static_assert(6 * (0 ENTRY_TEXTS(X)) + 1024 <= ENTRY_LINE_MAX, "the longest entry fits");
#undef X

const char *entry_kind_name(enum entry_kind kind)
{
    return kind_names[kind];
}

const char *entry_text_name(enum entry_text text)
{
    return texts[text].name;
}

size_t entry_text_max(enum entry_text text)
{
    return texts[text].max;
}

/* ---- digits -------------------------------------------------------------------------------- */

struct sl entry_hex(const uint8_t *bytes, size_t n, char out[ENTRY_HEX_MAX])
{
    static const char digits[] = "0123456789abcdef";

    PG_CHECK(2 * n < ENTRY_HEX_MAX);
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = '\0';
    return (struct sl){out, 2 * n};
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool entry_unhex(struct sl digits, uint8_t *bytes_r, size_t n)
{
    if (digits.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = digit_of(digits.p[2 * i]), low = digit_of(digits.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes_r[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool entry_time(struct sl text, int64_t *ms_r)
{
    char copy[PG_CLOCK_TEXT_MAX], again[PG_CLOCK_TEXT_MAX];
    struct tm tm = {0};
    int64_t ms = 0;

    if (text.n != 24)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    if (strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm) != copy + 19)
        return false;
    for (size_t i = 20; i < 23; i++)
        ms = ms * 10 + (copy[i] - '0');
    ms += (int64_t)timegm(&tm) * 1000;
    if (!sl_eq(sl_str(pg_clock_rfc3339(ms, again)), text)) /* there is one text for each */
        return false;
    *ms_r = ms;
    return true;
}

/* ---- writing ------------------------------------------------------------------------------- */

/* The bytes that s, as read again, has of the code point in front; *taken_r: in s. */
static size_t next(struct sl s, size_t *taken_r)
{
    uint32_t point;
    size_t n = pg_utf8_next(s, &point);

    *taken_r = n == 0 ? 1 : n;
    return n == 0 || point == 0 ? sizeof(WRONG) - 1 : n;
}

static bool fits(struct sl s, size_t max)
{
    size_t sum = 0, taken;

    while (s.n > 0 && sum <= max) {
        sum += next(s, &taken);
        s = (struct sl){s.p + taken, s.n - taken};
    }
    return sum <= max;
}

static void put_text(struct pg_buf *out, struct sl s, size_t max)
{
    char escaped[PG_UTF8_ESCAPE_MAX];
    size_t sum = 0, taken, n;
    bool whole;

    if (s.n <= max && pg_utf8_plain(s) == s.n) { /* nearly all are */
        (void)pg_buf_put_json(out, s);
        return;
    }
    whole = fits(s, max);
    (void)pg_buf_put(out, SL("\""));
    while (s.n > 0) {
        n = next(s, &taken);
        if (!whole && sum + n > max - 1)
            break;
        sum += n;
        if (n == taken && !sl_starts(s, SL(WRONG))) {
            (void)pg_utf8_escape(s, escaped, &n);
            (void)pg_buf_put(out, (struct sl){escaped, n});
        } else {
            (void)pg_buf_put(out, SL(WRONG));
        }
        s = (struct sl){s.p + taken, s.n - taken};
    }
    (void)pg_buf_put(out, whole ? SL("\"") : SL("~\""));
}

void entry_write(const struct entry *e, struct pg_buf *out)
{
    char time[PG_CLOCK_TEXT_MAX];

    (void)pg_buf_printf(out, "{\"seq\":%" PRIu64 ",\"time\":\"%s\",\"kind\":\"%s\"", e->seq,
                        pg_clock_rfc3339(e->when_ms, time), kind_names[e->kind]);
    for (size_t i = 0; i < ENTRY_NNUMBERS; i++)
        if (e->number[i] != 0)
            (void)pg_buf_printf(out, ",\"%s\":%" PRIu64, number_names[i], e->number[i]);
    for (size_t i = 0; i < ENTRY_NTEXTS; i++) {
        if (e->text[i].n == 0)
            continue;
        (void)pg_buf_put(out, texts[i].front);
        put_text(out, e->text[i], texts[i].max);
    }
    (void)pg_buf_put(out, SL("}"));
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool read_kind(struct sl name, enum entry_kind *kind_r)
{
    for (size_t i = 0; i < ENTRY_NKINDS; i++) {
        if (sl_eq(name, sl_str(kind_names[i]))) {
            *kind_r = (enum entry_kind)i;
            return true;
        }
    }
    return false;
}

static uint64_t read_number(const json_t *root, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(root, name));

    return n > 0 ? (uint64_t)n : 0;
}

/* What is of another type, too long, or of no name that we know, is missing here; that is seen
 * when it is written again. */
static void read_members(struct entry *e)
{
    for (size_t i = 0; i < ENTRY_NNUMBERS; i++)
        e->number[i] = read_number(e->root, number_names[i]);
    for (size_t i = 0; i < ENTRY_NTEXTS; i++) {
        struct sl text = pg_json_str(e->root, texts[i].name);

        if (text.n <= texts[i].max)
            e->text[i] = text;
    }
}

static bool is_canonical(const struct entry *e, struct sl text)
{
    struct pg_buf again;
    bool same;

    pg_buf_init(&again, ENTRY_LINE_MAX);
    entry_write(e, &again);
    same = !again.over && sl_eq(pg_buf_sl(&again), text);
    pg_buf_free(&again);
    return same;
}

int entry_read(struct sl text, struct entry *e_r, struct pg_err *err)
{
    struct entry e = {0};

    if (text.n > ENTRY_LINE_MAX)
        return pg_fail(err, PG_E_BAD_FRAMING, "too long for an entry");
    if (pg_json_parse(text, PG_E_BAD_FRAMING, &e.root, err) < 0)
        return -1;
    if (!json_is_object(e.root) || !read_kind(pg_json_str(e.root, "kind"), &e.kind) ||
        !entry_time(pg_json_str(e.root, "time"), &e.when_ms)) {
        json_decref(e.root);
        return pg_fail(err, PG_E_BAD_FRAMING, "no entry: its kind or its time is not one");
    }
    e.seq = read_number(e.root, "seq");
    read_members(&e);
    if (!is_canonical(&e, text)) {
        json_decref(e.root);
        return pg_fail(err, PG_E_BAD_FRAMING, "no entry as pullgate writes them");
    }
    *e_r = e;
    return 0;
}

void entry_free(struct entry *e)
{
    json_decref(e->root);
    *e = (struct entry){0};
}

uint64_t entry_seq(struct sl text)
{
    static const char front[] = "{\"seq\":";
    size_t at = sizeof(front) - 1;
    uint64_t seq = 0;

    if (!sl_starts(text, SL("{\"seq\":")))
        return 0;
    for (; at < text.n && text.p[at] >= '0' && text.p[at] <= '9'; at++) {
        if (seq > INT64_MAX / 16)
            return 0;
        seq = seq * 10 + (uint64_t)(text.p[at] - '0');
    }
    return seq;
}
