/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/referrer_list.h"

#include <stdlib.h>

#include "base/json.h"
#include "oci/media.h"

/* Of a descriptor, what names, measures and describes: never what carries bytes (`data`). */
static const struct {
    const char *name;
    json_type type;
} members[] = {
    {"mediaType", JSON_STRING},    {"digest", JSON_STRING},      {"size", JSON_INTEGER},
    {"artifactType", JSON_STRING}, {"annotations", JSON_OBJECT}, {"platform", JSON_OBJECT},
};

struct referrer_list *referrer_list_of(struct listing *listing)
{
    return listing == NULL ? NULL : pg_container_of(listing, struct referrer_list, listing);
}

static void free_list(struct listing *listing)
{
    struct referrer_list *l = referrer_list_of(listing);

    pg_map_free(&l->by_digest);
    pg_arena_free(&l->arena);
    free(l);
}

struct referrer_list *referrer_list_new(void)
{
    struct referrer_list *l = calloc(1, sizeof(*l));

    PG_CHECK(l != NULL);
    listing_init(&l->listing, free_list);
    pg_map_init(&l->by_digest);
    pg_list_init(&l->all);
    pg_arena_init(&l->arena, SIZE_MAX); /* its bounds are REFERRER_LIST_MAX and _BYTES_MAX */
    return l;
}

struct referrer_list *referrer_list_ref(struct referrer_list *l)
{
    listing_ref(&l->listing);
    return l;
}

void referrer_list_unref(struct referrer_list *l)
{
    if (l != NULL)
        listing_unref(&l->listing);
}

size_t referrer_list_memory(const struct referrer_list *l)
{
    return sizeof(*l) + l->arena.used;
}

/* ---- adding -------------------------------------------------------------------------------- */

static bool read_digest(const json_t *d, struct digest *digest_r)
{
    struct sl text = pg_json_str(d, "digest");
    struct pg_err no_digest = {0};

    if (text.p == NULL || pg_json_str(d, "mediaType").p == NULL ||
        json_integer_value(json_object_get(d, "size")) <= 0)
        return false;
    if (digest_parse(text, digest_r, &no_digest) == 0)
        return true;
    pg_err_clear(&no_digest);
    return false;
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
        const json_t *value = json_object_get(d, members[i].name);

        if (value == NULL || json_typeof(value) != members[i].type)
            continue;
        if (pg_buf_printf(out, "%s\"%s\":", before, members[i].name) < 0 ||
            put_value(value, out) < 0)
            return -1;
        before = ",";
    }
    return pg_buf_put(out, SL("}"));
}

static int too_long(struct pg_err *err)
{
    return pg_fail(err, PG_E_UPSTREAM_WRONG,
                   "the list of referrers is too long: more than %d, or more than %zu bytes",
                   REFERRER_LIST_MAX, REFERRER_LIST_BYTES_MAX);
}

/* What is none is left out, as is what is there already. */
static int add_one(struct referrer_list *l, const json_t *d, struct pg_buf *scratch,
                   struct pg_err *err)
{
    char text[DIGEST_TEXT_MAX];
    struct digest digest;
    struct referrer *r;
    struct sl name;

    if (!read_digest(d, &digest))
        return 0;
    name = digest_write(&digest, text);
    if (pg_map_get(&l->by_digest, name) != NULL)
        return 0;
    pg_buf_clear(scratch);
    if (l->n >= REFERRER_LIST_MAX || put_descriptor(d, scratch) < 0 ||
        scratch->n + 1 > REFERRER_LIST_BYTES_MAX - l->bytes)
        return too_long(err);
    r = pg_new(&l->arena, struct referrer);
    r->digest = digest;
    name = pg_copy(&l->arena, name);
    r->hex = (struct sl){name.p + name.n - 2 * digest_bytes(&digest), 2 * digest_bytes(&digest)};
    r->artifact_type = pg_copy(&l->arena, pg_json_str(d, "artifactType"));
    r->json = pg_copy(&l->arena, pg_buf_sl(scratch));
    pg_list_init(&r->node);
    pg_list_push(&l->all, &r->node);
    pg_map_put(&l->by_digest, &r->in_map, name);
    l->n++;
    l->bytes += r->json.n + 1; /* and a comma */
    return 0;
}

int referrer_list_add(struct referrer_list *l, struct sl json, struct pg_err *err)
{
    _json_ json_t *root = NULL;
    const json_t *manifests, *d;
    struct pg_buf scratch;
    int added = 0;
    size_t i;

    if (pg_json_parse(json, PG_E_UPSTREAM_WRONG, &root, err) < 0)
        return pg_wrap(err, "upstream's list of referrers");
    manifests = json_object_get(root, "manifests");
    if (!json_is_object(root) || !json_is_array(manifests))
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream's list of referrers is no index");
    pg_buf_init(&scratch, REFERRER_LIST_BYTES_MAX);
    json_array_foreach(manifests, i, d)
    {
        added = add_one(l, d, &scratch, err);
        if (added < 0)
            break;
    }
    pg_buf_free(&scratch);
    return added;
}

/* NULL: none. They are the member's own text, which was read before. */
static json_t *read_annotations(const struct manifest *m)
{
    struct pg_err err = {0};
    json_t *root = NULL;

    if (m->annotations.n == 0 ||
        pg_json_parse(m->annotations, PG_E_UPSTREAM_WRONG, &root, &err) < 0)
        pg_err_clear(&err);
    return root;
}

static json_t *text_of(struct sl s)
{
    return s.n > 0 ? json_stringn(s.p, s.n) : NULL;
}

int referrer_list_add_own(struct referrer_list *l, const struct digest *d, uint64_t size,
                          const struct manifest *m, struct pg_err *err)
{
    struct sl type =
        m->artifact_type.n == 0 && m->has_config ? m->config.media_type : m->artifact_type;
    _json_ json_t *descriptor = json_object();
    char text[DIGEST_TEXT_MAX];
    struct pg_buf scratch;
    int added;

    PG_CHECK(descriptor != NULL && size <= INT64_MAX);
    /* A value that is NULL is not set: the member is absent. */
    (void)json_object_set_new(descriptor, "mediaType", text_of(m->media_type));
    (void)json_object_set_new(descriptor, "digest", text_of(digest_write(d, text)));
    (void)json_object_set_new(descriptor, "size", json_integer((json_int_t)size));
    (void)json_object_set_new(descriptor, "artifactType", text_of(type));
    (void)json_object_set_new(descriptor, "annotations", read_annotations(m));
    pg_buf_init(&scratch, REFERRER_LIST_BYTES_MAX);
    added = add_one(l, descriptor, &scratch, err);
    pg_buf_free(&scratch);
    return added;
}

void referrer_list_remove(struct referrer_list *l, struct referrer *r)
{
    pg_map_remove(&l->by_digest, &r->in_map);
    pg_list_remove(&r->node);
    l->n--;
    l->bytes -= r->json.n + 1;
}

/* ---- pages --------------------------------------------------------------------------------- */

static bool is_shown(const struct referrer_list_page *page, const struct referrer *r)
{
    if (page->artifact_type.p != NULL && !sl_eq(r->artifact_type, page->artifact_type))
        return false;
    return page->may == NULL || page->may(page->owner, &r->digest);
}

bool referrer_list_write(const struct referrer_list *l, struct referrer_list_page *page,
                         struct pg_buf *out)
{
    bool behind_last = page->last.n == 0;
    int fits = pg_buf_put(
        out, SL("{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":["));
    size_t written = 0;

    page->more = false;
    page->end = page->last;
    pg_list_each_safe (it, next, &l->all) {
        const struct referrer *r = pg_container_of(it, struct referrer, node);

        if (!behind_last) {
            behind_last = sl_eq(r->hex, page->last);
            continue;
        }
        if (!is_shown(page, r))
            continue;
        page->more = written == page->n;
        if (page->more)
            break;
        fits += pg_buf_put(out, written > 0 ? SL(",") : SL("")) + pg_buf_put(out, r->json);
        page->end = r->hex;
        written++;
    }
    fits += pg_buf_put(out, SL("]}"));
    PG_CHECK(fits == 0);
    return behind_last;
}
