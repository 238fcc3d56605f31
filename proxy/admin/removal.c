/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/removal.h"

#include <stdlib.h>

#include "audit/trail.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/purge.h"
#include "cache/use.h"
#include "proxy/admin/inventory.h"
#include "retention/plan.h"
#include "retention/tell.h"

#define BATCH_IMAGES 512
#define BATCH_LINKS  16384 /* about: of what images name */
#define INDEX_WEIGHT 16    /* links of a child, at a guess */

/* Those that are purged together. The first is of one, the next of two, and so on up to
 * BATCH_IMAGES: what there is little of goes in small steps, and nothing holds the writer for long.
 */
struct batch {
    size_t rows[BATCH_IMAGES];
    struct purge_image images[BATCH_IMAGES];
    size_t n, max;
};

struct removing {
    const struct removal_task *task;
    struct removal_sum *sum;
    struct inventory inventory;
    struct plan plan;
    struct batch batch;
    uint64_t worked_us;
};

enum outcome { GONE, SPARED, FAILED };

/* ---- one image ----------------------------------------------------------------------------- */

/* Not the same second as when the plan was made: pulled since, or by another clock. */
static bool was_pulled(const struct removing *r, const struct image *image)
{
    return use_last(r->task->store->use, &image->digest) != image->pulled_s;
}

/* It, or one of its children. */
static bool was_used(const struct removing *r, size_t i)
{
    bool used = was_pulled(r, r->plan.rows[i].image);

    for (const struct graph_edge *e = r->plan.graph.nodes[i].children; e != NULL && !used;
         e = e->next) {
        used = was_pulled(r, e->to->image);
    }
    return used;
}

/* ---- what is said of it -------------------------------------------------------------------- */

static void record(const struct removing *r, const struct plan_row *row, uint64_t bytes,
                   const char *result)
{
    struct entry e = {.kind = ENTRY_ACT};
    char digest[DIGEST_TEXT_MAX];
    struct pg_buf why;

    pg_buf_init(&why, PG_ERR_TEXT_MAX);
    tell_why(row, &why);
    e.text[ENTRY_TEXT_CALLER] = SL("pullgate");
    e.text[ENTRY_TEXT_ACT] = SL("retention");
    e.text[ENTRY_TEXT_REPOSITORY] = row->image->repo;
    e.text[ENTRY_TEXT_DIGEST] = digest_write(&row->image->digest, digest);
    e.text[ENTRY_TEXT_REFERENCE] = row->image->ntags > 0 ? row->image->tags[0] : SL("");
    e.text[ENTRY_TEXT_RULE] = row->rule != NULL ? row->rule->name : SL("");
    e.text[ENTRY_TEXT_REASON] = pg_buf_sl(&why);
    e.text[ENTRY_TEXT_RESULT] = sl_str(result);
    e.number[ENTRY_NUMBER_BYTES] = bytes;
    trail_note(r->task->trail, &e);
    pg_buf_free(&why);
}

static void settle(struct removing *r, size_t i, enum outcome outcome, uint64_t bytes)
{
    static const char *const results[] = {
        [GONE] = "removed",
        [SPARED] = "stays: it was pulled, or named by something, since the plan was made",
        [FAILED] = "failed"};
    struct plan_row *row = &r->plan.rows[i];

    r->sum->removed += outcome == GONE;
    r->sum->spared += outcome == SPARED;
    r->sum->failed += outcome == FAILED;
    r->sum->bytes += bytes;
    pg_metric_inc(outcome == GONE     ? PG_M_RETENTION_REMOVED
                  : outcome == SPARED ? PG_M_RETENTION_SPARED
                                      : PG_M_RETENTION_FAILED);
    pg_metric_add(PG_M_RETENTION_BYTES, (int64_t)bytes);
    record(r, row, bytes, results[outcome]);
    row->goes = false; /* it is dealt with, also when its batch is tried again */
    if (outcome == GONE) {
        r->task->purged(row->image->repo, r->task->owner);
    }
}

/* ---- a batch ------------------------------------------------------------------------------- */

static size_t weight(const struct image *image)
{
    return 1 + image->nblobs + image->nchildren * INDEX_WEIGHT;
}

/* Indexes before their children, which are theirs for as long as they are there. */
static bool is_next(const struct plan_row *row, bool children)
{
    return row->goes && (row->why == PLAN_CHILD) == children;
}

/* From row i on; returns where to go on. What was used since stays. */
static size_t gather(struct removing *r, size_t i, bool children)
{
    struct batch *b = &r->batch;
    size_t links = 0;

    b->n = 0;
    for (; i < r->plan.nrows && b->n < b->max && links < BATCH_LINKS; i++) {
        const struct image *image = r->plan.rows[i].image;

        if (!is_next(&r->plan.rows[i], children)) {
            continue;
        }
        if (was_used(r, i)) {
            settle(r, i, SPARED, 0);
            continue;
        }
        links += weight(image);
        b->rows[b->n] = i;
        b->images[b->n++] = (struct purge_image){.repo = image->repo,
                                                 .digest = image->digest,
                                                 .tags = image->tags,
                                                 .ntags = image->ntags};
    }
    return i;
}

static void settle_batch(struct removing *r)
{
    const struct batch *b = &r->batch;

    for (size_t k = 0; k < b->n; k++) {
        settle(r, b->rows[k], b->images[k].stays ? SPARED : GONE, b->images[k].bytes);
    }
}

/* Of several, one may be what failed: they are tried one by one. */
static int fail_batch(struct removing *r, size_t *next, struct pg_err *why, struct pg_err *err)
{
    const struct batch *b = &r->batch;

    if (why->kind == PG_E_CANCELED) {
        pg_err_move(err, why);
        return -1;
    }
    if (b->n > 1) {
        *next = b->rows[0];
    } else {
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "retention could not remove from " SL_FMT ": %s",
                   SL_ARG(b->images[0].repo), why->msg);
        settle(r, b->rows[0], FAILED, 0);
    }
    pg_err_clear(why);
    if (r->sum->failed >= REMOVAL_FAILED_MAX) {
        return pg_fail(err, PG_E_STORE_IO, "%d images could not be removed; see the log",
                       REMOVAL_FAILED_MAX);
    }
    return 0;
}

static int purge(struct removing *r, size_t *next, struct pg_err *err)
{
    struct batch *b = &r->batch;
    struct pg_err why = {0};

    if (purge_images_run(r->task->store, b->images, b->n, r->task->stop, &why) < 0) {
        b->max = 1;
        return fail_batch(r, next, &why, err);
    }
    settle_batch(r);
    b->max = b->max * 2 < BATCH_IMAGES ? b->max * 2 : BATCH_IMAGES;
    return 0;
}

/* ---- all of them --------------------------------------------------------------------------- */

static int remove_rows(struct removing *r, bool children, struct pg_err *err)
{
    for (size_t i = 0; i < r->plan.nrows;) {
        if (!r->task->pace(r->task->owner, r->sum, r->worked_us)) {
            return pg_fail(err, PG_E_CANCELED, "it was ended early");
        }
        uint64_t began_us = pg_clock_mono_us();
        i = gather(r, i, children);
        if (r->batch.n > 0 && purge(r, &i, err) < 0) {
            return -1;
        }
        r->worked_us = pg_clock_mono_us() - began_us;
    }
    return 0;
}

static int carry_out(struct removing *r, struct pg_err *err)
{
    r->batch.max = 1;
    return remove_rows(r, false, err) < 0 ? -1 : remove_rows(r, true, err);
}

int removal_run(const struct removal_task *task, struct removal_sum *sum_r, struct pg_err *err)
{
    struct removing *r = calloc(1, sizeof(*r));

    PG_CHECK(r != NULL);
    r->task = task;
    r->sum = sum_r;
    *sum_r = (struct removal_sum){0};
    int rc = inventory_take(task->store, task->stop, &r->inventory, err);
    if (rc == 0) {
        plan_make(task->rules, r->inventory.images, r->inventory.n, task->now_s, &r->plan);
        sum_r->manifests = r->plan.nrows;
        sum_r->going = r->plan.ngo;
        rc = carry_out(r, err);
        plan_free(&r->plan);
    }
    inventory_free(&r->inventory);
    free(r);
    return rc;
}
