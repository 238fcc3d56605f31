/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feeds - how `revocation_feeds` is read: signed lists of what is taken back.
 *
 *     revocation_feeds:
 *       - name: security
 *         url: https://security.example.com/revocations.json
 *         key: /etc/pullgate/revocations.pub
 *         interval: 5m
 *         when_stale: deny
 *
 * What is wrong becomes a problem of the load. Threads: any.
 */
#pragma once

#include "cli/config.h"

void feeds_read(struct config_load *load, const struct pg_tree *root); /* root may be NULL */
void feeds_check_world(struct config_load *load);                      /* the files that it names */
