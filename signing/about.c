/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/about.h"

#include <openssl/err.h>

#include "base/json.h"
#include "signing/bundle_int.h"
#include "signing/cose_int.h"
#include "signing/envelope_int.h"
#include "signing/jws_int.h"
#include "signing/payload_int.h"
#include "signing/statement_int.h"

#define JWS SL("application/jose+json")

/* The first whose name fits, whole or as the beginning. */
static const struct {
    struct sl type;
    bool is_prefix;
    enum verify_format format;
    size_t size_max;
} types[] = {
    {SL("application/vnd.dev.cosign.simplesigning.v1+json"), false, VERIFY_SIMPLE,
     VERIFY_SIGNED_MAX},
    {SL("application/vnd.dsse.envelope.v1+json"), false, VERIFY_ENVELOPE, VERIFY_STATEMENT_MAX},
    {SL("application/vnd.dev.sigstore.bundle"), true, VERIFY_BUNDLE, VERIFY_STATEMENT_MAX},
    {JWS, false, VERIFY_NOTATION, VERIFY_NOTATION_MAX},
    {SL("application/cose"), false, VERIFY_NOTATION, VERIFY_NOTATION_MAX},
};

bool about_format(struct sl media_type, enum verify_format *format_r, size_t *size_max_r)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        bool fits = types[i].is_prefix ? sl_starts(media_type, types[i].type)
                                       : sl_eq(media_type, types[i].type);

        if (!fits)
            continue;
        *format_r = types[i].format;
        *size_max_r = types[i].size_max;
        return true;
    }
    return false;
}

static int compare(const struct digest *named, const struct digest *subject,
                   struct verify_refusal *no)
{
    char text[DIGEST_TEXT_MAX], other_text[DIGEST_TEXT_MAX];

    return digest_eq(named, subject)
               ? 0
               : refuse(no, SUBJECT, "it is about " SL_FMT ", not about " SL_FMT,
                        SL_ARG(digest_write(named, other_text)),
                        SL_ARG(digest_write(subject, text)));
}

static int read_json(struct sl bytes, json_t **root_r, struct verify_refusal *no)
{
    struct pg_err err = {0};

    if (pg_json_parse(bytes, PG_E_DENIED, root_r, &err) == 0)
        return 0;
    (void)refuse(no, MALFORMED, "%s", err.msg);
    pg_err_clear(&err);
    return -1;
}

static int look_at_payload(struct sl bytes, const struct digest *subject, struct pg_arena *arena,
                           struct verify_refusal *no)
{
    struct payload p;

    if (payload_read(bytes, arena, &p, no) < 0)
        return -1;
    json_decref(p.annotations);
    return compare(&p.digest, subject, no);
}

static int look_at_statement(struct sl json, const struct digest *subject, struct pg_arena *arena,
                             struct verify_refusal *no)
{
    struct statement s;

    if (statement_read(json, subject, arena, &s, no) < 0)
        return -1;
    json_decref(s.annotations);
    return 0;
}

static int look_at_envelope(struct sl bytes, const struct digest *subject, struct pg_arena *arena,
                            struct verify_refusal *no)
{
    _json_ json_t *root = NULL;
    struct envelope e;

    if (read_json(bytes, &root, no) < 0 ||
        envelope_read(root, SL(ENVELOPE_IN_TOTO), arena, &e, no) < 0)
        return -1;
    return look_at_statement(e.payload, subject, arena, no);
}

/* A message names its digest beside the signature; one that does not could be about anything. */
static int look_at_bundle(struct sl bytes, const struct digest *subject, struct pg_arena *arena,
                          struct verify_refusal *no)
{
    struct digest named = {.alg = PG_SHA256};
    struct bundle b;

    if (bundle_read(bytes, arena, &b, no) < 0)
        return -1;
    if (b.proof.is_dsse)
        return look_at_statement(b.statement, subject, arena, no);
    if (b.message_digest.n != 32)
        return refuse(no, SUBJECT, "it does not say what it is about");
    memcpy(named.bytes, b.message_digest.p, 32);
    return compare(&named, subject, no);
}

static int look_at_notation(struct sl media_type, struct sl bytes, const struct digest *subject,
                            struct pg_arena *arena, struct verify_refusal *no)
{
    struct notary_envelope e = {0};
    _json_ json_t *root = NULL;
    struct pg_err err = {0};
    struct digest named;

    if ((sl_eq(media_type, JWS) ? jws_read : cose_read)(bytes, arena, &e, no) < 0 ||
        read_json(e.payload, &root, no) < 0)
        return -1;
    if (digest_parse(pg_json_str(json_object_get(root, "targetArtifact"), "digest"), &named, &err) <
        0) {
        (void)refuse(no, MALFORMED, "what it is about: %s", err.msg);
        pg_err_clear(&err);
        return -1;
    }
    return compare(&named, subject, no);
}

static int look_at(enum verify_format format, struct sl media_type, struct sl bytes,
                   const struct digest *subject, struct pg_arena *arena, struct verify_refusal *no)
{
    switch (format) {
    case VERIFY_SIMPLE:
        return look_at_payload(bytes, subject, arena, no);
    case VERIFY_ENVELOPE:
        return look_at_envelope(bytes, subject, arena, no);
    case VERIFY_BUNDLE:
        return look_at_bundle(bytes, subject, arena, no);
    case VERIFY_NOTATION:
        return look_at_notation(media_type, bytes, subject, arena, no);
    }
    PG_BUG("a format that is none");
}

int about_subject(struct sl media_type, struct sl bytes, const struct digest *subject,
                  struct verify_refusal *refusal_r)
{
    enum verify_format format;
    struct pg_arena arena;
    size_t size_max;
    int status;

    PG_CHECK(subject->alg == PG_SHA256 && refusal_r->err.kind == PG_E_NONE);
    if (!about_format(media_type, &format, &size_max))
        status = refuse(refusal_r, UNSUPPORTED, "a layer of type \"" SL_FMT "\" is no evidence",
                        SL_ARG(refuse_shown(media_type)));
    else if (bytes.n > size_max)
        status = refuse(refusal_r, TOO_LARGE, "it has more than %zu bytes", size_max);
    else {
        ERR_clear_error();
        pg_arena_init(&arena, VERIFY_ARENA_BYTES);
        status = look_at(format, media_type, bytes, subject, &arena, refusal_r);
        pg_arena_free(&arena);
        ERR_clear_error();
    }
    return status == 0;
}
