/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs that the store has no room for, or whose disk fails: they are served and not kept. G06. */
#include "shelf.h"

#include "cache/gc.h"
#include "cache/proof.h"

#define MIB   ((uint64_t)1024 * 1024)
#define SIZE  ((size_t)(2 * MIB))
#define PIECE ((size_t)100000)

static struct shelf sh;
static struct sl bytes;
static struct digest d;

static int set_up(void **state)
{
    (void)state;
    shelf_begin(&sh);
    sh.config.uncached_bytes = 4 * MIB;
    shelf_open(&sh);
    bytes = shelf_bytes(SIZE, 6);
    d = digest_of(PG_SHA256, bytes);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(pg_fault_set(NULL), 0);
    assert_int_equal(fill_count(sh.store), 0);
    assert_int_equal(partial_claims(sh.store), 0);
    assert_int_equal(atomic_load(&sh.store->filling.bytes), 0);
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 0);
    assert_int_equal(atomic_load(&sh.store->uncached), 0);
    assert_int_equal(shelf_count_files(sh.store->partial_fd), 0);
    shelf_is_sound(&sh);
    shelf_end(&sh);
    shelf_free(bytes);
    return 0;
}

static void limit(uint64_t more)
{
    struct gc_room room;
    struct pg_err err = {0};

    assert_int_equal(gc_room(sh.store, 0, &room, &err), 0);
    store_set_limits(sh.store, room.used + more, 0);
}

/* All of it, as a reader sees it that is aboard. */
static void assert_readable(struct shelf_fill *sf)
{
    char *p = malloc(SIZE);

    assert_non_null(p);
    assert_int_equal(flight_look(&sf->reader).committed, SIZE);
    assert_int_equal(pg_fd_pread(sf->reader.flight->fd, p, SIZE, 0), 0);
    assert_memory_equal(p, bytes.p, SIZE);
    free(p);
}

static void write_from(struct shelf_fill *sf, size_t from)
{
    assert_int_equal(shelf_write(sf, (struct sl){bytes.p + from, SIZE - from}, PIECE), 0);
}

/* It matched, and is not in the store. */
static void is_served_uncached(struct shelf_fill *sf)
{
    fill_end(sf->fill);
    SHELF_UNTIL(&sh, sf->landed + sf->wrong + sf->disk > 0);
    assert_int_equal(sf->landed, 1);
    assert_readable(sf);
    assert_int_equal(sf->reader.seen.state, FLIGHT_LOST);
    assert_true(sf->reader.seen.verified);
    assert_false(shelf_has_row(&sh, &d));
    assert_false(shelf_has_file(&sh, &d));
    assert_false(shelf_has_partial(&sh, &d));
    assert_true(atomic_load(&sh.store->degraded));
}

TEST(what_is_larger_than_the_store_goes_through_a_file_without_a_name)
{
    struct digest kept = shelf_put_seed(&sh, 1000, 1);
    struct shelf_fill sf;

    limit(MIB);
    shelf_start(&sh, &sf, &d, SIZE);
    assert_int_equal(sf.ready, 1);
    assert_int_equal(shelf_count_files(sh.store->partial_fd), 0);
    write_from(&sf, 0);
    is_served_uncached(&sf);
    assert_int_equal(atomic_load(&sh.store->uncached), 0); /* no memory was needed */
    flight_leave(&sf.reader);
    assert_true(shelf_can_open(&sh, &kept));
}

static void breaks_in_the_middle(const char *faults)
{
    struct shelf_fill sf;
    struct pg_err err = {0};
    char p[1000];
    int fd;

    shelf_start(&sh, &sf, &d, SIZE);
    assert_int_equal(fill_write(sf.fill, (struct sl){bytes.p, PIECE}, &err), 1);
    SHELF_UNTIL(&sh, flight_look(&sf.reader).committed == PIECE);
    fd = sf.reader.flight->fd;
    assert_int_equal(pg_fault_set(faults), 0);
    write_from(&sf, PIECE);
    is_served_uncached(&sf);
    assert_int_equal(sf.reader.flight->fd, fd);
    assert_int_equal(pg_fd_pread(fd, p, sizeof(p), 0), 0);
    assert_int_equal(atomic_load(&sh.store->uncached), SIZE);
    flight_leave(&sf.reader);
    assert_int_equal(atomic_load(&sh.store->uncached), 0);
    assert_int_equal(pg_fault_set(NULL), 0);
}

TEST(a_disk_that_fails_in_the_middle_costs_the_client_nothing)
{
    breaks_in_the_middle("fill.pwrite:ENOSPC@1+");
    breaks_in_the_middle("fill.pwrite:EIO@3+");
    assert_true(digest_eq(&d, &(struct digest[]){shelf_put(&sh, bytes)}[0])); /* well again */
    shelf_drop(&sh, &d, PUBLISH_EVICTED);
}

TEST(a_disk_that_takes_no_file_at_all) /* G15 */
{
    static const char *const faults[] = {"partial.open:EROFS@1+", "partial.open:ENOSPC@1+",
                                         "fill.open:EMFILE@1+"};

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct shelf_fill sf;

        assert_int_equal(pg_fault_set(faults[i]), 0);
        atomic_store(&sh.store->degraded, true);
        shelf_start(&sh, &sf, &d, SIZE);
        assert_int_equal(sf.ready, 1);
        write_from(&sf, 0);
        is_served_uncached(&sf);
        flight_leave(&sf.reader);
        assert_int_equal(pg_fault_set(NULL), 0);
    }
}

TEST(what_was_kept_of_it_comes_along)
{
    struct shelf_fill sf;

    shelf_start(&sh, &sf, &d, SIZE);
    assert_int_equal(shelf_write(&sf, (struct sl){bytes.p, 3 * PIECE}, PIECE), 0);
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
    assert_true(shelf_has_partial(&sh, &d));
    assert_int_equal(pg_fault_set("fill.pwrite:ENOSPC@1+"), 0);
    shelf_start(&sh, &sf, &d, SIZE);
    assert_int_equal(sf.fill->have, 3 * PIECE);
    write_from(&sf, 3 * PIECE);
    is_served_uncached(&sf);
    flight_leave(&sf.reader);
}

TEST(wrong_bytes_are_wrong_there_too)
{
    struct sl other = shelf_bytes(SIZE, 7);
    struct shelf_fill sf;

    assert_int_equal(pg_fault_set("partial.open:EROFS@1+"), 0);
    shelf_start(&sh, &sf, &d, SIZE);
    assert_int_equal(shelf_write(&sf, other, PIECE), 0);
    assert_false(shelf_finish(&sf));
    assert_int_equal(sf.wrong, 1);
    assert_int_equal(sf.kind, PG_E_UPSTREAM_WRONG);
    shelf_free(other);
}

/* While another fill of it has its place in the store. */
static void start_beside(struct shelf_fill *sf)
{
    enum flight_role role;
    struct pg_err err = {0};

    *sf = (struct shelf_fill){.shelf = &sh};
    assert_int_equal(flight_join(&sh.bell, SL("beside"), &sf->reader, shelf_on_news, &role, &err),
                     0);
    assert_int_equal(role, FLIGHT_LEADER);
    flight_say_beside(sf->reader.flight);
    flight_say_whose(sf->reader.flight, SL("other.test/app"));
    sf->fill = fill_open(sh.store, sf->reader.flight, &d, SIZE, &sh.box, shelf_on_event, sf);
    SHELF_UNTIL(&sh, sf->ready + sf->disk > 0);
    assert_int_equal(sf->ready, 1);
    assert_int_equal(sf->fill->have, 0);
}

TEST(N07_one_beside_another_leaves_it_alone)
{
    struct shelf_fill first, beside;
    struct pg_err err = {0};

    shelf_start(&sh, &first, &d, SIZE);
    assert_int_equal(fill_write(first.fill, (struct sl){bytes.p, PIECE}, &err), 1);
    SHELF_UNTIL(&sh, flight_look(&first.reader).committed == PIECE);

    start_beside(&beside); /* breaks off */
    assert_int_equal(fill_write(beside.fill, (struct sl){bytes.p, PIECE}, &err), 1);
    pg_fail(&err, PG_E_UPSTREAM_DOWN, "scripted");
    fill_fail(beside.fill, &err);
    pg_err_clear(&err);
    SHELF_UNTIL(&sh, flight_look(&beside.reader).state == FLIGHT_LOST);
    flight_leave(&beside.reader);

    start_beside(&beside); /* and comes whole */
    assert_int_equal(shelf_count_files(sh.store->partial_fd), 1);
    write_from(&beside, 0);
    fill_end(beside.fill);
    SHELF_UNTIL(&sh, beside.landed + beside.wrong + beside.disk > 0);
    assert_int_equal(beside.landed, 1);
    assert_readable(&beside);
    assert_true(beside.reader.seen.verified);
    assert_false(shelf_has_row(&sh, &d));
    flight_leave(&beside.reader);
    assert_false(atomic_load(&sh.store->degraded));
    shelf_commit(&sh);
    assert_int_equal(proof_has(sh.store, SL("other.test/x"), &d, &err), 1);

    write_from(&first, PIECE);
    assert_true(shelf_finish(&first));
    assert_true(shelf_has_row(&sh, &d));
}

TEST(N07_wrong_bytes_beside_another_are_wrong_there_alone)
{
    struct sl other = shelf_bytes(SIZE, 7);
    struct shelf_fill first, beside;

    shelf_start(&sh, &first, &d, SIZE);
    start_beside(&beside);
    assert_int_equal(shelf_write(&beside, other, PIECE), 0);
    assert_false(shelf_finish(&beside));
    assert_int_equal(beside.kind, PG_E_UPSTREAM_WRONG);
    write_from(&first, 0);
    assert_true(shelf_finish(&first));
    shelf_free(other);
}

TEST(memory_is_bounded_and_what_does_not_fit_is_refused_before_a_byte_comes)
{
    struct sl third = shelf_bytes(SIZE, 8);
    struct digest d3 = digest_of(PG_SHA256, third);
    struct shelf_fill one, two;

    assert_int_equal(pg_fault_set("partial.open:ENOSPC@1+"), 0);
    shelf_start(&sh, &one, &d, 3 * MIB);
    assert_int_equal(one.ready, 1);
    shelf_start(&sh, &two, &d3, SIZE);
    assert_int_equal(two.disk, 1);
    assert_int_equal(flight_look(&two.reader).state, FLIGHT_HEAD);
    assert_int_equal(two.kind, PG_E_STORE_IO);
    assert_non_null(strstr(two.fill->err.msg, "full"));
    shelf_give_up(&two, PG_E_STORE_IO);
    flight_leave(&two.reader);
    shelf_give_up(&one, PG_E_UPSTREAM_DOWN);
    flight_leave(&one.reader);
    shelf_start(&sh, &two, &d3, SIZE); /* there is room again */
    assert_int_equal(two.ready, 1);
    shelf_give_up(&two, PG_E_UPSTREAM_DOWN);
    flight_leave(&two.reader);
    shelf_free(third);
}

TEST(a_size_that_nobody_says_does_not_outgrow_the_store)
{
    struct shelf_fill sf;

    limit(MIB);
    shelf_start(&sh, &sf, &d, UINT64_MAX);
    assert_int_equal(sf.ready, 1);
    assert_int_equal(fill_size(sf.fill, 5 * MIB, &sf.fill->err), 0);
    write_from(&sf, 0);
    SHELF_UNTIL(&sh, flight_look(&sf.reader).committed == SIZE);
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 0); /* it is not the store's any more */
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
}

/* Of a blob that nobody has asked for yet. */
static void foresee(struct shelf_fill *sf, uint64_t size)
{
    char text[DIGEST_TEXT_MAX];
    struct flight *f = flight_foresee(&sh.flights, digest_write(&d, text));

    *sf = (struct shelf_fill){.shelf = &sh};
    assert_non_null(f);
    sf->fill = fill_open(sh.store, f, &d, size, &sh.box, shelf_on_event, sf);
    SHELF_UNTIL(&sh, sf->ready + sf->disk > 0);
}

static void join(struct shelf_fill *sf)
{
    char text[DIGEST_TEXT_MAX];
    enum flight_role role;
    struct pg_err err = {0};

    assert_int_equal(
        flight_join(&sh.bell, digest_write(&d, text), &sf->reader, shelf_on_news, &role, &err), 0);
    assert_int_equal(role, FLIGHT_FOLLOWER);
}

TEST(N19_for_what_nobody_asked_for_no_room_is_made)
{
    struct digest kept = shelf_put_seed(&sh, 1000, 1);
    struct shelf_fill sf, other;
    struct pg_err why = {0};

    limit(SIZE - 1);
    foresee(&sf, SIZE);
    assert_int_equal(sf.disk, 1);
    assert_int_equal(sf.kind, PG_E_CANCELED);
    fill_fail(sf.fill, &sf.fill->err);
    limit(SIZE + 1);
    (void)partial_promise(sh.store, 2); /* another of the kind is on its way */
    foresee(&other, SIZE);
    assert_int_equal(other.disk, 1);
    fill_fail(other.fill, &other.fill->err);
    assert_int_equal(partial_promise_end(sh.store, 2), 0);
    foresee(&sf, SIZE);
    assert_int_equal(sf.ready, 1);
    assert_int_equal(partial_promise(sh.store, 0), SIZE);
    (void)pg_fail(&why, PG_E_UPSTREAM_DOWN, "the test gives up");
    fill_fail(sf.fill, &why);
    SHELF_UNTIL(&sh, fill_count(sh.store) == 0);
    pg_err_clear(&why);
    assert_int_equal(partial_promise(sh.store, 0), 0);
    assert_int_equal(atomic_load(&sh.store->degraded), 0);
    assert_true(shelf_can_open(&sh, &kept));
}

TEST(whoever_joins_it_is_served_all_the_same)
{
    struct shelf_fill sf;

    foresee(&sf, SIZE);
    assert_int_equal(sf.ready, 1);
    join(&sf);
    limit(MIB); /* meanwhile others have taken the room */
    write_from(&sf, 0);
    is_served_uncached(&sf);
    flight_leave(&sf.reader);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_is_larger_than_the_store_goes_through_a_file_without_a_name),
        CASE(N07_one_beside_another_leaves_it_alone),
        CASE(N07_wrong_bytes_beside_another_are_wrong_there_alone),
        CASE(a_disk_that_fails_in_the_middle_costs_the_client_nothing),
        CASE(a_disk_that_takes_no_file_at_all),
        CASE(what_was_kept_of_it_comes_along),
        CASE(wrong_bytes_are_wrong_there_too),
        CASE(memory_is_bounded_and_what_does_not_fit_is_refused_before_a_byte_comes),
        CASE(a_size_that_nobody_says_does_not_outgrow_the_store),
        CASE(N19_for_what_nobody_asked_for_no_room_is_made),
        CASE(whoever_joins_it_is_served_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
