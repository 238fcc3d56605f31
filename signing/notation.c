/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/notation_int.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include "base/clock.h"
#include "base/json.h"
#include "signing/cose_int.h"
#include "signing/crl_int.h"
#include "signing/field_int.h"
#include "signing/jws_int.h"

#define MEDIA_JWS  SL("application/jose+json")
#define MEDIA_COSE SL("application/cose")
#define AHEAD_S    300      /* a trusted clock may be ahead of ours by this */
#define VAGUE_MS   86400000 /* and be as exact as this, at least */

/* One signature on its way; what is found about it goes into the fact. */
struct check {
    const struct verify_subject *subject;
    const struct verify_options *options;
    const struct trust *trust;
    const struct trust_statement *statement;
    struct pg_arena *arena;
    struct notary_envelope envelope;
    struct x5c chain;
    struct verify_fact *fact;
    struct verify_refusal *no;
};

static int find_statement(struct check *c)
{
    struct sl repository = c->options->repository;

    if (c->trust->notation == NULL || c->trust->notation->nstatements == 0)
        return refuse(c->no, TRUST_POLICY,
                      "there is no Notation trust policy, without which its signatures prove "
                      "nothing");
    c->statement = trust_notation_about(c->trust, repository);
    if (c->statement == NULL)
        return refuse(c->no, TRUST_POLICY,
                      "no statement of the Notation trust policy is about \"" SL_FMT "\"",
                      (int)(repository.n < REFUSE_SHOWN_MAX ? repository.n : REFUSE_SHOWN_MAX),
                      repository.p != NULL ? repository.p : "");
    if (c->statement->authenticity != TRUST_ENFORCE)
        return refuse(c->no, TRUST_POLICY,
                      "the statement \"" SL_FMT "\" of the Notation trust policy (level " SL_FMT
                      ") does not enforce authenticity: what it accepts proves nothing about who "
                      "signed",
                      SL_ARG(c->statement->name), SL_ARG(c->statement->level));
    return 0;
}

static int read_envelope(struct check *c, const struct verify_evidence *e)
{
    struct sl shown = refuse_shown(e->media_type);

    if (sl_eq(e->media_type, MEDIA_JWS))
        return jws_read(e->bytes, c->arena, &c->envelope, c->no);
    if (sl_eq(e->media_type, MEDIA_COSE))
        return cose_read(e->bytes, c->arena, &c->envelope, c->no);
    return refuse(c->no, UNSUPPORTED,
                  "\"" SL_FMT "\" is no form of a Notation signature: application/jose+json and "
                  "application/cose are",
                  SL_ARG(shown));
}

static bool store_has(const struct trust_store *s, const struct notary_envelope *e)
{
    for (unsigned i = 0; i < s->ncerts; i++)
        for (unsigned j = 0; j < e->ncerts; j++)
            if (sl_eq(s->certs[i], e->certs[j]))
                return true;
    return false;
}

/* One certificate of the chain is in a store of the kind that the scheme wants. */
static int check_anchor(struct check *c)
{
    const struct trust_notation *n = c->trust->notation;
    bool by_authority = notary_is_by_authority(&c->envelope);
    enum trust_store_type wanted = by_authority ? TRUST_STORE_AUTHORITY : TRUST_STORE_CA;

    for (unsigned i = 0; i < c->statement->nstores; i++) {
        const struct trust_store *s = &n->stores[c->statement->stores[i]];

        if (s->type == wanted && store_has(s, &c->envelope))
            return 0;
    }
    return refuse(c->no, CERTIFICATE,
                  "no certificate of the signature is in a %s: trust store of the statement "
                  "\"" SL_FMT "\"",
                  by_authority ? "signingAuthority" : "ca", SL_ARG(c->statement->name));
}

static int check_identity(struct check *c)
{
    const X509_NAME *name = X509_get_subject_name(c->chain.certs[0]);
    char shown[X5C_NAME_SHOWN];
    struct dn dn;

    c->fact->chain_subject = dn_write(name, c->arena);
    if (c->statement->nidentities == 0)
        return 0;
    if (!dn_of(name, c->arena, &dn))
        return refuse(c->no, IDENTITY,
                      "the name \"%s\" of the signer has an attribute twice or without text: it "
                      "is nobody's in the statement \"" SL_FMT "\"",
                      x5c_name(c->chain.certs[0], shown), SL_ARG(c->statement->name));
    for (unsigned i = 0; i < c->statement->nidentities; i++)
        if (dn_is_in(&c->statement->identities[i], &dn))
            return 0;
    return refuse(c->no, IDENTITY,
                  "signed by \"%s\", who is not one of the trusted identities of the statement "
                  "\"" SL_FMT "\"",
                  x5c_name(c->chain.certs[0], shown), SL_ARG(c->statement->name));
}

/* r and s, each half of the bytes, as the DER that OpenSSL wants. */
static struct sl ecdsa_der(struct sl raw, struct pg_arena *arena)
{
    const uint8_t *bytes = (const uint8_t *)raw.p;
    int half = (int)(raw.n / 2), n;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    unsigned char *der = NULL;
    struct sl out;

    PG_CHECK(sig != NULL);
    PG_CHECK(ECDSA_SIG_set0(sig, BN_bin2bn(bytes, half, NULL),
                            BN_bin2bn(bytes + half, half, NULL)) == 1);
    n = i2d_ECDSA_SIG(sig, &der);
    PG_CHECK(n > 0);
    out = pg_copy(arena, (struct sl){(const char *)der, (size_t)n});
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    return out;
}

static int check_signature(struct check *c)
{
    const struct notary_alg *alg = notary_alg_for(c->chain.leaf_key);
    const struct notary_envelope *e = &c->envelope;
    struct sl signature = e->signature;

    if (alg == NULL)
        return refuse(c->no, CERTIFICATE,
                      "the signer's key is not of a kind that signs: RSA of 2048, 3072 or 4096 "
                      "bits, ECDSA on P-256, P-384 or P-521");
    if (e->alg != alg)
        return refuse(c->no, SIGNATURE,
                      "the signature says that it is %s, but a key as the signer's makes %s",
                      e->alg->name, alg->name);
    if (signature.n != alg->nsignature)
        return refuse(c->no, SIGNATURE, "a signature of %s has %zu bytes, not %zu", alg->name,
                      alg->nsignature, signature.n);
    if (alg->kind != KEY_RSA)
        signature = ecdsa_der(signature, c->arena);
    if (!key_verify_as(c->chain.leaf_key, alg->digest, alg->kind == KEY_RSA, e->signed_bytes,
                       signature))
        return refuse(c->no, SIGNATURE,
                      "the signature does not match what is signed: one of them was changed");
    return 0;
}

/* targetArtifact: the digest, the size and the type, all three. */
static int check_target(struct check *c, const json_t *target)
{
    const struct verify_subject *s = c->subject;
    struct sl digest = pg_json_str(target, "digest"), type = pg_json_str(target, "mediaType");
    struct sl shown = refuse_shown(digest);
    char text[DIGEST_TEXT_MAX];
    int64_t size;

    if (digest.p == NULL || type.p == NULL || !json_is_integer(json_object_get(target, "size")))
        return refuse(c->no, MALFORMED, "the signed descriptor has no digest, mediaType or size");
    PG_CHECK(s->digest.alg == PG_SHA256);
    if (!sl_eq(digest, digest_write(&s->digest, text)))
        return refuse(c->no, SUBJECT, "the signature is over " SL_FMT ", this image is %s",
                      SL_ARG(shown), text);
    size = json_integer_value(json_object_get(target, "size"));
    if (s->manifest.p == NULL || s->media_type.n == 0)
        return refuse(c->no, SUBJECT,
                      "the image's manifest is not at hand, whose size and type are signed too");
    if (size < 0 || (uint64_t)size != s->manifest.n)
        return refuse(c->no, SUBJECT,
                      "the signature is over %lld bytes, this image's manifest has %zu",
                      (long long)size, s->manifest.n);
    shown = refuse_shown(type);
    if (!sl_eq(type, s->media_type))
        return refuse(c->no, SUBJECT,
                      "the signature is over a \"" SL_FMT "\", this image is a \"" SL_FMT "\"",
                      SL_ARG(shown), SL_ARG(s->media_type));
    return 0;
}

static int read_annotations(struct check *c, const json_t *target)
{
    const json_t *all, *value;
    const char *key;
    int has = field_object(target, "annotations", &all);

    if (has == 0)
        return 0;
    if (has < 0)
        return refuse(c->no, MALFORMED, "the signed annotations are not an object");
    json_object_foreach((json_t *)(uintptr_t)all, key, value)
    {
        if (!json_is_string(value))
            return refuse(c->no, MALFORMED, "a signed annotation is not a text");
    }
    c->fact->annotations = json_incref((json_t *)(uintptr_t)all);
    return 0;
}

static int check_payload(struct check *c)
{
    static const char *const outer[] = {"targetArtifact", NULL};
    static const char *const inner[] = {"mediaType",   "digest",       "size",
                                        "annotations", "artifactType", NULL};
    _json_ json_t *root = NULL;
    struct pg_err err = {0};
    const json_t *target;

    if (pg_json_parse(c->envelope.payload, PG_E_DENIED, &root, &err) < 0) {
        (void)refuse(c->no, MALFORMED, "the signed payload is not JSON: %s", err.msg);
        pg_err_clear(&err);
        return -1;
    }
    target = json_object_get(root, "targetArtifact");
    if (!field_known(root, outer) || !field_known(target, inner))
        return refuse(c->no, MALFORMED,
                      "the signed payload is not {\"targetArtifact\": {...}}, or has more in it");
    if (check_target(c, target) < 0)
        return -1;
    return read_annotations(c, target);
}

static void hold_until(struct check *c, int64_t until_s)
{
    if (until_s < c->fact->not_after_s)
        c->fact->not_after_s = until_s;
}

static int refuse_time(struct check *c, unsigned at, const char *when)
{
    char name[X5C_NAME_SHOWN];

    return refuse(c->no, TIME, "the certificate \"%s\" is not valid %s",
                  x5c_name(c->chain.certs[at], name), when);
}

/* A token over the signature, by an authority of one of the statement's tsa: stores. */
static int ask_stamp(struct check *c, struct stamp_answer *answer_r)
{
    struct stamp_authority *all = pg_alloc(c->arena, STAMP_AUTHORITIES_MAX * sizeof(*all));
    struct stamp_question q = {c->envelope.stamp, false, c->envelope.signature, all, 0};
    const struct stamp *stamp = c->options->timestamps;
    struct pg_err err = {0};

    if (c->envelope.stamp.p == NULL)
        return refuse(c->no, TIMESTAMP,
                      "the signature has no timestamp, which the statement \"" SL_FMT "\" wants",
                      SL_ARG(c->statement->name));
    if (stamp == NULL)
        return refuse(c->no, HELPER, "timestamps cannot be looked at here");
    for (unsigned i = 0; i < c->statement->nstores; i++) {
        const struct trust_store *s = &c->trust->notation->stores[c->statement->stores[i]];

        for (unsigned j = 0; s->type == TRUST_STORE_TSA && j < s->ncerts; j++) {
            PG_CHECK(q.nauthorities < STAMP_AUTHORITIES_MAX);
            all[q.nauthorities++] = (struct stamp_authority){
                .certs = {s->certs[j]}, .ncerts = 1, .from_s = 0, .until_s = INT64_MAX};
        }
    }
    if (stamp->ask(stamp->context, &q, answer_r, &err) < 0) {
        if (err.kind == PG_E_DENIED)
            (void)refuse(c->no, TIMESTAMP, "the timestamp: %s", err.msg);
        else
            (void)refuse(c->no, HELPER, "the timestamp could not be looked at: %s", err.msg);
        pg_err_clear(&err);
        return -1;
    }
    if (answer_r->authority >= q.nauthorities)
        return refuse(c->no, HELPER, "who looked at the timestamp named nobody that is trusted");
    return 0;
}

/* The chain was valid when it was stamped, as exactly as the authority knows. */
static int check_stamp(struct check *c)
{
    struct stamp_answer answer = {0};
    int64_t slack_s;
    unsigned bad;

    if (ask_stamp(c, &answer) < 0)
        return -1;
    if (answer.time_s < 0 || answer.time_s - c->options->now_s > AHEAD_S ||
        answer.accuracy_ms < 0 || answer.accuracy_ms > VAGUE_MS)
        return refuse(c->no, TIMESTAMP,
                      "the timestamp is of the future, or does not know what time it is");
    slack_s = (answer.accuracy_ms + 999) / 1000;
    bad = x5c_invalid_at(&c->chain, answer.time_s - slack_s, answer.time_s + slack_s);
    if (bad < c->chain.n)
        return refuse_time(c, bad, "at the time of the timestamp");
    c->fact->signed_at_s = answer.time_s;
    c->fact->nstamps = 1;
    return 0;
}

static bool has_tsa(const struct check *c)
{
    for (unsigned i = 0; i < c->statement->nstores; i++)
        if (c->trust->notation->stores[c->statement->stores[i]].type == TRUST_STORE_TSA)
            return true;
    return false;
}

/* When it was signed, and whether the certificates were valid then. */
static int check_time(struct check *c)
{
    int64_t now = c->options->now_s, authentic = c->envelope.authentic_time_s;
    unsigned bad_now = x5c_invalid_at(&c->chain, now, now), bad;

    if (notary_is_by_authority(&c->envelope)) {
        bad = x5c_invalid_at(&c->chain, authentic, authentic);
        if (bad < c->chain.n)
            return refuse_time(c, bad, "at the time of signing");
        if (authentic - now > AHEAD_S)
            return refuse(c->no, TIME, "the signature was made in the future");
        c->fact->signed_at_s = authentic;
        return 0;
    }
    if (has_tsa(c) && (!c->statement->stamp_after_expiry || bad_now < c->chain.n))
        return check_stamp(c);
    if (bad_now < c->chain.n)
        return refuse_time(c, bad_now, "now, and no trusted timestamp says that it once was");
    for (unsigned i = 0; i < c->chain.n; i++)
        hold_until(c, c->chain.until_s[i]);
    return 0;
}

static int check_expiry(struct check *c)
{
    int64_t expiry = c->envelope.expiry_s;
    char text[PG_CLOCK_TEXT_MAX];

    if (expiry == INT64_MAX)
        return 0;
    if (c->options->now_s >= expiry)
        return refuse(c->no, EXPIRED, "the signature ended at %s",
                      pg_clock_rfc3339(expiry * 1000, text));
    hold_until(c, expiry - 1);
    return 0;
}

/* With an action of LOG a refusal is let go. */
static int weigh(struct check *c, enum trust_action action, int status)
{
    if (status == 0 || action == TRUST_ENFORCE)
        return status;
    c->no->reason = VERIFY_NONE;
    pg_err_clear(&c->no->err);
    return 0;
}

static int check_revocation(struct check *c)
{
    bool has_to_know = c->statement->revocation == TRUST_ENFORCE;
    int64_t until_s;

    if (crl_check(c->trust->notation, &c->chain, has_to_know, c->options->now_s, &until_s, c->no) <
        0)
        return -1;
    hold_until(c, until_s);
    return 0;
}

static int check_all(struct check *c, const struct verify_evidence *e)
{
    if (find_statement(c) < 0 || read_envelope(c, e) < 0 || check_anchor(c) < 0 ||
        x5c_read(&c->envelope, &c->chain, c->no) < 0 || x5c_check(&c->chain, c->no) < 0 ||
        check_identity(c) < 0 || check_signature(c) < 0 || check_payload(c) < 0 ||
        weigh(c, c->statement->expiry, check_expiry(c)) < 0 || check_revocation(c) < 0 ||
        weigh(c, c->statement->authentic_timestamp, check_time(c)) < 0)
        return -1;
    return 0;
}

int notation_verify(const struct verify_question *q, struct pg_arena *arena,
                    struct verify_fact *fact, struct verify_refusal *no)
{
    struct check c = {.subject = q->subject,
                      .options = q->options,
                      .trust = q->trust,
                      .arena = arena,
                      .fact = fact,
                      .no = no};
    int status;

    fact->kind = VERIFY_IS_SIGNATURE;
    fact->signer = VERIFY_BY_CHAIN;
    status = check_all(&c, q->evidence);
    x5c_free(&c.chain);
    if (status < 0) {
        json_decref(fact->annotations);
        fact->annotations = NULL;
        return -1;
    }
    fact->policy_name = pg_copy(arena, c.statement->name);
    return 0;
}
