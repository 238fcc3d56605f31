/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/stock.h"

#include "base/hash.h"
#include "base/log.h"
#include "cli/print.h"
#include "cli/show.h"

#define THREADS 2

static int take(struct stock *s, struct pg_err *err)
{
    const struct store_config sc = {.path = s->load.config.storage_path,
                                    .read_only = true,
                                    .data_pool = s->data_pool,
                                    .slow_pool = s->slow_pool};

    return store_open(&sc, &s->store, err) < 0 ? -1
                                               : inventory_take(s->store, NULL, &s->inventory, err);
}

int stock_open(const struct command_args *args, struct stock *s_r)
{
    struct stock *s = s_r;
    struct pg_err err = {0};

    *s = (struct stock){0};
    int rc = config_load(args->config_file, &s->load, &err);
    if (rc != 0) {
        return show_refusal(rc, &s->load, &err);
    }
    pg_hash_setup();
    pg_log_setup(PG_LOG_TEXT, PG_LOG_WARN);
    s->data_pool = pg_pool_new("pg-data", THREADS);
    s->slow_pool = pg_pool_new("pg-slow", THREADS);
    if (take(s, &err) < 0) {
        rc = print_failure("%s", err.msg);
        pg_err_clear(&err);
        return rc;
    }
    return COMMAND_GOOD;
}

void stock_close(struct stock *s)
{
    inventory_free(&s->inventory);
    store_close(s->store);
    if (s->data_pool != NULL) {
        pg_pool_free(s->data_pool);
        pg_pool_free(s->slow_pool);
    }
    config_load_free(&s->load);
}
