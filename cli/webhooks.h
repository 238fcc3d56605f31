/* SPDX-License-Identifier: Apache-2.0 */
/*
 * webhooks - how `webhooks` is read: who is told what happens, by a POST.
 *
 *     webhooks:
 *       - url: https://hooks.example.com/pullgate
 *         secret_file: /etc/pullgate/webhook.secret
 *         ca_file: /etc/pullgate/hooks-ca.pem
 *         events: [eviction, failure, water-mark]
 *
 * Without `events` it gets all. What is wrong becomes a problem of the load, without the path of
 * the URL, in which others keep secrets. Threads: any.
 */
#pragma once

#include "cli/config.h"

void webhooks_read(struct config_load *load, const struct pg_tree *root); /* root may be NULL */
void webhooks_check_world(struct config_load *load);                      /* the files */
