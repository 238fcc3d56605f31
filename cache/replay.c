/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/replay_int.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/log.h"
#include "cache/blob.h"
#include "cache/landing_int.h"
#include "cache/past.h"
#include "cache/proof.h"
#include "cache/writer.h"

#define BATCH        256
#define BATCH_BYTES  ((size_t)1 << 20)
#define ARENA_BUDGET (2 * (MANIFEST_ARENA_BYTES + MANIFEST_BYTES_MAX))

/* ---- tags and links ---- */

struct batch {
    struct writer_op op;
    struct store *store;
    struct pg_arena arena;
    struct journal_record records[BATCH];
    size_t n;
    uint64_t seq; /* of the last record looked at */
    uint64_t total;
};

static int put_link(struct index_txn *txn, const struct journal_record *r, struct pg_err *err)
{
    struct index_link link = {
        .kind = sl_eq(r->more, SL("manifest")) ? INDEX_LINK_MANIFEST : INDEX_LINK_BLOB,
        .first_seen_s = r->when_s,
        .size = r->number,
        .landed = true,
    };

    if ((link.kind == INDEX_LINK_MANIFEST || sl_eq(r->more, PROOF_RECORD)) &&
        proof_put(txn, r->repo, &r->digest, err) < 0)
        return -1;
    return index_put_link(txn, r->repo, &r->digest, &link, err);
}

/* Until when it was what it was before. Records of older releases do not say. */
static int end_spell(struct index_txn *txn, const struct journal_record *r, bool is_gone,
                     struct pg_err *err)
{
    struct index_view v = index_txn_view(txn);
    struct index_tag was;
    int found = index_get_tag(&v, r->repo, r->name, &was, err);

    if (found < 0)
        pg_err_clear(err);
    if (found > 0 && r->number > (uint64_t)was.first_seen_s && r->number <= (uint64_t)r->when_s) {
        struct index_tag last = was;

        last.first_seen_s = (int64_t)r->number;
        if (past_note(txn, r->repo, r->name, &last, NULL, err) < 0)
            return -1;
    }
    return is_gone ? past_end(txn, r->repo, r->name, err) : 0;
}

static int drop_tag(struct index_txn *txn, const struct journal_record *r, struct pg_err *err)
{
    if (end_spell(txn, r, true, err) < 0)
        return -1;
    return index_del_tag(txn, r->repo, r->name, err);
}

static int put_tag(struct index_txn *txn, const struct journal_record *r, struct pg_err *err)
{
    struct index_tag tag = {
        .digest = r->digest, .validated_s = r->when_s, .first_seen_s = r->when_s};

    if (end_spell(txn, r, false, err) < 0 || index_put_tag(txn, r->repo, r->name, &tag, err) < 0)
        return -1;
    return past_note(txn, r->repo, r->name, &tag, NULL, err);
}

static int put_record(struct index_txn *txn, const struct journal_record *r, struct pg_err *err)
{
    const struct index_tag fixed = {r->digest, r->when_s, r->when_s};
    bool ignored;

    if (r->kind == JOURNAL_LINK)
        return put_link(txn, r, err);
    if (r->kind == JOURNAL_LINK_GONE)
        return index_del_link(txn, r->repo, &r->digest, err);
    if (r->kind == JOURNAL_TAG)
        return put_tag(txn, r, err);
    if (r->kind == JOURNAL_IMMUTABLE)
        return past_fix(txn, r->repo, r->name, &fixed, &ignored, err);
    if (r->kind == JOURNAL_MUTABLE)
        return past_forget(txn, r->repo, r->name, err);
    return drop_tag(txn, r, err);
}

static int apply_batch(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct batch *b = pg_container_of(op, struct batch, op);

    for (size_t i = 0; i < b->n; i++)
        if (put_record(txn, &b->records[i], err) < 0)
            return -1;
    index_txn_set_journal(txn, b->seq);
    return 0;
}

static int flush(struct batch *b, struct pg_err *err)
{
    struct writer *writer = b->store->writer;

    b->op = (struct writer_op){.apply = apply_batch};
    if (writer_do(writer, &b->op, err) < 0)
        return -1;
    pg_arena_free(&b->arena);
    pg_arena_init(&b->arena, BATCH_BYTES);
    b->total += b->n;
    b->n = 0;
    return 0;
}

/* What is no key of the index was written by no version of pullgate: it is passed over. */
static bool is_for_the_index(const struct journal_record *r)
{
    bool has_tag = r->name.n > 0 && r->name.n <= KEY_TAG_MAX;

    if (r->repo.n == 0)
        return false;
    if (r->kind == JOURNAL_LINK || r->kind == JOURNAL_LINK_GONE)
        return r->has_digest;
    if (r->kind == JOURNAL_TAG || r->kind == JOURNAL_IMMUTABLE)
        return has_tag && r->has_digest;
    return has_tag && (r->kind == JOURNAL_TAG_GONE || r->kind == JOURNAL_MUTABLE);
}

static int gather(void *arg, const struct journal_record *r, struct pg_err *err)
{
    struct batch *b = arg;
    struct journal_record *kept = &b->records[b->n];

    b->seq = r->seq;
    if (!is_for_the_index(r))
        return 0;
    *kept = *r;
    kept->repo = pg_copy(&b->arena, r->repo);
    kept->name = pg_copy(&b->arena, r->name);
    kept->more = pg_copy(&b->arena, r->more);
    return ++b->n == BATCH ? flush(b, err) : 0;
}

static int seen_by_index(struct store *s, uint64_t *seq_r, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct index_counts counts;

    if (index_get_counts(&v, &counts, err) < 0)
        return -1;
    *seq_r = counts.journal;
    return 0;
}

static int read_on(struct store *s, uint64_t after, struct pg_err *err)
{
    struct batch *b = calloc(1, sizeof(*b));
    int rc;

    PG_CHECK(b != NULL);
    b->store = s;
    pg_arena_init(&b->arena, BATCH_BYTES);
    rc = journal_read(s->journal, after, gather, b, err);
    if (rc == 0) {
        b->seq = journal_seq(s->journal);
        rc = flush(b, err);
    }
    if (rc == 0 && b->total > 0)
        pg_log_say(PG_LOG_INFO, PG_LOG_STORE,
                   "%ju records of the journal were brought into the index", (uintmax_t)b->total);
    pg_arena_free(&b->arena);
    free(b);
    return rc;
}

/* A new chain has new numbers: after an accepted loss all of it is read. It does no harm to read
 * a record again, as they come in their order. */
int replay_journal(struct store *s, struct pg_err *err)
{
    uint64_t seen, last = journal_seq(s->journal);

    if (seen_by_index(s, &seen, err) < 0)
        return -1;
    if (s->config.accept_loss)
        return read_on(s, 0, err);
    if (seen > last)
        return pg_fail(err, PG_E_STORE_IO,
                       "the end of the journal %s/journal is missing: the index has seen record "
                       "%ju, the last one there is %ju. Restore it from a backup, or start once "
                       "with --accept-loss",
                       s->config.path, (uintmax_t)seen, (uintmax_t)last);
    return seen == last ? 0 : read_on(s, seen, err);
}

/* ---- manifests ---- */

struct rebuild {
    struct writer_op op;
    struct store *store;
    const atomic_bool *stop;
    struct landing landing; /* the one that is being written */
    uint64_t manifests, refused;
};

/* The link may have gone by a later record. */
static int apply_rebuilt(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct rebuild *b = pg_container_of(op, struct rebuild, op);
    struct index_view v = index_txn_view(txn);
    struct index_link link;
    int found = index_get_link(&v, b->landing.repo, &b->landing.digest, &link, err);

    if (found <= 0)
        return found;
    b->landing.link = link;
    return landing_apply(&b->landing, NULL, false, txn, err);
}

/* 1: the blob is in the store, and of this size. */
static int size_of(struct store *s, const struct digest *d, uint64_t *size_r, struct pg_err *err)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct index_blob blob;
    int found = index_get_blob(&v, d, &blob, err);

    if (found > 0)
        *size_r = blob.size;
    return found;
}

/* 1 the whole file, and its digest is right; 0 not. */
static int read_verified(struct store *s, const struct digest *d, struct pg_arena *arena,
                         struct sl *bytes_r, struct pg_err *err)
{
    char path[BLOB_PATH_MAX];
    _fd_ int fd = -1;
    uint64_t size = 0;
    struct digest got;
    char *bytes;
    int found = size_of(s, d, &size, err);

    if (found <= 0 || size == 0 || size > MANIFEST_BYTES_MAX)
        return found < 0 ? -1 : 0;
    fd = openat(s->blobs_fd, blob_path(d, path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bytes = pg_alloc(arena, (size_t)size);
    if (fd < 0 || PG_FAULT("replay.read") || pg_fd_pread(fd, bytes, (size_t)size, 0) < 0)
        return 0; /* recovery and the next pull see to it */
    *bytes_r = (struct sl){bytes, (size_t)size};
    got = digest_of(d->alg, *bytes_r);
    return digest_eq(&got, d) ? 1 : 0;
}

/* Is everything there that would be written? Then nothing is. */
static bool is_complete(struct store *s, const struct landing *l)
{
    _index_view_ struct index_view v = index_view_begin(s->index);
    struct pg_err ignored = {0};
    struct index_manifest manifest;
    struct index_link link;
    bool complete = index_get_manifest(&v, &l->digest, &manifest, &ignored) > 0;

    for (size_t i = 0; i < l->nnamed && complete; i++)
        complete = l->named[i].edge == INDEX_EDGE_SUBJECT ||
                   index_get_link(&v, l->repo, &l->named[i].digest, &link, &ignored) > 0;
    pg_err_clear(&ignored);
    return complete;
}

static int rebuild_one(struct rebuild *b, const struct journal_record *r, struct pg_arena *arena,
                       struct pg_err *err)
{
    struct pg_err why = {0};
    struct manifest parsed;
    struct digest sha256;
    struct sl bytes = {0};
    int found = read_verified(b->store, &r->digest, arena, &bytes, err);

    if (found <= 0)
        return found;
    if (manifest_parse(bytes, r->name, arena, &parsed, &why) < 0) {
        pg_err_clear(&why);
        b->refused++;
        return 0;
    }
    sha256 = digest_of(PG_SHA256, bytes);
    b->landing = (struct landing){
        .repo = r->repo, .digest = r->digest, .now_s = r->when_s, .steady_s = r->when_s};
    landing_of_manifest(&b->landing, &parsed, bytes, &sha256, arena);
    if (is_complete(b->store, &b->landing))
        return 0;
    b->op = (struct writer_op){.apply = apply_rebuilt};
    b->manifests++;
    return writer_do(b->store->writer, &b->op, err);
}

static int rebuild_record(void *arg, const struct journal_record *r, struct pg_err *err)
{
    struct rebuild *b = arg;
    struct pg_arena arena;
    int rc;

    if (atomic_load(b->stop))
        return 1;
    if (r->kind != JOURNAL_LINK || !is_for_the_index(r) || !sl_eq(r->more, SL("manifest")))
        return 0;
    pg_arena_init(&arena, ARENA_BUDGET);
    rc = rebuild_one(b, r, &arena, err);
    pg_arena_free(&arena);
    return rc;
}

int replay_manifests(struct store *s, const atomic_bool *stop, struct pg_err *err)
{
    struct rebuild b = {.store = s, .stop = stop};
    int rc = journal_read(s->journal, 0, rebuild_record, &b, err);

    if (b.manifests + b.refused > 0)
        pg_log_say(PG_LOG_INFO, PG_LOG_STORE,
                   "%ju manifests were brought back into the index, %ju could not be read",
                   (uintmax_t)b.manifests, (uintmax_t)b.refused);
    return rc;
}
