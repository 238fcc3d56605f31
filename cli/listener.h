/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener - how `listen` and `tls` are read: an address, or a list of addresses and of mappings.
 *
 *     listen:
 *       - 0.0.0.0:5000
 *       - address: unix:/run/pullgate/pull.sock
 *         mode: "0660"
 *         owner: pullgate:www-data
 *         trusted_proxies: [unix]
 *       - address: "[::]:5443"
 *         proxy_protocol: [10.0.0.0/24]
 *         tls:
 *           certs: [{cert: FILE, key: FILE}, {cert: FILE, key: FILE}]
 *           client_ca: FILE
 *           client_auth: optional
 *
 * What is wrong becomes a problem of the load. Threads: any.
 */
#pragma once

#include "cli/config.h"

/* A `tls` of its own, of whoever listens. */
void listener_read_tls(struct config_load *load, const struct pg_tree *t, struct config_tls *tls);
void listener_read(struct config_load *load, const struct pg_tree *root); /* root may be NULL */
