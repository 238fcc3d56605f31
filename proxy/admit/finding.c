/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/finding.h"

#include <stdlib.h>

#define SIGNED_MAX  512
#define REFUSED_MAX 512

/* The two rooms have the same words for these; here they meet. */
_Static_assert((int)FACTS_SIGNATURE == (int)VERIFY_IS_SIGNATURE &&
                   (int)FACTS_ATTESTATION == (int)VERIFY_IS_ATTESTATION,
               "kinds");
_Static_assert((int)FACTS_BY_KEY == (int)VERIFY_BY_KEY &&
                   (int)FACTS_BY_IDENTITY == (int)VERIFY_BY_IDENTITY &&
                   (int)FACTS_BY_CHAIN == (int)VERIFY_BY_CHAIN,
               "signers");
_Static_assert((int)FACTS_SIMPLE == (int)VERIFY_SIMPLE &&
                   (int)FACTS_ENVELOPE == (int)VERIFY_ENVELOPE &&
                   (int)FACTS_BUNDLE == (int)VERIFY_BUNDLE &&
                   (int)FACTS_NOTATION == (int)VERIFY_NOTATION,
               "formats");
_Static_assert((int)FACTS_SAN_NONE == (int)VERIFY_SAN_NONE &&
                   (int)FACTS_SAN_EMAIL == (int)VERIFY_SAN_EMAIL &&
                   (int)FACTS_SAN_URI == (int)VERIFY_SAN_URI &&
                   (int)FACTS_SAN_USER == (int)VERIFY_SAN_USER,
               "names");
_Static_assert(FACTS_EXTENSIONS_MAX == VERIFY_EXTENSIONS_MAX, "extensions");

struct finding {
    struct pg_arena arena;
    struct facts_signed is_signed[SIGNED_MAX];
    struct facts_refused refused[REFUSED_MAX];
    json_t *annotations[SIGNED_MAX];
    size_t nsigned, nrefused;
};

struct finding *finding_new(void)
{
    struct finding *f = calloc(1, sizeof(*f));

    PG_CHECK(f != NULL);
    pg_arena_init(&f->arena, 2 * VERIFY_ARENA_BYTES);
    return f;
}

void finding_free(struct finding *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->nsigned; i++)
        json_decref(f->annotations[i]);
    pg_arena_free(&f->arena);
    free(f);
}

static struct sl subject_of(const struct verify_fact *v)
{
    return v->signer == VERIFY_BY_CHAIN ? v->chain_subject : v->identity.subject;
}

static void keep(struct finding *f, const struct verify_fact *v, const struct digest *evidence,
                 unsigned trust)
{
    struct sl *extensions = pg_alloc(&f->arena, sizeof(v->identity.extensions));

    if (f->nsigned == SIGNED_MAX) {
        json_decref(v->annotations);
        return;
    }
    memcpy(extensions, v->identity.extensions, sizeof(v->identity.extensions));
    f->annotations[f->nsigned] = v->annotations;
    f->is_signed[f->nsigned++] =
        (struct facts_signed){.kind = (enum facts_kind)v->kind,
                              .format = (enum facts_format)v->format,
                              .signer = (enum facts_signer)v->signer,
                              .trust = trust,
                              .key_id = v->key_id,
                              .san = (enum facts_san)v->identity.type,
                              .issuer = v->identity.issuer,
                              .subject = subject_of(v),
                              .extensions = v->signer == VERIFY_BY_IDENTITY ? extensions : NULL,
                              .notation = v->policy_name,
                              .reference = v->reference,
                              .predicate_type = v->predicate_type,
                              .statement = v->statement,
                              .annotations = v->annotations,
                              .signed_at_s = v->signed_at_s,
                              .not_after_s = v->not_after_s,
                              .nlogs = v->nlogs,
                              .nscts = v->nscts,
                              .nstamps = v->nstamps,
                              .evidence = *evidence};
}

static void refuse(struct finding *f, const struct verify_refusal *r,
                   const struct evidence_item *item)
{
    struct facts_refused *to = &f->refused[f->nrefused];

    if (f->nrefused == REFUSED_MAX)
        return;
    f->nrefused++;
    *to = (struct facts_refused){.code = verify_reason_code(r->reason),
                                 .text = pg_copy(&f->arena, sl_str(r->err.msg)).p,
                                 .format = (enum facts_format)item->format,
                                 .evidence = item->digest};
}

/* That a trust does not know the signer says less than anything else. */
static void keep_better(struct verify_refusal *best, struct verify_refusal *new)
{
    if (best->reason == VERIFY_NONE || best->reason == VERIFY_KEY) {
        pg_err_clear(&best->err);
        best->reason = new->reason;
        pg_err_move(&best->err, &new->err);
    }
    pg_err_clear(&new->err);
}

void finding_look(struct finding *f, const struct finding_question *q,
                  const struct evidence_item *item)
{
    struct verify_refusal best = {0};
    bool good = false;

    if (item->refusal.reason != VERIFY_NONE) {
        refuse(f, &item->refusal, item);
        return;
    }
    for (unsigned i = 0; i < q->ntrusts && i < 64; i++) {
        const struct verify_question asked = {.subject = q->subject,
                                              .evidence = &item->evidence,
                                              .trust = q->trusts[i],
                                              .options = q->options};
        struct verify_refusal no = {0};
        struct verify_fact fact;

        if ((q->wanted >> i & 1) == 0)
            continue;
        if (verify_evidence(&asked, &f->arena, &fact, &no) == 1) {
            keep(f, &fact, &item->digest, i);
            good = true;
        } else {
            keep_better(&best, &no);
        }
    }
    if (!good && best.reason != VERIFY_NONE)
        refuse(f, &best, item);
    pg_err_clear(&best.err);
}

void finding_tell(const struct finding *f, struct facts *facts)
{
    facts->is_signed = f->is_signed;
    facts->nsigned = f->nsigned;
    facts->refused = f->refused;
    facts->nrefused = f->nrefused;
}
