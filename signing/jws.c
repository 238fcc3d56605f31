/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/jws_int.h"

#include "base/json.h"
#include "base/moment.h"
#include "signing/b64_int.h"
#include "signing/field_int.h"

static int bad_json(struct pg_err *err, const char *what, struct verify_refusal *no)
{
    int status = refuse(no, MALFORMED, "the %s is not JSON: %s", what, err->msg);

    pg_err_clear(err);
    return status;
}

/* The text of header h, copied: the tree does not live as long. */
static int read_text(const json_t *headers, enum notary_header h, struct pg_arena *arena,
                     struct sl *text_r, struct verify_refusal *no)
{
    struct sl text = pg_json_str(headers, notary_header_name(h));

    if (text.p == NULL)
        return refuse(no, MALFORMED, "the header \"%s\" is not a text", notary_header_name(h));
    *text_r = pg_copy(arena, text);
    return 0;
}

static int read_time(const json_t *headers, enum notary_header h, int64_t *time_r,
                     struct verify_refusal *no)
{
    struct sl text = pg_json_str(headers, notary_header_name(h));

    if (text.p == NULL || !moment_parse(text, time_r))
        return refuse(no, MALFORMED, "the header \"%s\" is not a time of RFC 3339",
                      notary_header_name(h));
    return 0;
}

static int read_alg(const json_t *headers, struct notary_envelope *e, struct verify_refusal *no)
{
    struct sl name = pg_json_str(headers, "alg"), shown = refuse_shown(name);

    if (name.p == NULL)
        return refuse(no, MALFORMED, "the header \"alg\" is not a text");
    e->alg = notary_alg_of(name, 0);
    if (e->alg == NULL)
        return refuse(no, UNSUPPORTED,
                      "the signature's algorithm is \"" SL_FMT
                      "\"; PS256, PS384, PS512, ES256, ES384, ES512 are known",
                      SL_ARG(shown));
    return 0;
}

static int read_crit(const json_t *headers, struct notary_envelope *e, struct verify_refusal *no)
{
    const json_t *crit = json_object_get(headers, "crit"), *name;
    size_t i;

    if (!json_is_array(crit) || json_array_size(crit) == 0)
        return refuse(no, MALFORMED, "the header \"crit\" is not a list of names");
    if (json_array_size(crit) > NOTARY_CRIT_MAX)
        return refuse(no, TOO_LARGE, "the header \"crit\" has more than %d names", NOTARY_CRIT_MAX);
    json_array_foreach(crit, i, name)
    {
        struct sl text = {json_string_value(name), json_string_length(name)};

        if (text.p == NULL)
            return refuse(no, MALFORMED, "the header \"crit\" is not a list of names");
        if (notary_mark_critical(e, text, no) < 0)
            return -1;
    }
    return 0;
}

static int read_header(const json_t *headers, enum notary_header h, struct pg_arena *arena,
                       struct notary_envelope *e, struct verify_refusal *no)
{
    switch (h) {
    case NOTARY_ALG:
        return read_alg(headers, e, no);
    case NOTARY_TYPE:
        return read_text(headers, h, arena, &e->content_type, no);
    case NOTARY_CRIT:
        return read_crit(headers, e, no);
    case NOTARY_SCHEME:
        return read_text(headers, h, arena, &e->scheme, no);
    case NOTARY_SIGNING_TIME:
        return read_time(headers, h, &e->signing_time_s, no);
    case NOTARY_AUTHENTIC_TIME:
        return read_time(headers, h, &e->authentic_time_s, no);
    case NOTARY_EXPIRY:
        return read_time(headers, h, &e->expiry_s, no);
    case NOTARY_PLUGIN:
    case NOTARY_PLUGIN_MIN:
    case NOTARY_HEADERS:
        break;
    }
    return 0;
}

/* Extensions that are not critical are passed over. */
static int read_protected(const json_t *headers, struct pg_arena *arena, struct notary_envelope *e,
                          struct verify_refusal *no)
{
    if (!json_is_object(headers))
        return refuse(no, MALFORMED, "the protected header is not an object");
    if (json_object_get(headers, "b64") != NULL)
        return refuse(no, UNSUPPORTED, "a JWS with the header \"b64\" is not supported");
    for (unsigned h = 0; h < NOTARY_HEADERS; h++) {
        if (json_object_get(headers, notary_header_name((enum notary_header)h)) == NULL)
            continue;
        e->present |= 1U << h;
        if (read_header(headers, (enum notary_header)h, arena, e, no) < 0)
            return -1;
    }
    return 0;
}

static int parse_protected(struct sl text, struct pg_arena *arena, struct notary_envelope *e,
                           const json_t *unprotected, struct verify_refusal *no)
{
    _json_ json_t *headers = NULL;
    struct pg_err err = {0};
    const char *name;
    json_t *value;

    if (pg_json_parse(text, PG_E_DENIED, &headers, &err) < 0)
        return bad_json(&err, "protected header", no);
    if (read_protected(headers, arena, e, no) < 0)
        return -1;
    /* RFC 7515, 4: the names in both are disjoint. */
    json_object_foreach((json_t *)(uintptr_t)unprotected, name, value)
    {
        struct sl shown = refuse_shown(sl_str(name));

        if (json_object_get(headers, name) != NULL)
            return refuse(no, MALFORMED, "the header \"" SL_FMT "\" is there twice", SL_ARG(shown));
    }
    return 0;
}

static int read_certs(const json_t *unprotected, struct pg_arena *arena, struct notary_envelope *e,
                      struct verify_refusal *no)
{
    const json_t *chain = json_object_get(unprotected, "x5c"), *cert;
    size_t i;

    if (chain == NULL)
        return 0;
    if (!json_is_array(chain))
        return refuse(no, MALFORMED, "the header \"x5c\" is not a list");
    json_array_foreach(chain, i, cert)
    {
        struct sl text = {json_string_value(cert), json_string_length(cert)}, der;

        if (text.p == NULL || !b64_decode(B64_STANDARD, text, arena, &der))
            return refuse(no, MALFORMED, "certificate %zu of \"x5c\" is not base64", i + 1);
        if (notary_add_cert(e, der, no) < 0)
            return -1;
    }
    return 0;
}

/* What nobody signed: certificates, a timestamp; and never what has to be protected. */
static int read_unprotected(const json_t *unprotected, struct pg_arena *arena,
                            struct notary_envelope *e, struct verify_refusal *no)
{
    for (unsigned h = 0; h < NOTARY_HEADERS; h++)
        if (json_object_get(unprotected, notary_header_name((enum notary_header)h)) != NULL)
            return refuse(no, MALFORMED, "the header \"%s\" is not protected",
                          notary_header_name((enum notary_header)h));
    if (json_object_get(unprotected, NOTARY_STAMP) != NULL &&
        field_bytes(unprotected, NOTARY_STAMP, arena, &e->stamp) <= 0)
        return refuse(no, MALFORMED, "the timestamp is not base64");
    return read_certs(unprotected, arena, e, no);
}

static struct sl joined(struct sl protected_text, struct sl payload_text, struct pg_arena *arena)
{
    size_t n = protected_text.n + 1 + payload_text.n;
    char *out = pg_alloc(arena, n + 1);

    memcpy(out, protected_text.p, protected_text.n);
    out[protected_text.n] = '.';
    memcpy(out + protected_text.n + 1, payload_text.p, payload_text.n);
    return (struct sl){out, n};
}

static int read_root(const json_t *root, struct pg_arena *arena, struct notary_envelope *e,
                     struct verify_refusal *no)
{
    static const char *const names[] = {"payload", "protected", "header", "signature", NULL};
    const json_t *unprotected = json_object_get(root, "header");
    struct sl payload = pg_json_str(root, "payload"), guarded = pg_json_str(root, "protected");
    struct sl signature = pg_json_str(root, "signature"), headers;

    if (!field_known(root, names) || payload.p == NULL || guarded.p == NULL ||
        signature.p == NULL || !json_is_object(unprotected))
        return refuse(no, MALFORMED,
                      "not a JWS in the flattened form: exactly \"payload\", \"protected\", "
                      "\"header\" and \"signature\"");
    if (!b64_decode(B64_URL, guarded, arena, &headers) ||
        !b64_decode(B64_URL, payload, arena, &e->payload) ||
        !b64_decode(B64_URL, signature, arena, &e->signature))
        return refuse(no, MALFORMED, "a part of the JWS is not base64url without padding");
    e->signed_bytes = joined(guarded, payload, arena);
    if (parse_protected(headers, arena, e, unprotected, no) < 0)
        return -1;
    return read_unprotected(unprotected, arena, e, no);
}

int jws_read(struct sl bytes, struct pg_arena *arena, struct notary_envelope *e_r,
             struct verify_refusal *no)
{
    struct notary_envelope e = {.expiry_s = INT64_MAX};
    _json_ json_t *root = NULL;
    struct pg_err err = {0};

    if (bytes.n > VERIFY_NOTATION_MAX)
        return refuse(no, TOO_LARGE, "a JWS of more than %zu bytes", VERIFY_NOTATION_MAX);
    if (pg_json_parse(bytes, PG_E_DENIED, &root, &err) < 0)
        return bad_json(&err, "envelope", no);
    if (read_root(root, arena, &e, no) < 0 || notary_check(&e, no) < 0)
        return -1;
    *e_r = e;
    return 0;
}
