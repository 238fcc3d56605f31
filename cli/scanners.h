/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scanners - how `scanners` is read: programs that look at what is cached.
 *
 *     scanners:
 *       - name: trivy                   # of the source, as policies know it; the command's name
 *         command: /usr/bin/trivy       # a program whose name begins with trivy or grype
 *         database: /var/cache/trivy
 *         timeout: 10m
 *
 * What is wrong becomes a problem of the load. Threads: any.
 */
#pragma once

#include "cli/config.h"

void scanners_read(struct config_load *load, const struct pg_tree *root); /* root may be NULL */
void scanners_put(const struct config_scans *s, struct pg_buf *out);      /* as YAML */
