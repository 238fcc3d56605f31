/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: any bytes are either a whole, checked configuration, or problems. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "cli/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_load load;
    struct pg_buf out;
    int rc = config_parse((struct sl){(const char *)data, size}, "fuzz.yaml", &load);

    PG_CHECK(rc == (load.nproblems > 0 ? 1 : 0));
    for (size_t i = 0; rc == 0 && i < load.config.nlisteners; i++) {
        PG_CHECK(load.config.listeners[i].address != NULL);
        const struct config_tls *tls = &load.config.listeners[i].tls;
        for (size_t k = 0; k < tls->npairs; k++) {
            PG_CHECK(tls->pairs[k].cert != NULL && tls->pairs[k].key != NULL);
        }
    }
    unsigned defaults = 0;
    for (size_t i = 0; rc == 0 && i < load.config.nupstreams; i++) {
        const struct config_upstream *u = &load.config.upstreams[i];
        PG_CHECK(u->name[0] != '\0');
        if (config_is_alias(u)) {
            PG_CHECK(u->nurls == 0 &&
                     config_find_upstream(&load.config, (struct sl){u->name, strlen(u->name)}) !=
                         NULL);
            continue;
        }
        PG_CHECK(u->nurls > 0 && u->url_host != NULL && u->url_host[0] != '\0');
        PG_CHECK(strpbrk(u->url_host, "/@?# ") == NULL);
        PG_CHECK(config_find_upstream(&load.config, (struct sl){u->name, strlen(u->name)}) == u);
        defaults += u->upstream_default;
    }
    PG_CHECK(defaults <= 1);
    pg_buf_init(&out, (size_t)1 << 20);
    config_load_put_problems(&load, &out);
    PG_CHECK((out.n > 0) == (rc > 0));
    pg_buf_free(&out);
    config_load_free(&load);
    return 0;
}
