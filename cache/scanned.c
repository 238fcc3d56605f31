/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/scanned.h"

#include <stdatomic.h>
#include <string.h>

#include "base/list.h"
#include "cache/index_int.h"
#include "cache/writer.h"

#define KIND_MAX (5 + SCANNED_SOURCE_MAX)
#define PLACES   65536

static const struct sl prefixes[] = {
    [SCANNED_RESULT] = SL("scan:"), [SCANNED_PACKAGES] = SL("pkgs:")};

/* Of the digests that fall on the same place, together. */
static _Atomic uint32_t revisions[PLACES];

struct change {
    struct writer_op op;
    struct digest digest;
    enum scanned_what what;
    struct sl source;
    scanned_merge_fn *merge;
    void *context;
};

bool scanned_is_source(struct sl name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            (i == 0 || (c != '.' && c != '_' && c != '-')))
            return false;
    }
    return name.n > 0 && name.n <= SCANNED_SOURCE_MAX;
}

static struct sl kind_of(enum scanned_what what, struct sl source, char out[KIND_MAX])
{
    struct sl prefix = prefixes[what];

    PG_CHECK(source.n <= SCANNED_SOURCE_MAX);
    memcpy(out, prefix.p, prefix.n);
    if (source.n > 0)
        memcpy(out + prefix.n, source.p, source.n);
    return (struct sl){out, prefix.n + source.n};
}

static int next(struct index_view *v, const struct scanned_of *of, struct scanned_row *r,
                struct pg_err *err)
{
    struct sl prefix = prefixes[of->what], kind;
    char before[KIND_MAX];
    struct index_memo memo;
    int found =
        index_next_memo(v, &of->sha256, kind_of(of->what, of->source, before), &kind, &memo, err);

    if (found <= 0 || kind.n <= prefix.n || memcmp(kind.p, prefix.p, prefix.n) != 0)
        return found < 0 ? -1 : 0;
    r->source = (struct sl){kind.p + prefix.n, kind.n - prefix.n};
    r->bytes = memo.bytes;
    return 1;
}

int scanned_next(struct index_view *v, const struct digest *sha256, struct sl after,
                 struct scanned_row *r, struct pg_err *err)
{
    return next(v, &(struct scanned_of){SCANNED_RESULT, *sha256, after}, r, err);
}

int scanned_packages(struct index_view *v, const struct digest *sha256, struct sl source,
                     struct sl *bytes_r, struct pg_err *err)
{
    struct index_memo memo;
    char kind[KIND_MAX];
    int found = index_get_memo(v, sha256, kind_of(SCANNED_PACKAGES, source, kind), &memo, err);

    if (found > 0)
        *bytes_r = memo.bytes;
    return found;
}

/* Is there room for a source more? */
static int count(struct index_view *v, const struct change *c, struct pg_err *err)
{
    struct scanned_of of = {c->what, c->digest, {NULL, 0}};
    struct scanned_row row;
    int n = 0, found;

    while ((found = next(v, &of, &row, err)) > 0) {
        of.source = row.source;
        n++;
    }
    return found < 0 ? -1 : n;
}

static int write_merged(const struct change *c, struct index_txn *txn, struct sl old,
                        struct pg_err *err)
{
    char kind[KIND_MAX];
    struct pg_buf bytes;
    int rc;

    pg_buf_init(&bytes, SCANNED_BYTES_MAX);
    rc = c->merge(c->context, old, &bytes, err);
    if (rc == 0 && bytes.over)
        rc = pg_fail(err, PG_E_TOO_LARGE, "what the scan found is more than can be kept");
    if (rc == 0 && bytes.n > 0) {
        const struct index_memo memo = {.expires_s = INT64_MAX, .bytes = pg_buf_sl(&bytes)};

        rc = index_put_memo(txn, &c->digest, kind_of(c->what, c->source, kind), &memo, err);
    } else if (rc == 0) {
        rc = index_del_memo(txn, &c->digest, kind_of(c->what, c->source, kind), err) < 0 ? -1 : 0;
    }
    pg_buf_free(&bytes);
    return rc;
}

/* A row that cannot be read is written anew. */
static int apply(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    const struct change *c = pg_container_of(op, struct change, op);
    struct index_view v = index_txn_view(txn);
    struct pg_err unreadable = {0};
    struct index_memo old = {.bytes = {NULL, 0}};
    char kind[KIND_MAX];
    int found =
        index_get_memo(&v, &c->digest, kind_of(c->what, c->source, kind), &old, &unreadable);

    if (found < 0) {
        pg_err_clear(&unreadable);
        return write_merged(c, txn, (struct sl){NULL, 0}, err);
    }
    if (found == 0) {
        int n = count(&v, c, err);

        if (n < 0)
            return -1;
        if (n >= SCANNED_SOURCES_MAX)
            return pg_fail(err, PG_E_DENIED, "there are results of %d sources already", n);
    }
    return write_merged(c, txn, found > 0 ? old.bytes : (struct sl){NULL, 0}, err);
}

static _Atomic uint32_t *place_of(const struct digest *sha256)
{
    return &revisions[(size_t)sha256->bytes[0] << 8 | sha256->bytes[1]];
}

static void settle(struct writer_op *op)
{
    const struct change *c = pg_container_of(op, struct change, op);

    atomic_fetch_add(place_of(&c->digest), 1);
}

int scanned_change(struct store *s, const struct scanned_of *of, scanned_merge_fn *merge,
                   void *context, struct pg_err *err)
{
    struct change c = {.digest = of->sha256,
                       .what = of->what,
                       .source = of->source,
                       .merge = merge,
                       .context = context};

    PG_CHECK(of->sha256.alg == PG_SHA256 && scanned_is_source(of->source));
    c.op = (struct writer_op){.apply = apply, .settle = settle};
    return writer_do(s->writer, &c.op, err);
}

uint32_t scanned_revision(const struct digest *sha256)
{
    return atomic_load(place_of(sha256));
}

static int forget(struct index_txn *txn, enum scanned_what what, const struct digest *d,
                  struct pg_err *err)
{
    const struct scanned_of of = {what, *d, {NULL, 0}};
    char kind[KIND_MAX], name[SCANNED_SOURCE_MAX];
    struct scanned_row row;
    int found;

    for (;;) {
        struct index_view v = index_txn_view(txn);

        found = next(&v, &of, &row, err);
        if (found <= 0)
            return found;
        if (row.source.n > SCANNED_SOURCE_MAX)
            return pg_fail(err, PG_E_STORE_IO, "the index is damaged");
        memcpy(name, row.source.p, row.source.n);
        if (index_del_memo(txn, d, kind_of(what, (struct sl){name, row.source.n}, kind), err) < 0)
            return -1;
    }
}

int scanned_forget(struct index_txn *txn, const struct digest *d, struct pg_err *err)
{
    int rc = forget(txn, SCANNED_RESULT, d, err);

    return rc < 0 ? rc : forget(txn, SCANNED_PACKAGES, d, err);
}
