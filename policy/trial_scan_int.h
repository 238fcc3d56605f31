/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial_scan - what a test of a policy says of scans:
 *
 *     here: 30d                       since when the image is here
 *     scan:
 *     - source: trivy
 *       age: 1h                       of its last report; without: it had none
 *       first: 20d                    of the first
 *       database_age: 6h
 *       failed: it died               its last attempt
 *       empty: true                   which saw no packages
 *       findings: [{id: CVE-1, severity: high, package: p, version: v, fixed: v2, exploited: true,
 *                   age: 2h, settled: true}]
 *
 * Texts go into the arena. Failure: as reading.h.
 */
#pragma once

#include "base/reading.h"
#include "policy/facts.h"

PG_MUST_USE int trial_scan_read(struct reading *in, const struct pg_tree *map,
                                struct pg_arena *arena, struct facts *f);
