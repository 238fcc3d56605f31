/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ref - the grammar of names: repositories, tags and registry hosts (distribution-spec 1.1,
 * "Pulling manifests"). Length limits: name 255, tag 128, host 253. Pure; any thread.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define REF_NAME_MAX 255
#define REF_TAG_MAX  128
#define REF_HOST_MAX 253

PG_MUST_USE int ref_check_name(struct sl name, struct pg_err *err); /* NAME_INVALID */
PG_MUST_USE int ref_check_tag(struct sl tag, struct pg_err *err);   /* NAME_INVALID */

/* host or host:port; LDH labels, lower case, no user, no path; an IPv4 or [IPv6] literal too. */
PG_MUST_USE int ref_check_host(struct sl host, struct pg_err *err); /* NAME_INVALID */

/* A first path segment that can only be a host: it has a '.' or ':' or is "localhost". */
bool ref_looks_like_host(struct sl segment);
