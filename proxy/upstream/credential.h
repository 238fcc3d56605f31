/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential - what an upstream gave us to log in with: `username`, and the first line of
 * `password_file`, which is read each time, so that it can be replaced while we run. The file must
 * belong to us or to root and be closed to all others.
 *
 * Where it goes is the caller's burden: to the upstream itself or to a realm that realm.h allowed.
 * Threads: any; reads one small file.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "proxy/config.h"

#define CREDENTIAL_HEADER_MAX 16384

/* Puts "Authorization: Basic ..." into header. 1; 0: none is configured; -1: UPSTREAM_DOWN. */
int credential_basic(const struct config_upstream *upstream, struct pg_buf *header,
                     struct pg_err *err);
void credential_wipe(struct pg_buf *header); /* instead of pg_buf_free() */
