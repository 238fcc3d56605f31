/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sinks - how `audit.forward` is read: who gets the entries of the audit log, too.
 *
 *     audit:
 *       forward:
 *         - name: siem
 *           url: syslog+tls://siem.example.com:6514
 *           ca_file: /etc/pullgate/siem-ca.pem
 *         - url: https://logs.example.com/ingest
 *           token_file: /etc/pullgate/ingest.token
 *
 * The name says where a sink is; it stands in messages, and in the file that remembers how far it
 * is. Without one it is the host of the URL, dots as hyphens.
 *
 * What is wrong becomes a problem of the load. Threads: any.
 */
#pragma once

#include "cli/config.h"

void sinks_read(struct config_load *load, const struct pg_tree *root); /* root may be NULL */
void sinks_check_world(struct config_load *load);                      /* the files that it names */
