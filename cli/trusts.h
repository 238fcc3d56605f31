/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trusts - the files that signatures are checked against: opened, checked for owner and mode, and
 * put together as the trusts that a policy knows by number. Trust 0 is the configured one.
 *
 * A name that does not begin with / is relative to the directory of the file that has it. A file
 * counts only if it is a regular one of root's or of ours, that others cannot write, in a directory
 * where others cannot put another one; a symbolic link may not lead out of that directory.
 *
 * Ownership:  trusts_new() to trusts_free(); trusts that were taken live on by their own count.
 * Failure:    DENIED or STORE_IO, with the file's name and what to do.
 * Threads:    one. It reads files: not for serving loops.
 */
#pragma once

#include "base/buf.h"
#include "policy/policy.h"
#include "proxy/config.h"
#include "signing/trust.h"

#define TRUSTS_FILES_MAX 1000

struct trusts;

/* Trust 0 has what the configuration names under `trust`; c outlives t. Names are relative to the
 * directory of c->file. */
PG_MUST_USE int trusts_new(const struct config *c, struct trusts **trusts_r, struct pg_err *err);
void trusts_free(struct trusts *t); /* NULL is allowed */

/* From now on names are relative to this file's directory. */
void trusts_base(struct trusts *t, const char *file);
/* How a policy gets at its files; valid as long as t. */
struct policy_source trusts_source(struct trusts *t);

/* Reads a policy's file, or any other that decides something, under the rules above. */
PG_MUST_USE int trusts_read(struct trusts *t, struct sl file, size_t max, struct pg_buf *out,
                            struct pg_err *err);

unsigned trusts_count(const struct trusts *t);
struct trust *trusts_get(const struct trusts *t, unsigned no); /* t's reference */
/* Waivers and VEX that the policy named: t's; NULL: none. */
struct excuses *trusts_excuses(const struct trusts *t);
/* Fills what is known from it: trusts, files, their imprint from before they were read. Once. */
void trusts_hand_over(struct trusts *t, struct config_admission *a);
