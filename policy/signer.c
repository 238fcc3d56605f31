/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/signer.h"

#include "policy/naming.h"

/* ---- does it fit --------------------------------------------------------------------------- */

static bool word_fits(const struct signer_word *w, struct sl text)
{
    if (w->exact.p != NULL) {
        return sl_eq(w->exact, text);
    }
    return w->pattern == NULL || pattern_matches(w->pattern, text);
}

/* A subject that is written out says by its form what kind of name it is. */
static bool san_fits(const struct signer *s, enum facts_san san)
{
    struct sl subject = s->subject.exact;

    if (s->only_email) {
        return san == FACTS_SAN_EMAIL;
    }
    if (subject.p == NULL) {
        return san != FACTS_SAN_NONE;
    }
    if (memmem(subject.p, subject.n, "://", 3) != NULL) {
        return san == FACTS_SAN_URI;
    }
    return memchr(subject.p, '@', subject.n) != NULL ? san == FACTS_SAN_EMAIL
                                                     : san != FACTS_SAN_NONE;
}

static bool is_hand_of(const struct signer *s, const struct facts_signed *fact)
{
    switch (s->kind) {
    case SIGNER_KEY:
        return fact->signer == FACTS_BY_KEY && sl_eq(fact->key_id, s->key_id);
    case SIGNER_KEYLESS:
        return fact->signer == FACTS_BY_IDENTITY && fact->issuer.n > 0 && fact->subject.n > 0 &&
               san_fits(s, fact->san) && word_fits(&s->issuer, fact->issuer) &&
               word_fits(&s->subject, fact->subject);
    case SIGNER_NOTATION:
        return fact->signer == FACTS_BY_CHAIN && fact->notation.n > 0 &&
               (s->statement.n == 0 || sl_eq(fact->notation, s->statement));
    }
    PG_BUG("a signer of no kind");
}

static bool claim_fits(const struct signer_claim *c, const struct facts_signed *fact)
{
    if (c->extension > 0) {
        return fact->extensions != NULL && sl_eq(fact->extensions[c->extension], c->value) &&
               fact->extensions[c->extension].p != NULL;
    }
    const json_t *value = json_object_get(fact->annotations, c->key.p);
    return json_is_string(value) &&
           sl_eq((struct sl){json_string_value(value), json_string_length(value)}, c->value);
}

static bool claims_fit(const struct signer *s, const struct facts_signed *fact)
{
    for (const struct signer_claim *c = s->claims; c != NULL; c = c->next) {
        if (!claim_fits(c, fact)) {
            return false;
        }
    }
    return true;
}

enum signer_fit signer_fit(const struct signer *s, const struct facts *f,
                           const struct facts_signed *fact)
{
    if ((s->formats >> fact->format & 1) == 0) {
        return SIGNER_OTHER_FORM;
    }
    if (fact->trust != s->trust || !is_hand_of(s, fact)) {
        return SIGNER_OTHER;
    }
    if (!naming_fits(s, f, fact->reference)) {
        return SIGNER_NAMED_ELSE;
    }
    if (!claims_fit(s, fact)) {
        return SIGNER_CLAIM;
    }
    if (s->tlog && fact->nlogs == 0) {
        return SIGNER_UNLOGGED;
    }
    if (s->sct && fact->nscts == 0) {
        return SIGNER_NO_SCT;
    }
    if (s->timestamp && fact->nstamps == 0) {
        return SIGNER_NO_TIMESTAMP;
    }
    return fact->not_after_s <= f->now_s ? SIGNER_ENDED : SIGNER_FITS;
}

/* ---- the same ------------------------------------------------------------------------------ */

static bool word_same(const struct signer_word *a, const struct signer_word *b)
{
    return (a->exact.p == NULL) == (b->exact.p == NULL) && sl_eq(a->written, b->written);
}

bool signer_same(const struct signer *a, const struct signer *b)
{
    return a->kind == b->kind && a->trust == b->trust && sl_eq(a->key_id, b->key_id) &&
           word_same(&a->issuer, &b->issuer) && word_same(&a->subject, &b->subject) &&
           sl_eq(a->statement, b->statement) && a->claims == NULL && b->claims == NULL;
}

bool signer_one_hand(const struct facts_signed *a, const struct facts_signed *b)
{
    if (a->signer != b->signer) {
        return false;
    }
    return a->signer == FACTS_BY_KEY ? sl_eq(a->key_id, b->key_id)
                                     : sl_eq(a->subject, b->subject) && sl_eq(a->issuer, b->issuer);
}

void signer_free(struct signer *s)
{
    for (; s != NULL; s = s->next) {
        if (s->issuer.pattern != NULL) {
            pattern_free(s->issuer.pattern);
        }
        if (s->subject.pattern != NULL) {
            pattern_free(s->subject.pattern);
        }
    }
}

/* ---- in words ------------------------------------------------------------------------------ */

static void put_cut(struct pg_buf *out, struct sl text)
{
    (void)pg_buf_put_json(out, (struct sl){text.p, text.n < 120 ? text.n : 120});
}

static void put_word(struct pg_buf *out, const struct signer_word *w)
{
    if (w->exact.p == NULL) {
        (void)pg_buf_put(out, SL("matching "));
    }
    put_cut(out, w->written);
}

void signer_put(const struct signer *s, struct pg_buf *out)
{
    if (s->name.n > 0) {
        put_cut(out, s->name);
        (void)pg_buf_put(out, SL(" ("));
    }
    switch (s->kind) {
    case SIGNER_KEY:
        (void)pg_buf_printf(out, "key " SL_FMT " (%.16s...)", SL_ARG(s->file), s->key_id.p);
        break;
    case SIGNER_KEYLESS:
        (void)pg_buf_put(out, SL("identity "));
        put_word(out, &s->subject);
        (void)pg_buf_put(out, SL(" of "));
        put_word(out, &s->issuer);
        break;
    case SIGNER_NOTATION:
        (void)pg_buf_put(out, SL("Notation trust policy"));
        if (s->statement.n > 0) {
            (void)pg_buf_put(out, SL(" "));
            put_cut(out, s->statement);
        }
        break;
    }
    if (s->name.n > 0) {
        (void)pg_buf_put(out, SL(")"));
    }
}

void signer_put_fact(const struct facts_signed *fact, struct pg_buf *out)
{
    switch (fact->signer) {
    case FACTS_BY_KEY:
        (void)pg_buf_printf(
            out, "key " SL_FMT "...",
            SL_ARG(((struct sl){fact->key_id.p, fact->key_id.n < 16 ? fact->key_id.n : 16})));
        break;
    case FACTS_BY_IDENTITY:
        (void)pg_buf_put(out, SL("identity "));
        put_cut(out, fact->subject);
        (void)pg_buf_put(out, SL(" of "));
        put_cut(out, fact->issuer);
        break;
    case FACTS_BY_CHAIN:
        (void)pg_buf_put(out, SL("certificate "));
        put_cut(out, fact->subject);
        break;
    }
}

static void put_claim_miss(const struct signer *s, const struct facts_signed *fact,
                           struct pg_buf *out)
{
    for (const struct signer_claim *c = s->claims; c != NULL; c = c->next) {
        if (!claim_fits(c, fact)) {
            (void)pg_buf_printf(out, "it does not say that %s is ", c->key.p);
            put_cut(out, c->value);
            return;
        }
    }
}

void signer_put_miss(const struct signer *s, enum signer_fit fit, const struct facts *f,
                     const struct facts_signed *fact, struct pg_buf *out)
{
    switch (fit) {
    case SIGNER_OTHER_FORM:
        (void)pg_buf_put(out, SL("in a form that does not count here"));
        return;
    case SIGNER_OTHER:
        (void)pg_buf_put(out, SL("not one who is named"));
        return;
    case SIGNER_NAMED_ELSE:
        naming_put_miss(s, f, fact->reference, out);
        return;
    case SIGNER_CLAIM:
        put_claim_miss(s, fact, out);
        return;
    case SIGNER_UNLOGGED:
        (void)pg_buf_put(out, SL("it is in no transparency log, as it has to be"));
        return;
    case SIGNER_NO_SCT:
        (void)pg_buf_put(out, SL("its certificate is in no certificate log, as it has to be"));
        return;
    case SIGNER_NO_TIMESTAMP:
        (void)pg_buf_put(out, SL("it has no timestamp, as it has to have"));
        return;
    case SIGNER_ENDED:
        (void)pg_buf_put(out, SL("it holds no longer"));
        return;
    case SIGNER_FITS:
        return;
    }
}
