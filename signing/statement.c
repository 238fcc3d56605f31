/* SPDX-License-Identifier: Apache-2.0 */
#include "signing/statement_int.h"

#include "base/json.h"
#include "signing/field_int.h"

/* 1: it has this sha256; 0: it has not; -1: it is not a subject. */
static int is_image(const json_t *subject, struct sl hex)
{
    const json_t *digests, *value;
    struct sl name, sha256;
    const char *key;
    int status;

    if (!json_is_object(subject) || field_text(subject, "name", &name) < 0)
        return -1;
    status = field_object(subject, "digest", &digests);
    if (status <= 0)
        return status;
    if (json_object_size(digests) > STATEMENT_DIGESTS_MAX)
        return -1;
    json_object_foreach((json_t *)(uintptr_t)digests, key, value)
    {
        if (!json_is_string(value))
            return -1;
    }
    status = field_text(digests, "sha256", &sha256);
    return status > 0 ? sl_eq(sha256, hex) : status;
}

/* Those that are text: "key": "value". */
static json_t *annotations_of(const json_t *subject)
{
    const json_t *all, *value;
    json_t *texts;
    const char *key;

    if (field_object(subject, "annotations", &all) <= 0)
        return NULL;
    texts = json_object();
    PG_CHECK(texts != NULL);
    json_object_foreach((json_t *)(uintptr_t)all, key, value)
    {
        if (json_is_string(value))
            (void)json_object_set(texts, key, (json_t *)(uintptr_t)value);
    }
    return texts;
}

static int refuse_subject(const json_t *list, struct sl image, struct verify_refusal *no)
{
    const json_t *digests;
    struct sl other;

    if (field_object(json_array_get(list, 0), "digest", &digests) <= 0 ||
        field_text(digests, "sha256", &other) <= 0)
        return refuse(no, SUBJECT,
                      "the statement is about something without a sha256, this image "
                      "is " SL_FMT,
                      SL_ARG(image));
    return refuse(no, SUBJECT, "the statement is about sha256:" SL_FMT "%s, this image is " SL_FMT,
                  SL_ARG(refuse_shown(other)), json_array_size(list) > 1 ? " and others" : "",
                  SL_ARG(image));
}

static int find_image(const json_t *list, const struct digest *image, const json_t **found_r,
                      struct verify_refusal *no)
{
    char text[DIGEST_TEXT_MAX];
    const struct sl algorithm = SL("sha256:");
    struct sl name = digest_write(image, text);
    struct sl hex = {name.p + algorithm.n, name.n - algorithm.n};
    const json_t *subject, *found = NULL;
    size_t i;

    PG_CHECK(image->alg == PG_SHA256);
    json_array_foreach(list, i, subject)
    {
        int status = is_image(subject, hex);

        if (status < 0)
            return refuse(no, MALFORMED, "subject %zu of the statement is not one", i);
        if (status > 0 && found == NULL)
            found = subject;
    }
    if (found == NULL)
        return refuse_subject(list, name, no);
    *found_r = found;
    return 0;
}

int statement_read(struct sl json, const struct digest *image, struct pg_arena *arena,
                   struct statement *s_r, struct verify_refusal *no)
{
    struct pg_err err = {0};
    _json_ json_t *root = NULL;
    const json_t *subjects, *found = NULL;
    struct sl type, predicate;

    if (pg_json_parse(json, PG_E_DENIED, &root, &err) < 0) {
        (void)refuse(no, MALFORMED, "the statement is not valid: %s", err.msg);
        pg_err_clear(&err);
        return -1;
    }
    if (field_text(root, "_type", &type) <= 0 ||
        (!sl_eq(type, SL("https://in-toto.io/Statement/v0.1")) &&
         !sl_eq(type, SL("https://in-toto.io/Statement/v1"))))
        return refuse(no, MALFORMED, "what is signed is not an in-toto statement, v0.1 or v1");
    if (field_text(root, "predicateType", &predicate) <= 0 || predicate.n == 0)
        return refuse(no, MALFORMED, "the statement has no predicateType");
    if (field_array(root, "subject", &subjects) <= 0 || json_array_size(subjects) == 0)
        return refuse(no, MALFORMED, "the statement has no subject");
    if (json_array_size(subjects) > STATEMENT_SUBJECTS_MAX)
        return refuse(no, TOO_LARGE, "the statement has more than %d subjects",
                      STATEMENT_SUBJECTS_MAX);
    if (find_image(subjects, image, &found, no) < 0)
        return -1;
    *s_r = (struct statement){pg_copy(arena, predicate), annotations_of(found)};
    return 0;
}

void statement_tell(const struct statement *s, struct sl json, struct verify_fact *fact)
{
    fact->kind =
        sl_eq(s->predicate_type, SL(STATEMENT_SIGN)) ? VERIFY_IS_SIGNATURE : VERIFY_IS_ATTESTATION;
    fact->predicate_type = s->predicate_type;
    fact->statement = json;
    fact->annotations = s->annotations;
}
