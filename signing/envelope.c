/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/envelope_int.h"

#include "signing/b64_int.h"
#include "signing/field_int.h"

#define TYPE_MAX 96

/* "DSSEv1", then type and payload, each behind its length. */
static struct sl encode(struct sl type, struct sl payload, struct pg_arena *arena)
{
    char head[TYPE_MAX + 64];
    int n =
        snprintf(head, sizeof(head), "DSSEv1 %zu " SL_FMT " %zu ", type.n, SL_ARG(type), payload.n);
    char *out;

    PG_CHECK(n > 0 && (size_t)n < sizeof(head));
    out = pg_alloc(arena, (size_t)n + payload.n + 1);
    memcpy(out, head, (size_t)n);
    memcpy(out + n, payload.p, payload.n);
    return (struct sl){out, (size_t)n + payload.n};
}

/* DSSE lets a signer choose between the two alphabets. Which it was says nothing: the signature is
 * over what is decoded. */
static bool read_bytes(const json_t *o, const char *name, struct pg_arena *arena, struct sl *r)
{
    struct sl text;

    if (field_text(o, name, &text) <= 0)
        return false;
    if (b64_decode(B64_STANDARD, text, arena, r))
        return true;
    while (text.n > 0 && text.n % 4 != 1 && text.p[text.n - 1] == '=')
        text.n--;
    return b64_decode(B64_URL, text, arena, r);
}

static int read_signature(const json_t *object, struct pg_arena *arena, struct envelope *e,
                          struct verify_refusal *no)
{
    static const char *const names[] = {"sig", "keyid", NULL};
    const json_t *list, *one;
    struct sl keyid;

    if (field_array(object, "signatures", &list) <= 0 || json_array_size(list) == 0)
        return refuse(no, MALFORMED, "the envelope is not signed");
    if (json_array_size(list) > 1)
        return refuse(no, UNSUPPORTED, "the envelope has more than one signature");
    one = json_array_get(list, 0);
    if (!field_known(one, names) || field_text(one, "keyid", &keyid) < 0 ||
        !read_bytes(one, "sig", arena, &e->signature))
        return refuse(no, MALFORMED,
                      "the envelope's signature is not base64, or has members that "
                      "a signature has not");
    if (e->signature.n == 0)
        return refuse(no, SIGNATURE, "the envelope's signature is empty");
    return 0;
}

int envelope_read(const json_t *object, struct sl type, struct pg_arena *arena,
                  struct envelope *e_r, struct verify_refusal *no)
{
    static const char *const names[] = {"payload", "payloadType", "signatures", NULL};
    struct envelope e = {0};
    struct sl said;

    PG_CHECK(type.n <= TYPE_MAX);
    if (!field_known(object, names))
        return refuse(no, MALFORMED,
                      "the envelope is not an object, or has members that a DSSE "
                      "envelope has not");
    if (field_text(object, "payloadType", &said) <= 0)
        return refuse(no, MALFORMED, "the envelope has no payloadType");
    if (!sl_eq(said, type))
        return refuse(no, UNSUPPORTED,
                      "the envelope's payloadType is \"" SL_FMT "\", only \"" SL_FMT
                      "\" is supported",
                      SL_ARG(refuse_shown(said)), SL_ARG(type));
    if (!read_bytes(object, "payload", arena, &e.payload))
        return refuse(no, MALFORMED, "the envelope's payload is missing, or not base64");
    if (read_signature(object, arena, &e, no) < 0)
        return -1;
    e.encoded = encode(type, e.payload, arena);
    *e_r = e;
    return 0;
}
