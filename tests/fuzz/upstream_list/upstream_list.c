/* SPDX-License-Identifier: Apache-2.0 */
/* Upstream's lists of tags and of referrers: whatever they say, what we write of them is JSON. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/json.h"
#include "proxy/journey/referrer_list.h"
#include "proxy/journey/tag_list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(const struct pg_buf *out)
{
    struct pg_err err = {0};
    json_t *root = NULL;

    PG_CHECK(pg_json_parse(pg_buf_sl(out), PG_E_INTERNAL, &root, &err) == 0);
    pg_json_free(&root);
}

static void list_tags(struct sl json)
{
    struct tag_list *l = tag_list_new();
    struct tag_list_page page = {.name = SL("a"), .last = SL("b"), .n = 7};
    struct pg_err err = {0};
    struct pg_buf out;

    pg_buf_init(&out, 1 << 20);
    if (tag_list_add(l, json, &err) == 0) {
        PG_CHECK(tag_list_add(l, json, &err) == 0); /* a second page */
        tag_list_sort(l);
        PG_CHECK(tag_list_write(l, &page, &out) == 0);
        check_json(&out);
    }
    pg_err_clear(&err);
    pg_buf_free(&out);
    tag_list_unref(l);
}

static void list_referrers(struct sl json)
{
    struct referrer_list *l = referrer_list_new();
    struct referrer_list_page page = {.n = 3};
    struct pg_err err = {0};
    struct pg_buf out;
    size_t written = 0;

    pg_buf_init(&out, REFERRER_LIST_PAGE_BYTES_MAX);
    if (referrer_list_add(l, json, &err) == 0) {
        PG_CHECK(referrer_list_add(l, json, &err) == 0); /* all of it is there already */
        do {
            pg_buf_clear(&out);
            page.last = page.end;
            PG_CHECK(referrer_list_write(l, &page, &out));
            check_json(&out);
            written++;
        } while (page.more);
        PG_CHECK(written == (l->n + 2) / 3 || l->n == 0);
    }
    pg_err_clear(&err);
    pg_buf_free(&out);
    referrer_list_unref(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl json = {(const char *)data, size};

    list_tags(json);
    list_referrers(json);
    return 0;
}
