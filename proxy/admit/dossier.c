/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/dossier.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "oci/manifest.h"

/* ---- facts --------------------------------------------------------------------------------- */

/* Whom is asked about timestamps takes his time for each. */
struct hurry {
    const struct stamp *stamp;
    uint64_t until_ms;
    bool is_late;
};

static bool is_late(struct hurry *h)
{
    h->is_late = h->is_late || (h->until_ms != 0 && pg_clock_mono_ms() >= h->until_ms);
    return h->is_late;
}

static int ask_in_time(void *context, const struct stamp_question *q, struct stamp_answer *a_r,
                       struct pg_err *err)
{
    struct hurry *h = context;

    if (is_late(h))
        return pg_fail(err, PG_E_TIMEOUT, "there was no time left to look at its timestamp");
    return h->stamp->ask(h->stamp->context, q, a_r, err);
}

static void note_late(struct dossier *d, size_t n, size_t of)
{
    char text[120];
    int used = snprintf(text, sizeof(text),
                        "verifying took too long: of %zu signatures or attestations, %zu were "
                        "looked at",
                        of, n);

    if (d->state == FACTS_FAILED)
        return;
    d->state = FACTS_CUT;
    d->trouble = pg_copy(&d->arena, (struct sl){text, (size_t)used}).p;
}

static void verify_all(struct dossier *d, const struct dossier_input *in)
{
    struct verify_subject subject = {.digest = in->subject, .media_type = in->media_type};
    struct hurry hurry = {.stamp = in->timestamps, .until_ms = in->until_ms};
    const struct stamp in_time = {.ask = ask_in_time, .context = &hurry};
    const struct verify_options options = {.now_s = in->now_s,
                                           .repository = in->repository,
                                           .timestamps = in->timestamps != NULL ? &in_time : NULL};
    const struct finding_question q = {&subject, in->admission->trusts, in->admission->ntrusts,
                                       in->scope.wants.trusts, &options};
    struct facts facts = {0};

    if (in->manifest != NULL)
        subject.manifest = pg_bytes_sl(in->manifest);
    d->finding = finding_new();
    size_t n = evidence_count(in->evidence), i;

    for (i = 0; i < n && !is_late(&hurry); i++)
        finding_look(d->finding, &q, evidence_at(in->evidence, i));
    if (hurry.is_late)
        note_late(d, i, n);
    finding_tell(d->finding, &facts);
    d->is_signed = facts.is_signed;
    d->nsigned = facts.nsigned;
    d->refused = facts.refused;
    d->nrefused = facts.nrefused;
    if (in->scope.wants.scans && in->scope.wants.attestations)
        d->nattested = attested_read(d->is_signed, d->nsigned, &d->subject, in->now_s, &d->arena,
                                     &d->attested);
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

static int read_manifest(struct pg_bytes *bytes, struct sl type, struct pg_arena *arena,
                         struct manifest *m)
{
    struct pg_err ignored = {0};
    int rc = manifest_parse(pg_bytes_sl(bytes), type, arena, m, &ignored);

    pg_err_clear(&ignored);
    return rc;
}

static void note_names(struct dossier *d, const struct dossier_input *in)
{
    struct pg_arena work;
    struct manifest m;

    pg_arena_init(&work, MANIFEST_ARENA_BYTES);
    if (in->manifest != NULL && read_manifest(in->manifest, SL(""), &work, &m) == 0) {
        d->is_index = m.kind == MANIFEST_INDEX;
        d->names = pg_alloc(&d->arena, (m.nchildren + 1) * sizeof(*d->names));
        if (m.has_config)
            d->names[d->nnames++] = m.config.digest;
        for (size_t i = 0; i < m.nchildren; i++)
            d->names[d->nnames++] = m.children[i].digest;
    }
    pg_arena_free(&work);
}

/* What it says itself. */
static void note_content(struct dossier *d, const struct dossier_input *in)
{
    struct content_input of = in->content;
    struct pg_arena work;
    struct manifest m;
    bool is_read;

    if (!in->scope.wants.content)
        return;
    pg_arena_init(&work, MANIFEST_ARENA_BYTES);
    is_read = in->manifest != NULL && read_manifest(in->manifest, in->media_type, &work, &m) == 0;
    of.manifest = is_read ? &m : NULL;
    d->content = content_read(&of, &d->arena);
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
    pg_arena_init(&d->arena, MANIFEST_ARENA_BYTES);
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
        note_content(d, in);
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
    for (size_t i = 0; i < DOSSIER_MEMOS; i++)
        free(atomic_load(&d->memos[i]));
    finding_free(d->finding);
    pg_arena_free(&d->arena);
    free(d);
}

static bool names(const struct dossier *d, const struct digest *named)
{
    for (size_t i = 0; i < d->nnames; i++)
        if (digest_eq(&d->names[i], named))
            return true;
    return false;
}

bool dossier_names_blob(const struct dossier *d, const struct digest *blob)
{
    return !d->is_index && names(d, blob);
}

bool dossier_names_child(const struct dossier *d, const struct digest *manifest)
{
    return d->is_index && names(d, manifest);
}

/* ---- what was decided ---------------------------------------------------------------------- */

bool dossier_recall(const struct dossier *d, struct sl tag, int64_t now_s, uint32_t scanned,
                    struct pg_arena *arena, struct policy_verdict *v_r)
{
    for (size_t i = 0; i < DOSSIER_MEMOS; i++) {
        const struct dossier_memo *m = atomic_load(&d->memos[i]);

        if (m == NULL)
            return false;
        if (now_s < m->from_s || now_s >= m->not_after_s || m->scanned != scanned ||
            !sl_eq(tag, (struct sl){m->texts, m->ntag}))
            continue;
        *v_r = (struct policy_verdict){
            .decision = POLICY_ALLOW,
            .rule = pg_copy(arena, (struct sl){m->texts + m->ntag, m->nrule}),
            .reason = pg_copy(arena, (struct sl){m->texts + m->ntag + m->nrule, m->nreason}),
            .remedy = SL(""),
            .observed = SL(""),
            .not_after_s = m->not_after_s};
        return true;
    }
    return false;
}

/* The first ones stay, until the facts are looked for again. */
void dossier_remember(struct dossier *d, struct sl tag, int64_t now_s, uint32_t scanned,
                      const struct policy_verdict *v)
{
    struct dossier_memo *m;
    bool kept = false;

    PG_CHECK(v->decision == POLICY_ALLOW && v->observed.n == 0);
    if (atomic_load(&d->memos[DOSSIER_MEMOS - 1]) != NULL)
        return;
    m = malloc(sizeof(*m) + tag.n + v->rule.n + v->reason.n);
    PG_CHECK(m != NULL);
    *m = (struct dossier_memo){now_s, v->not_after_s, scanned, tag.n, v->rule.n, v->reason.n};
    if (tag.n > 0)
        memcpy(m->texts, tag.p, tag.n);
    memcpy(m->texts + tag.n, v->rule.p, v->rule.n);
    memcpy(m->texts + tag.n + v->rule.n, v->reason.p, v->reason.n);
    for (size_t i = 0; i < DOSSIER_MEMOS && !kept; i++) {
        struct dossier_memo *none = NULL;

        kept = atomic_compare_exchange_strong(&d->memos[i], &none, m);
    }
    if (!kept)
        free(m);
}

bool dossier_scopes_are_same(const struct dossier_scope *a, const struct dossier_scope *b)
{
    if (a->as_evidence || b->as_evidence)
        return a->as_evidence == b->as_evidence && companion_claims_are_same(&a->claim, &b->claim);
    return a->wants.signatures == b->wants.signatures &&
           a->wants.attestations == b->wants.attestations && a->wants.simple == b->wants.simple &&
           a->wants.bundle == b->wants.bundle && a->wants.notation == b->wants.notation &&
           a->wants.trusts == b->wants.trusts && a->wants.content == b->wants.content &&
           a->wants.scans == b->wants.scans;
}

size_t dossier_memory(const struct dossier *d)
{
    return sizeof(*d) + d->arena.used + finding_memory(d->finding);
}
