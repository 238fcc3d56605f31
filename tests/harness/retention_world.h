/* SPDX-License-Identifier: Apache-2.0 */
/* retention_world - images for tests of retention: made one by one, in memory of a fixed size. */
#pragma once

#include <stdio.h>

#include "retention/plan.h"

#define WORLD_IMAGES 64
#define WORLD_NOW_S  INT64_C(1795000000)
#define DAYS         INT64_C(86400)

static struct world {
    struct image images[WORLD_IMAGES];
    struct sl tags[WORLD_IMAGES][4];
    struct image_pair notes[WORLD_IMAGES][2];
    struct image_blob blobs[WORLD_IMAGES][8];
    struct digest chains[WORLD_IMAGES][8], children[WORLD_IMAGES][4];
    size_t n;
    struct ruleset *rules;
    struct plan plan;
    bool planned;
} world;

static inline struct digest world_digest(const char *name)
{
    return digest_of(PG_SHA256, sl_str(name));
}

/* Seen `age` days ago, pulled never. Its digest is that of its name. */
static inline struct image *world_add(const char *repo, const char *name, int64_t age)
{
    struct image *image = &world.images[world.n];

    PG_CHECK(world.n < WORLD_IMAGES);
    *image = (struct image){.repo = sl_str(repo),
                            .digest = world_digest(name),
                            .first_seen_s = WORLD_NOW_S - age * DAYS,
                            .size = 1,
                            .tags = world.tags[world.n],
                            .annotations = world.notes[world.n],
                            .blobs = world.blobs[world.n],
                            .chain = world.chains[world.n],
                            .children = world.children[world.n]};
    world.n++;
    return image;
}

static inline size_t world_number(const struct image *image)
{
    return (size_t)(image - world.images);
}

static inline void world_tag(struct image *image, const char *tag)
{
    world.tags[world_number(image)][image->ntags++] = sl_str(tag);
}

static inline struct image *world_tagged(const char *repo, const char *name, int64_t age)
{
    struct image *image = world_add(repo, name, age);

    world_tag(image, name);
    return image;
}

static inline void world_layer(struct image *image, const char *name, uint64_t size)
{
    size_t i = world_number(image);

    world.blobs[i][image->nblobs++] = (struct image_blob){world_digest(name), size, true};
    world.chains[i][image->nchain++] = world_digest(name);
}

static inline void world_child(struct image *index, const struct image *child)
{
    world.children[world_number(index)][index->nchildren++] = child->digest;
}

static inline void world_note(struct image *image, const char *key, const char *value)
{
    world.notes[world_number(image)][image->nannotations++] =
        (struct image_pair){sl_str(key), sl_str(value)};
}

/* The plan of these rules for all that was added. */
static inline void world_plan_as_of(const char *text, int64_t now_s)
{
    struct pg_err err = {0};

    if (ruleset_load("rules", sl_str(text), &world.rules, &err) < 0) {
        fail_msg("%s", err.msg);
    }
    plan_make(world.rules, world.images, world.n, now_s, &world.plan);
    world.planned = true;
}

static inline void world_plan(const char *text)
{
    world_plan_as_of(text, WORLD_NOW_S);
}

static inline const struct plan_row *world_row(const struct image *image)
{
    return &world.plan.rows[world_number(image)];
}

static inline void world_end(void)
{
    if (world.planned) {
        plan_free(&world.plan);
        ruleset_free(world.rules);
    }
    memset(&world, 0, sizeof(world));
}

static inline int world_teardown(void **state)
{
    (void)state;
    world_end();
    return 0;
}

#define goes(image)  assert_true(world_row(image)->goes)
#define stays(image) assert_false(world_row(image)->goes)
#define because(image, reason, who)                                                                \
    do {                                                                                           \
        assert_int_equal(world_row(image)->why, reason);                                           \
        assert_non_null(world_row(image)->rule);                                                   \
        assert_true(sl_eq(world_row(image)->rule->name, SL(who)));                                 \
    } while (0)
