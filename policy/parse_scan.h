/* SPDX-License-Identifier: Apache-2.0 */
/* parse_scan - what stands under `require: {scan: ...}`. As parse.h. */
#pragma once

#include "policy/parse.h"
#include "policy/scans.h"

PG_MUST_USE int parse_scan_read(struct parse *p, const struct pg_tree *map,
                                const struct scans_want **want_r);
