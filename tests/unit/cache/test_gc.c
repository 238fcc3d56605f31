/* SPDX-License-Identifier: Apache-2.0 */
/* Eviction: who goes, how many, and who is not disturbed. */
#include "shelf.h"

#include "base/clock.h"
#include "cache/gc.h"
#include "cache/use.h"

#define KIB ((uint64_t)1024)
#define MIB (KIB * 1024)

static struct shelf sh;
static struct pg_err err;

static int set_up(void **state)
{
    (void)state;
    shelf_begin(&sh);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_err_clear(&err);
    shelf_is_sound(&sh);
    shelf_end(&sh);
    return 0;
}

static struct store *store(void)
{
    PG_CHECK(sh.store != NULL);
    return sh.store;
}

/* Until the gc has done what it was asked for. */
static void wait_for_blobs(uint64_t at_most)
{
    struct timespec at;

    PG_CHECK(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
    for (time_t end = at.tv_sec + SHELF_WAIT_S; at.tv_sec < end;) {
        shelf_commit(&sh);
        if (atomic_load(&store()->blobs) <= at_most)
            return;
        PG_CHECK(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
    }
    fail_msg("nothing is evicted");
}

/* What all of them and the index take now, and so many bytes more. */
static uint64_t used_and(uint64_t more)
{
    struct gc_room room;

    assert_int_equal(gc_room(store(), 0, &room, &err), 0);
    return room.used + more;
}

TEST(a_store_without_limits_has_room)
{
    struct gc_room room;

    shelf_open(&sh);
    assert_int_equal(store_make_room(store(), MIB, &err), 0);
    assert_int_equal(gc_room(store(), MIB, &room, &err), 0);
    assert_true(room.fits && room.can_fit);
    assert_int_equal(room.excess, 0);
}

TEST(the_least_recently_used_go_first_down_to_the_low_water_mark)
{
    struct digest d[10];
    int64_t now_s = pg_clock_wall_s();

    shelf_open(&sh);
    for (unsigned i = 0; i < 10; i++) {
        d[i] = shelf_put_seed(&sh, 100 * KIB, i);
        use_touch(store()->use, &d[i], now_s - 1000 + (i * 7) % 10); /* 0, 3, 6, 9, 2, ... */
    }
    store_set_limits(store(), used_and(0), 0);
    assert_int_equal(atomic_load(&store()->blobs), 10);
    assert_int_equal(store_make_room(store(), 250 * KIB, &err), 0);
    wait_for_blobs(7);
    for (unsigned i = 0; i < 10; i++)
        if ((i * 7) % 10 < 3)
            assert_false(shelf_has_file(&sh, &d[i]));
    assert_true(shelf_has_file(&sh, &d[7])); /* 9: the latest */
}

/* Rules that delete one blob; they need two looks at it. */
struct rules {
    struct digest deletes;
    atomic_uint begun, steps;
};

static bool carry_out_rules(void *owner, uint64_t *run, unsigned ms)
{
    struct rules *r = owner;

    (void)ms;
    if (atomic_fetch_add(&r->steps, 1) % 2 == 0) {
        assert_int_equal(*run, 0);
        *run = atomic_fetch_add(&r->begun, 1) + 1;
        publish_drop(store(), &r->deletes, PUBLISH_EVICTED, NULL, NULL);
        shelf_commit(&sh);
        return false;
    }
    assert_int_equal(*run, 1);
    return true;
}

TEST(what_rules_delete_goes_before_what_was_used_longest_ago)
{
    int64_t now_s = pg_clock_wall_s();
    struct rules rules = {.begun = 0};
    struct digest d[3];

    shelf_open(&sh);
    for (unsigned i = 0; i < 3; i++) {
        d[i] = shelf_put_seed(&sh, (i == 2 ? 4096 : 100) * KIB, i);
        use_touch(store()->use, &d[i], now_s - 100 + i);
    }
    rules.deletes = d[2]; /* used last */
    gc_use_rules(store()->gc, carry_out_rules, &rules);
    store_set_limits(store(), used_and(0), 0);
    assert_int_equal(store_make_room(store(), 50 * KIB, &err), 0);
    wait_for_blobs(2);
    while (atomic_load(&rules.steps) < 2) /* a hold would break it off */
        shelf_commit(&sh);
    gc_hold(store()->gc); /* it has looked again, and done what it does */
    assert_int_equal(atomic_load(&rules.begun), 1);
    assert_int_equal(atomic_load(&rules.steps), 2);
    assert_true(shelf_has_file(&sh, &d[0]) && shelf_has_file(&sh, &d[1]));
    assert_false(shelf_has_file(&sh, &d[2]));
    gc_go_on(store()->gc);
    store_set_limits(store(), used_and(0), 0); /* asked a moment ago: now it is the oldest */
    assert_int_equal(store_make_room(store(), 50 * KIB, &err), 0);
    wait_for_blobs(1);
    assert_int_equal(atomic_load(&rules.begun), 1);
    assert_true(shelf_has_file(&sh, &d[1]));
    gc_use_rules(store()->gc, NULL, NULL);
}

TEST(what_is_not_known_to_be_used_counts_as_used_when_it_was_written)
{
    struct digest old, young;
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    char path[256];

    shelf_open(&sh);
    old = shelf_put_seed(&sh, 100 * KIB, 1);
    young = shelf_put_seed(&sh, 100 * KIB, 2);
    use_forget(store()->use, &old);
    use_forget(store()->use, &young);
    shelf_path(&sh, &old, path);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    store_set_limits(store(), used_and(100), 0);
    assert_int_equal(store_make_room(store(), 1000, &err), 0);
    wait_for_blobs(1);
    assert_true(shelf_has_file(&sh, &young));
}

static void break_off(uint64_t seed, struct digest *d_r)
{
    struct sl bytes = shelf_bytes(100 * KIB, seed);
    struct shelf_fill sf;

    *d_r = digest_of(PG_SHA256, bytes);
    shelf_start(&sh, &sf, d_r, bytes.n + 1);
    assert_int_equal(shelf_write(&sf, bytes, 50000), 0);
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
    shelf_free(bytes);
}

TEST(partials_that_nobody_works_on_go_before_blobs)
{
    struct digest blob, half;

    shelf_open(&sh);
    blob = shelf_put_seed(&sh, 100 * KIB, 1);
    break_off(2, &half);
    assert_true(shelf_has_partial(&sh, &half));
    store_set_limits(store(), used_and(10), 0);
    assert_int_equal(store_make_room(store(), 20, &err), 0);
    while (shelf_has_partial(&sh, &half))
        shelf_commit(&sh);
    assert_true(shelf_has_file(&sh, &blob));
}

TEST(a_fill_at_work_is_not_evicted)
{
    struct sl bytes = shelf_bytes(200 * KIB, 3);
    struct digest d = digest_of(PG_SHA256, bytes), old;
    struct shelf_fill sf;

    shelf_open(&sh);
    old = shelf_put_seed(&sh, 100 * KIB, 1);
    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(shelf_write(&sf, (struct sl){bytes.p, 100 * KIB}, 50000), 0);
    SHELF_UNTIL(&sh, flight_look(&sf.reader).committed == 100 * KIB);
    store_set_limits(store(), used_and(0), 0);
    assert_int_equal(store_make_room(store(), 100 * KIB, &err), 0);
    wait_for_blobs(0);
    assert_false(shelf_has_file(&sh, &old));
    assert_int_equal(shelf_write(&sf, (struct sl){bytes.p + 100 * KIB, bytes.n - 100 * KIB}, 50000),
                     0);
    assert_true(shelf_finish(&sf));
    shelf_free(bytes);
}

TEST(what_can_never_fit_is_refused_and_evicts_nothing_of_use)
{
    struct digest d;

    shelf_open(&sh);
    d = shelf_put_seed(&sh, 100 * KIB, 1);
    store_set_limits(store(), used_and(MIB), 0);
    assert_int_equal(store_make_room(store(), 100 * MIB, &err), -1);
    assert_int_equal(err.kind, PG_E_STORE_IO);
    assert_non_null(strstr(err.msg, "the store is full"));
    assert_non_null(strstr(err.detail, sh.dir));
    assert_true(atomic_load(&store()->degraded));
    shelf_commit(&sh);
    assert_true(shelf_can_open(&sh, &d));
}

TEST(a_fill_that_cannot_fit_says_so_before_a_byte_comes)
{
    struct sl bytes = shelf_bytes(2 * MIB, 4);
    struct digest d = digest_of(PG_SHA256, bytes), kept;
    struct shelf_fill sf;

    shelf_open(&sh);
    kept = shelf_put_seed(&sh, 100 * KIB, 1);
    store_set_limits(store(), used_and(MIB), 0);
    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(sf.disk, 1);
    assert_non_null(strstr(sf.fill->err.msg, "the store is full"));
    shelf_give_up(&sf, PG_E_STORE_IO);
    flight_leave(&sf.reader);
    assert_false(shelf_has_partial(&sh, &d));
    assert_true(shelf_can_open(&sh, &kept));
    shelf_free(bytes);
}

TEST(a_store_is_well_again_when_its_disk_is)
{
    shelf_open(&sh);
    atomic_store(&store()->degraded, true);
    gc_ask(store()->gc, 0);
    while (atomic_load(&store()->degraded))
        shelf_commit(&sh);
    assert_int_equal(shelf_count_files(store()->quarantine_fd), 0);
}

TEST(a_layer_outlives_the_first_image_that_has_it) /* G11 */
{
    struct digest first, second, layer;

    shelf_open(&sh);
    first = shelf_put_seed(&sh, 500, 1);
    second = shelf_put_seed(&sh, 500, 2);
    layer = shelf_put_seed(&sh, 100 * KIB, 3);
    shelf_drop(&sh, &first, PUBLISH_EVICTED);
    assert_true(shelf_can_open(&sh, &second));
    assert_true(shelf_can_open(&sh, &layer));
}

TEST(the_reserve_of_the_disk_is_kept)
{
    shelf_open(&sh);
    (void)shelf_put_seed(&sh, 100 * KIB, 1);
    store_set_limits(store(), 0, UINT64_MAX / 8);
    wait_for_blobs(0);
    assert_int_equal(store_make_room(store(), 1, &err), -1);
    assert_non_null(strstr(err.msg, "the store is full"));
}

#define MANY 600

TEST(more_than_one_batch_and_pulls_that_race_it) /* G10 */
{
    struct digest d[MANY];
    unsigned served = 0;

    shelf_open(&sh);
    for (unsigned i = 0; i < MANY; i++)
        d[i] = shelf_put_seed(&sh, KIB, i);
    store_set_limits(store(), used_and(0) - 500 * KIB, 0);
    for (unsigned round = 0; atomic_load(&store()->blobs) > 150 && round < 100000; round++) {
        const struct digest *one = &d[round % MANY];
        struct blob *b;
        char p[KIB];

        if (blob_open(store(), one, &b, &err) != 1) /* 0: it would be fetched again; never -1 */
            continue;
        assert_int_equal(pg_fd_pread(b->fd, p, b->size, 0), 0);
        assert_true(
            digest_eq(&(struct digest[]){digest_of(PG_SHA256, (struct sl){p, b->size})}[0], one));
        blob_close(b);
        served++;
    }
    assert_int_equal(err.kind, PG_E_NONE);
    assert_true(served > 0);
    wait_for_blobs(150);
}

/* Lets the writer go on once the thread of this number waits, which is in gc_hold(). */
static void *go_on_when_it_waits(void *tid)
{
    char path[64], text[512] = "";
    const char *state = NULL;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", *(pid_t *)tid);
    while (state == NULL || state[2] != 'S') {
        FILE *f = fopen(path, "r");

        PG_CHECK(f != NULL && fgets(text, sizeof(text), f) != NULL);
        (void)fclose(f);
        state = strrchr(text, ')');
    }
    writer_go_on(store()->writer);
    return NULL;
}

/* Some are gone and some are not, and the writer holds. */
#define BLOBS (4 * GC_BATCH) /* more than are under way at once, by far */

static void stop_in_an_eviction(void)
{
    for (;;) {
        store_set_limits(store(), 0, 0);
        for (unsigned i = 0; i < BLOBS; i++)
            (void)shelf_put_seed(&sh, 1000, i);
        store_set_limits(store(), 1, 0);
        wait_for_blobs(BLOBS - 1);
        writer_hold(store()->writer);
        if (atomic_load(&store()->blobs) > 0)
            return;
        writer_go_on(store()->writer);
    }
}

/* Whoever hands the store over does not wait for all that is to be evicted, and lets no client wait
 * for it. */
TEST(a_hold_breaks_an_eviction_off)
{
    pthread_t thread;
    pid_t self = gettid();

    shelf_open(&sh);
    stop_in_an_eviction();
    assert_int_equal(pthread_create(&thread, NULL, go_on_when_it_waits, &self), 0);
    gc_hold(store()->gc);
    assert_int_equal(pthread_join(thread, NULL), 0);
    shelf_commit(&sh);
    assert_true(atomic_load(&store()->blobs) > 0);
    gc_go_on(store()->gc);
    wait_for_blobs(0);
}

TEST(uses_are_kept_over_a_restart)
{
    struct digest d;

    shelf_open(&sh);
    d = shelf_put_seed(&sh, 10, 1);
    use_touch(store()->use, &d, 12345);
    shelf_close(&sh);
    shelf_open(&sh);
    assert_int_equal(use_last(store()->use, &d), 12345);
}

/* Uses of a clock that was ten years ahead do not outlive those of today. */
TEST(G16_what_was_used_in_the_future_was_used_now)
{
    int64_t now_s = pg_clock_wall_s(), ten_years_s = (int64_t)3650 * 86400;
    struct digest future, today, old;

    shelf_open(&sh);
    future = shelf_put_seed(&sh, 100 * KIB, 1);
    today = shelf_put_seed(&sh, 100 * KIB, 2);
    old = shelf_put_seed(&sh, 100 * KIB, 3);
    use_touch(store()->use, &future, now_s + ten_years_s);
    use_touch(store()->use, &today, now_s - 5);
    use_touch(store()->use, &old, now_s - ten_years_s); /* of a clock that was behind */
    store_set_limits(store(), used_and(0), 0);
    assert_int_equal(store_make_room(store(), 10, &err), 0);
    wait_for_blobs(2);
    assert_false(shelf_has_file(&sh, &old));
    assert_in_range(use_last(store()->use, &future), now_s, now_s + SHELF_WAIT_S);
    use_touch(store()->use, &today, now_s + 60); /* one minute later */
    store_set_limits(store(), used_and(0), 0);
    assert_int_equal(store_make_room(store(), 10, &err), 0);
    wait_for_blobs(1);
    assert_false(shelf_has_file(&sh, &future));
    assert_true(shelf_has_file(&sh, &today));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_store_without_limits_has_room),
        CASE(the_least_recently_used_go_first_down_to_the_low_water_mark),
        CASE(what_rules_delete_goes_before_what_was_used_longest_ago),
        CASE(what_is_not_known_to_be_used_counts_as_used_when_it_was_written),
        CASE(partials_that_nobody_works_on_go_before_blobs),
        CASE(a_fill_at_work_is_not_evicted),
        CASE(what_can_never_fit_is_refused_and_evicts_nothing_of_use),
        CASE(a_fill_that_cannot_fit_says_so_before_a_byte_comes),
        CASE(a_store_is_well_again_when_its_disk_is),
        CASE(a_layer_outlives_the_first_image_that_has_it),
        CASE(the_reserve_of_the_disk_is_kept),
        CASE(more_than_one_batch_and_pulls_that_race_it),
        CASE(a_hold_breaks_an_eviction_off),
        CASE(uses_are_kept_over_a_restart),
        CASE(G16_what_was_used_in_the_future_was_used_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
