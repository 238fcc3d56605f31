/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/examine.h"

#include <inttypes.h>
#include <stdarg.h>

static void tell(struct examine *x, const char *fmt, ...) PG_PRINTF(2, 3);

static void tell(struct examine *x, const char *fmt, ...)
{
    char what[EXAMINE_WHAT_MAX];
    struct examine_finding f = {.segment = x->segment, .line = x->line, .what = what};
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    x->findings++;
    x->found(x->arg, &f);
}

void examine_init(struct examine *x, const uint8_t *key, examine_found *found, void *arg)
{
    *x = (struct examine){.found = found, .arg = arg, .has_key = key != NULL};
    if (key != NULL)
        memcpy(x->key, key, SEAL_KEY);
}

/* With no key given the first that is named holds for all. */
static bool is_sealed(struct examine *x, const struct entry *e)
{
    if (!seal_is_good(e, x->has_key ? x->key : NULL))
        return false;
    x->has_key = true;
    return entry_unhex(e->text[ENTRY_TEXT_KEY], x->key, SEAL_KEY);
}

int examine_expect(struct examine *x, struct sl head, struct pg_err *err)
{
    struct entry e;
    struct examine_head h = {0};
    bool good;

    if (entry_read(head, &e, err) < 0)
        return pg_wrap(err, "the head");
    h.seq = e.seq;
    good = e.kind == ENTRY_HEAD && is_sealed(x, &e) &&
           entry_unhex(e.text[ENTRY_TEXT_PREVIOUS], h.hash, sizeof(h.hash));
    entry_free(&e);
    if (!good)
        return pg_fail(err, PG_E_BAD_FRAMING,
                       "it is no head of an audit log, or not signed by this log's key");
    if (x->nheads == EXAMINE_HEADS_MAX)
        return pg_fail(err, PG_E_BAD_FRAMING, "at most %d heads at a time", EXAMINE_HEADS_MAX);
    x->heads[x->nheads++] = h;
    return 0;
}

/* ---- one entry ----------------------------------------------------------------------------- */

static void meet_heads(struct examine *x)
{
    for (size_t i = 0; i < x->nheads; i++) {
        struct examine_head *h = &x->heads[i];

        if (h->seq != x->seq)
            continue;
        h->is_met = true;
        if (memcmp(h->hash, x->chain.hash, CHAIN_HASH) != 0)
            tell(x, "the head of entry %" PRIu64 " is of another log", x->seq);
        else
            x->removed = x->said_removed;
    }
}

static void count_entry(struct examine *x, const struct entry *e)
{
    x->entries++;
    if (e->seq != x->seq + 1 && !x->adopt)
        tell(x, "it is entry %" PRIu64 ", and should be %" PRIu64, e->seq, x->seq + 1);
    x->adopt = false;
    x->seq = e->seq;
}

/* What a segment goes on from: the one before it, as that ended. */
static void check_begin(struct examine *x, const struct entry *e, const struct chain *before)
{
    char digits[ENTRY_HEX_MAX];
    struct sl said = e->text[ENTRY_TEXT_PREVIOUS];

    if (e->kind != ENTRY_SEGMENT) {
        tell(x, "a segment does not begin so");
        return;
    }
    if (e->number[ENTRY_NUMBER_SEGMENT] != x->segment)
        tell(x, "it is the beginning of segment %" PRIu64, e->number[ENTRY_NUMBER_SEGMENT]);
    if (!is_sealed(x, e))
        tell(x, "its signature is not good");
    if (x->segment == x->first && x->first != 1)
        return; /* what it goes on from is not there */
    if (!sl_eq(said, entry_hex(before->hash, CHAIN_HASH, digits)))
        tell(x, "it does not go on from the end of the segment before it");
    else
        x->removed = x->said_removed;
}

static void take_entry(struct examine *x, const struct entry *e, const struct chain_line *l)
{
    count_entry(x, e);
    if (l->number == 1)
        check_begin(x, e, &l->before);
    else if (e->kind == ENTRY_SEGMENT || e->kind == ENTRY_HEAD)
        tell(x, "there is no place for it here");
    if (e->kind == ENTRY_DAMAGED)
        tell(x, "the server found damage when it started: " SL_FMT,
             SL_ARG(e->text[ENTRY_TEXT_REASON]));
    if (e->kind == ENTRY_REMOVED && e->number[ENTRY_NUMBER_SEGMENT] > x->said_removed)
        x->said_removed = e->number[ENTRY_NUMBER_SEGMENT];
    meet_heads(x);
}

/* The chain's own hash of the first line of what is there first cannot be computed: it is believed,
 * since a signature is over its entry. */
static bool on_line(void *arg, const struct chain_line *l)
{
    struct examine *x = arg;
    struct pg_err err = {0};
    struct entry e;

    x->line = l->number;
    if (l->why != NULL) {
        tell(x, "%s", l->why);
        x->adopt = true;
    }
    if (l->json.p == NULL || (l->why != NULL && entry_read(l->json, &e, &err) < 0)) {
        pg_err_clear(&err);
        return true;
    }
    if (l->why == NULL && entry_read(l->json, &e, &err) < 0) {
        tell(x, "%s", err.msg);
        pg_err_clear(&err);
        return true;
    }
    take_entry(x, &e, l);
    entry_free(&e);
    return true;
}

/* ---- segments ------------------------------------------------------------------------------ */

void examine_segment(struct examine *x, uint32_t number, struct sl bytes, bool is_last)
{
    struct chain_walk w;
    bool is_first = x->first == 0;

    x->line = 0;
    if (is_first)
        x->first = number;
    else if (number != x->segment + 1)
        tell(x, "segment %" PRIu32 " comes behind it", number);
    x->segment = number;
    x->is_last = is_last;
    x->segments++;
    x->adopt = x->adopt || (is_first && number != 1);
    chain_walk(bytes, &x->chain, is_first && number != 1, on_line, x, &w);
    x->line = 0;
    if (w.lines == 0 && (w.torn_bytes == 0 || !is_last))
        tell(x, "there is nothing in it");
    if (is_last)
        x->torn_bytes = w.torn_bytes;
    else if (w.torn_bytes > 0)
        tell(x, "its last entry is not whole");
}

void examine_end(struct examine *x)
{
    x->segment = 0;
    x->line = 0;
    if (x->segments == 0)
        tell(x, "there is no segment");
    if (x->first > 1 && x->removed + 1 < x->first)
        tell(x,
             "segments up to %" PRIu32 " are missing, and no entry that is signed says that they "
             "were removed",
             x->first - 1);
    for (size_t i = 0; i < x->nheads; i++)
        if (!x->heads[i].is_met && x->heads[i].seq > x->seq)
            tell(x, "it ends with entry %" PRIu64 ", and there was an entry %" PRIu64, x->seq,
                 x->heads[i].seq);
        else if (!x->heads[i].is_met && x->heads[i].seq >= 1 && x->first == 1)
            tell(x, "entry %" PRIu64 ", of which there is a head, is missing", x->heads[i].seq);
}

void examine_headless(struct examine *x)
{
    if (x->entries > 1)
        tell(x, "the head, a file beside the segments, is missing: how much there was behind the "
                "last entry cannot be told");
}
