/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/exam.h"

#include "base/clock.h"
#include "oci/manifest.h"
#include "proxy/admit/counsel.h"

#define ARENA_BYTES ((size_t)4 << 20)

void exam_init(struct exam *x)
{
    *x = (struct exam){0};
    pg_arena_init(&x->arena, ARENA_BYTES);
}

void exam_free(struct exam *x)
{
    finding_free(x->finding);
    evidence_free(x->evidence);
    pg_bytes_unref(x->manifest);
    pg_arena_free(&x->arena);
}

/* ---- fetching ------------------------------------------------------------------------------ */

static void gather(struct exam *x)
{
    struct evidence_step step;

    while (evidence_next(x->evidence, &step)) {
        struct evidence_answer a = {.outcome = EVIDENCE_ABSENT, .media_type = SL("")};
        struct pg_err err = {0};
        int rc = x->source.fetch(x->source.owner, &step, &a, &err);

        if (rc > 0) {
            a.outcome = EVIDENCE_FOUND;
        } else if (rc < 0) {
            a.outcome = err.kind == PG_E_TOO_LARGE ? EVIDENCE_LARGE : EVIDENCE_FAILED;
            a.trouble = err.msg;
        }
        evidence_put(x->evidence, step.id, &a);
        pg_bytes_unref(a.bytes);
        pg_err_clear(&err);
    }
}

/* ---- verifying ----------------------------------------------------------------------------- */

static struct policy_wants wants_of(const struct exam *x)
{
    if (x->policy != NULL) {
        return policy_wants(x->policy, &x->facts);
    }
    return (struct policy_wants){.governed = true,
                                 .signatures = true,
                                 .attestations = true,
                                 .simple = true,
                                 .bundle = true,
                                 .trusts = 1};
}

/* Where no rule speaks of the image, what there is is shown all the same. */
static void widen(struct policy_wants *w)
{
    if (!w->governed) {
        w->simple = w->bundle = w->attestations = true;
    }
    if (w->trusts == 0) {
        w->trusts = 1;
    }
}

static void look(struct exam *x, struct sl media_type)
{
    struct policy_wants w = wants_of(x);
    const struct verify_options options = {
        .now_s = x->facts.now_s, .repository = x->repository, .timestamps = x->stamp};
    const struct verify_subject subject = {x->digest, pg_bytes_sl(x->manifest), media_type};

    widen(&w);
    const struct evidence_wants fetched = {
        .simple = w.simple, .envelope = w.attestations, .bundle = w.bundle, .notation = w.notation};
    const struct finding_question q = {&subject, x->trusts, x->ntrusts, w.trusts, &options};

    x->evidence = evidence_new(&x->digest, &fetched);
    gather(x);
    for (size_t i = 0; i < evidence_count(x->evidence); i++) {
        finding_look(x->finding, &q, evidence_at(x->evidence, i));
    }
    finding_tell(x->finding, &x->facts);
    switch (evidence_state(x->evidence, &x->facts.trouble)) {
    case EVIDENCE_COMPLETE:
        x->facts.state = FACTS_COMPLETE;
        break;
    case EVIDENCE_CUT:
        x->facts.state = FACTS_CUT;
        break;
    case EVIDENCE_TROUBLED:
        x->facts.state = FACTS_FAILED;
        break;
    }
    const char *stale = x->source.stale != NULL ? x->source.stale(x->source.owner) : NULL;
    if (stale != NULL && x->facts.state != FACTS_FAILED) {
        x->facts.state = FACTS_FAILED;
        x->facts.trouble = stale;
    }
}

/* ---- is it what was wanted? ---------------------------------------------------------------- */

/* What is missing from being what was wanted, the nearest last. */
enum lack { LACKS_KIND, LACKS_PREDICATE, LACKS_SIGNER, LACKS_SCT, LACKS_NOTHING };

static const struct {
    const char *code, *text;
} lacks[] = {
    [LACKS_KIND] = {"kind", "an attestation is no signature, and a signature no attestation"},
    [LACKS_PREDICATE] = {"kind", "there is an attestation, but of another type"},
    [LACKS_SIGNER] = {"identity", "it is signed by somebody else"},
    [LACKS_SCT] = {"sct", "its certificate is not in a certificate log"},
    [LACKS_NOTHING] = {"none", ""},
};

static enum lack lack_of(const struct exam_wanted *w, const struct facts_signed *s)
{
    bool is_attestation = s->kind == FACTS_ATTESTATION;

    if (is_attestation != (w->predicate_type.p != NULL)) {
        return LACKS_KIND;
    }
    if (is_attestation && !sl_eq(s->predicate_type, w->predicate_type)) {
        return LACKS_PREDICATE;
    }
    if (w->key_id.p != NULL) {
        return s->signer == FACTS_BY_KEY && sl_eq(s->key_id, w->key_id) ? LACKS_NOTHING
                                                                        : LACKS_SIGNER;
    }
    if (s->signer != FACTS_BY_IDENTITY || !sl_eq(s->issuer, w->issuer) ||
        !sl_eq(s->subject, w->identity)) {
        return LACKS_SIGNER;
    }
    return s->nscts == 0 ? LACKS_SCT : LACKS_NOTHING;
}

static void say(struct exam *x, const char *code, const char *fmt, ...) PG_PRINTF(3, 4);
static void say(struct exam *x, const char *code, const char *fmt, ...)
{
    char text[PG_ERR_TEXT_MAX];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    x->code = code;
    x->reason = pg_copy(&x->arena, sl_str(text));
}

static const struct facts_refused *first_refused(const struct exam *x)
{
    bool wants_attestation = x->wanted.predicate_type.p != NULL;

    for (size_t i = 0; i < x->facts.nrefused; i++) {
        enum facts_format format = x->facts.refused[i].format;
        if (format == FACTS_BUNDLE || (format == FACTS_ENVELOPE) == wants_attestation) {
            return &x->facts.refused[i];
        }
    }
    return x->facts.nrefused > 0 ? &x->facts.refused[0] : NULL;
}

static void say_missing(struct exam *x, enum lack nearest, const struct facts_signed *s)
{
    const struct facts_refused *refused = first_refused(x);

    if (x->facts.state == FACTS_FAILED) {
        say(x, "unknown", "%s", x->facts.trouble);
    } else if (s != NULL && (nearest > LACKS_PREDICATE || refused == NULL)) {
        struct sl by = s->signer == FACTS_BY_KEY ? s->key_id : s->subject;
        say(x, lacks[nearest].code, "%s%s" SL_FMT, lacks[nearest].text,
            nearest == LACKS_SIGNER ? ": " : "", nearest == LACKS_SIGNER ? (int)by.n : 0,
            by.p != NULL ? by.p : "");
    } else if (refused != NULL) {
        say(x, refused->code, "%s", refused->text);
    } else {
        say(x, "none", "there is no %s",
            x->wanted.predicate_type.p != NULL ? "attestation" : "signature");
    }
    if (x->facts.state == FACTS_CUT) {
        say(x, x->code, SL_FMT "; %s", SL_ARG(x->reason), x->facts.trouble);
    }
}

static void decide_wanted(struct exam *x)
{
    const struct facts_signed *nearest = NULL;
    enum lack least = LACKS_KIND;

    for (size_t i = 0; i < x->facts.nsigned && !x->is_good; i++) {
        const struct facts_signed *s = &x->facts.is_signed[i];
        enum lack lack = lack_of(&x->wanted, s);

        if (nearest == NULL || lack > least) {
            nearest = s;
            least = lack;
        }
        x->is_good = lack == LACKS_NOTHING;
    }
    if (!x->is_good) {
        say_missing(x, least, nearest);
    }
}

/* What would help. Here signatures and attestations are known, and nothing else. */
static struct sl put_right(const struct exam *x)
{
    struct policy_wants w = wants_of(x);

    return w.content || w.age || w.record || w.scans
               ? SL("here signatures and attestations alone are looked at: `pullgate explain` says "
                    "what the server makes of the rest")
               : x->verdict.remedy;
}

static void decide_policy(struct exam *x)
{
    struct sl help;

    policy_decide(x->policy, &x->facts, &x->arena, &x->verdict);
    if (x->verdict.asks_opa) {
        counsel_ask_once(x->policy, &x->facts, &x->arena);
        policy_decide(x->policy, &x->facts, &x->arena, &x->verdict);
    }
    x->is_good = x->verdict.decision == POLICY_ALLOW;
    if (!x->is_good) {
        help = put_right(x);
        say(x, "policy", "rule " SL_FMT ": " SL_FMT "%s" SL_FMT, SL_ARG(x->verdict.rule),
            SL_ARG(x->verdict.reason), help.n > 0 ? "; " : "", SL_ARG(help));
    }
}

int exam_run(struct exam *x, struct pg_err *err)
{
    struct pg_arena scratch;
    struct manifest m;

    const struct evidence_step whole = {
        .what = EVIDENCE_MANIFEST, .digest = x->digest, .size_max = MANIFEST_BYTES_MAX};
    struct evidence_answer a = {.media_type = SL("")};

    if (x->source.fetch(x->source.owner, &whole, &a, err) != 1) {
        return err->kind != PG_E_NONE
                   ? -1
                   : pg_fail(err, PG_E_MANIFEST_UNKNOWN, "the image's manifest is not there");
    }
    x->manifest = a.bytes;
    PG_CHECK(x->manifest != NULL);
    struct digest is = digest_of(x->digest.alg, pg_bytes_sl(x->manifest));
    if (x->digest.alg != PG_SHA256 || !digest_eq(&is, &x->digest)) {
        return pg_fail(err, PG_E_DIGEST_INVALID,
                       "the manifest's bytes are not those of its digest, or that is not sha256");
    }
    pg_arena_init(&scratch, MANIFEST_ARENA_BYTES);
    int rc = manifest_parse(pg_bytes_sl(x->manifest), SL(""), &scratch, &m, err);
    if (rc == 0) {
        x->finding = finding_new();
        x->facts.repository = x->repository;
        x->facts.tag = x->tag;
        x->facts.digest = x->digest;
        x->facts.now_s = pg_clock_wall_s();
        look(x, m.media_type);
        (x->policy != NULL ? decide_policy : decide_wanted)(x);
    }
    pg_arena_free(&scratch);
    return rc;
}
