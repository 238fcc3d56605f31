/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/settle.h"

static const struct vex_statement *newest(const struct settle_by *by, const struct vex_question *q)
{
    const struct vex_statement *best = NULL;

    for (size_t i = 0; i < by->nvex; i++) {
        const struct vex_statement *s = vex_find(by->vex[i], q);
        if (s != NULL && (best == NULL || s->said_s >= best->said_s)) {
            best = s;
        }
    }
    return best;
}

static void settle(const struct report_finding *f, const struct settle_by *by,
                   const struct purl *purl, struct settle_one *one)
{
    const struct vex_question about = {f->id, by->aliases_count ? &f->aliases : NULL, purl,
                                       by->digest};
    const struct waiver_question waived = {f, purl, by->repository, by->aliases_count, by->now_s};

    one->vex = newest(by, &about);
    if (by->waivers != NULL) {
        one->waiver = waiver_find(by->waivers, &waived, &one->waiver_has_ended);
    }
    if (one->vex != NULL &&
        (one->vex->status == VEX_NOT_AFFECTED || one->vex->status == VEX_FIXED)) {
        one->state = SETTLE_EXCUSED;
    } else if (one->waiver != NULL && !one->waiver_has_ended) {
        one->state = SETTLE_WAIVED;
    }
}

static void count(const struct report_finding *f, const struct settle_one *one,
                  struct settle_result *s)
{
    s->nexcused += one->state == SETTLE_EXCUSED;
    s->nwaived += one->state == SETTLE_WAIVED;
    if (one->state == SETTLE_OPEN) {
        s->open[f->severity]++;
        s->nexploited += f->is_exploited;
    }
}

void settle_report(const struct report *r, const struct settle_by *by, struct pg_arena *arena,
                   struct settle_result *s_r)
{
    struct settle_one *ones = pg_alloc(arena, r->nfindings * sizeof(*ones) + 1);

    *s_r = (struct settle_result){.ones = ones};
    for (size_t i = 0; i < r->nfindings; i++) {
        const struct report_finding *f = &r->findings[i];
        struct purl purl;
        struct pg_err err = {0};
        bool has = f->purl.n > 0 && purl_parse(f->purl, arena, &purl, &err) == 0;

        pg_err_clear(&err);
        settle(f, by, has ? &purl : NULL, &ones[i]);
        count(f, &ones[i], s_r);
    }
}
