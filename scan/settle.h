/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settle - what is left of a report's findings when waivers and VEX have been heard.
 *
 * A finding is open unless the newest VEX statement about it says that the image is not affected
 * or that it is fixed, or a waiver for it holds. What the report itself suppressed stays open:
 * its author's wish settles nothing here.
 *
 * Ownership:  in the arena; points into the report, the waivers and the VEX.
 * Failure:    none.
 * Threads:    any. Pure.
 */
#pragma once

#include "scan/vex.h"
#include "scan/waiver.h"

#define SETTLE_VEX_MAX 16

enum settle_state { SETTLE_OPEN, SETTLE_EXCUSED /* by VEX */, SETTLE_WAIVED };

struct settle_one {
    enum settle_state state;
    const struct vex_statement *vex; /* the newest about it, whatever it says; or NULL */
    const struct waiver *waiver;     /* for it, or one that has ended; or NULL */
    bool waiver_has_ended;
};

struct settle_by {
    const struct waiver_list *waivers; /* or NULL */
    const struct vex *vex[SETTLE_VEX_MAX];
    size_t nvex;
    struct sl repository;        /* canonical: by what waivers know the image */
    const struct digest *digest; /* of the image; NULL: not known */
    bool aliases_count;          /* see waiver_question */
    int64_t now_s;
};

struct settle_result {
    const struct settle_one *ones; /* one for each finding of the report, in its order */
    size_t open[SEVERITY_N], nexcused, nwaived, nexploited; /* exploited: of the open ones */
};

void settle_report(const struct report *r, const struct settle_by *by, struct pg_arena *arena,
                   struct settle_result *s_r);
