/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admit/finding.h"

#include <stdlib.h>

#define FIRST_PLACES 4

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
    struct facts_signed *is_signed;
    struct facts_refused *refused;
    size_t nsigned, signed_max, nrefused, refused_max;
};

struct finding *finding_new(void)
{
    struct finding *f = calloc(1, sizeof(*f));

    PG_CHECK(f != NULL);
    pg_arena_init(&f->arena, FINDING_ARENA_BYTES);
    return f;
}

void finding_free(struct finding *f)
{
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->nsigned; i++)
        json_decref((json_t *)(uintptr_t)f->is_signed[i].annotations);
    pg_arena_free(&f->arena);
    free(f);
}

/* Of how many there are, evidence has the limit. */
static void *grown(struct pg_arena *a, const void *all, size_t size, size_t n, size_t *max)
{
    size_t more = *max == 0 ? FIRST_PLACES : *max * 2;
    void *p = pg_alloc(a, more * size);

    if (n > 0)
        memcpy(p, all, n * size);
    *max = more;
    return p;
}

static struct sl keep(struct pg_arena *a, struct sl s)
{
    return s.p == NULL ? s : pg_copy(a, s);
}

static const struct sl *keep_extensions(struct pg_arena *a, const struct verify_fact *v)
{
    struct sl *kept;

    if (v->signer != VERIFY_BY_IDENTITY)
        return NULL;
    kept = pg_alloc(a, sizeof(v->identity.extensions));
    for (size_t i = 0; i < FACTS_EXTENSIONS_MAX; i++)
        kept[i] = keep(a, v->identity.extensions[i]);
    return kept;
}

/* The annotations are handed on. */
static void add_fact(struct finding *f, const struct verify_fact *v, unsigned trust,
                     const struct digest *evidence)
{
    struct pg_arena *a = &f->arena;
    bool is_chain = v->signer == VERIFY_BY_CHAIN;
    bool is_large = v->statement.n > FINDING_STATEMENT_MAX;

    if (f->nsigned == f->signed_max)
        f->is_signed = grown(a, f->is_signed, sizeof(*f->is_signed), f->nsigned, &f->signed_max);
    f->is_signed[f->nsigned++] = (struct facts_signed){
        .kind = (enum facts_kind)v->kind,
        .format = (enum facts_format)v->format,
        .signer = (enum facts_signer)v->signer,
        .trust = trust,
        .key_id = keep(a, v->key_id),
        .san = (enum facts_san)v->identity.type,
        .issuer = keep(a, v->identity.issuer),
        .subject = keep(a, is_chain ? v->chain_subject : v->identity.subject),
        .extensions = keep_extensions(a, v),
        .notation = keep(a, v->policy_name),
        .reference = keep(a, v->reference),
        .predicate_type = keep(a, v->predicate_type),
        .statement = is_large ? (struct sl){NULL, 0} : keep(a, v->statement),
        .annotations = v->annotations,
        .signed_at_s = v->signed_at_s,
        .not_after_s = v->not_after_s,
        .nlogs = v->nlogs,
        .nscts = v->nscts,
        .nstamps = v->nstamps,
        .evidence = *evidence,
    };
}

static void refuse(struct finding *f, const struct verify_refusal *r,
                   const struct evidence_item *item)
{
    const char *text = r->err.msg != NULL ? r->err.msg : "it does not say why";

    if (f->nrefused == f->refused_max)
        f->refused =
            grown(&f->arena, f->refused, sizeof(*f->refused), f->nrefused, &f->refused_max);
    f->refused[f->nrefused++] = (struct facts_refused){.code = verify_reason_code(r->reason),
                                                       .text = pg_copy(&f->arena, sl_str(text)).p,
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
        struct pg_arena work;

        if ((q->wanted >> i & 1) == 0)
            continue;
        pg_arena_init(&work, VERIFY_ARENA_BYTES);
        if (verify_evidence(&asked, &work, &fact, &no) == 1) {
            add_fact(f, &fact, i, &item->digest);
            good = true;
        } else {
            keep_better(&best, &no);
        }
        pg_arena_free(&work);
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

size_t finding_memory(const struct finding *f)
{
    return f != NULL ? sizeof(*f) + f->arena.used : 0;
}
