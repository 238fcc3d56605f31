/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <stdlib.h>

#include "cache/extent.h"

#define S    EXTENT_SEGMENT_BYTES
#define SIZE (20 * S)

static void open_lane(struct extent *e, unsigned i, struct extent_run run)
{
    e->lanes[i] = (struct extent_lane){EXTENT_OPEN, run.from, run.from, run.end};
}

TEST(what_is_written_in_order_moves_the_mark)
{
    struct extent e = {.segment = S};

    extent_written(&e, 0, 10);
    extent_written(&e, 10, 11);
    assert_int_equal(e.disk, 11);
    assert_int_equal(e.nislands, 0);
    assert_int_equal(extent_skip(&e, 0), 11);
    assert_int_equal(extent_next(&e, 11, SIZE), SIZE);
}

TEST(islands_grow_together_and_are_reached)
{
    struct extent e = {.segment = S, .disk = 5};

    extent_written(&e, 30, 40);
    extent_written(&e, 10, 20);
    extent_written(&e, 40, 41);
    assert_int_equal(e.nislands, 2);
    assert_int_equal(e.disk, 5);
    assert_int_equal(extent_next(&e, 5, SIZE), 10);
    assert_int_equal(extent_skip(&e, 10), 20);
    extent_written(&e, 20, 30);
    assert_int_equal(e.nislands, 1);
    extent_written(&e, 5, 10);
    assert_int_equal(e.nislands, 0);
    assert_int_equal(e.disk, 41);
}

TEST(lanes_take_segments_beyond_the_first_and_within_the_window)
{
    struct extent e = {.segment = S};
    struct extent_run run;

    for (unsigned i = 0; i < EXTENT_LANES; i++) {
        assert_true(extent_gap(&e, S, SIZE, &run));
        assert_int_equal(run.from, (i + 1) * S);
        assert_int_equal(run.end, (i + 2) * S);
        open_lane(&e, i, run);
    }
    assert_int_equal(extent_lane_at(&e, 2 * S), 1);
    assert_int_equal(extent_lane_at(&e, S - 1), -1);
    assert_int_equal(extent_next(&e, 0, SIZE), S);
    e.lanes[1].at += 100; /* it has brought 100 bytes, none is written, and gives up */
    e.lanes[1].state = EXTENT_CLOSING;
    assert_true(extent_gap(&e, S, SIZE, &run));
    assert_int_equal(run.from, 2 * S + 100);
    assert_int_equal(run.end, 3 * S);
    e.lanes[1].state = EXTENT_FREE;
    extent_written(&e, 2 * S, 2 * S + 100);
    assert_true(extent_gap(&e, S, SIZE, &run));
    assert_int_equal(run.from, 2 * S + 100);
    extent_written(&e, 4 * S, EXTENT_WINDOW * S);
    extent_written(&e, 2 * S + 100, 3 * S);
    assert_false(extent_gap(&e, S, SIZE, &run)); /* the window is full */
    extent_written(&e, 0, 1);
    assert_true(extent_gap(&e, S, SIZE, &run));
    assert_int_equal(run.from, EXTENT_WINDOW * S);
}

TEST(the_end_of_the_blob_is_the_end)
{
    struct extent e = {.segment = S};
    struct extent_run run;

    assert_true(extent_gap(&e, S, 2 * S - 5, &run));
    assert_int_equal(run.end, 2 * S - 5);
    open_lane(&e, 0, run);
    assert_false(extent_gap(&e, S, 2 * S - 5, &run));
}

static uint64_t dice;

static uint64_t roll(void)
{
    dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
    return dice >> 33;
}

/* As the first connection does: the lowest run that is missing and that no lane has. */
static uint64_t bring_the_first(struct extent *e, uint64_t size)
{
    uint64_t from = e->disk, end = extent_next(e, from, size);

    if (extent_lane_at(e, from) >= 0)
        return 0;
    extent_written(e, from, end);
    return end - from;
}

/* Whatever the order, each byte is given out once and all are here at the end. */
TEST(at_random_all_come_once)
{
    for (unsigned seed = 1; seed <= 300; seed++) {
        struct extent e = {.segment = S};
        uint64_t size = 3 * S + seed * UINT64_C(1000003) % (9 * S), total = 0;

        dice = seed;
        while (e.disk < size) {
            unsigned i = (unsigned)roll() % EXTENT_LANES;
            struct extent_lane *l = &e.lanes[i];
            struct extent_run run;
            uint64_t n;

            if (l->state == EXTENT_FREE && extent_gap(&e, 0, size, &run))
                open_lane(&e, i, run);
            if (l->state == EXTENT_FREE) {
                total += bring_the_first(&e, size);
                continue;
            }
            n = 1 + roll() % (S / 2);
            n = n < l->end - l->at ? n : l->end - l->at;
            extent_written(&e, l->at, l->at + n);
            l->at += n;
            total += n;
            if (l->at == l->end || roll() % 8 == 0)
                *l = (struct extent_lane){.state = EXTENT_FREE};
        }
        assert_int_equal(total, size);
        assert_int_equal(e.nislands, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_is_written_in_order_moves_the_mark),
        RUN(islands_grow_together_and_are_reached),
        RUN(lanes_take_segments_beyond_the_first_and_within_the_window),
        RUN(the_end_of_the_blob_is_the_end),
        RUN(at_random_all_come_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
