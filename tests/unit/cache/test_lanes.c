/* SPDX-License-Identifier: Apache-2.0 */
/* A blob that comes over several connections, in whatever order. */
#include "shelf.h"

#define SEG   EXTENT_SEGMENT_BYTES
#define SIZE  ((size_t)(4 * SEG + 1234567))
#define PIECE ((size_t)150000)

static struct shelf sh;
static struct sl bytes;
static struct digest d;
static struct shelf_fill sf;

static int set_up(void **state)
{
    (void)state;
    shelf_begin(&sh);
    sh.config.uncached_bytes = UINT64_C(64) * 1024 * 1024;
    shelf_open(&sh);
    shelf_start(&sh, &sf, &d, SIZE);
    assert_int_equal(fill_next(sf.fill, 1), FILL_RUN);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(pg_fault_set(NULL), 0);
    assert_int_equal(fill_count(sh.store), 0);
    assert_int_equal(partial_claims(sh.store), 0);
    assert_int_equal(atomic_load(&sh.store->filling.bytes), 0);
    assert_int_equal(atomic_load(&sh.store->uncached), 0);
    shelf_is_sound(&sh);
    shelf_end(&sh);
    return 0;
}

static void wait_for_room(void)
{
    unsigned room = sf.room;

    SHELF_UNTIL(&sh, sf.room > room || sf.disk > 0);
}

/* The next bytes of a lane, n at most; closes it at its end. */
static void bring(unsigned lane, uint64_t n)
{
    struct pg_err err = {0};

    while (n > 0 && sf.disk == 0) {
        const struct extent_lane *l = fill_lane_look(sf.fill, lane);
        uint64_t left = l->end - l->at, m = n < PIECE ? n : PIECE;

        m = m < left ? m : left;
        if (m == 0)
            break;
        if (fill_lane_write(sf.fill, lane, (struct sl){bytes.p + l->at, (size_t)m}, &err) == 1)
            n -= m;
        else
            wait_for_room();
    }
    assert_int_equal(err.kind, PG_E_NONE);
}

static void bring_first(uint64_t n)
{
    struct pg_err err = {0};

    while (n > 0 && sf.fill->have < sf.fill->until && sf.disk == 0) {
        uint64_t left = sf.fill->until - sf.fill->have, m = n < PIECE ? n : PIECE;

        m = m < left ? m : left;
        if (fill_write(sf.fill, (struct sl){bytes.p + sf.fill->have, (size_t)m}, &err) == 1)
            n -= m;
        else
            wait_for_room();
    }
    assert_int_equal(err.kind, PG_E_NONE);
}

static uint64_t partial_bytes(void)
{
    return atomic_load(&sh.store->partial_bytes);
}

static uint64_t length_of_partial(void)
{
    char name[PARTIAL_NAME_MAX];
    struct stat st;

    assert_int_equal(fstatat(sh.store->partial_fd, partial_name(&d, name), &st, 0), 0);
    return (uint64_t)st.st_size;
}

TEST(the_mark_moves_over_what_is_here_in_order)
{
    assert_true(fill_lane_open(sf.fill, 0));
    assert_true(fill_lane_open(sf.fill, 1));
    assert_int_equal(fill_lane_look(sf.fill, 1)->from, 2 * SEG);
    bring(0, SEG);
    bring(1, 1000);
    SHELF_UNTIL(&sh, partial_bytes() == SEG + 1000);
    assert_int_equal(flight_look(&sf.reader).committed, 0);
    bring_first(SEG);
    fill_lane_close(sf.fill, 0);
    SHELF_UNTIL(&sh, flight_look(&sf.reader).committed == 2 * SEG + 1000);
    assert_int_equal(fill_next(sf.fill, 1), 1); /* lane 1 has the next byte */
    fill_lane_close(sf.fill, 1);
    assert_int_equal(fill_next(sf.fill, 0), FILL_RUN);
    assert_int_equal(sf.fill->have, 2 * SEG + 1000);
    bring_first(SIZE);
    assert_int_equal(fill_next(sf.fill, 1), FILL_ALL);
    assert_true(shelf_finish(&sf));
    assert_true(shelf_can_open(&sh, &d));
    assert_int_equal(partial_bytes(), 0);
}

static uint64_t dice;

static uint64_t roll(uint64_t n)
{
    dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
    return (dice >> 33) % n;
}

/* Until all is here, or the disk fails. */
static void bring_all_at_random(uint64_t seed)
{
    dice = seed;
    while (sf.disk == 0) {
        unsigned lane = (unsigned)roll(EXTENT_LANES);
        const struct extent_lane *l = fill_lane_look(sf.fill, lane);
        int next = sf.fill->have < sf.fill->until ? FILL_RUN : fill_next(sf.fill, 1);

        if (next == FILL_ALL)
            return;
        if (next == FILL_RUN)
            bring_first(roll(SEG / 2));
        if (l->state == EXTENT_FREE)
            (void)fill_lane_open(sf.fill, lane);
        if (l->state == EXTENT_OPEN)
            bring(lane, roll(SEG));
        if (l->state == EXTENT_OPEN && (l->at == l->end || roll(4) == 0))
            fill_lane_close(sf.fill, lane);
    }
}

TEST(in_any_order_it_lands)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        bring_all_at_random(seed);
        assert_true(shelf_finish(&sf));
        assert_int_equal(partial_bytes(), 0);
        shelf_drop(&sh, &d, PUBLISH_EVICTED);
        shelf_start(&sh, &sf, &d, SIZE);
        assert_int_equal(fill_next(sf.fill, 1), FILL_RUN);
    }
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
}

TEST(what_breaks_off_keeps_what_is_here_in_order)
{
    assert_true(fill_lane_open(sf.fill, 0));
    bring(0, SEG);
    bring_first(12345);
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
    SHELF_UNTIL(&sh, fill_count(sh.store) == 0);
    assert_int_equal(length_of_partial(), 12345);
    assert_int_equal(partial_bytes(), 12345);
    shelf_start(&sh, &sf, &d, SIZE);
    assert_int_equal(sf.fill->have, 12345);
    assert_int_equal(fill_next(sf.fill, 1), FILL_RUN);
    bring_all_at_random(1);
    assert_true(shelf_finish(&sf));
}

TEST(what_has_no_beginning_leaves_nothing)
{
    assert_true(fill_lane_open(sf.fill, 0));
    bring(0, SEG);
    SHELF_UNTIL(&sh, partial_bytes() == SEG);
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
    SHELF_UNTIL(&sh, fill_count(sh.store) == 0);
    assert_false(shelf_has_partial(&sh, &d));
    assert_int_equal(partial_bytes(), 0);
}

TEST(what_cannot_be_cut_is_not_kept)
{
    assert_true(fill_lane_open(sf.fill, 0));
    bring_first(12345);
    bring(0, SEG);
    assert_int_equal(pg_fault_set("fill.trim:EIO@1"), 0);
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
    SHELF_UNTIL(&sh, fill_count(sh.store) == 0);
    assert_false(shelf_has_partial(&sh, &d));
    assert_int_equal(partial_bytes(), 0);
}

TEST(wrong_bytes_leave_nothing)
{
    ((char *)(uintptr_t)bytes.p)[3 * SEG] ^= 1;
    bring_all_at_random(2);
    ((char *)(uintptr_t)bytes.p)[3 * SEG] ^= 1;
    assert_false(shelf_finish(&sf));
    assert_int_equal(sf.kind, PG_E_UPSTREAM_WRONG);
    assert_false(shelf_has_partial(&sh, &d));
    assert_int_equal(partial_bytes(), 0);
}

TEST(a_disk_that_fails_in_the_middle_costs_the_reader_nothing)
{
    static const char *const faults[] = {"fill.pwrite:ENOSPC@40+", "partial.mark:EIO@1+",
                                         "partial.mark:EIO@2+", "fill.trim:EIO@1"};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        assert_int_equal(pg_fault_set(faults[i]), 0);
        bring_all_at_random(3);
        assert_int_equal(sf.disk, 0);
        fill_end(sf.fill);
        SHELF_UNTIL(&sh, sf.landed + sf.wrong + sf.disk > 0);
        assert_int_equal(sf.landed, 1);
        assert_int_equal(flight_look(&sf.reader).committed, SIZE);
        assert_true(sf.reader.seen.verified);
        assert_int_equal(partial_bytes(), 0);
        flight_leave(&sf.reader);
        assert_int_equal(pg_fault_set(NULL), 0);
        shelf_start(&sh, &sf, &d, SIZE);
        assert_int_equal(fill_next(sf.fill, 1), FILL_RUN);
    }
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
}

TEST(a_lane_takes_no_more_than_its_run)
{
    struct pg_err err = {0};

    assert_true(fill_lane_open(sf.fill, 2));
    bring(2, SEG - 10);
    assert_int_equal(fill_lane_write(sf.fill, 2, (struct sl){bytes.p, 11}, &err), -1);
    assert_int_equal(err.kind, PG_E_UPSTREAM_WRONG);
    pg_err_clear(&err);
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
}

static int set_up_all(void **state)
{
    (void)state;
    pg_hash_setup();
    bytes = shelf_bytes(SIZE, 11);
    d = digest_of(PG_SHA256, bytes);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    shelf_free(bytes);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_mark_moves_over_what_is_here_in_order),
        CASE(in_any_order_it_lands),
        CASE(what_breaks_off_keeps_what_is_here_in_order),
        CASE(what_has_no_beginning_leaves_nothing),
        CASE(what_cannot_be_cut_is_not_kept),
        CASE(wrong_bytes_leave_nothing),
        CASE(a_disk_that_fails_in_the_middle_costs_the_reader_nothing),
        CASE(a_lane_takes_no_more_than_its_run),
    };

    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
