/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/lost.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/metric.h"
#include "cache/index_int.h"
#include "cache/key.h"
#include "cache/writer.h"

#define KIND_MAX 48 /* "lost:" and 32 hex digits of the repository's name's hash */

/* News on their way to the index, of all stores: as long as there are any, what stands there is not
 * the last word. */
static atomic_uint pending;

struct news {
    struct writer_op op;
    struct digest digest;
    bool is_found;
    char kind[KIND_MAX];
};

static struct sl kind_of(struct sl repo, char out[KIND_MAX])
{
    static const char digits[] = "0123456789abcdef";
    const struct key_repo hashed = key_repo_of(repo);
    struct sl kind = SL("lost:");
    size_t n = kind.n;

    memcpy(out, kind.p, kind.n);
    for (size_t i = 0; i < 16; i++) {
        out[n++] = digits[(unsigned char)hashed.hash[i] >> 4];
        out[n++] = digits[(unsigned char)hashed.hash[i] & 15];
    }
    out[n] = '\0';
    return (struct sl){out, n};
}

bool lost_is(struct index_view *v, struct sl repo, const struct digest *d)
{
    struct pg_err ignored = {0};
    struct index_memo memo;
    char kind[KIND_MAX];
    bool is = index_get_memo(v, d, kind_of(repo, kind), &memo, &ignored) > 0;

    pg_err_clear(&ignored);
    return is;
}

int lost_forget(struct index_txn *txn, struct sl repo, const struct digest *d, struct pg_err *err)
{
    char kind[KIND_MAX];

    return index_del_memo(txn, d, kind_of(repo, kind), err) < 0 ? -1 : 0;
}

static int apply(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    const struct news *n = pg_container_of(op, struct news, op);
    const struct index_memo memo = {.expires_s = INT64_MAX, .bytes = SL("")};
    const struct sl kind = sl_str(n->kind);

    if (!n->is_found)
        return index_put_memo(txn, &n->digest, kind, &memo, err);
    return index_del_memo(txn, &n->digest, kind, err) < 0 ? -1 : 0;
}

static void on_written(struct writer_op *op)
{
    struct news *n = pg_container_of(op, struct news, op);

    if (op->err.kind != PG_E_NONE)
        pg_metric_inc(PG_M_STORE_ERRORS);
    pg_err_clear(&op->err);
    atomic_fetch_sub(&pending, 1);
    free(n);
}

/* Nothing is written that stands there already. */
static void tell(struct store *s, struct sl repo, const struct digest *d, bool is_found)
{
    bool is, all_written = atomic_load(&pending) == 0; /* before what is there is looked at */
    struct news *n;

    {
        _index_view_ struct index_view v = index_view_begin(s->index);
        is = lost_is(&v, repo, d);
    }
    if (is != is_found && all_written)
        return;
    n = calloc(1, sizeof(*n));
    PG_CHECK(n != NULL);
    *n = (struct news){.op = {.apply = apply, .done = on_written}, .digest = *d};
    n->is_found = is_found;
    (void)kind_of(repo, n->kind);
    atomic_fetch_add(&pending, 1);
    writer_post(s->writer, &n->op);
}

void lost_note(struct store *s, struct sl repo, const struct digest *d)
{
    tell(s, repo, d, false);
}

void lost_found(struct store *s, struct sl repo, const struct digest *d)
{
    tell(s, repo, d, true);
}
