/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan - rules, images and a moment become what goes and what stays, each with who says so.
 *
 *     pins                                                          stay
 *     what a rule keeps                                             stays, whatever deletes it
 *     what a rule deletes, and no rule keeps                        goes
 *     what no rule names: untagged, named by nothing, unused        goes; else it stays
 *     then, from what stays: its children, its signatures and the
 *     like, what it is built on                                     stay
 *     children and signatures that nothing which stays needs        go
 *     above a quota, what no rule keeps, the longest unused first   go
 *
 * An image was last pulled when the last of its children was. What is not known (a time of 0) is
 * never old. A time in the future is now. The plan of the same rules, images and moment is the
 * same plan.
 *
 * Ownership:  plan_make() to plan_free(); rules and images outlive it.
 * Threads:    one. Pure: no clock, no file.
 */
#pragma once

#include "retention/graph.h"
#include "retention/ruleset.h"

enum plan_why {
    PLAN_UNNAMED,  /* no rule is about it */
    PLAN_NOT_YET,  /* rule: deletes it later */
    PLAN_RULE,     /* rule: keeps it, or deletes it */
    PLAN_UNTAGGED, /* no rule is about it, no tag, nothing names it, not used for long */
    PLAN_PIN,
    PLAN_LAST_COPY, /* rule: would delete it */
    PLAN_BASE,      /* other: is built on it */
    PLAN_CHILD,     /* other: the index that needs it, or that it goes with */
    PLAN_REFERRER,  /* other: what it is about */
    PLAN_PARENT,    /* other: its image, which is pinned or another's base */
    PLAN_QUOTA,     /* quota: its repositories take more than they may */
};

struct plan_row {
    const struct image *image;
    bool goes;
    enum plan_why why;
    const struct ruleset_rule *rule;
    const struct ruleset_pin *pin;
    const struct ruleset_quota *quota;
    const struct image *other;
    uint64_t bytes; /* of its stored objects, shared or not */
    uint64_t frees; /* those that no other row has counted: they sum up to plan.freed */
};

struct plan {
    struct graph graph;
    struct plan_row *rows; /* in the order of the images */
    size_t nrows, ngo;
    uint64_t stored, freed; /* bytes; each object once */
};

void plan_make(const struct ruleset *rules, const struct image *images, size_t n, int64_t now_s,
               struct plan *plan_r);
void plan_free(struct plan *p);
