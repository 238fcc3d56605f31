/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/tlog_int.h"

#include <inttypes.h>

#include "base/buf.h"
#include "signing/b64_int.h"
#include "signing/note_int.h"
#include "signing/tlog_body_int.h"

#define PROMISE_MAX ((size_t)2 << 20)

static const struct trust_log *find(const struct trust_logs *logs, struct sl id, unsigned *at_r)
{
    for (unsigned i = 0; i < logs->n; i++) {
        if (sl_eq(id, (struct sl){(const char *)logs->at[i].id, sizeof(logs->at[i].id)})) {
            *at_r = i;
            return &logs->at[i];
        }
    }
    return NULL;
}

/* What the promise signs: the entry in canonical JSON. */
static bool promise_is_signed(const struct tlog_entry *e, const struct trust_log *log,
                              struct pg_arena *arena)
{
    char id[2 * 32 + 1];
    struct key_message m;
    struct key_how how;
    struct pg_buf text;
    bool good;

    for (size_t i = 0; i < 32; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", (unsigned)(uint8_t)e->log_id.p[i]);
    pg_buf_init(&text, PROMISE_MAX);
    (void)pg_buf_printf(&text,
                        "{\"body\":\"" SL_FMT "\",\"integratedTime\":%" PRId64
                        ",\"logID\":\"%s\",\"logIndex\":%" PRId64 "}",
                        SL_ARG(b64_encode(e->body, arena)), e->integrated_s, id, e->index);
    m = key_message_of(pg_buf_sl(&text));
    good = !text.over && key_verify(log->key, false, &m, e->promise, &how) == KEY_GOOD;
    pg_buf_free(&text);
    return good;
}

static int check_promise(const struct tlog_entry *e, const struct trust_log *log,
                         struct pg_arena *arena, struct verify_refusal *no)
{
    if (e->integrated_s <= 0)
        return refuse(no, LOG, "the log's promise has no time");
    if (!promise_is_signed(e, log, arena))
        return refuse(no, LOG, "the promise of the log " SL_FMT " is not signed by it",
                      SL_ARG(log->host));
    if (!trust_covers(log->window, e->integrated_s))
        return refuse(no, TIME,
                      "the entry is of a time that the key of the log " SL_FMT
                      " is not trusted for",
                      SL_ARG(log->host));
    return 0;
}

/* Without a checkpoint, which only the oldest bundles may lack, the root is a claim, and the proof
 * adds nothing to the promise; it must be right all the same. */
static int check_proof(const struct tlog_entry *e, const struct trust_log *log, bool is_tiles,
                       struct verify_refusal *no)
{
    const struct tlog_proof *p = &e->proof;
    struct note n = {.size = p->size};

    if (is_tiles && p->index != e->index)
        return refuse(no, LOG, "the log's entry has two different numbers");
    if (p->checkpoint.p != NULL && note_verify(p->checkpoint, log, is_tiles, &n, no) < 0)
        return -1;
    if (p->root.p != NULL) {
        struct sl root = {(const char *)n.root, sizeof(n.root)};

        if (p->checkpoint.p == NULL && p->root.n == sizeof(n.root))
            memcpy(n.root, p->root.p, sizeof(n.root));
        if (p->size != n.size || !sl_eq(p->root, root))
            return refuse(no, LOG, "the log's proof and its checkpoint are of different trees");
    }
    if (!merkle_proves(e->body, p->index, n.size, p->hashes, p->nhashes, n.root))
        return refuse(no, LOG, "it is not proven that the entry is in the log " SL_FMT,
                      SL_ARG(log->host));
    return 0;
}

int tlog_verify(const struct tlog_entry *e, const struct tlog_subject *s, const struct trust *t,
                struct pg_arena *arena, struct tlog_seen *seen_r, struct verify_refusal *no)
{
    unsigned at = 0;
    const struct trust_log *log = find(&t->tlogs, e->log_id, &at);
    bool is_tiles;

    if (log == NULL)
        return refuse(no, LOG, "the entry is of a transparency log that is not trusted");
    if (tlog_body_bind(e, s, arena, &is_tiles, no) < 0)
        return -1;
    if (e->promise.p == NULL && (!e->has_proof || e->proof.checkpoint.p == NULL))
        return refuse(no, LOG, "the log has neither promised nor proven its entry");
    if (e->promise.p != NULL && check_promise(e, log, arena, no) < 0)
        return -1;
    if (e->has_proof && check_proof(e, log, is_tiles, no) < 0)
        return -1;
    *seen_r = (struct tlog_seen){at, e->promise.p != NULL ? e->integrated_s : 0};
    return 0;
}
