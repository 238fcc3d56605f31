/* SPDX-License-Identifier: Apache-2.0 */
/*
 * use - when each blob was last used: in memory, and now and then in <path>/use. A hit touches
 * memory only. Losing the file costs nothing but a worse choice at the next eviction.
 *
 * Bounds:  USE_MAX blobs of 16 bytes each; what does not fit counts as never used.
 * Lock:    one, innermost, around a table lookup; no I/O inside it.
 * Threads: any.
 */
#pragma once

#include "base/err.h"
#include "oci/digest.h"

#define USE_MAX ((size_t)1 << 20)

struct use;

struct use *use_new(void);
void use_free(struct use *u);

void use_touch(struct use *u, const struct digest *d, int64_t now_s);
int64_t use_last(struct use *u, const struct digest *d); /* 0: not known */
void use_forget(struct use *u, const struct digest *d);
size_t use_count(struct use *u);

/* The file `name` in the directory; load of an absent or damaged file leaves the table empty and
 * returns 0. Save replaces the file by rename; it is not synced. */
void use_load(struct use *u, int dir_fd, const char *name);
PG_MUST_USE int use_save(struct use *u, int dir_fd, const char *name, struct pg_err *err);
bool use_is_dirty(struct use *u);
