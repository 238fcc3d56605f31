/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/extent.h"

#include <string.h>

#include "base/check.h"

static void check(const struct extent *e)
{
    uint64_t before = e->disk;

    for (unsigned i = 0; i < e->nislands; i++) {
        PG_CHECK(before < e->islands[i].from && e->islands[i].from < e->islands[i].end);
        before = e->islands[i].end;
    }
    for (unsigned i = 0; i < EXTENT_LANES; i++) {
        const struct extent_lane *l = &e->lanes[i];

        PG_CHECK(l->from <= l->at && l->at <= l->end);
    }
}

static void remove_island(struct extent *e, unsigned i)
{
    e->nislands--;
    memmove(&e->islands[i], &e->islands[i + 1], (e->nislands - i) * sizeof(e->islands[0]));
}

static void insert_island(struct extent *e, unsigned i, uint64_t from, uint64_t end)
{
    PG_CHECK(e->nislands < EXTENT_ISLANDS); /* extent_gap() leaves room */
    memmove(&e->islands[i + 1], &e->islands[i], (e->nislands - i) * sizeof(e->islands[0]));
    e->islands[i] = (struct extent_run){from, end};
    e->nislands++;
}

void extent_written(struct extent *e, uint64_t from, uint64_t end)
{
    unsigned i = 0;

    PG_CHECK(from < end && from >= e->disk);
    while (i < e->nislands && e->islands[i].end < from)
        i++;
    while (i < e->nislands && e->islands[i].from <= end) { /* those that it touches */
        from = e->islands[i].from < from ? e->islands[i].from : from;
        end = e->islands[i].end > end ? e->islands[i].end : end;
        remove_island(e, i);
    }
    if (from == e->disk)
        e->disk = end;
    else
        insert_island(e, i, from, end);
    check(e);
}

/* Is that byte in one of the runs that are here? Then *end_r is its end. */
static bool is_here(const struct extent *e, uint64_t at, uint64_t *end_r)
{
    *end_r = e->disk;
    if (at < e->disk)
        return true;
    for (unsigned i = 0; i < e->nislands; i++) {
        *end_r = e->islands[i].end;
        if (e->islands[i].from <= at && at < e->islands[i].end)
            return true;
    }
    for (unsigned i = 0; i < EXTENT_LANES; i++) {
        const struct extent_lane *l = &e->lanes[i];

        *end_r = l->at;
        if (l->state == EXTENT_CLOSING && l->from <= at && at < l->at)
            return true;
    }
    return false;
}

uint64_t extent_skip(const struct extent *e, uint64_t at)
{
    uint64_t end;

    while (is_here(e, at, &end))
        at = end;
    return at;
}

int extent_lane_at(const struct extent *e, uint64_t at)
{
    for (int i = 0; i < EXTENT_LANES; i++) {
        const struct extent_lane *l = &e->lanes[i];

        if (l->state == EXTENT_OPEN && l->from <= at && at < l->end)
            return i;
    }
    return -1;
}

uint64_t extent_next(const struct extent *e, uint64_t at, uint64_t max)
{
    for (unsigned i = 0; i < e->nislands; i++) {
        if (e->islands[i].from > at && e->islands[i].from < max)
            max = e->islands[i].from;
    }
    for (unsigned i = 0; i < EXTENT_LANES; i++) {
        const struct extent_lane *l = &e->lanes[i];

        if (l->state != EXTENT_FREE && l->from > at && l->from < max)
            max = l->from;
    }
    return max;
}

bool extent_gap(const struct extent *e, uint64_t at, uint64_t size, struct extent_run *run_r)
{
    uint64_t most = e->disk + EXTENT_WINDOW * e->segment, segment;
    int lane;

    if (e->nislands + EXTENT_LANES + 1 >= EXTENT_ISLANDS) /* each may make one more */
        return false;
    at = extent_skip(e, at);
    while ((lane = extent_lane_at(e, at)) >= 0)
        at = extent_skip(e, e->lanes[lane].end);
    if (at >= size || at >= most)
        return false;
    segment = at - at % e->segment + e->segment;
    *run_r = (struct extent_run){at, extent_next(e, at, segment < size ? segment : size)};
    return true;
}
