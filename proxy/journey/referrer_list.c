/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/referrer_list.h"

#include "base/json.h"
#include "oci/digest.h"
#include "oci/manifest.h"
#include "oci/media.h"

/* Of a descriptor, what names, measures and describes: never what carries bytes (`data`). */
static const char *const members[] = {"mediaType",    "digest",      "size",
                                      "artifactType", "annotations", "platform"};

static bool is_descriptor(const json_t *d)
{
    struct sl text = pg_json_str(d, "digest");
    struct pg_err no_digest = {0};
    struct digest digest;

    if (text.p == NULL || pg_json_str(d, "mediaType").p == NULL ||
        json_integer_value(json_object_get(d, "size")) <= 0)
        return false;
    if (digest_parse(text, &digest, &no_digest) == 0)
        return true;
    pg_err_clear(&no_digest);
    return false;
}

static bool is_wanted(const json_t *d, struct sl artifact_type)
{
    return is_descriptor(d) &&
           (artifact_type.p == NULL || sl_eq(pg_json_str(d, "artifactType"), artifact_type));
}

static int put_value(const json_t *value, struct pg_buf *out)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    int fits;

    PG_CHECK(text != NULL);
    fits = pg_buf_put(out, (struct sl){text, strlen(text)});
    free(text);
    return fits;
}

static int put_descriptor(const json_t *d, struct pg_buf *out)
{
    const char *before = "{";

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const json_t *value = json_object_get(d, members[i]);

        if (value == NULL)
            continue;
        if (pg_buf_printf(out, "%s\"%s\":", before, members[i]) < 0 || put_value(value, out) < 0)
            return -1;
        before = ",";
    }
    return pg_buf_put(out, SL("}"));
}

static int put_list(const json_t *manifests, struct sl artifact_type, struct pg_buf *out)
{
    const json_t *d;
    size_t i, written = 0;

    json_array_foreach(manifests, i, d)
    {
        if (!is_wanted(d, artifact_type))
            continue;
        if ((written > 0 && pg_buf_put(out, SL(",")) < 0) || put_descriptor(d, out) < 0)
            return -1;
        written++;
    }
    return 0;
}

static int check_index(const json_t *root, const json_t *manifests, struct pg_err *err)
{
    if (!json_is_object(root) || !json_is_array(manifests))
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream's list of referrers is no index");
    if (json_array_size(manifests) > MANIFEST_CHILDREN_MAX)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream's list of referrers is too long");
    return 0;
}

int referrer_list_write(struct sl json, struct sl artifact_type, struct pg_buf *out,
                        struct pg_err *err)
{
    _json_ json_t *root = NULL;
    const json_t *manifests = NULL;

    if (json.p != NULL) {
        if (pg_json_parse(json, PG_E_UPSTREAM_WRONG, &root, err) < 0)
            return pg_wrap(err, "upstream's list of referrers");
        manifests = json_object_get(root, "manifests");
        if (check_index(root, manifests, err) < 0)
            return -1;
    }
    if (pg_buf_put(out, SL("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX
                           "\",\"manifests\":[")) < 0 ||
        put_list(manifests, artifact_type, out) < 0 || pg_buf_put(out, SL("]}")) < 0)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream's list of referrers is too long");
    return 0;
}
