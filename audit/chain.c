/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/chain.h"

#include "audit/entry.h"
#include "base/hash.h"

static void hash_next(const struct chain *c, struct sl json, uint8_t out[CHAIN_HASH])
{
    struct pg_hash *h = pg_hash_new(PG_SHA256);

    pg_hash_update(h, c->hash, sizeof(c->hash));
    pg_hash_update(h, json.p, json.n);
    pg_hash_final(h, out);
    pg_hash_free(h);
}

void chain_put(struct chain *c, struct sl json, struct pg_buf *out)
{
    char digits[ENTRY_HEX_MAX];
    uint8_t hash[CHAIN_HASH];

    hash_next(c, json, hash);
    memcpy(c->hash, hash, sizeof(hash));
    (void)pg_buf_put(out, entry_hex(hash, sizeof(hash), digits));
    (void)pg_buf_put(out, SL(" "));
    (void)pg_buf_put(out, json);
    (void)pg_buf_put(out, SL("\n"));
}

/* What is wrong with a line that follows c, or NULL. c goes on to what it says that it is; *lost:
 * it does not say so. */
static const char *check(struct sl text, struct chain *c, bool *lost, struct sl *json_r)
{
    uint8_t said[CHAIN_HASH], is[CHAIN_HASH];
    bool was_lost = *lost;

    *json_r = (struct sl){NULL, 0};
    *lost = true;
    if (text.n < CHAIN_DIGITS + 2 || text.n > CHAIN_DIGITS + 1 + ENTRY_LINE_MAX ||
        text.p[CHAIN_DIGITS] != ' ' ||
        !entry_unhex((struct sl){text.p, CHAIN_DIGITS}, said, sizeof(said)))
        return "it is no line of an audit log";
    *json_r = (struct sl){text.p + CHAIN_DIGITS + 1, text.n - CHAIN_DIGITS - 1};
    *lost = false;
    hash_next(c, *json_r, is);
    memcpy(c->hash, said, sizeof(said));
    return was_lost || memcmp(is, said, sizeof(is)) == 0
               ? NULL
               : "it was changed, or what stood before it was changed or taken away";
}

static bool step(struct sl text, struct chain *c, bool *lost, struct chain_line *l)
{
    l->number++;
    l->before = *c;
    l->why = check(text, c, lost, &l->json);
    return l->why == NULL;
}

void chain_walk(struct sl bytes, struct chain *c, bool adopt, chain_each *each, void *arg,
                struct chain_walk *w_r)
{
    struct chain_walk w = {0};
    struct chain_line l = {0};
    bool lost = adopt;

    while (!w.stopped && w.whole_bytes < bytes.n) {
        struct sl rest = {bytes.p + w.whole_bytes, bytes.n - w.whole_bytes};
        const char *end = memchr(rest.p, '\n', rest.n);

        if (end == NULL) {
            w.torn_bytes = rest.n;
            break;
        }
        w.lines++;
        w.broken += step((struct sl){rest.p, (size_t)(end - rest.p)}, c, &lost, &l) ? 0 : 1;
        w.whole_bytes += (size_t)(end - rest.p) + 1;
        w.stopped = !each(arg, &l);
    }
    *w_r = w;
}
