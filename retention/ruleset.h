/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ruleset - what is kept and what goes, as a person wrote it.
 *
 *     retention:
 *       order: keep_wins               or first_match
 *       untagged: 48h                  what no rule names and no tag; or keep
 *       schedule: "30 2 * * *"         when to carry it out: for whoever does; or never
 *       windows: [{from: "0 1 * * *", for: 5h}]
 *       quotas: [{repositories, high, low}]
 *       rules:
 *         - {name, description, match: {...}, keep: forever | {...}}
 *         - {name, description, match: {...}, delete: {...}}
 *       pins:
 *         - {digest | tag | pattern, owner, reason, until: DATE | never}
 *
 * keep holds if one of its conditions does, delete if all of its do: both err on the side of what
 * is kept. With keep_wins each image is asked of all rules, and one that keeps beats all that
 * delete. With first_match the first rule that fits an image has it to itself, though the ones
 * behind it count it (the semantics of Amazon ECR).
 *
 * Ownership:  ruleset_load() to ruleset_free(); everything in it is in its arena.
 * Failure:    DENIED, "FILE:LINE:COLUMN: what is wrong, what may stand there".
 * Threads:    immutable once it is read: any.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/tree.h"
#include "retention/cron.h"
#include "retention/image.h"
#include "retention/semver.h"

#define RULESET_BYTES_MAX   PG_TREE_BYTES_MAX
#define RULESET_RULES_MAX   1000
#define RULESET_PINS_MAX    5000
#define RULESET_WINDOWS_MAX 20
#define RULESET_NAME_MAX    100
#define RULESET_UNTAGGED_S  ((int64_t)48 * 3600)
#define RULESET_NEVER       INT64_MAX

enum ruleset_order { RULESET_KEEP_WINS, RULESET_FIRST_MATCH };
enum ruleset_by { RULESET_BY_SEEN, RULESET_BY_PULLED, RULESET_BY_PUSHED, RULESET_BY_VERSION };

/* All that is given must hold. */
struct ruleset_match {
    const struct sl *repositories; /* one of them */
    size_t nrepositories;
    const struct sl *tags; /* one of its tags is matched by one of them */
    size_t ntags;
    const struct sl *all_tags; /* each of them matches one of its tags */
    size_t nall_tags;
    const struct semver_range *versions; /* one of its tags is in it; NULL: not asked */
    struct sl versions_text;
    bool untagged; /* it has no tag */
    const struct image_pair *labels, *annotations;
    size_t nlabels, nannotations;
    struct sl promoted; /* a pattern; {NULL, 0}: not asked */
};

/* -1: not asked. */
struct ruleset_limits {
    int64_t pulled_s, seen_s, pushed_s, count;
    enum ruleset_by by;
};

struct ruleset_rule {
    struct sl name, description;
    struct pg_tree_at at, match_at, action_at;
    struct ruleset_match match;
    bool deletes, forever;
    bool last_copy_too;             /* it deletes even what upstream has no more */
    struct pg_tree_at last_copy_at; /* line 0: nothing is said of it */
    bool bases_too;                 /* and what others are built on */
    struct ruleset_limits limits;
};

enum ruleset_pin_kind { RULESET_PIN_DIGEST, RULESET_PIN_TAG, RULESET_PIN_PATTERN };

struct ruleset_pin {
    enum ruleset_pin_kind kind;
    struct pg_tree_at at;
    struct digest digest;
    struct sl repo, tag; /* TAG: names; PATTERN: patterns, tag "" for any or none */
    struct sl owner, reason;
    int64_t until_s; /* RULESET_NEVER */
};

/* Hours in which the schedule may carry rules out. */
struct ruleset_window {
    struct cron from;
    struct sl from_text;
    int64_t for_s;
};

/* A size, or a part of the store's. */
struct ruleset_mark {
    struct sl text; /* {NULL, 0}: not given */
    uint64_t bytes;
    unsigned percent; /* 0: bytes */
};

/* See retention/quota. */
struct ruleset_quota {
    struct pg_tree_at at;
    const struct sl *repositories;
    size_t nrepositories;
    struct ruleset_mark high, low;
};

struct ruleset {
    struct pg_arena arena;
    enum ruleset_order order;
    int64_t untagged_s; /* RULESET_NEVER: kept */
    struct pg_tree_at untagged_at;
    struct ruleset_rule *rules;
    size_t nrules;
    struct ruleset_pin *pins;
    size_t npins;
    bool has_schedule; /* else @daily */
    bool by_hand_only; /* schedule: never */
    struct pg_tree_at schedule_at;
    struct cron schedule;
    struct sl schedule_text;
    struct ruleset_window *windows;
    size_t nwindows; /* 0: at any time */
    struct ruleset_quota *quotas;
    size_t nquotas;
    uint64_t capacity; /* of the store, of which quotas are percent; 0: such do not count */
    struct sl remark;  /* of an import: what stands as a comment before all */
};

PG_MUST_USE int ruleset_load(const char *file, struct sl text, struct ruleset **rules_r,
                             struct pg_err *err);
struct ruleset *ruleset_new(void);    /* empty, with the defaults; for imports */
void ruleset_free(struct ruleset *r); /* NULL is allowed */
#define _ruleset_ __attribute__((cleanup(ruleset_drop)))
void ruleset_drop(struct ruleset **r);

/* Its conditions aside: is the image one of those that the rule is about? */
bool ruleset_fits(const struct ruleset_rule *rule, const struct image *image);
bool ruleset_pins(const struct ruleset_pin *pin, const struct image *image, int64_t now_s);

/* The first moment after after_s at which the schedule wants them carried out. 0: never. */
int64_t ruleset_next(const struct ruleset *r, int64_t after_s);
/* In one of its windows? */
bool ruleset_is_open(const struct ruleset *r, int64_t now_s);

/* A file that loads to the same rules. */
void ruleset_put_all(const struct ruleset *r, struct pg_buf *out);
/* What it keeps or deletes, as people say it. */
void ruleset_put_action(const struct ruleset_rule *rule, struct pg_buf *out);
