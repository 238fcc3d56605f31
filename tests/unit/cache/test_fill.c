/* SPDX-License-Identifier: Apache-2.0 */
/* Fills with real files, a real index and real pools; the test is the fetch thread. */
#include "shelf.h"

#include "cache/use.h"

#define CHUNK ((size_t)BLOB_CHUNK_BYTES)

static struct shelf sh;

static int set_up(void **state)
{
    (void)state;
    shelf_begin(&sh);
    shelf_open(&sh);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(fill_count(sh.store), 0);
    assert_int_equal(partial_claims(sh.store), 0);
    shelf_end(&sh);
    return 0;
}

static void assert_file_is(const struct digest *d, struct sl bytes)
{
    char path[256], *p = malloc(bytes.n + 1);
    struct stat st;
    int fd;

    shelf_path(&sh, d, path);
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && p != NULL);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, bytes.n);
    assert_int_equal(st.st_mode & 07777, 0440);
    assert_int_equal(pg_fd_pread(fd, p, bytes.n, 0), 0);
    assert_memory_equal(p, bytes.p, bytes.n);
    (void)close(fd);
    free(p);
}

static void lands(size_t n, uint64_t size, size_t piece, enum pg_hash_alg alg)
{
    struct sl bytes = shelf_bytes(n, n + alg);
    struct digest d = digest_of(alg, bytes);
    struct shelf_fill sf;

    shelf_start(&sh, &sf, &d, size);
    assert_int_equal(sf.fill->have, 0);
    assert_int_equal(shelf_write(&sf, bytes, piece), 0);
    assert_true(shelf_finish(&sf));
    assert_file_is(&d, bytes);
    assert_true(shelf_has_row(&sh, &d));
    assert_false(shelf_has_partial(&sh, &d));
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 0);
    shelf_free(bytes);
}

TEST(a_blob_lands_as_it_came)
{
    lands(1, 1, 1, PG_SHA256);
    lands(1000, 1000, 7, PG_SHA256);
    lands(CHUNK, CHUNK, CHUNK, PG_SHA256);
    lands(3 * CHUNK + 17, 3 * CHUNK + 17, 100000, PG_SHA256);
    lands(5 * CHUNK, 5 * CHUNK, 16384, PG_SHA256);
}

TEST(a_size_that_is_not_known_before_the_end)
{
    lands(2 * CHUNK + 1, UINT64_MAX, 30000, PG_SHA256);
    lands(0, UINT64_MAX, 1, PG_SHA256);
}

TEST(a_blob_without_bytes)
{
    lands(0, 0, 1, PG_SHA512);
}

/* Its head alone would be a complete answer. */
TEST(an_empty_blob_has_no_head_before_its_digest_matched)
{
    struct digest d = digest_of(PG_SHA256, SL("not empty"));
    struct pg_err err = {0};
    struct shelf_fill sf;

    shelf_start(&sh, &sf, &d, UINT64_MAX);
    assert_int_equal(fill_size(sf.fill, 0, &err), 0);
    assert_int_equal(flight_look(&sf.reader).state, FLIGHT_HEAD);
    assert_false(shelf_finish(&sf));
}

TEST(sha256_is_known_whatever_the_name_is_made_with)
{
    struct sl bytes = shelf_bytes(CHUNK + 5, 4);
    struct digest d = digest_of(PG_SHA512, bytes), sha256 = digest_of(PG_SHA256, bytes);
    struct pg_err err = {0};
    struct shelf_fill sf;
    struct blob *b;

    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(shelf_write(&sf, bytes, 9999), 0);
    assert_true(shelf_finish(&sf));
    assert_int_equal(blob_open(sh.store, &d, &b, &err), 1);
    assert_true(digest_eq(&b->sha256, &sha256));
    blob_close(b);
    assert_false(shelf_has_row(&sh, &sha256));
    shelf_free(bytes);
}

TEST(the_row_has_a_checksum_of_each_chunk)
{
    struct sl bytes = shelf_bytes(2 * CHUNK + 100, 8);
    struct digest d = shelf_put(&sh, bytes);
    struct index_blob row;
    struct pg_err err = {0};
    _index_view_ struct index_view v = index_view_begin(sh.store->index);

    assert_int_equal(index_get_blob(&v, &d, &row, &err), 1);
    assert_int_equal(row.size, bytes.n);
    assert_int_equal(row.chunk_bytes, CHUNK);
    assert_int_equal(row.chunk_sums.n, 3 * 8);
    shelf_free(bytes);
}

TEST(readers_see_the_mark_move_and_read_up_to_it)
{
    struct sl bytes = shelf_bytes(3 * CHUNK, 1);
    struct digest d = digest_of(PG_SHA256, bytes);
    struct shelf_fill sf;
    struct pg_err err = {0};
    char *p = malloc(CHUNK);
    int fd;

    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(flight_look(&sf.reader).state, FLIGHT_HEAD);
    assert_int_equal(fill_write(sf.fill, (struct sl){bytes.p, CHUNK}, &err), 1);
    assert_int_equal(flight_look(&sf.reader).size, bytes.n);
    SHELF_UNTIL(&sh, flight_look(&sf.reader).committed == CHUNK);
    fd = sf.reader.flight->fd;
    assert_int_equal(pg_fd_pread(fd, p, CHUNK, 0), 0);
    assert_memory_equal(p, bytes.p, CHUNK);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);

    assert_int_equal(shelf_write(&sf, (struct sl){bytes.p + CHUNK, 2 * CHUNK}, CHUNK), 0);
    fill_end(sf.fill);
    SHELF_UNTIL(&sh, sf.landed == 1);
    assert_int_equal(pg_fd_pread(fd, p, CHUNK, 2 * CHUNK), 0); /* landed: the same file */
    assert_memory_equal(p, bytes.p + 2 * CHUNK, CHUNK);
    flight_leave(&sf.reader);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed with the last reader */
    free(p);
    shelf_free(bytes);
}

TEST(a_head_waits_for_bytes_or_for_upstreams_word)
{
    struct digest d = digest_of(PG_SHA256, SL("12345"));
    struct pg_err err = {0};
    struct shelf_fill sf;

    shelf_start(&sh, &sf, &d, 5);
    assert_int_equal(flight_look(&sf.reader).state, FLIGHT_HEAD);
    assert_int_equal(fill_size(sf.fill, 6, &err), -1);
    assert_int_equal(err.kind, PG_E_UPSTREAM_WRONG);
    pg_err_clear(&err);
    assert_int_equal(fill_size(sf.fill, 5, &err), 0);
    assert_int_equal(flight_look(&sf.reader).state, FLIGHT_BODY);
    assert_int_equal(fill_write(sf.fill, SL("123456"), &err), -1);
    assert_int_equal(err.kind, PG_E_UPSTREAM_WRONG);
    pg_err_clear(&err);
    shelf_give_up(&sf, PG_E_UPSTREAM_WRONG);
    flight_leave(&sf.reader);
    assert_false(shelf_has_partial(&sh, &d));
}

static void is_wrong(struct sl sent, struct sl named, uint64_t size)
{
    struct digest d = digest_of(PG_SHA256, named);
    struct shelf_fill sf;

    shelf_start(&sh, &sf, &d, size);
    assert_int_equal(shelf_write(&sf, sent, 1000), 0);
    assert_false(shelf_finish(&sf));
    assert_int_equal(sf.wrong, 1);
    assert_int_equal(sf.kind, PG_E_UPSTREAM_WRONG);
    assert_false(shelf_has_partial(&sh, &d));
    assert_false(shelf_has_file(&sh, &d));
    assert_false(shelf_has_row(&sh, &d));
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 0);
}

TEST(wrong_bytes_never_land_and_leave_nothing)
{
    is_wrong(SL("evil"), SL("good"), 4);
    is_wrong(SL("evil"), SL("good"), UINT64_MAX);
    is_wrong(SL("goo"), SL("good"), 4); /* short */
    is_wrong(SL(""), SL("good"), 4);
}

static void break_off(const struct digest *d, struct sl bytes, uint64_t size)
{
    struct shelf_fill sf;

    shelf_start(&sh, &sf, d, size);
    assert_int_equal(shelf_write(&sf, bytes, 50000), 0);
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    assert_int_equal(flight_look(&sf.reader).state, FLIGHT_LOST);
    flight_leave(&sf.reader);
}

TEST(what_broke_off_is_kept_to_its_last_byte_and_goes_on)
{
    struct sl bytes = shelf_bytes(4 * CHUNK + 33, 3);
    struct digest d = digest_of(PG_SHA256, bytes);
    size_t half = 2 * CHUNK + 11;
    struct shelf_fill sf;

    break_off(&d, (struct sl){bytes.p, half}, bytes.n);
    assert_true(shelf_has_partial(&sh, &d));
    assert_int_equal(atomic_load(&sh.store->partial_bytes), half);

    shelf_close(&sh); /* over a restart, too */
    shelf_open(&sh);
    assert_int_equal(atomic_load(&sh.store->partial_bytes), half);

    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(sf.fill->have, half);
    SHELF_UNTIL(&sh, flight_look(&sf.reader).committed == half); /* served meanwhile */
    assert_int_equal(shelf_write(&sf, (struct sl){bytes.p + half, bytes.n - half}, CHUNK), 0);
    assert_true(shelf_finish(&sf));
    assert_file_is(&d, bytes);
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 0);
    shelf_free(bytes);
}

TEST(what_broke_off_is_not_kept_when_the_whole_has_come_meanwhile) /* by recovery */
{
    struct sl bytes = shelf_bytes(3 * CHUNK, 8);
    struct digest d = shelf_put(&sh, bytes);

    break_off(&d, (struct sl){bytes.p, CHUNK}, bytes.n);
    assert_false(shelf_has_partial(&sh, &d));
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 0);
    assert_file_is(&d, bytes);
    shelf_free(bytes);
}

TEST(what_was_kept_may_be_all_of_it)
{
    struct sl bytes = shelf_bytes(3 * CHUNK, 5);
    struct digest d = digest_of(PG_SHA256, bytes);
    struct shelf_fill sf;

    break_off(&d, bytes, UINT64_MAX);
    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(sf.fill->have, bytes.n);
    assert_true(shelf_finish(&sf));
    assert_file_is(&d, bytes);
    shelf_free(bytes);
}

/* As a crash leaves it that came while it was made durable. */
TEST(what_has_the_mode_of_a_blob_already_is_gone_on_with)
{
    struct sl bytes = shelf_bytes(2 * CHUNK + 5, 40);
    struct digest d = digest_of(PG_SHA256, bytes);
    char name[PARTIAL_NAME_MAX];
    struct shelf_fill sf;

    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(shelf_write(&sf, bytes, CHUNK), 0);
    shelf_give_up(&sf, PG_E_UPSTREAM_DOWN);
    flight_leave(&sf.reader);
    assert_int_equal(fchmodat(sh.store->partial_fd, partial_name(&d, name), 0440, 0), 0);
    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(sf.fill->have, bytes.n);
    assert_true(shelf_finish(&sf));
    assert_file_is(&d, bytes);
    shelf_free(bytes);
}

TEST(a_kept_prefix_that_rotted_is_dropped_at_the_end)
{
    struct sl bytes = shelf_bytes(2 * CHUNK, 6);
    struct digest d = digest_of(PG_SHA256, bytes);
    char name[PARTIAL_NAME_MAX];
    struct shelf_fill sf;
    int fd;

    break_off(&d, (struct sl){bytes.p, CHUNK}, bytes.n);
    fd = openat(sh.store->partial_fd, partial_name(&d, name), O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, 100), 1);
    (void)close(fd);

    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(sf.fill->have, CHUNK);
    assert_int_equal(shelf_write(&sf, (struct sl){bytes.p + CHUNK, CHUNK}, CHUNK), 0);
    assert_false(shelf_finish(&sf));
    assert_int_equal(sf.wrong, 1);
    assert_false(shelf_has_partial(&sh, &d));

    shelf_start(&sh, &sf, &d, bytes.n); /* the next to ask begins at byte 0 */
    assert_int_equal(sf.fill->have, 0);
    assert_int_equal(shelf_write(&sf, bytes, CHUNK), 0);
    assert_true(shelf_finish(&sf));
    shelf_free(bytes);
}

TEST(a_fill_without_a_byte_leaves_no_file)
{
    struct digest d = digest_of(PG_SHA256, SL("never comes"));

    break_off(&d, SL(""), 11);
    assert_false(shelf_has_partial(&sh, &d));
}

TEST(giving_up_while_it_is_published_lets_it_land)
{
    struct sl bytes = shelf_bytes(1000, 9);
    struct digest d = digest_of(PG_SHA256, bytes);
    struct shelf_fill sf;

    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(shelf_write(&sf, bytes, 1000), 0);
    fill_end(sf.fill);
    SHELF_UNTIL(&sh, flight_look(&sf.reader).verified);
    if (sf.fill != NULL)
        shelf_give_up(&sf, PG_E_CANCELED);
    assert_int_equal(flight_look(&sf.reader).state, FLIGHT_LANDED);
    flight_leave(&sf.reader);
    assert_true(shelf_can_open(&sh, &d));
    shelf_free(bytes);
}

TEST(a_blob_that_landed_counts_as_used)
{
    struct digest d = shelf_put_seed(&sh, 100, 1);

    assert_true(use_last(sh.store->use, &d) > 0);
}

TEST(the_buffers_are_bounded)
{
    struct sl bytes = shelf_bytes(CHUNK, 2);
    struct digest d = digest_of(PG_SHA256, bytes);
    struct pg_err err = {0};
    struct shelf_fill sf;
    unsigned taken = 0;

    shelf_start(&sh, &sf, &d, UINT64_MAX);
    while (fill_write(sf.fill, bytes, &err) == 1) /* no pump: nothing comes free */
        assert_true(++taken <= 2);
    assert_int_equal(taken, 2);
    SHELF_UNTIL(&sh, sf.room == 1);
    assert_int_equal(fill_write(sf.fill, bytes, &err), 1);
    shelf_give_up(&sf, PG_E_CANCELED);
    flight_leave(&sf.reader);
    shelf_free(bytes);
}

#define MANY 12

TEST(many_at_once)
{
    struct shelf_fill sf[MANY];
    struct sl bytes[MANY];
    struct digest d[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        bytes[i] = shelf_bytes(CHUNK + (size_t)i * 1111, 100 + i);
        d[i] = digest_of(PG_SHA256, bytes[i]);
        shelf_start(&sh, &sf[i], &d[i], bytes[i].n);
    }
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(shelf_write(&sf[i], bytes[i], 40000), 0);
    for (unsigned i = 0; i < MANY; i++)
        fill_end(sf[i].fill);
    for (unsigned i = 0; i < MANY; i++) {
        SHELF_UNTIL(&sh, sf[i].landed == 1);
        flight_leave(&sf[i].reader);
        assert_file_is(&d[i], bytes[i]);
        shelf_free(bytes[i]);
    }
    assert_int_equal(atomic_load(&sh.store->blobs), MANY);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_blob_lands_as_it_came),
        CASE(a_size_that_is_not_known_before_the_end),
        CASE(a_blob_without_bytes),
        CASE(an_empty_blob_has_no_head_before_its_digest_matched),
        CASE(sha256_is_known_whatever_the_name_is_made_with),
        CASE(the_row_has_a_checksum_of_each_chunk),
        CASE(readers_see_the_mark_move_and_read_up_to_it),
        CASE(a_head_waits_for_bytes_or_for_upstreams_word),
        CASE(wrong_bytes_never_land_and_leave_nothing),
        CASE(what_broke_off_is_kept_to_its_last_byte_and_goes_on),
        CASE(what_was_kept_may_be_all_of_it),
        CASE(what_has_the_mode_of_a_blob_already_is_gone_on_with),
        CASE(a_kept_prefix_that_rotted_is_dropped_at_the_end),
        CASE(a_fill_without_a_byte_leaves_no_file),
        CASE(what_broke_off_is_not_kept_when_the_whole_has_come_meanwhile),
        CASE(giving_up_while_it_is_published_lets_it_land),
        CASE(a_blob_that_landed_counts_as_used),
        CASE(the_buffers_are_bounded),
        CASE(many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
