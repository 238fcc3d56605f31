/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/revocation.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cache/index.h"
#include "cache/overlay.h"
#include "cache/revoked_shared.h"
#include "oci/manifest.h"

#define EDGES_MAX   2048 /* of a child that are looked at */
#define REVOKED_TRY 4096 /* where there are more: of those that are revoked */
#define SHOWN_MAX   512  /* that wait for their commit */
#define TEXT_MAX    1600

static const char *say_why(const struct revoked_entry *e, const char *what, struct pg_arena *arena)
{
    char text[TEXT_MAX], when[PG_CLOCK_TEXT_MAX];
    struct sl by = sl_starts(e->by, SL(REVOKED_FEED_BY)) ? e->by : SL("");
    int n =
        snprintf(text, sizeof(text), "%s" SL_FMT " was revoked at %s%s" SL_FMT "%s" SL_FMT, what,
                 SL_ARG(e->what), pg_clock_rfc3339(e->when_s * 1000, when), by.n > 0 ? " by " : "",
                 SL_ARG(by), e->reason.n > 0 ? ": " : "", SL_ARG(e->reason));

    PG_CHECK(n > 0);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return pg_copy(arena, sl_str(text)).p;
}

static bool deny(struct policy_verdict *v, const char *why)
{
    *v = policy_revoked(why);
    return true;
}

/* ---- by itself ----------------------------------------------------------------------------- */

const char *revocation_of_digest(struct store *s, const struct digest *sha256,
                                 struct pg_arena *arena)
{
    struct revoked_entry e;

    return revoked_find_digest(s, sha256, arena, &e) ? say_why(&e, "", arena) : NULL;
}

bool revocation_of_repository(struct store *s, struct sl repository, struct pg_arena *arena,
                              struct policy_verdict *v_r)
{
    struct revoked_entry e;

    if (revoked_shared_is_behind(s)) {
        *v_r = policy_revoked("what was taken back a moment ago is being read");
        v_r->decision = POLICY_PENDING;
        return true;
    }
    if (revoked_feed_is_stale(s))
        return deny(v_r, "a feed of revocations that must be current is not: what was taken back "
                         "meanwhile is not known; `pullgate status` says more");
    return revoked_find(s, REVOKED_REPOSITORY, repository, arena, &e) &&
           deny(v_r, say_why(&e, "the repository ", arena));
}

/* ---- by what names it ---------------------------------------------------------------------- */

/* The manifests of this repository that name it. */
struct namers {
    unsigned nrevoked, nothers;
    struct revoked_entry entry; /* of a revoked one */
    bool failed, is_cut;
};

static bool is_of(enum index_edge_kind kind, bool of_blob)
{
    return of_blob ? kind == INDEX_EDGE_CONFIG || kind == INDEX_EDGE_LAYER
                   : kind == INDEX_EDGE_CHILD;
}

/* 1 it is a manifest of this repository, and its sha256. It may have been evicted: edges and links
 * stay, and what is revoked is pulled no more, so that it goes first. */
static int look_at_namer(struct index_view *v, struct sl repository, const struct digest *parent,
                         struct digest *sha256_r)
{
    struct pg_err ignored = {0};
    struct index_link link;
    struct index_manifest m;
    int found = index_get_link(v, repository, parent, &link, &ignored);

    *sha256_r = *parent;
    if (found > 0 && link.kind != INDEX_LINK_MANIFEST)
        found = 0;
    if (found > 0 && parent->alg != PG_SHA256) {
        found = index_get_manifest(v, parent, &m, &ignored) > 0 ? 1 : -1;
        if (found > 0)
            *sha256_r = m.sha256;
    }
    pg_err_clear(&ignored);
    return found;
}

/* A revoked index is enough to refuse a manifest; another image is enough to let a blob go. */
static bool is_enough(const struct namers *n, bool of_blob)
{
    return of_blob ? n->nothers > 0 : n->nrevoked > 0;
}

static void find_namers(const struct revocation_question *q, bool of_blob, struct pg_arena *arena,
                        struct namers *n)
{
    _index_view_ struct index_view v = index_view_begin(q->store->index);
    struct index_edge edge, *after = NULL;
    struct pg_err ignored = {0};
    struct digest sha256;
    int found = 0, is_here;
    size_t i;

    for (i = 0; i < EDGES_MAX && !is_enough(n, of_blob); i++) {
        found = index_next_parent(&v, &q->digest, after, &edge, &ignored);
        if (found <= 0)
            break;
        after = &edge;
        is_here =
            is_of(edge.kind, of_blob) ? look_at_namer(&v, q->repository, &edge.parent, &sha256) : 0;
        n->failed = n->failed || is_here < 0;
        if (is_here > 0 && revoked_find_digest(q->store, &sha256, arena, &n->entry))
            n->nrevoked++;
        else if (is_here > 0)
            n->nothers++;
    }
    n->failed = n->failed || found < 0;
    n->is_cut = i == EDGES_MAX;
    pg_err_clear(&ignored);
}

static void count_revoked(const struct revocation_question *q, const struct digest *sha256,
                          struct pg_arena *arena, struct namers *n)
{
    if (revoked_find_digest(q->store, sha256, arena, &n->entry))
        n->nrevoked++;
}

/* Of what is named by another algorithm it is not known which of those it is. */
static bool is_named_otherwise(struct index_view *v, const struct digest *child,
                               enum index_edge_kind kind)
{
    struct index_edge last = {.parent = {.alg = PG_SHA256}, .kind = kind}, edge;
    struct pg_err ignored = {0};
    int found;

    memset(last.parent.bytes, 0xff, digest_bytes(&last.parent));
    found = index_next_parent(v, child, &last, &edge, &ignored);
    pg_err_clear(&ignored);
    return found < 0 || (found > 0 && edge.kind == kind);
}

/* More name it than are looked at: each that is revoked is asked whether it does. */
static void find_among_revoked(const struct revocation_question *q, bool of_blob,
                               struct pg_arena *arena, struct namers *n)
{
    static const enum index_edge_kind kinds[] = {INDEX_EDGE_CHILD, INDEX_EDGE_CONFIG,
                                                 INDEX_EDGE_LAYER};
    _index_view_ struct index_view v = index_view_begin(q->store->index);
    struct digest *all = calloc(REVOKED_TRY, sizeof(*all)), sha256;
    struct pg_err ignored = {0};

    PG_CHECK(all != NULL);
    size_t nall = revoked_digests(q->store, all, REVOKED_TRY);

    n->failed = n->failed || nall > REVOKED_TRY;
    for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
        if (!is_of(kinds[k], of_blob))
            continue;
        n->failed = n->failed || is_named_otherwise(&v, &q->digest, kinds[k]);
        for (size_t i = 0; i < nall && i < REVOKED_TRY; i++) {
            const struct index_edge e = {all[i], q->digest, kinds[k]};
            int found = index_get_edge(&v, &e, &ignored);

            found = found > 0 ? look_at_namer(&v, q->repository, &all[i], &sha256) : found;
            n->failed = n->failed || found < 0;
            if (found > 0)
                count_revoked(q, &all[i], arena, n);
        }
    }
    pg_err_clear(&ignored);
    free(all);
}

/* ---- by what names it, and is not committed yet -------------------------------------------- */

static bool names_it(struct sl bytes, const struct digest *d, bool of_blob)
{
    struct pg_arena work;
    struct manifest m;
    struct pg_err ignored = {0};
    bool does = false;

    pg_arena_init(&work, MANIFEST_ARENA_BYTES);
    if (manifest_parse(bytes, SL(""), &work, &m, &ignored) == 0 &&
        (m.kind == MANIFEST_INDEX) == !of_blob) {
        does = m.has_config && digest_eq(&m.config.digest, d);
        for (size_t i = 0; i < m.nchildren && !does; i++)
            does = digest_eq(&m.children[i].digest, d);
    }
    pg_err_clear(&ignored);
    pg_arena_free(&work);
    return does;
}

/* Another image matters where one is revoked, for a blob. */
static void look_at_shown(const struct revocation_question *q, bool of_blob,
                          const struct overlay_shown *m, struct pg_arena *arena, struct namers *n)
{
    struct pg_err ignored = {0};
    struct revoked_entry e;
    struct index_link link;
    bool is_revoked = revoked_find_digest(q->store, &m->sha256, arena, &e);
    int found;

    if (!is_revoked && (!of_blob || n->nrevoked == 0 || n->nothers > 0))
        return;
    found = overlay_get_link(q->store, q->repository, &m->digest, &link, &ignored);
    n->failed = n->failed || found < 0;
    pg_err_clear(&ignored);
    if (found <= 0 || link.kind != INDEX_LINK_MANIFEST ||
        !names_it(pg_bytes_sl(m->bytes), &q->digest, of_blob))
        return;
    if (is_revoked)
        n->entry = e;
    n->nrevoked += is_revoked;
    n->nothers += !is_revoked;
}

/* Twice: whether one is revoked, and then whether there is another. */
static void find_shown(const struct revocation_question *q, bool of_blob, struct pg_arena *arena,
                       struct namers *n)
{
    enum manifest_kind kind = of_blob ? MANIFEST_IMAGE : MANIFEST_INDEX;
    struct overlay_shown *all;
    size_t nall;

    if (q->store->overlay == NULL || is_enough(n, of_blob))
        return;
    all = calloc(SHOWN_MAX, sizeof(*all));
    PG_CHECK(all != NULL);
    nall = overlay_manifests(q->store, kind, all, SHOWN_MAX);
    n->failed = n->failed || nall > SHOWN_MAX;
    for (unsigned turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < nall && i < SHOWN_MAX; i++)
            look_at_shown(q, of_blob, &all[i], arena, n);
    for (size_t i = 0; i < nall && i < SHOWN_MAX; i++)
        pg_bytes_unref(all[i].bytes);
    free(all);
}

static void find_all(const struct revocation_question *q, bool of_blob, struct pg_arena *arena,
                     struct namers *n)
{
    find_namers(q, of_blob, arena, n);
    if (n->is_cut && !is_enough(n, of_blob))
        find_among_revoked(q, of_blob, arena, n);
    find_shown(q, of_blob, arena, n);
}

static bool deny_failed(struct policy_verdict *v)
{
    return deny(v, "whether it was revoked could not be read from the index");
}

/* ---- a manifest ---------------------------------------------------------------------------- */

static bool names_revoked(const struct revocation_question *q, struct pg_arena *arena,
                          struct policy_verdict *v_r)
{
    struct pg_arena work;
    struct manifest m;
    struct revoked_entry e;
    struct pg_err ignored = {0};
    const char *why = NULL;

    pg_arena_init(&work, MANIFEST_ARENA_BYTES);
    if (manifest_parse(q->bytes, SL(""), &work, &m, &ignored) == 0 && m.kind == MANIFEST_IMAGE) {
        if (m.has_config && revoked_find_digest(q->store, &m.config.digest, arena, &e))
            why = say_why(&e, "its config ", arena);
        for (size_t i = 0; i < m.nchildren && why == NULL; i++)
            if (revoked_find_digest(q->store, &m.children[i].digest, arena, &e))
                why = say_why(&e, "its layer ", arena);
    }
    pg_err_clear(&ignored);
    pg_arena_free(&work);
    return why != NULL && deny(v_r, why);
}

bool revocation_of_manifest(const struct revocation_question *q, struct pg_arena *arena,
                            struct policy_verdict *v_r)
{
    struct namers n = {.nrevoked = 0};
    const char *why;

    if (revocation_of_repository(q->store, q->repository, arena, v_r))
        return true;
    if (!revoked_any(q->store, REVOKED_DIGEST))
        return false;
    why = revocation_of_digest(q->store, &q->sha256, arena);
    if (why != NULL)
        return deny(v_r, why);
    if (q->bytes.p != NULL && names_revoked(q, arena, v_r))
        return true;
    find_all(q, false, arena, &n);
    if (n.nrevoked > 0)
        return deny(v_r, say_why(&n.entry, "the index that lists it ", arena));
    return n.failed && deny_failed(v_r);
}

/* ---- a blob -------------------------------------------------------------------------------- */

/* 1 known, 0 not, -1. */
static int find_sha256(const struct revocation_question *q, struct digest *sha256_r)
{
    struct pg_err ignored = {0};
    struct index_blob blob;
    int found = 1;

    *sha256_r = q->digest;
    if (q->digest.alg != PG_SHA256) {
        _index_view_ struct index_view v = index_view_begin(q->store->index);

        found = index_get_blob(&v, &q->digest, &blob, &ignored);
        if (found > 0)
            *sha256_r = blob.sha256;
    }
    pg_err_clear(&ignored);
    return found;
}

bool revocation_of_blob(const struct revocation_question *q, struct pg_arena *arena,
                        struct policy_verdict *v_r)
{
    struct namers n = {.nrevoked = 0};
    struct digest sha256;
    const char *why;

    if (revocation_of_repository(q->store, q->repository, arena, v_r))
        return true;
    if (!revoked_any(q->store, REVOKED_DIGEST))
        return false;
    if (find_sha256(q, &sha256) <= 0)
        return deny(v_r, "digests are revoked, and the sha256 of this blob is not known");
    why = revocation_of_digest(q->store, &sha256, arena);
    if (why != NULL)
        return deny(v_r, why);
    find_all(q, true, arena, &n);
    if (n.nrevoked > 0 && n.nothers == 0)
        return deny(v_r, say_why(&n.entry, "the image that it is of, ", arena));
    return n.failed && deny_failed(v_r);
}

/* ---- who signed ---------------------------------------------------------------------------- */

static bool signer_is_revoked(struct store *s, const struct facts_signed *fact,
                              struct pg_arena *arena, struct revoked_entry *e)
{
    return fact->signer == FACTS_BY_KEY
               ? revoked_find(s, REVOKED_KEY, fact->key_id, arena, e)
               : revoked_find(s, REVOKED_IDENTITY, fact->subject, arena, e);
}

void revocation_filter(struct store *s, struct pg_arena *arena, struct facts *f)
{
    struct facts_signed *good;
    struct facts_refused *refused;
    struct revoked_entry e;
    size_t n = 0, nrefused = f->nrefused;

    if (!revoked_any(s, REVOKED_KEY) && !revoked_any(s, REVOKED_IDENTITY))
        return;
    good = pg_alloc(arena, f->nsigned * sizeof(*good) + 1);
    refused = pg_alloc(arena, (f->nrefused + f->nsigned) * sizeof(*refused) + 1);
    if (f->nrefused > 0)
        memcpy(refused, f->refused, f->nrefused * sizeof(*refused));
    for (size_t i = 0; i < f->nsigned; i++) {
        const struct facts_signed *fact = &f->is_signed[i];

        if (signer_is_revoked(s, fact, arena, &e))
            refused[nrefused++] = (struct facts_refused){.code = "revoked",
                                                         .text = say_why(&e, "its signer ", arena),
                                                         .format = fact->format,
                                                         .evidence = fact->evidence};
        else
            good[n++] = *fact;
    }
    f->is_signed = good;
    f->nsigned = n;
    f->refused = refused;
    f->nrefused = nrefused;
}
