/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/removal.h"

#include "audit/trail.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/purge.h"
#include "cache/use.h"
#include "proxy/admin/inventory.h"
#include "retention/plan.h"
#include "retention/tell.h"

struct removing {
    const struct removal_task *task;
    struct removal_sum *sum;
    struct inventory inventory;
    struct plan plan;
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

/* A tag only if it still is this digest. */
static enum outcome purge(struct removing *r, const struct image *image, struct sl tag)
{
    const struct purge_question q = {
        .scope = {.repo = image->repo, .tag = tag, .has_digest = true, .digest = image->digest},
        .stop = r->task->stop};
    struct purge_result result;
    struct pg_err err = {0};
    struct pg_buf next;

    pg_buf_init(&next, CATALOG_CURSOR_MAX);
    int rc = purge_run(r->task->store, &q, &result, &next, &err);
    enum outcome outcome = rc == 0                             ? GONE
                           : err.kind == PG_E_MANIFEST_UNKNOWN ? GONE
                           : err.kind == PG_E_DENIED           ? SPARED
                                                               : FAILED;
    if (rc == 0) {
        r->sum->bytes += result.bytes;
    } else if (outcome == FAILED) {
        pg_log_say(PG_LOG_WARN, PG_LOG_STORE, "retention could not remove from " SL_FMT ": %s",
                   SL_ARG(image->repo), err.msg);
    }
    pg_err_clear(&err);
    pg_buf_free(&next);
    return outcome;
}

/* What went with its last tag, or with its index, is gone. A tag that moved is not its any more. */
static enum outcome remove_image(struct removing *r, size_t i)
{
    const struct image *image = r->plan.rows[i].image;

    if (was_used(r, i)) {
        return SPARED;
    }
    for (size_t k = 0; k < image->ntags; k++) {
        if (purge(r, image, image->tags[k]) == FAILED) {
            return FAILED;
        }
    }
    return purge(r, image, SL(""));
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

static void settle(struct removing *r, size_t i)
{
    static const char *const results[] = {
        [GONE] = "removed",
        [SPARED] = "stays: it was pulled, or named by something, since the plan was made",
        [FAILED] = "failed"};
    const struct plan_row *row = &r->plan.rows[i];
    uint64_t began_us = pg_clock_mono_us(), before = r->sum->bytes;
    enum outcome outcome = remove_image(r, i);

    r->worked_us = pg_clock_mono_us() - began_us;
    r->sum->removed += outcome == GONE;
    r->sum->spared += outcome == SPARED;
    r->sum->failed += outcome == FAILED;
    pg_metric_inc(outcome == GONE     ? PG_M_RETENTION_REMOVED
                  : outcome == SPARED ? PG_M_RETENTION_SPARED
                                      : PG_M_RETENTION_FAILED);
    pg_metric_add(PG_M_RETENTION_BYTES, (int64_t)(r->sum->bytes - before));
    record(r, row, r->sum->bytes - before, results[outcome]);
    if (outcome == GONE) {
        r->task->purged(row->image->repo, r->task->owner);
    }
}

/* ---- all of them --------------------------------------------------------------------------- */

/* Indexes before their children, which are theirs for as long as they are there. */
static int carry_out(struct removing *r, struct pg_err *err)
{
    for (int children = 0; children < 2; children++) {
        for (size_t i = 0; i < r->plan.nrows; i++) {
            const struct plan_row *row = &r->plan.rows[i];
            if (!row->goes || (row->why == PLAN_CHILD) != (children == 1)) {
                continue;
            }
            if (!r->task->pace(r->task->owner, r->sum, r->worked_us)) {
                return pg_fail(err, PG_E_CANCELED, "it was ended early");
            }
            settle(r, i);
            if (r->sum->failed >= REMOVAL_FAILED_MAX) {
                return pg_fail(err, PG_E_STORE_IO, "%d images could not be removed; see the log",
                               REMOVAL_FAILED_MAX);
            }
        }
    }
    return 0;
}

int removal_run(const struct removal_task *task, struct removal_sum *sum_r, struct pg_err *err)
{
    struct removing r = {.task = task, .sum = sum_r};

    *sum_r = (struct removal_sum){0};
    int rc = inventory_take(task->store, task->stop, &r.inventory, err);
    if (rc == 0) {
        plan_make(task->rules, r.inventory.images, r.inventory.n, task->now_s, &r.plan);
        sum_r->manifests = r.plan.nrows;
        sum_r->going = r.plan.ngo;
        rc = carry_out(&r, err);
        plan_free(&r.plan);
    }
    inventory_free(&r.inventory);
    return rc;
}
