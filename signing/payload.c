/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/payload_int.h"

#include "base/json.h"
#include "signing/field_int.h"

#define TYPE "cosign container image signature"

static bool has_exactly(const json_t *object, const char *const *names)
{
    size_t n = 0;

    while (names[n] != NULL)
        n++;
    return field_known(object, names) && json_object_size(object) == n;
}

static int read_digest(const json_t *critical, struct payload *p, struct verify_refusal *no)
{
    static const char *const names[] = {"docker-manifest-digest", NULL};
    const json_t *image = json_object_get(critical, "image");
    struct pg_err err = {0};
    struct sl text;

    if (!has_exactly(image, names) || field_text(image, names[0], &text) <= 0)
        return refuse(no, MALFORMED,
                      "the signed payload's image is not one docker-manifest-digest");
    if (digest_parse(text, &p->digest, &err) == 0)
        return 0;
    (void)refuse(no, MALFORMED, "the signed payload's digest: %s", err.msg);
    pg_err_clear(&err);
    return -1;
}

static int read_critical(const json_t *critical, struct pg_arena *arena, struct payload *p,
                         struct verify_refusal *no)
{
    static const char *const names[] = {"identity", "image", "type", NULL};
    static const char *const identity_names[] = {"docker-reference", NULL};
    const json_t *identity;
    struct sl type, reference;

    if (!has_exactly(critical, names))
        return refuse(no, MALFORMED,
                      "the signed payload's \"critical\" is not identity, image and type");
    if (field_text(critical, "type", &type) <= 0 || !sl_eq(type, SL(TYPE)))
        return refuse(no, MALFORMED, "what is signed does not say that it is a \"" TYPE "\"");
    identity = json_object_get(critical, "identity");
    if (!has_exactly(identity, identity_names) ||
        field_text(identity, identity_names[0], &reference) <= 0)
        return refuse(no, MALFORMED, "the signed payload's identity is not one docker-reference");
    if (reference.n > PAYLOAD_REFERENCE_MAX)
        return refuse(no, TOO_LARGE, "the signed docker-reference is longer than %d bytes",
                      PAYLOAD_REFERENCE_MAX);
    p->reference = pg_copy(arena, reference);
    return read_digest(critical, p, no);
}

static json_t *texts_of(json_t *optional)
{
    json_t *texts = json_object(), *value;
    const char *key;

    PG_CHECK(texts != NULL);
    json_object_foreach(optional, key, value)
    {
        if (json_is_string(value))
            PG_CHECK(json_object_set(texts, key, value) == 0);
    }
    return texts;
}

int payload_read(struct sl json, struct pg_arena *arena, struct payload *p_r,
                 struct verify_refusal *no)
{
    static const char *const names[] = {"critical", "optional", NULL};
    struct payload p = {0};
    struct pg_err err = {0};
    _json_ json_t *root = NULL;
    json_t *optional;

    if (pg_json_parse(json, PG_E_DENIED, &root, &err) < 0) {
        (void)refuse(no, MALFORMED, "the signed payload is not valid: %s", err.msg);
        pg_err_clear(&err);
        return -1;
    }
    if (!has_exactly(root, names))
        return refuse(no, MALFORMED, "the signed payload is not \"critical\" and \"optional\"");
    if (read_critical(json_object_get(root, "critical"), arena, &p, no) < 0)
        return -1;
    optional = json_object_get(root, "optional");
    if (!json_is_null(optional) && !json_is_object(optional))
        return refuse(no, MALFORMED, "the signed payload's \"optional\" is not an object");
    if (json_object_size(optional) > 0)
        p.annotations = texts_of(optional);
    *p_r = p;
    return 0;
}
