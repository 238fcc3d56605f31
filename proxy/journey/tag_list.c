/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/journey/tag_list.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/list.h"
#include "oci/ref.h"

_Static_assert(REF_TAG_MAX < 256, "a tag's length fits into a byte");

struct tag_list *tag_list_of(struct listing *listing)
{
    return listing == NULL ? NULL : pg_container_of(listing, struct tag_list, listing);
}

static void free_list(struct listing *listing)
{
    struct tag_list *l = tag_list_of(listing);

    pg_buf_free(&l->names);
    free(l);
}

struct tag_list *tag_list_new(void)
{
    struct tag_list *l = calloc(1, sizeof(*l));

    PG_CHECK(l != NULL);
    listing_init(&l->listing, free_list);
    pg_buf_init(&l->names, TAG_LIST_BYTES_MAX);
    l->sorted = true;
    return l;
}

struct tag_list *tag_list_ref(struct tag_list *l)
{
    listing_ref(&l->listing);
    return l;
}

void tag_list_unref(struct tag_list *l)
{
    if (l != NULL)
        listing_unref(&l->listing);
}

static int compare(struct sl a, struct sl b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static struct sl name_at(const struct tag_list *l, size_t at)
{
    return (struct sl){l->names.p + at + 1, (unsigned char)l->names.p[at]};
}

static int put(struct pg_buf *names, struct sl tag)
{
    char length = (char)(unsigned char)tag.n;

    if (pg_buf_put(names, (struct sl){&length, 1}) < 0)
        return -1;
    return pg_buf_put(names, tag);
}

/* What is no tag by its grammar is left out: nobody could ask for it. */
int tag_list_add_one(struct tag_list *l, struct sl tag, struct pg_err *err)
{
    struct pg_err no_tag = {0};
    size_t at = l->names.n;

    if (ref_check_tag(tag, &no_tag) < 0) {
        pg_err_clear(&no_tag);
        return 0;
    }
    if (l->n > 0 && compare(name_at(l, l->last_at), tag) >= 0)
        l->sorted = false;
    if (put(&l->names, tag) < 0)
        return pg_fail(err, PG_E_UPSTREAM_WRONG, "the repository has too many tags to list");
    l->last_at = at;
    l->n++;
    return 0;
}

static int no_list(struct pg_err *err)
{
    return pg_fail(err, PG_E_UPSTREAM_WRONG, "upstream's list of tags is none");
}

int tag_list_add(struct tag_list *l, struct sl json, struct pg_err *err)
{
    _json_ json_t *root = NULL;
    const json_t *tags, *tag;
    size_t i;

    if (pg_json_parse(json, PG_E_UPSTREAM_WRONG, &root, err) < 0)
        return pg_wrap(err, "upstream's list of tags");
    tags = json_object_get(root, "tags");
    if (!json_is_object(root) || (tags != NULL && !json_is_array(tags) && !json_is_null(tags)))
        return no_list(err);
    json_array_foreach(tags, i, tag)
    {
        const char *text = json_string_value(tag);

        if (json_is_null(tag)) /* as Artifactory has it at times */
            continue;
        if (text == NULL)
            return no_list(err);
        if (tag_list_add_one(l, (struct sl){text, json_string_length(tag)}, err) < 0)
            return -1;
    }
    return 0;
}

static int by_name(const void *a, const void *b, void *list)
{
    return compare(name_at(list, *(const uint32_t *)a), name_at(list, *(const uint32_t *)b));
}

/* Where each name begins. */
static uint32_t *places(const struct tag_list *l)
{
    uint32_t *at = calloc(l->n, sizeof(*at)), next = 0;

    PG_CHECK(at != NULL);
    for (size_t i = 0; i < l->n; i++) {
        at[i] = next;
        next += 1 + (unsigned char)l->names.p[next];
    }
    return at;
}

void tag_list_sort(struct tag_list *l)
{
    struct pg_buf sorted;
    uint32_t *at;
    size_t n = 0;

    if (l->sorted)
        return;
    at = places(l);
    qsort_r(at, l->n, sizeof(*at), by_name, l);
    pg_buf_init(&sorted, TAG_LIST_BYTES_MAX);
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0 && sl_eq(name_at(l, at[i]), name_at(l, at[i - 1])))
            continue;
        PG_CHECK(put(&sorted, name_at(l, at[i])) == 0); /* it is no longer than the unsorted one */
        n++;
    }
    free(at);
    pg_buf_free(&l->names);
    l->names = sorted;
    l->n = n;
    l->sorted = true;
}

/* The tags after `last`, as JSON strings. */
static int write_names(const struct tag_list *l, struct tag_list_page *page, struct pg_buf *out)
{
    size_t written = 0;

    page->more = false;
    page->end = page->last;
    for (size_t at = 0; at < l->names.n; at += 1 + name_at(l, at).n) {
        struct sl name = name_at(l, at);

        if (page->last.n > 0 && compare(name, page->last) <= 0)
            continue;
        page->more = written == page->n;
        if (page->more)
            break;
        if (pg_buf_put(out, written > 0 ? SL(",") : SL("")) < 0 || pg_buf_put_json(out, name) < 0)
            return -1;
        page->end = name;
        written++;
    }
    return 0;
}

int tag_list_write(const struct tag_list *l, struct tag_list_page *page, struct pg_buf *out)
{
    PG_CHECK(l->sorted);
    if (pg_buf_put(out, SL("{\"name\":")) < 0 || pg_buf_put_json(out, page->name) < 0 ||
        pg_buf_put(out, SL(",\"tags\":[")) < 0 || write_names(l, page, out) < 0)
        return -1;
    return pg_buf_put(out, SL("]}"));
}
