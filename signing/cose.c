/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/cose_int.h"

#include "signing/cbor_int.h"

#define TAG_SIGN1   18
#define TAG_EPOCH   1
#define EPOCH_MAX   INT64_C(253402300799) /* the end of 9999 */
#define LABEL_ALG   1
#define LABEL_CRIT  2
#define LABEL_TYPE  3
#define LABEL_CHAIN 33
#define HEAD_MAX    9

/* A label is a number or a text. */
struct label {
    struct sl text; /* {NULL, 0}: a number */
    int64_t number;
};

static bool take_label(struct sl *in, struct label *l_r)
{
    struct cbor_item item;
    struct label l = {0};

    if (!cbor_take(in, &item))
        return false;
    if (item.kind == CBOR_TEXT)
        l.text = item.bytes;
    else if (!cbor_int64(&item, &l.number))
        return false;
    *l_r = l;
    return true;
}

static enum notary_header header_of(struct label l)
{
    if (l.text.p != NULL)
        return notary_header_of(l.text);
    switch (l.number) {
    case LABEL_ALG:
        return NOTARY_ALG;
    case LABEL_CRIT:
        return NOTARY_CRIT;
    case LABEL_TYPE:
        return NOTARY_TYPE;
    default:
        return NOTARY_HEADERS;
    }
}

static int bad_header(enum notary_header h, const char *wanted, struct verify_refusal *no)
{
    return refuse(no, MALFORMED, "the header \"%s\" is not %s", notary_header_name(h), wanted);
}

static int read_text(struct sl value, enum notary_header h, struct sl *text_r,
                     struct verify_refusal *no)
{
    struct cbor_item item;

    if (!cbor_take_kind(&value, CBOR_TEXT, &item))
        return bad_header(h, "a text", no);
    *text_r = item.bytes;
    return 0;
}

static int read_time(struct sl value, enum notary_header h, int64_t *time_r,
                     struct verify_refusal *no)
{
    struct cbor_item item;
    int64_t time;

    if (!cbor_take_kind(&value, CBOR_TAG, &item) || item.n != TAG_EPOCH ||
        !cbor_take(&value, &item) || !cbor_int64(&item, &time) || time < 0 || time > EPOCH_MAX)
        return bad_header(h, "a time in whole seconds", no);
    *time_r = time;
    return 0;
}

static int read_alg(struct sl value, struct notary_envelope *e, struct verify_refusal *no)
{
    struct cbor_item item;
    int64_t alg;

    if (!cbor_take(&value, &item) || !cbor_int64(&item, &alg))
        return bad_header(NOTARY_ALG, "a number", no);
    e->alg =
        alg >= INT16_MIN && alg <= INT16_MAX ? notary_alg_of((struct sl){NULL, 0}, (int)alg) : NULL;
    if (e->alg == NULL)
        return refuse(no, UNSUPPORTED,
                      "the signature's algorithm is %lld; PS256, PS384, PS512, ES256, ES384, ES512 "
                      "are known",
                      (long long)alg);
    return 0;
}

static int read_crit(struct sl value, struct notary_envelope *e, struct verify_refusal *no)
{
    struct cbor_item list;

    if (!cbor_take_kind(&value, CBOR_ARRAY, &list) || list.n == 0)
        return bad_header(NOTARY_CRIT, "a list of names", no);
    if (list.n > NOTARY_CRIT_MAX)
        return refuse(no, TOO_LARGE, "the header \"crit\" has more than %d names", NOTARY_CRIT_MAX);
    for (uint64_t i = 0; i < list.n; i++) {
        struct label l;

        if (!take_label(&value, &l))
            return bad_header(NOTARY_CRIT, "a list of names", no);
        if (l.text.p == NULL)
            return refuse(no, UNSUPPORTED,
                          "the signature has a critical header %lld, which is not known here",
                          (long long)l.number);
        if (notary_mark_critical(e, l.text, no) < 0)
            return -1;
    }
    return 0;
}

static int read_header(struct sl value, enum notary_header h, struct notary_envelope *e,
                       struct verify_refusal *no)
{
    switch (h) {
    case NOTARY_ALG:
        return read_alg(value, e, no);
    case NOTARY_TYPE:
        return read_text(value, h, &e->content_type, no);
    case NOTARY_CRIT:
        return read_crit(value, e, no);
    case NOTARY_SCHEME:
        return read_text(value, h, &e->scheme, no);
    case NOTARY_SIGNING_TIME:
        return read_time(value, h, &e->signing_time_s, no);
    case NOTARY_AUTHENTIC_TIME:
        return read_time(value, h, &e->authentic_time_s, no);
    case NOTARY_EXPIRY:
        return read_time(value, h, &e->expiry_s, no);
    case NOTARY_PLUGIN:
    case NOTARY_PLUGIN_MIN:
    case NOTARY_HEADERS:
        break;
    }
    return 0;
}

/* Extensions that are not critical are passed over. The map is whole, and has no label twice. */
static int read_protected(struct sl map, struct notary_envelope *e, struct verify_refusal *no)
{
    struct cbor_item head;

    if (!cbor_take_kind(&map, CBOR_MAP, &head))
        return refuse(no, MALFORMED, "the protected headers are not a map");
    for (uint64_t i = 0; i < head.n; i++) {
        enum notary_header h;
        struct label l;
        struct sl value;

        if (!take_label(&map, &l) || !cbor_take_whole(&map, &value))
            return refuse(no, MALFORMED, "a label of a header is neither a number nor a text");
        h = header_of(l);
        if (h == NOTARY_HEADERS)
            continue;
        e->present |= 1U << h;
        if (read_header(value, h, e, no) < 0)
            return -1;
    }
    return 0;
}

/* One certificate, or a list of them. */
static int read_chain(struct sl value, struct notary_envelope *e, struct verify_refusal *no)
{
    struct cbor_item item = {.n = 1};
    uint64_t n = cbor_take_kind(&value, CBOR_ARRAY, &item) ? item.n : 1;

    for (uint64_t i = 0; i < n; i++) {
        if (!cbor_take_kind(&value, CBOR_BYTES, &item))
            return refuse(no, MALFORMED, "the header 33 (x5chain) is not a list of certificates");
        if (notary_add_cert(e, item.bytes, no) < 0)
            return -1;
    }
    return 0;
}

/* What nobody signed: certificates, a timestamp; and never what has to be protected. */
static int read_unprotected(struct sl map, struct notary_envelope *e, struct verify_refusal *no)
{
    struct cbor_item head, stamp;

    if (!cbor_take_kind(&map, CBOR_MAP, &head))
        return refuse(no, MALFORMED, "the unprotected headers are not a map");
    for (uint64_t i = 0; i < head.n; i++) {
        struct label l;
        struct sl value;

        if (!take_label(&map, &l) || !cbor_take_whole(&map, &value))
            return refuse(no, MALFORMED, "a label of a header is neither a number nor a text");
        if (header_of(l) != NOTARY_HEADERS)
            return refuse(no, MALFORMED, "the header \"%s\" is not protected",
                          notary_header_name(header_of(l)));
        if (l.text.p == NULL && l.number == LABEL_CHAIN && read_chain(value, e, no) < 0)
            return -1;
        if (l.text.p == NULL || !sl_eq(l.text, SL(NOTARY_STAMP)))
            continue;
        if (!cbor_take_kind(&value, CBOR_BYTES, &stamp))
            return refuse(no, MALFORMED, "the timestamp is not a run of bytes");
        e->stamp = stamp.bytes;
    }
    return 0;
}

/* The head of a run of n bytes, as short as it can be. */
static size_t write_head(char out[HEAD_MAX], size_t n)
{
    unsigned width = n <= 23 ? 0 : n <= 0xff ? 1 : n <= 0xffff ? 2 : 4;

    PG_CHECK(n <= UINT32_MAX);
    out[0] = (char)(CBOR_BYTES << 5 | (width == 0 ? n : width == 1 ? 24 : width == 2 ? 25 : 26));
    for (unsigned i = 0; i < width; i++)
        out[1 + i] = (char)(n >> 8 * (width - 1 - i));
    return 1 + width;
}

/* Sig_structure: ["Signature1", protected headers, h'', payload] */
static struct sl signed_bytes(struct sl headers, struct sl payload, struct pg_arena *arena)
{
    const struct sl start = SL("\x84\x6aSignature1");
    char *out = pg_alloc(arena, start.n + headers.n + payload.n + (size_t)3 * HEAD_MAX);
    size_t n = start.n;

    memcpy(out, start.p, start.n);
    n += write_head(out + n, headers.n);
    memcpy(out + n, headers.p, headers.n);
    n += headers.n;
    n += write_head(out + n, 0);
    n += write_head(out + n, payload.n);
    memcpy(out + n, payload.p, payload.n);
    return (struct sl){out, n + payload.n};
}

/* Less the tag, the array's head, and with nothing behind it. */
static int open_sign1(struct sl bytes, struct sl *parts_r, struct verify_refusal *no)
{
    struct sl rest = bytes, whole;
    struct cbor_item item;

    if (!cbor_take_whole(&rest, &whole))
        return refuse(no, MALFORMED, "the envelope is not CBOR in its deterministic form");
    if (rest.n > 0)
        return refuse(no, MALFORMED, "there are %zu bytes behind the COSE envelope", rest.n);
    if (!cbor_take_kind(&bytes, CBOR_TAG, &item) || item.n != TAG_SIGN1)
        return refuse(no, MALFORMED, "the envelope has not the tag of COSE_Sign1");
    if (!cbor_take_kind(&bytes, CBOR_ARRAY, &item) || item.n != 4)
        return refuse(no, MALFORMED, "the envelope is not COSE_Sign1: four parts");
    *parts_r = bytes;
    return 0;
}

static int read_parts(struct sl parts, struct pg_arena *arena, struct notary_envelope *e,
                      struct verify_refusal *no)
{
    struct cbor_item guarded, payload, signature;
    struct sl headers, rest, unprotected;

    if (!cbor_take_kind(&parts, CBOR_BYTES, &guarded) || !cbor_take_whole(&parts, &unprotected) ||
        !cbor_take_kind(&parts, CBOR_BYTES, &payload) ||
        !cbor_take_kind(&parts, CBOR_BYTES, &signature))
        return refuse(no, MALFORMED,
                      "the envelope is not COSE_Sign1: headers, payload and signature are bytes");
    rest = guarded.bytes;
    if (!cbor_take_whole(&rest, &headers) || rest.n > 0)
        return refuse(no, MALFORMED,
                      "the protected headers are not CBOR in its deterministic form");
    if (read_protected(headers, e, no) < 0 || read_unprotected(unprotected, e, no) < 0)
        return -1;
    e->payload = payload.bytes;
    e->signature = signature.bytes;
    e->signed_bytes = signed_bytes(guarded.bytes, payload.bytes, arena);
    return 0;
}

int cose_read(struct sl bytes, struct pg_arena *arena, struct notary_envelope *e_r,
              struct verify_refusal *no)
{
    struct notary_envelope e = {.expiry_s = INT64_MAX};
    struct sl parts;

    if (bytes.n > VERIFY_NOTATION_MAX)
        return refuse(no, TOO_LARGE, "a COSE envelope of more than %zu bytes", VERIFY_NOTATION_MAX);
    if (open_sign1(bytes, &parts, no) < 0 || read_parts(parts, arena, &e, no) < 0 ||
        notary_check(&e, no) < 0)
        return -1;
    *e_r = e;
    return 0;
}
