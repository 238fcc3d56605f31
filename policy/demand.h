/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demand - what a rule requires besides signatures: of what the image is and says (its verified
 * manifest and config), of the tag that it is asked for by, of how long it has been known here.
 *
 *     platforms: [linux/amd64]             tags: {deny: [latest]}      min_age: 72h
 *     artifact_types: [image, application/vnd.cncf.helm.*]             secrets: deny
 *     labels: {require: {NAME: PATTERN}, deny: {NAME: PATTERN}}        base_images: {allow: [...]}
 *     scan: {max_severity: medium, ...}, see policy/scans.h
 *
 * An index is nothing that runs: what it lists is asked about one by one, when it is pulled. What
 * is no image has no platform and no labels, so that a rule which wants some denies it; unless the
 * same rule's artifact_types name its types.
 *
 * Ownership:  demands live in the policy's arena; texts of a standing are in the arena given.
 * Failure:    what is not known does not hold.
 * Threads:    any, once made. Pure.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "policy/facts.h"

#define DEMAND_MAX 16 /* of one rule */

enum demand_kind {
    DEMAND_PLATFORMS,
    DEMAND_TYPES,
    DEMAND_LABELS,      /* pairs: each has to be there */
    DEMAND_NO_LABELS,   /* pairs: none may be there */
    DEMAND_NO_SECRETS,  /* in labels, environment, annotations */
    DEMAND_BASE_IMAGES, /* as the annotation says */
    DEMAND_NO_TAGS,     /* it may not be asked for by one of these */
    DEMAND_MIN_AGE,
    DEMAND_FIXED_TAGS, /* a tag of these stays what it was first */
    DEMAND_SCAN,
};

struct scans_want;

struct demand {
    enum demand_kind kind;
    const struct sl *patterns;
    size_t npatterns;
    const struct facts_pair *pairs; /* a name and a pattern for its value */
    size_t npairs;
    int64_t age_s;
    const struct scans_want *scan; /* SCAN: policy/scans.h */
    bool previous; /* MIN_AGE, FIXED_TAGS: meanwhile the tag is what it was before */
};

/* How a demand stands. */
enum demand_answer { DEMAND_HOLDS, DEMAND_FAILS, DEMAND_UNKNOWN };

struct demand_standing {
    enum demand_answer answer;
    int64_t until_s;   /* it stays so no longer than this; INT64_MAX: for ever */
    struct sl found;   /* FAILS, UNKNOWN: what was found, a half sentence */
    struct sl help;    /* FAILS: what would help; "": nothing but another image */
    struct sl warning; /* HOLDS: what is told all the same; "": nothing */
    bool asks_scan;    /* a scan would help */
};

/* What has to be known for it. */
bool demand_wants_content(const struct demand *d);
bool demand_wants_age(const struct demand *d);
bool demand_wants_record(const struct demand *d, struct sl tag);
bool demand_wants_scans(const struct demand *d);

/* types: the artifact_types of the same rule, which may excuse an artifact; or NULL. */
void demand_stand(const struct demand *d, const struct demand *types, const struct facts *f,
                  struct pg_arena *arena, struct demand_standing *s_r);
void demand_put_want(const struct demand *d, struct pg_buf *out); /* "a platform of: ..." */
