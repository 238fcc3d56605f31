/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stock - the store of the configuration, opened to look only, and an inventory of it. A server may
 * run beside it.
 *
 * Ownership:  stock_open() to stock_close(), also after a failure.
 * Failure:    said on standard error; COMMAND_CANNOT.
 * Threads:    main.
 */
#pragma once

#include "cli/command.h"
#include "cli/config.h"
#include "proxy/admin/inventory.h"

struct stock {
    struct config_load load;
    struct pg_pool *data_pool, *slow_pool;
    struct store *store;
    struct inventory inventory;
};

PG_MUST_USE int stock_open(const struct command_args *args, struct stock *s_r);
void stock_close(struct stock *s);
