/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scans - what a rule requires of scan results:
 *
 *     scan: {max_severity: medium, counts: {high: 5}, exploited: deny, fixable_only: true,
 *            exclude: [CVE-2023-0464], from: [trivy, ci], attested_by: [security-team],
 *            max_age: 7d, database_max_age: 3d, grace: 24h | none, static: true,
 *            on_missing: wait | serve | deny, on_error: deny | wait}
 *
 *   - The worst source decides: each that counts has to hold by itself. Those of `from`, each of
 *     which has to have a result; else all that have one.
 *   - A source that failed is not one that found nothing: on_error. One without a result, or with
 *     one that is too old, is missing: on_missing. What an old result found still denies.
 *   - A severity that nobody knows counts as high SCANS_UNKNOWN_S after it was first seen, or at
 *     once where the finding is known to be exploited (N25).
 *   - A finding that an earlier result of the same source did not have does not deny what was here
 *     before it, for `grace`: it is told (N25).
 *
 * Ownership:  lives in the policy's arena; texts of a standing are in the arena given.
 * Threads:    any, once made. Pure.
 */
#pragma once

#include "policy/demand.h"

#define SCANS_NAMES_MAX 1000 /* of exclude */
#define SCANS_FROM_MAX  16
#define SCANS_UNKNOWN_S ((int64_t)72 * 3600)
#define SCANS_GRACE_S   ((int64_t)24 * 3600)
#define SCANS_ATTESTED  SL("attested") /* in `from`: a report of one of attested_by */

enum scans_answer { SCANS_WAIT, SCANS_DENY, SCANS_SERVE };

struct signer;

struct scans_want {
    int64_t limits[FACTS_SEVERITIES]; /* open findings that may be; -1: any number. UNKNOWN: -1 */
    bool no_exploited, fixable_only;
    bool is_static; /* its images may have no packages (N26) */
    const struct sl *exclude;
    size_t nexclude;
    const struct sl *from;
    size_t nfrom;
    const struct signer **signers; /* attested_by */
    size_t nsigners;
    int64_t max_age_s, database_max_age_s; /* 0: any */
    int64_t grace_s;                       /* 0: none */
    enum scans_answer on_missing, on_error;
};

void scans_stand(const struct scans_want *w, const struct facts *f, struct pg_arena *arena,
                 struct demand_standing *s_r);
void scans_put_want(const struct scans_want *w, struct pg_buf *out);
/* What a source found, in words: "1 critical, 3 high, of which 2 are settled; ...". */
void scans_put_found(const struct facts_scan *scan, int64_t now_s, struct pg_buf *out);
const char *scans_word(enum facts_severity s); /* "critical" */
