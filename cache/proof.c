/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/proof.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/metric.h"
#include "base/random.h"
#include "base/steady.h"
#include "cache/index_int.h"
#include "cache/journal.h"
#include "cache/writer.h"

#define KIND_MAX     48 /* "had:" and 32 hex digits of the upstream's name's hash */
#define PARTIAL_KIND SL("partial")
#define WHOSE_DIGITS ((size_t)32)

struct note {
    struct writer_op op;
    struct store *store;
    struct digest digest;
    bool partial;
    uint64_t size;
    int64_t now_s;
    size_t nrepo;
    char repo[];
};

struct sl proof_upstream(struct sl repo)
{
    const char *slash = repo.n > 0 ? memchr(repo.p, '/', repo.n) : NULL;

    return slash == NULL ? repo : (struct sl){repo.p, (size_t)(slash - repo.p)};
}

static struct sl kind_of(struct sl repo, char out[KIND_MAX])
{
    struct key_repo hashed = key_repo_of(proof_upstream(repo));
    struct digest hash = {.alg = PG_SHA256};
    struct sl kind = SL("had:");
    char text[DIGEST_TEXT_MAX];

    memcpy(hash.bytes, hashed.hash, sizeof(hashed.hash));
    (void)digest_write(&hash, text);
    memcpy(out, kind.p, kind.n);
    memcpy(out + kind.n, strchr(text, ':') + 1, WHOSE_DIGITS);
    return (struct sl){out, kind.n + WHOSE_DIGITS};
}

int proof_has(struct store *s, struct sl repo, const struct digest *d, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    char kind[KIND_MAX];
    struct index_memo memo;

    return index_get_memo(&v, d, kind_of(repo, kind), &memo, err);
}

int proof_put(struct index_txn *txn, struct sl repo, const struct digest *d, struct pg_err *err)
{
    struct index_memo memo = {.expires_s = INT64_MAX, .bytes = SL("")};
    char kind[KIND_MAX];

    if (index_put_memo(txn, d, kind_of(repo, kind), &memo, err) < 0)
        return -1;
    return index_del_memo(txn, d, PARTIAL_KIND, err) < 0 ? -1 : 0;
}

/* Once for each upstream: the journal has no use for more. */
int proof_apply(struct store *s, struct index_txn *txn, const struct proof_news *news,
                struct pg_err *err)
{
    int64_t seen_s = pg_steady_of(news->now_s);
    struct journal_record r = {.kind = JOURNAL_LINK,
                               .when_s = seen_s,
                               .repo = news->repo,
                               .more = PROOF_RECORD,
                               .number = news->size,
                               .has_digest = true,
                               .digest = *news->digest};
    struct index_link link = {
        .kind = INDEX_LINK_BLOB, .first_seen_s = seen_s, .size = news->size, .landed = true};
    struct index_view v = index_txn_view(txn);
    struct pg_err ignored = {0};
    char kind[KIND_MAX];
    struct index_memo memo;
    bool known = index_get_memo(&v, news->digest, kind_of(news->repo, kind), &memo, &ignored) > 0;

    pg_err_clear(&ignored);
    if (known)
        return 0;
    if (s->journal != NULL && journal_append(s->journal, &r, err) < 0)
        return -1;
    if (index_put_link(txn, news->repo, news->digest, &link, err) < 0)
        return -1;
    return proof_put(txn, news->repo, news->digest, err);
}

static int apply(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct note *n = pg_container_of(op, struct note, op);
    struct proof_news news = {
        .repo = {n->repo, n->nrepo}, .digest = &n->digest, .size = n->size, .now_s = n->now_s};
    char kind[KIND_MAX];
    struct index_memo whose = {.expires_s = INT64_MAX, .bytes = kind_of(news.repo, kind)};

    return n->partial ? index_put_memo(txn, &n->digest, PARTIAL_KIND, &whose, err)
                      : proof_apply(n->store, txn, &news, err);
}

static void on_written(struct writer_op *op)
{
    struct note *n = pg_container_of(op, struct note, op);

    if (op->err.kind != PG_E_NONE)
        pg_metric_inc(PG_M_STORE_ERRORS);
    pg_err_clear(&op->err);
    free(n);
}

static struct note *new_note(struct store *s, struct sl repo, const struct digest *d)
{
    struct note *n = calloc(1, sizeof(*n) + repo.n);

    PG_CHECK(n != NULL);
    n->store = s;
    n->digest = *d;
    n->now_s = pg_clock_wall_s();
    n->nrepo = repo.n;
    memcpy(n->repo, repo.p, repo.n);
    n->op = (struct writer_op){.apply = apply, .done = on_written};
    return n;
}

void proof_note(struct store *s, struct sl repo, const struct digest *d, uint64_t size)
{
    struct note *n = new_note(s, repo, d);

    n->size = size;
    writer_post(s->writer, &n->op);
}

/* A row that cannot be read is nobody's. */
bool proof_partial_is(struct store *s, struct sl repo, const struct digest *d)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    char kind[KIND_MAX];
    struct pg_err ignored = {0};
    struct index_memo memo;
    bool is = index_get_memo(&v, d, PARTIAL_KIND, &memo, &ignored) > 0 &&
              sl_eq(memo.bytes, kind_of(repo, kind));

    pg_err_clear(&ignored);
    return is;
}

void proof_partial_note(struct store *s, struct sl repo, const struct digest *d)
{
    struct note *n;

    if (proof_partial_is(s, repo, d))
        return;
    n = new_note(s, repo, d);
    n->partial = true;
    writer_post(s->writer, &n->op);
}

static struct proof_part part_of(const struct index_blob *b, uint64_t chunk)
{
    struct proof_part p = {.from = chunk * b->chunk_bytes};
    uint64_t sum;

    memcpy(&sum, b->chunk_sums.p + chunk * sizeof(sum), sizeof(sum));
    p.n = b->size - p.from < b->chunk_bytes ? b->size - p.from : b->chunk_bytes;
    p.sum = le64toh(sum);
    return p;
}

/* nparts different ones of nchunks, in order. */
static void pick(const struct index_blob *b, uint64_t nchunks, struct proof_parts *r)
{
    uint64_t left = nchunks;

    for (uint64_t i = 0; i < nchunks && r->nparts < PROOF_PARTS; i++, left--) {
        if (pg_random_u64() % left < PROOF_PARTS - r->nparts)
            r->parts[r->nparts++] = part_of(b, i);
    }
}

int proof_pick(struct store *s, const struct digest *d, struct proof_parts *r, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct index_blob b;
    uint64_t nchunks;
    int found = index_get_blob(&v, d, &b, err);

    if (found <= 0)
        return found;
    *r = (struct proof_parts){.size = b.size};
    if (b.chunk_bytes == 0 || b.size == 0)
        return 1;
    nchunks = (b.size + b.chunk_bytes - 1) / b.chunk_bytes;
    if (b.chunk_sums.n >= nchunks * sizeof(uint64_t))
        pick(&b, nchunks, r);
    return 1;
}
