/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The target of a request to the admin (J09). What is taken means what can be stored: names and
 * tags by their grammar, one cursor, a number of rows in its range; what is refused is refused with
 * a kind of 4xx. A canonical name means itself.
 */
#include "proxy/admin/query.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "oci/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config *make_config(void)
{
    static struct config_upstream upstreams[2];
    static char hub[] = "docker.io", other[] = "reg.test:5000", url[] = "https://reg.test:5000";
    static struct config config = {.upstreams = upstreams, .nupstreams = 2};

    upstreams[0].name = hub;
    upstreams[0].upstream_url = url;
    upstreams[0].upstream_default = true;
    upstreams[1].name = other;
    upstreams[1].upstream_url = url;
    return &config;
}

static void check_scope(const struct config *config, const struct catalog_scope *s,
                        struct pg_arena *arena)
{
    const char *slash = s->repo.n > 0 ? memchr(s->repo.p, '/', s->repo.n) : NULL;
    struct catalog_scope again;
    struct pg_err err = {0};

    PG_CHECK(s->upstream.n == 0 || (s->repo.n == 0 && s->tag.n == 0 && !s->has_digest));
    PG_CHECK(s->upstream.n == 0 || ref_check_host(s->upstream, &err) == 0);
    PG_CHECK(s->tag.n == 0 || (s->repo.n > 0 && ref_check_tag(s->tag, &err) == 0));
    if (s->repo.n == 0)
        return;
    PG_CHECK(slash != NULL && s->repo.n < CATALOG_REPO_MAX);
    PG_CHECK(ref_check_host((struct sl){s->repo.p, (size_t)(slash - s->repo.p)}, &err) == 0);
    PG_CHECK(query_parse_ref(config, s->repo, arena, &again, &err) == 0);
    PG_CHECK(sl_eq(again.repo, s->repo));
}

static bool is_refusal(enum pg_ekind kind)
{
    return kind == PG_E_BAD_FRAMING || kind == PG_E_NAME_INVALID || kind == PG_E_NAME_UNKNOWN ||
           kind == PG_E_DIGEST_INVALID;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct config *config = make_config();
    struct pg_arena arena;
    struct pg_err err = {0};
    struct query q;

    pg_arena_init(&arena, (size_t)256 * 1024);
    if (query_parse(config, (struct sl){(const char *)data, size}, &arena, &q, &err) == 0) {
        PG_CHECK(err.kind == PG_E_NONE && q.nrows >= 1 && q.nrows <= QUERY_ROWS_MAX);
        check_scope(config, &q.scope, &arena);
    } else {
        PG_CHECK(is_refusal(err.kind) && err.msg != NULL);
    }
    pg_err_clear(&err);
    pg_arena_free(&arena);
    return 0;
}
