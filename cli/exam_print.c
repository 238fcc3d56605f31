/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/clock.h"
#include "cli/exam.h"
#include "cli/print.h"
#include "policy/explain.h"

static const char *const formats[] = {[FACTS_SIMPLE] = "cosign",
                                      [FACTS_ENVELOPE] = "cosign",
                                      [FACTS_BUNDLE] = "bundle",
                                      [FACTS_NOTATION] = "notation"};
static const char *const kinds[] = {
    [FACTS_SIGNATURE] = "signature", [FACTS_ATTESTATION] = "attestation"};
static const char *const signers[] = {
    [FACTS_BY_KEY] = "key", [FACTS_BY_IDENTITY] = "identity", [FACTS_BY_CHAIN] = "chain"};
static const char *const states[] = {
    [FACTS_COMPLETE] = "complete", [FACTS_CUT] = "cut", [FACTS_FAILED] = "failed"};

/* ---- as text ------------------------------------------------------------------------------- */

static void put(struct pg_buf *out, struct sl text)
{
    print_put_safe(text, out);
}

static void put_name(const struct exam *x, struct pg_buf *out)
{
    char text[DIGEST_TEXT_MAX];

    put(out, x->repository);
    if (x->tag.p != NULL) {
        (void)pg_buf_put(out, SL(":"));
        put(out, x->tag);
    }
    (void)pg_buf_printf(out, "\n%s\n\n", digest_write(&x->digest, text).p);
}

static void put_count(struct pg_buf *out, unsigned n, const char *what)
{
    if (n > 0) {
        (void)pg_buf_printf(out, ", %u %s%s", n, what, print_s(n));
    }
}

static void put_signed(const struct facts_signed *s, struct pg_buf *out)
{
    char when[PG_CLOCK_TEXT_MAX], text[DIGEST_TEXT_MAX];

    (void)pg_buf_printf(out, "  %s", kinds[s->kind]);
    if (s->predicate_type.n > 0 && s->kind == FACTS_ATTESTATION) {
        (void)pg_buf_put(out, SL(" "));
        put(out, s->predicate_type);
    }
    (void)pg_buf_printf(out, "\n    by %s ", signers[s->signer]);
    put(out, s->signer == FACTS_BY_KEY ? s->key_id : s->subject);
    if (s->issuer.n > 0) {
        (void)pg_buf_put(out, SL("\n    known to "));
        put(out, s->issuer);
    }
    if (s->reference.n > 0) {
        (void)pg_buf_put(out, SL("\n    signed as "));
        put(out, s->reference);
    }
    if (s->signed_at_s > 0) {
        (void)pg_buf_printf(out, "\n    at %.19sZ", pg_clock_rfc3339(s->signed_at_s * 1000, when));
    } else {
        (void)pg_buf_put(out, SL("\n    at a time that is not proven"));
    }
    put_count(out, s->nlogs, "transparency log");
    put_count(out, s->nscts, "certificate log");
    put_count(out, s->nstamps, "timestamp authority");
    (void)pg_buf_printf(out, "\n    in %s (%s)\n", digest_write(&s->evidence, text).p,
                        formats[s->format]);
}

static void put_refused(const struct facts_refused *r, struct pg_buf *out)
{
    char text[DIGEST_TEXT_MAX];

    (void)pg_buf_printf(out, "  %s (%s)\n    %s: ", digest_write(&r->evidence, text).p,
                        formats[r->format], r->code);
    put(out, sl_str(r->text));
    (void)pg_buf_put(out, SL("\n"));
}

void exam_print_text(const struct exam *x, struct pg_buf *out)
{
    const struct facts *f = &x->facts;

    put_name(x, out);
    if (f->nsigned > 0) {
        (void)pg_buf_put(out, SL("found\n"));
    }
    for (size_t i = 0; i < f->nsigned; i++) {
        put_signed(&f->is_signed[i], out);
    }
    if (f->nrefused > 0) {
        (void)pg_buf_put(out, SL("refused\n"));
    }
    for (size_t i = 0; i < f->nrefused; i++) {
        put_refused(&f->refused[i], out);
    }
    if (f->trouble != NULL) {
        (void)pg_buf_printf(out, "%s: ", f->state == FACTS_CUT ? "not all" : "trouble");
        put(out, sl_str(f->trouble));
        (void)pg_buf_put(out, SL("\n"));
    }
    (void)pg_buf_put(out, f->nsigned + f->nrefused > 0 ? SL("\n") : SL(""));
    if (x->is_good && x->policy == NULL) {
        (void)pg_buf_put(out, SL("verified\n"));
    } else if (x->is_good) {
        (void)pg_buf_put(out, SL("verified: rule "));
        put(out, x->verdict.rule);
        (void)pg_buf_put(out, SL("\n"));
    } else {
        (void)pg_buf_put(out, SL("not verified: "));
        put(out, x->reason);
        (void)pg_buf_put(out, SL("\n"));
    }
}

/* ---- as JSON ------------------------------------------------------------------------------- */

/* What is not there, or no UTF-8, is null. */
static void set(json_t *object, const char *name, struct sl text)
{
    json_t *value = text.p != NULL ? json_stringn(text.p, text.n) : NULL;

    PG_CHECK(json_object_set_new(object, name, value != NULL ? value : json_null()) == 0);
}

static void set_digest(json_t *object, const char *name, const struct digest *d)
{
    char text[DIGEST_TEXT_MAX];

    set(object, name, digest_write(d, text));
}

static json_t *signed_json(const struct facts_signed *s)
{
    json_t *one = json_object();
    char when[PG_CLOCK_TEXT_MAX];
    bool is_key = s->signer == FACTS_BY_KEY;

    set(one, "kind", sl_str(kinds[s->kind]));
    set(one, "format", sl_str(formats[s->format]));
    set(one, "signer", sl_str(signers[s->signer]));
    set(one, "key", is_key ? s->key_id : (struct sl){NULL, 0});
    set(one, "issuer", s->issuer);
    set(one, "subject", is_key ? (struct sl){NULL, 0} : s->subject);
    set(one, "predicate_type", s->predicate_type);
    set(one, "reference", s->reference);
    PG_CHECK(json_object_set_new(one, "annotations",
                                 s->annotations != NULL ? json_deep_copy(s->annotations)
                                                        : json_object()) == 0);
    set(one, "signed_at",
        s->signed_at_s > 0 ? sl_str(pg_clock_rfc3339(s->signed_at_s * 1000, when))
                           : (struct sl){NULL, 0});
    PG_CHECK(json_object_set_new(one, "logs", json_integer(s->nlogs)) == 0 &&
             json_object_set_new(one, "scts", json_integer(s->nscts)) == 0 &&
             json_object_set_new(one, "timestamps", json_integer(s->nstamps)) == 0);
    set_digest(one, "evidence", &s->evidence);
    return one;
}

static json_t *refused_json(const struct facts_refused *r)
{
    json_t *one = json_object();

    set(one, "code", sl_str(r->code));
    set(one, "reason", sl_str(r->text));
    set(one, "format", sl_str(formats[r->format]));
    set_digest(one, "evidence", &r->evidence);
    return one;
}

static void set_lists(const struct facts *f, json_t *root)
{
    json_t *found = json_array(), *refused = json_array();

    for (size_t i = 0; i < f->nsigned; i++) {
        PG_CHECK(json_array_append_new(found, signed_json(&f->is_signed[i])) == 0);
    }
    for (size_t i = 0; i < f->nrefused; i++) {
        PG_CHECK(json_array_append_new(refused, refused_json(&f->refused[i])) == 0);
    }
    PG_CHECK(json_object_set_new(root, "found", found) == 0 &&
             json_object_set_new(root, "refused", refused) == 0);
}

void exam_print_json(const struct exam *x, struct pg_buf *out)
{
    json_t *root = json_object();

    PG_CHECK(root != NULL);
    set(root, "repository", x->repository);
    set(root, "tag", x->tag);
    set_digest(root, "digest", &x->digest);
    PG_CHECK(json_object_set_new(root, "verified", json_boolean(x->is_good)) == 0);
    set(root, "code", x->is_good ? (struct sl){NULL, 0} : sl_str(x->code));
    set(root, "reason", x->is_good ? (struct sl){NULL, 0} : x->reason);
    set(root, "rule", x->policy != NULL ? x->verdict.rule : (struct sl){NULL, 0});
    set(root, "state", sl_str(states[x->facts.state]));
    set(root, "trouble", sl_str(x->facts.trouble));
    set_lists(&x->facts, root);
    char *text = json_dumps(root, JSON_INDENT(2));
    PG_CHECK(text != NULL);
    (void)pg_buf_put(out, sl_str(text));
    (void)pg_buf_put(out, SL("\n"));
    free(text);
    json_decref(root);
}
