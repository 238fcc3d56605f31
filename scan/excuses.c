/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/excuses.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES ((size_t)256 << 20)

struct excuses {
    struct pg_arena arena;
    struct waiver_list waivers[EXCUSES_WAIVERS_MAX];
    size_t nwaivers;
    struct vex vex[SETTLE_VEX_MAX];
    size_t nvex;
    uint8_t revision[32];
};

struct excuses *excuses_new(void)
{
    struct excuses *e = calloc(1, sizeof(*e));

    PG_CHECK(e != NULL);
    pg_arena_init(&e->arena, ARENA_BYTES);
    return e;
}

void excuses_free(struct excuses *e)
{
    if (e == NULL) {
        return;
    }
    for (size_t i = 0; i < e->nwaivers; i++) {
        waiver_list_free(&e->waivers[i]);
    }
    for (size_t i = 0; i < e->nvex; i++) {
        vex_free(&e->vex[i]);
    }
    pg_arena_free(&e->arena);
    free(e);
}

static void note(struct excuses *e, struct sl text)
{
    struct pg_hash *h = pg_hash_new(PG_SHA256);

    pg_hash_update(h, e->revision, sizeof(e->revision));
    pg_hash_update(h, text.p, text.n);
    pg_hash_final(h, e->revision);
    pg_hash_free(h);
}

int excuses_add_waivers(struct excuses *e, const char *file, struct sl text,
                        waiver_canonical_fn *canonical, struct pg_err *err)
{
    if (e->nwaivers == EXCUSES_WAIVERS_MAX) {
        return pg_fail(err, PG_E_DENIED, "more than %d files of waivers", EXCUSES_WAIVERS_MAX);
    }
    if (waiver_read(file, text, canonical, &e->arena, &e->waivers[e->nwaivers], err) < 0) {
        return -1;
    }
    e->nwaivers++;
    note(e, text);
    return 0;
}

int excuses_add_vex(struct excuses *e, const char *file, struct sl text, struct pg_err *err)
{
    if (e->nvex == SETTLE_VEX_MAX) {
        return pg_fail(err, PG_E_DENIED, "more than %d VEX documents", SETTLE_VEX_MAX);
    }
    if (vex_read(text, &e->arena, &e->vex[e->nvex], err) < 0) {
        return pg_wrap(err, "%s", file);
    }
    e->nvex++;
    note(e, text);
    return 0;
}

bool excuses_are_none(const struct excuses *e)
{
    return e == NULL || (e->nwaivers == 0 && e->nvex == 0);
}

/* By this list of waivers, or by VEX alone. */
static int64_t settled_by(const struct excuses *e, const struct waiver_list *waivers,
                          const struct report_finding *f, const struct settle_by *about,
                          struct pg_arena *arena)
{
    const struct report r = {.findings = f, .nfindings = 1};
    struct settle_by by = *about;
    struct settle_result s;

    by.waivers = waivers;
    by.nvex = e->nvex;
    for (size_t i = 0; i < e->nvex; i++) {
        by.vex[i] = &e->vex[i];
    }
    settle_report(&r, &by, arena, &s);
    return s.ones[0].state == SETTLE_EXCUSED  ? INT64_MAX
           : s.ones[0].state == SETTLE_WAIVED ? s.ones[0].waiver->expires_s
                                              : 0;
}

int64_t excuses_settle(const struct excuses *e, const struct report_finding *f,
                       const struct settle_by *by, struct pg_arena *arena)
{
    int64_t until_s = 0;

    if (e->nwaivers == 0) {
        return settled_by(e, NULL, f, by, arena);
    }
    for (size_t i = 0; i < e->nwaivers; i++) {
        int64_t one_s = settled_by(e, &e->waivers[i], f, by, arena);
        until_s = one_s > until_s ? one_s : until_s;
    }
    return until_s;
}

void excuses_count(const struct excuses *e, int64_t now_s, size_t *ending_r, size_t *ended_r)
{
    *ending_r = *ended_r = 0;
    for (size_t i = 0; i < e->nwaivers; i++) {
        for (size_t k = 0; k < e->waivers[i].n; k++) {
            const struct waiver *w = &e->waivers[i].waivers[k];
            *ending_r += waiver_ends_soon(w, now_s);
            *ended_r += w->expires_s <= now_s;
        }
    }
}

void excuses_revision(const struct excuses *e, uint8_t sha256_r[32])
{
    memcpy(sha256_r, e->revision, sizeof(e->revision));
}
