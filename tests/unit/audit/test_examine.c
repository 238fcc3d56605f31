/* SPDX-License-Identifier: Apache-2.0 */
/* A log in memory: three segments that are signed as the trail does it, and what an attacker may
 * do to it. */
#include "harness/scratch.h"

#include <fcntl.h>

#include "audit/examine.h"
#include "base/fd.h"
#include "base/hash.h"

#define SEGMENTS  3
#define EACH      7 /* entries of a segment, its first included */
#define MUTATIONS 10000
#define LOG_MAX   ((size_t)1 << 20)

struct log {
    struct pg_buf segments[SEGMENTS];
    uint32_t numbers[SEGMENTS];
    size_t n;
};

static struct log good;
static struct seal *seal;
static uint8_t key[SEAL_KEY];
static struct pg_buf head; /* of its end */
static struct pg_err err;
static char first_finding[EXAMINE_WHAT_MAX];
static unsigned found;

static void on_finding(void *arg, const struct examine_finding *f)
{
    (void)arg;
    if (found++ == 0)
        (void)snprintf(first_finding, sizeof(first_finding), "%u:%u: %s", f->segment,
                       (unsigned)f->line, f->what);
}

/* ---- making one ---------------------------------------------------------------------------- */

static void put(struct pg_buf *to, struct chain *c, struct entry *e)
{
    struct pg_buf json;

    pg_buf_init(&json, ENTRY_LINE_MAX);
    entry_write(e, &json);
    chain_put(c, pg_buf_sl(&json), to);
    pg_buf_free(&json);
}

static void put_segment(struct log *l, uint32_t number, struct chain *c, uint64_t *seq)
{
    struct pg_buf *to = &l->segments[l->n];
    struct entry begin = {.kind = ENTRY_SEGMENT, .seq = ++*seq, .when_ms = 1700000000000};
    char digits[ENTRY_HEX_MAX], tag[16];

    pg_buf_init(to, LOG_MAX);
    begin.number[ENTRY_NUMBER_SEGMENT] = number;
    begin.text[ENTRY_TEXT_PREVIOUS] = entry_hex(c->hash, CHAIN_HASH, digits);
    seal_sign(seal, &begin);
    put(to, c, &begin);
    for (unsigned i = 1; i < EACH; i++) {
        struct entry e = {.kind = ENTRY_DECISION, .seq = ++*seq, .when_ms = 1700000000000};

        (void)snprintf(tag, sizeof(tag), "v%u", i);
        e.text[ENTRY_TEXT_REPOSITORY] = SL("a.test/app");
        e.text[ENTRY_TEXT_REFERENCE] = sl_str(tag);
        e.text[ENTRY_TEXT_VERDICT] = i % 2 == 0 ? SL("allow") : SL("deny");
        put(to, c, &e);
    }
    l->numbers[l->n++] = number;
}

static void put_head(const struct chain *c, uint64_t seq, struct pg_buf *head_r)
{
    char digits[ENTRY_HEX_MAX];
    struct entry e = {.kind = ENTRY_HEAD, .seq = seq, .when_ms = 1700000000000};

    e.text[ENTRY_TEXT_PREVIOUS] = entry_hex(c->hash, CHAIN_HASH, digits);
    seal_sign(seal, &e);
    entry_write(&e, head_r);
}

static void make_log(struct log *l, uint32_t from, struct pg_buf *head_r)
{
    struct chain c = {0};
    uint64_t seq = 0;

    for (uint32_t i = 0; i < SEGMENTS; i++)
        put_segment(l, from + i, &c, &seq);
    put_head(&c, seq, head_r);
}

static void free_log(struct log *l)
{
    for (size_t i = 0; i < SEGMENTS; i++)
        pg_buf_free(&l->segments[i]);
    *l = (struct log){0};
}

static void copy_log(struct log *to)
{
    *to = (struct log){.n = good.n};
    for (size_t i = 0; i < SEGMENTS; i++) {
        pg_buf_init(&to->segments[i], LOG_MAX);
        (void)pg_buf_put(&to->segments[i], pg_buf_sl(&good.segments[i]));
        to->numbers[i] = good.numbers[i];
    }
}

/* How many findings; with the head of the whole unless told. */
static unsigned examine(const struct log *l, bool with_head)
{
    struct examine x;

    found = 0;
    first_finding[0] = '\0';
    examine_init(&x, key, on_finding, NULL);
    if (with_head)
        assert_int_equal(examine_expect(&x, pg_buf_sl(&head), &err), 0);
    for (size_t i = 0; i < l->n; i++)
        examine_segment(&x, l->numbers[i], pg_buf_sl(&l->segments[i]), i + 1 == l->n);
    examine_end(&x);
    assert_int_equal(x.findings, found);
    return found;
}

/* ---- an attacker --------------------------------------------------------------------------- */

static uint64_t dice = 1;

static size_t roll(size_t n)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (size_t)(dice % n);
}

/* Where line no. i of a segment begins; its end where there is none. */
static size_t line_at(const struct pg_buf *b, size_t i)
{
    size_t at = 0;

    for (; i > 0 && at < b->n; i--) {
        const char *end = memchr(b->p + at, '\n', b->n - at);

        at = end != NULL ? (size_t)(end - b->p) + 1 : b->n;
    }
    return at;
}

static void replace(struct pg_buf *b, size_t from, size_t until, struct sl by)
{
    struct pg_buf new;

    pg_buf_init(&new, LOG_MAX);
    (void)pg_buf_put(&new, (struct sl){b->p, from});
    (void)pg_buf_put(&new, by);
    (void)pg_buf_put(&new, (struct sl){b->p + until, b->n - until});
    pg_buf_free(b);
    *b = new;
}

static void flip(struct log *l)
{
    struct pg_buf *b = &l->segments[roll(SEGMENTS)];

    uint8_t *p = (uint8_t *)b->p + roll(b->n);

    *p = (uint8_t)(*p ^ 1U << roll(8));
}

static void cut(struct log *l)
{
    struct pg_buf *b = &l->segments[roll(SEGMENTS)];
    size_t from = roll(b->n), n = 1 + roll(b->n - from);

    replace(b, from, from + n, SL(""));
}

static void drop_line(struct log *l)
{
    struct pg_buf *b = &l->segments[roll(SEGMENTS)];
    size_t i = roll(EACH);

    replace(b, line_at(b, i), line_at(b, i + 1), SL(""));
}

static void double_line(struct log *l)
{
    struct pg_buf *b = &l->segments[roll(SEGMENTS)];
    size_t i = roll(EACH), from = line_at(b, i), to = line_at(b, roll(EACH + 1));
    struct sl line = {good.segments[b - l->segments].p + from, line_at(b, i + 1) - from};

    replace(b, to, to, line);
}

static void swap_lines(struct log *l)
{
    struct pg_buf *b = &l->segments[roll(SEGMENTS)];
    const struct pg_buf *of = &good.segments[b - l->segments];
    size_t i = roll(EACH - 1), j = i + 1 + roll(EACH - 1 - i);
    struct sl a = {of->p + line_at(of, i), line_at(of, i + 1) - line_at(of, i)};
    struct sl c = {of->p + line_at(of, j), line_at(of, j + 1) - line_at(of, j)};

    replace(b, line_at(b, j), line_at(b, j + 1), a);
    replace(b, line_at(b, i), line_at(b, i + 1), c);
}

/* One entry says something else, and its own hash is made right. */
static void forge_line(struct log *l)
{
    struct pg_buf *b = &l->segments[roll(SEGMENTS)];
    size_t i = 1 + roll(EACH - 1), from = line_at(b, i), until = line_at(b, i + 1);
    struct chain c;
    struct entry e;
    struct pg_buf line;

    assert_true(
        entry_unhex((struct sl){b->p + line_at(b, i - 1), CHAIN_DIGITS}, c.hash, CHAIN_HASH));
    assert_int_equal(
        entry_read((struct sl){b->p + from + CHAIN_DIGITS + 1, until - from - CHAIN_DIGITS - 2}, &e,
                   &err),
        0);
    e.text[ENTRY_TEXT_VERDICT] = SL("forged");
    pg_buf_init(&line, ENTRY_LINE_MAX + 100);
    put(&line, &c, &e);
    replace(b, from, until, pg_buf_sl(&line));
    pg_buf_free(&line);
    entry_free(&e);
}

static void swap_segments(struct log *l)
{
    size_t i = roll(SEGMENTS - 1);
    struct pg_buf b = l->segments[i];

    l->segments[i] = l->segments[i + 1];
    l->segments[i + 1] = b;
}

static void drop_segment(struct log *l)
{
    size_t i = roll(SEGMENTS);

    l->n--;
    pg_buf_free(&l->segments[i]);
    for (; i < l->n; i++) {
        l->segments[i] = l->segments[i + 1];
        l->numbers[i] = l->numbers[i + 1];
    }
    l->segments[l->n] = (struct pg_buf){0};
}

static void cut_tail(struct log *l)
{
    struct pg_buf *b = &l->segments[SEGMENTS - 1];

    b->n = roll(2) == 0 ? roll(b->n) : line_at(b, roll(EACH));
}

static void (*const mutations[])(struct log *l) = {
    flip,       cut,      drop_line,     double_line,  swap_lines,
    forge_line, cut_tail, swap_segments, drop_segment,
};
#define NKINDS (sizeof(mutations) / sizeof(mutations[0]))

static bool is_same(const struct log *l)
{
    bool same = l->n == good.n;

    for (size_t i = 0; same && i < l->n; i++)
        same = sl_eq(pg_buf_sl(&l->segments[i]), pg_buf_sl(&good.segments[i]));
    return same;
}

/* ---- tests --------------------------------------------------------------------------------- */

TEST(a_log_as_it_was_written_has_no_finding)
{
    if (examine(&good, true) != 0)
        fail_msg("%s", first_finding);
}

/* J06, N17: all of them. */
TEST(ten_thousand_mutations_are_found)
{
    unsigned done = 0;

    while (done < MUTATIONS) {
        struct log l;
        size_t kind = roll(NKINDS);

        copy_log(&l);
        mutations[kind](&l);
        if (!is_same(&l)) {
            done++;
            if (examine(&l, true) == 0)
                fail_msg("mutation %u, of kind %zu, was not found", done, kind);
        }
        free_log(&l);
    }
}

/* N23: the tail is cut off between two entries, and what lies beside the log with it. */
TEST(a_cut_tail_is_found_by_a_head_that_was_kept)
{
    struct log l;

    copy_log(&l);
    l.segments[SEGMENTS - 1].n = line_at(&l.segments[SEGMENTS - 1], EACH - 1);
    assert_int_equal(examine(&l, false), 0);
    assert_int_equal(examine(&l, true), 1);
    assert_string_equal(first_finding, "0:0: it ends with entry 20, and there was an entry 21");
    free_log(&l);
}

/* J06: a log of another life, every hash and signature of which is right. */
TEST(another_log_is_found_by_a_head_that_was_kept)
{
    struct log l = {0};
    struct pg_buf other;

    pg_buf_init(&other, ENTRY_LINE_MAX);
    make_log(&l, 1, &other);
    struct entry e = {.kind = ENTRY_DECISION, .seq = 21, .when_ms = 1700000000000};
    struct chain c;
    struct pg_buf *last = &l.segments[SEGMENTS - 1];
    last->n = line_at(last, EACH - 1);
    assert_true(entry_unhex((struct sl){last->p + line_at(last, EACH - 2), CHAIN_DIGITS}, c.hash,
                            CHAIN_HASH));
    e.text[ENTRY_TEXT_VERDICT] = SL("allow");
    put(last, &c, &e);
    assert_int_equal(examine(&l, false), 0);
    assert_int_equal(examine(&l, true), 1);
    assert_string_equal(first_finding, "3:7: the head of entry 21 is of another log");
    pg_buf_free(&other);
    free_log(&l);
}

TEST(segments_are_signed_by_the_key)
{
    key[0] ^= 1;
    assert_true(examine(&good, false) >= SEGMENTS);
    assert_string_equal(first_finding, "1:1: its signature is not good");
    key[0] ^= 1;
}

TEST(a_head_is_signed_by_the_key)
{
    struct examine x;

    examine_init(&x, key, on_finding, NULL);
    head.p[head.n - 4] = head.p[head.n - 4] == '0' ? '1' : '0';
    assert_int_equal(examine_expect(&x, pg_buf_sl(&head), &err), -1);
    pg_err_clear(&err);
    assert_int_equal(examine_expect(&x, SL("{}"), &err), -1);
    pg_err_clear(&err);
}

TEST(old_segments_are_missing_only_if_they_were_removed)
{
    struct log l;
    struct entry e = {.kind = ENTRY_REMOVED, .seq = 22, .when_ms = 1700000000000};
    struct chain c;
    struct pg_buf *last;

    copy_log(&l);
    pg_buf_free(&l.segments[0]);
    l.n = 2;
    for (size_t i = 0; i < 2; i++) {
        l.segments[i] = l.segments[i + 1];
        l.numbers[i] = l.numbers[i + 1];
    }
    l.segments[2] = (struct pg_buf){0};
    assert_int_equal(examine(&l, false), 1);
    assert_string_equal(first_finding, "0:0: segments up to 1 are missing, and no entry that is "
                                       "signed says that they were removed");
    last = &l.segments[1];
    assert_true(entry_unhex((struct sl){last->p + line_at(last, EACH - 1), CHAIN_DIGITS}, c.hash,
                            CHAIN_HASH));
    e.number[ENTRY_NUMBER_SEGMENT] = 1;
    put(last, &c, &e);
    assert_int_equal(examine(&l, false), 1); /* whoever took them away may have written it */
    pg_buf_clear(&head);
    put_head(&c, 22, &head);
    if (examine(&l, true) != 0)
        fail_msg("%s", first_finding);
    free_log(&l);
}

static int set_up(void **state)
{
    bool is_new;
    _fd_ int fd = -1;

    (void)state;
    pg_hash_setup();
    scratch_make();
    fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(seal_open(fd, scratch, &seal, &is_new, &err), 0);
    assert_true(is_new);
    pg_buf_init(&head, ENTRY_LINE_MAX);
    make_log(&good, 1, &head);
    struct entry e;
    assert_int_equal(entry_read(pg_buf_sl(&head), &e, &err), 0);
    assert_true(entry_unhex(e.text[ENTRY_TEXT_KEY], key, SEAL_KEY));
    entry_free(&e);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free_log(&good);
    pg_buf_free(&head);
    seal_free(seal);
    scratch_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_log_as_it_was_written_has_no_finding),
        RUN(ten_thousand_mutations_are_found),
        RUN(a_cut_tail_is_found_by_a_head_that_was_kept),
        RUN(another_log_is_found_by_a_head_that_was_kept),
        RUN(segments_are_signed_by_the_key),
        RUN(old_segments_are_missing_only_if_they_were_removed),
        RUN(a_head_is_signed_by_the_key),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
