/* SPDX-License-Identifier: Apache-2.0 */
/* referrer_list - upstream's list of referrers, read and written anew. Pure; any thread. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define REFERRER_LIST_BYTES_MAX ((size_t)4 * 1024 * 1024)

/* json: an image index; {NULL, 0}: an empty list. artifact_type: of those that are wanted;
 * {NULL, 0}: all. UPSTREAM_WRONG: it is no index, or has more than MANIFEST_CHILDREN_MAX. */
PG_MUST_USE int referrer_list_write(struct sl json, struct sl artifact_type, struct pg_buf *out,
                                    struct pg_err *err);
