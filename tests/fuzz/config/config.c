/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: any bytes are either a whole, checked configuration, or problems. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "cli/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_listeners(const struct config *c)
{
    for (size_t i = 0; i < c->nlisteners; i++) {
        const struct config_tls *tls = &c->listeners[i].tls;

        PG_CHECK(c->listeners[i].address != NULL);
        for (size_t k = 0; k < tls->npairs; k++)
            PG_CHECK(tls->pairs[k].cert != NULL && tls->pairs[k].key != NULL);
    }
}

static void check_upstreams(const struct config *c)
{
    unsigned defaults = 0;

    for (size_t i = 0; i < c->nupstreams; i++) {
        const struct config_upstream *u = &c->upstreams[i];

        PG_CHECK(u->name[0] != '\0');
        if (config_is_alias(u)) {
            PG_CHECK(u->nurls == 0 && config_find_upstream(c, sl_str(u->name)) != NULL);
            continue;
        }
        PG_CHECK(u->nurls > 0 && u->url_host != NULL && u->url_host[0] != '\0');
        PG_CHECK(strpbrk(u->url_host, "/@?# ") == NULL);
        PG_CHECK(config_find_upstream(c, sl_str(u->name)) == u);
        defaults += u->upstream_default;
    }
    PG_CHECK(defaults <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_load load;
    struct pg_buf out;
    int rc = config_parse((struct sl){(const char *)data, size}, "fuzz.yaml", &load);

    PG_CHECK(rc == (load.nproblems > 0 ? 1 : 0));
    if (rc == 0) {
        check_listeners(&load.config);
        check_upstreams(&load.config);
    }
    pg_buf_init(&out, (size_t)1 << 20);
    config_load_put_problems(&load, &out);
    PG_CHECK((out.n > 0) == (rc > 0));
    pg_buf_free(&out);
    config_load_free(&load);
    return 0;
}
