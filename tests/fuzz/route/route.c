/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A method, a newline, a target. What is taken is written again from its parts and must be read
 * as the same; what is refused is refused with a kind that the client may see.
 */
#include "oci/route.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "oci/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_refusal(enum pg_ekind kind)
{
    return kind == PG_E_NAME_INVALID || kind == PG_E_DIGEST_INVALID ||
           kind == PG_E_MANIFEST_UNKNOWN || kind == PG_E_UNSUPPORTED || kind == PG_E_NAME_UNKNOWN ||
           kind == PG_E_BAD_FRAMING || kind == PG_E_URI_TOO_LONG;
}

static void check_grammar(const struct route *r)
{
    struct pg_err err = {0};
    struct digest d;

    for (size_t i = 0; i < r->name.n; i++)
        PG_CHECK(strchr("%\\ ;?#", r->name.p[i]) == NULL);
    PG_CHECK(r->ns.p == NULL || ref_check_host(r->ns, &err) == 0);
    PG_CHECK(r->last.n == 0 || ref_check_tag(r->last, &err) == 0);
    PG_CHECK(r->n <= ROUTE_PAGE_MAX && (r->has_n || r->n == 0));
    PG_CHECK(r->artifact_type.n <= ROUTE_ARTIFACT_TYPE_MAX);
    PG_CHECK(!r->by_digest || digest_parse(r->reference, &d, &err) == 0);
    PG_CHECK(!r->by_digest || digest_eq(&d, &r->digest));
    if (r->op == ROUTE_MANIFEST && !r->by_digest)
        PG_CHECK(ref_check_tag(r->reference, &err) == 0);
    if (r->op == ROUTE_BLOB || r->op == ROUTE_REFERRERS)
        PG_CHECK(r->by_digest);
}

/* The target that this route is, without its query; "" for what has no name. */
static struct sl rewrite(const struct route *r, char *out, size_t size)
{
    static const char *const nouns[] = {[ROUTE_MANIFEST] = "manifests",
                                        [ROUTE_BLOB] = "blobs",
                                        [ROUTE_TAGS] = "tags",
                                        [ROUTE_REFERRERS] = "referrers"};
    struct sl last = r->op == ROUTE_TAGS ? SL("list") : r->reference;
    int n;

    if (r->name.n == 0)
        return SL("");
    n = snprintf(out, size, "/v2/" SL_FMT "/%s/" SL_FMT, SL_ARG(r->name), nouns[r->op],
                 SL_ARG(last));
    PG_CHECK(n > 0 && (size_t)n < size);
    return (struct sl){out, (size_t)n};
}

static void check_same_again(const struct route *r, struct pg_arena *arena)
{
    char text[ROUTE_TARGET_MAX + 1];
    struct sl target = rewrite(r, text, sizeof(text));
    struct pg_err err = {0};
    struct route again;

    if (target.n == 0)
        return;
    PG_CHECK(route_parse(SL("GET"), target, arena, &again, &err) == 0);
    PG_CHECK(again.op == r->op && again.authz == r->authz && sl_eq(again.name, r->name) &&
             sl_eq(again.reference, r->reference));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl all = {(const char *)data, size};
    const char *newline = size > 0 ? memchr(all.p, '\n', size) : NULL;
    struct sl method = SL("GET"), target = all;
    struct pg_arena arena;
    struct pg_err err = {0};
    struct route r = {0};

    if (newline != NULL) {
        method = (struct sl){all.p, (size_t)(newline - all.p)};
        target = (struct sl){newline + 1, size - method.n - 1};
    }
    pg_arena_init(&arena, (size_t)64 * 1024);
    if (route_parse(method, target, &arena, &r, &err) == 0) {
        PG_CHECK(err.kind == PG_E_NONE);
        PG_CHECK(r.is_head ? sl_eq(method, SL("HEAD")) : sl_eq(method, SL("GET")));
        check_grammar(&r);
        check_same_again(&r, &arena);
    } else {
        PG_CHECK(is_refusal(err.kind) && err.msg != NULL);
    }
    PG_CHECK(!arena.over);
    pg_err_clear(&err);
    pg_arena_free(&arena);
    return 0;
}
