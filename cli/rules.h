/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - what must hold between options: addresses that are addresses, upstreams that are
 * registries and not ourselves, one default, files that only their owner may read.
 *
 * They add problems to the load, and fill what is derived (an upstream's url_host, url_https).
 * Threads: any.
 */
#pragma once

#include "cli/config.h"

void rules_check(struct config_load *load); /* opens no file */

/* The files that the load names. Only for a load without problems. */
void rules_check_world(struct config_load *load);

/* Certificates and keys, as a whole; tls has some. */
void rules_check_tls(struct config_load *load, struct pg_tree_at at, const struct config_tls *tls);

/* Again that no upstream is one of our listeners: those in the load are others now. 0 or 1. */
PG_MUST_USE int rules_check_ourselves(struct config_load *load);

/* What more there is to say of a file that could not be opened just now; "" or ": ...". */
const char *rules_hint(const char *path);
