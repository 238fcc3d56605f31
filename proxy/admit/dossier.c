/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/dossier.h"

#include <stdlib.h>

#include "oci/manifest.h"

/* ---- one fact ------------------------------------------------------------------------------ */

static struct sl keep(struct pg_arena *a, struct sl s)
{
    return s.p == NULL ? s : pg_copy(a, s);
}

static const struct sl *keep_extensions(struct pg_arena *a, const struct verify_fact *fact)
{
    struct sl *kept;

    _Static_assert(VERIFY_EXTENSIONS_MAX == FACTS_EXTENSIONS_MAX, "one list");
    if (fact->signer != VERIFY_BY_IDENTITY)
        return NULL;
    kept = pg_alloc(a, FACTS_EXTENSIONS_MAX * sizeof(*kept));
    for (size_t i = 0; i < FACTS_EXTENSIONS_MAX; i++)
        kept[i] = keep(a, fact->identity.extensions[i]);
    return kept;
}

static const enum facts_format format_of[] = {
    [VERIFY_SIMPLE] = FACTS_SIMPLE,
    [VERIFY_ENVELOPE] = FACTS_ENVELOPE,
    [VERIFY_BUNDLE] = FACTS_BUNDLE,
    [VERIFY_NOTATION] = FACTS_NOTATION,
};

static const enum facts_san san_of[] = {
    [VERIFY_SAN_NONE] = FACTS_SAN_NONE,
    [VERIFY_SAN_EMAIL] = FACTS_SAN_EMAIL,
    [VERIFY_SAN_URI] = FACTS_SAN_URI,
    [VERIFY_SAN_USER] = FACTS_SAN_USER,
};

static const enum facts_signer signer_of[] = {
    [VERIFY_BY_KEY] = FACTS_BY_KEY,
    [VERIFY_BY_IDENTITY] = FACTS_BY_IDENTITY,
    [VERIFY_BY_CHAIN] = FACTS_BY_CHAIN,
};

/* A copy of all of it: what it was read from is large, and goes. The annotations are handed on. */
static void add_fact(struct dossier *d, const struct verify_fact *fact, unsigned trust,
                     const struct digest *evidence)
{
    struct pg_arena *a = &d->arena;
    bool is_chain = fact->signer == VERIFY_BY_CHAIN;

    d->is_signed[d->nsigned++] = (struct facts_signed){
        .kind = fact->kind == VERIFY_IS_SIGNATURE ? FACTS_SIGNATURE : FACTS_ATTESTATION,
        .format = format_of[fact->format],
        .signer = signer_of[fact->signer],
        .trust = trust,
        .key_id = keep(a, fact->key_id),
        .san = san_of[fact->identity.type],
        .issuer = keep(a, fact->identity.issuer),
        .subject = keep(a, is_chain ? fact->chain_subject : fact->identity.subject),
        .extensions = keep_extensions(a, fact),
        .notation = keep(a, fact->policy_name),
        .reference = keep(a, fact->reference),
        .predicate_type = keep(a, fact->predicate_type),
        .statement = fact->statement.n > DOSSIER_STATEMENT_MAX ? (struct sl){NULL, 0}
                                                               : keep(a, fact->statement),
        .annotations = fact->annotations,
        .signed_at_s = fact->signed_at_s,
        .not_after_s = fact->not_after_s,
        .nlogs = fact->nlogs,
        .nscts = fact->nscts,
        .nstamps = fact->nstamps,
        .evidence = *evidence,
    };
}

static void add_refusal(struct dossier *d, const struct verify_refusal *no,
                        const struct evidence_item *item)
{
    const char *text = no->err.msg != NULL ? no->err.msg : "it does not say why";

    d->refused[d->nrefused++] = (struct facts_refused){
        .code = verify_reason_code(no->reason),
        .text = pg_copy(&d->arena, (struct sl){text, strlen(text)}).p,
        .format = format_of[item->format],
        .evidence = item->digest,
    };
}

/* ---- all of them --------------------------------------------------------------------------- */

/* By each trust that the policy has for it; the first no is told if none says yes. */
static void verify_item(struct dossier *d, const struct dossier_input *in,
                        const struct evidence_item *item)
{
    struct verify_subject subject = {.digest = in->subject, .media_type = in->media_type};
    struct verify_options options = {
        .now_s = in->now_s, .repository = in->repository, .timestamps = in->timestamps};
    struct verify_refusal first = {0};
    size_t before = d->nsigned;

    if (in->manifest != NULL)
        subject.manifest = pg_bytes_sl(in->manifest);
    for (unsigned i = 0; i < in->admission->ntrusts && i < POLICY_TRUSTS_MAX; i++) {
        struct verify_question q = {&subject, &item->evidence, in->admission->trusts[i], &options};
        struct verify_fact fact;
        struct verify_refusal no = {0};
        struct pg_arena work;

        if ((in->scope.wants.trusts >> i & 1) == 0)
            continue;
        pg_arena_init(&work, VERIFY_ARENA_BYTES);
        if (verify_evidence(&q, &work, &fact, &no) == 1) {
            add_fact(d, &fact, i, &item->digest);
        } else if (first.reason == VERIFY_NONE) {
            first = no;
            no = (struct verify_refusal){0};
        }
        pg_err_clear(&no.err);
        pg_arena_free(&work);
    }
    if (d->nsigned == before && first.reason != VERIFY_NONE)
        add_refusal(d, &first, item);
    pg_err_clear(&first.err);
}

static void verify_all(struct dossier *d, const struct dossier_input *in)
{
    size_t n = evidence_count(in->evidence);

    d->is_signed = pg_alloc(&d->arena, (n * in->admission->ntrusts + 1) * sizeof(*d->is_signed));
    d->refused = pg_alloc(&d->arena, (n + 1) * sizeof(*d->refused));
    for (size_t i = 0; i < n; i++) {
        const struct evidence_item *item = evidence_at(in->evidence, i);

        if (item->refusal.reason != VERIFY_NONE)
            add_refusal(d, &item->refusal, item);
        else
            verify_item(d, in, item);
    }
}

static void note_state(struct dossier *d, const struct dossier_input *in)
{
    const char *trouble = NULL;
    enum evidence_state state = evidence_state(in->evidence, &trouble);

    d->state = state == EVIDENCE_COMPLETE ? FACTS_COMPLETE
               : state == EVIDENCE_CUT    ? FACTS_CUT
                                          : FACTS_FAILED;
    if (in->stale != NULL && d->state != FACTS_FAILED) {
        d->state = FACTS_FAILED;
        trouble = in->stale;
    }
    if (trouble != NULL)
        d->trouble = pg_copy(&d->arena, (struct sl){trouble, strlen(trouble)}).p;
}

/* ---- what it names, and what goes with it ---------------------------------------------------- */

static int read_manifest(struct pg_bytes *bytes, struct pg_arena *arena, struct manifest *m)
{
    struct pg_err ignored = {0};
    int rc = manifest_parse(pg_bytes_sl(bytes), SL(""), arena, m, &ignored);

    pg_err_clear(&ignored);
    return rc;
}

static void note_names(struct dossier *d, const struct dossier_input *in)
{
    struct pg_arena work;
    struct manifest m;

    pg_arena_init(&work, MANIFEST_ARENA_BYTES);
    if (in->manifest != NULL && read_manifest(in->manifest, &work, &m) == 0) {
        d->names = pg_alloc(&d->arena, (m.nchildren + 1) * sizeof(*d->names));
        if (m.has_config)
            d->names[d->nnames++] = m.config.digest;
        for (size_t i = 0; i < m.nchildren; i++)
            d->names[d->nnames++] = m.children[i].digest;
    }
    pg_arena_free(&work);
}

/* Evidence names what goes with it; a list of referrers nothing. */
static void note_evidence(struct dossier *d, const struct dossier_input *in)
{
    d->is_evidence =
        in->manifest != NULL && d->state == FACTS_COMPLETE &&
        companion_is(in->evidence, pg_bytes_sl(in->manifest), &in->scope.claim, &d->about);
    if (d->is_evidence && !in->scope.claim.is_list)
        note_names(d, in);
}

/* ---- the whole ----------------------------------------------------------------------------- */

struct dossier *dossier_new(const struct dossier_input *in)
{
    struct dossier *d = calloc(1, sizeof(*d));

    PG_CHECK(d != NULL && in->subject.alg == PG_SHA256);
    atomic_init(&d->refs, 1);
    pg_arena_init(&d->arena, DOSSIER_ARENA_BYTES);
    d->subject = in->subject;
    d->repository = pg_copy(&d->arena, in->repository);
    memcpy(d->revision, in->admission->revision, sizeof(d->revision));
    d->scope = in->scope;
    d->made_ms = in->now_ms;
    note_state(d, in);
    if (in->scope.as_evidence) {
        note_evidence(d, in);
    } else {
        verify_all(d, in);
        note_names(d, in);
    }
    return d;
}

struct dossier *dossier_ref(struct dossier *d)
{
    unsigned before = atomic_fetch_add(&d->refs, 1);

    PG_CHECK(before > 0);
    return d;
}

void dossier_unref(struct dossier *d)
{
    if (d == NULL || atomic_fetch_sub(&d->refs, 1) > 1)
        return;
    for (size_t i = 0; i < d->nsigned; i++)
        json_decref((json_t *)(uintptr_t)d->is_signed[i].annotations);
    pg_arena_free(&d->arena);
    free(d);
}

bool dossier_names(const struct dossier *d, const struct digest *child)
{
    for (size_t i = 0; i < d->nnames; i++)
        if (digest_eq(&d->names[i], child))
            return true;
    return false;
}

bool dossier_scopes_are_same(const struct dossier_scope *a, const struct dossier_scope *b)
{
    if (a->as_evidence || b->as_evidence)
        return a->as_evidence == b->as_evidence && companion_claims_are_same(&a->claim, &b->claim);
    return a->wants.signatures == b->wants.signatures &&
           a->wants.attestations == b->wants.attestations && a->wants.simple == b->wants.simple &&
           a->wants.bundle == b->wants.bundle && a->wants.notation == b->wants.notation &&
           a->wants.trusts == b->wants.trusts;
}

size_t dossier_memory(const struct dossier *d)
{
    return sizeof(*d) + d->arena.used;
}
