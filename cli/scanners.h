/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scanners - how `scanners` and `scans` are read: programs that look at what is cached, and who may
 * push reports.
 *
 *     scanners:
 *       - name: trivy                   # of the source, as policies know it; the command's name
 *         command: /usr/bin/trivy       # a program whose name begins with trivy or grype
 *         database: /var/cache/trivy
 *         timeout: 10m
 *     scans:
 *       listen: 0.0.0.0:5002
 *       tls: {cert: FILE, key: FILE}
 *       sources:
 *         - {name: ci, token_file: /etc/pullgate/ci.token}
 *
 * What is wrong becomes a problem of the load. Threads: any.
 */
#pragma once

#include "cli/config.h"
#include "proxy/admit/scanning.h"

void scanners_read(struct config_load *load, const struct pg_tree *root); /* root may be NULL */
void scanners_check_world(struct config_load *load); /* certificates and tokens of `scans` */
void scanners_put(const struct config_scans *s, struct pg_buf *out); /* as YAML */

/* The scanners of a server, before anything runs; NULL where there are none. */
PG_MUST_USE int scanners_open(const struct config *c, struct spawn *spawn,
                              struct scanning **scanning_r, struct pg_err *err);
