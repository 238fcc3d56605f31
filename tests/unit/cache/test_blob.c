/* SPDX-License-Identifier: Apache-2.0 */
/* Whole blobs: what is damaged is never sent; what is checked is shared. */
#include "shelf.h"

#include <sys/resource.h>

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
    shelf_is_sound(&sh);
    shelf_end(&sh);
    return 0;
}

/* A store that has forgotten what it had checked. */
static void restart(void)
{
    shelf_close(&sh);
    shelf_open(&sh);
}

static struct blob *must_open(const struct digest *d)
{
    struct pg_err err = {0};
    struct blob *b = NULL;

    assert_int_equal(blob_open(sh.store, d, &b, &err), 1);
    return b;
}

static void on_checked(struct blob_check *c)
{
    (void)c;
}

/* False: damaged. */
static bool check(struct blob *b, uint64_t at)
{
    struct blob_check *c = blob_check_new(&sh.box, on_checked);
    bool ok;

    blob_check_start(c, b, at);
    SHELF_UNTIL(&sh, !c->busy);
    ok = !c->failed;
    blob_check_free(c);
    return ok;
}

static void overwrite(const struct digest *d, off_t at, const char *bytes)
{
    char path[256];
    int fd;

    shelf_path(&sh, d, path);
    assert_int_equal(chmod(path, 0640), 0);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, bytes, strlen(bytes), at), strlen(bytes));
    (void)close(fd);
}

TEST(what_was_just_filled_waits_for_no_check)
{
    struct digest d = shelf_put_seed(&sh, 3 * CHUNK + 1, 1);
    struct blob *b = must_open(&d);

    assert_int_equal(b->size, 3 * CHUNK + 1);
    assert_int_equal(blob_checked_to(b, 0, b->size), b->size);
    assert_int_equal(blob_checked_to(b, 100, 200), 200);
    assert_int_equal(blob_checked_to(b, b->size, b->size), b->size);
    blob_close(b);
}

TEST(after_a_restart_nothing_is_sent_unchecked)
{
    struct digest d = shelf_put_seed(&sh, 6 * CHUNK + 1, 2);
    struct blob *b;

    restart();
    b = must_open(&d);
    assert_int_equal(blob_checked_to(b, 0, b->size), 0);
    assert_int_equal(blob_checked_to(b, CHUNK + 5, b->size), CHUNK + 5);
    assert_true(check(b, CHUNK + 5)); /* this chunk and the next few */
    assert_int_equal(blob_checked_to(b, 0, b->size), 0);
    assert_int_equal(blob_checked_to(b, CHUNK, b->size), 5 * CHUNK);
    assert_true(check(b, 0));
    assert_true(check(b, 6 * CHUNK));
    assert_int_equal(blob_checked_to(b, 0, b->size), 5 * CHUNK);
    assert_true(check(b, 5 * CHUNK));
    assert_int_equal(blob_checked_to(b, 0, b->size), b->size);
    blob_close(b);
}

TEST(readers_share_what_was_checked)
{
    struct digest d = shelf_put_seed(&sh, CHUNK, 3);
    struct blob *a, *b;

    restart();
    a = must_open(&d);
    b = must_open(&d);
    assert_true(check(a, 0));
    assert_int_equal(blob_checked_to(b, 0, CHUNK), CHUNK);
    blob_close(a);
    blob_close(b);
    a = must_open(&d); /* nobody read it in between */
    assert_int_equal(blob_checked_to(a, 0, CHUNK), CHUNK);
    blob_close(a);
}

TEST(a_flipped_chunk_is_refused_and_those_beside_it_are_not) /* G08, G09 */
{
    struct digest d = shelf_put_seed(&sh, 9 * CHUNK, 4);
    struct blob *b;

    restart();
    overwrite(&d, (off_t)(7 * CHUNK + 9), "\x01\x02\x03");
    b = must_open(&d);
    assert_true(check(b, 0));
    assert_int_equal(blob_checked_to(b, 0, b->size), 4 * CHUNK);
    assert_false(check(b, 7 * CHUNK));
    assert_int_equal(blob_checked_to(b, 7 * CHUNK, b->size), 7 * CHUNK);
    assert_false(shelf_can_open(&sh, &d)); /* at once, whether or not the row is gone yet */
    blob_close(b);
    shelf_commit(&sh);
    assert_false(shelf_has_row(&sh, &d));
}

static void quarantines(const struct digest *d)
{
    unsigned before = shelf_count_files(sh.store->quarantine_fd);

    assert_false(shelf_can_open(&sh, d));
    shelf_commit(&sh);
    assert_false(shelf_has_row(&sh, d));
    assert_false(shelf_has_file(&sh, d));
    assert_int_equal(shelf_count_files(sh.store->quarantine_fd), before + 1);
}

TEST(a_file_of_another_size_or_kind_is_never_opened) /* G08 */
{
    for (int i = 0; i < 6; i++) {
        struct digest d = shelf_put_seed(&sh, 1000, 10 + (uint64_t)i);
        char path[256], moved[320];

        shelf_path(&sh, &d, path);
        (void)snprintf(moved, sizeof(moved), "%s/elsewhere%d", sh.dir, i);
        assert_int_equal(chmod(path, 0600), 0);
        if (i >= 3)
            assert_int_equal(rename(path, moved), 0);
        if (i == 0)
            assert_int_equal(truncate(path, 0), 0);
        if (i == 1)
            assert_int_equal(truncate(path, 999), 0);
        if (i == 2)
            assert_int_equal(truncate(path, 1001), 0);
        if (i == 3)
            assert_int_equal(symlink(moved, path), 0);
        if (i == 4)
            assert_int_equal(mkfifo(path, 0600), 0);
        if (i == 5)
            assert_int_equal(mkdir(path, 0700), 0);
        quarantines(&d);
    }
}

TEST(a_file_that_is_gone_is_fetched_again)
{
    struct sl bytes = shelf_bytes(1000, 20);
    struct digest d = shelf_put(&sh, bytes);
    char path[256];

    shelf_path(&sh, &d, path);
    assert_int_equal(unlink(path), 0);
    assert_false(shelf_can_open(&sh, &d));
    (void)shelf_put(&sh, bytes); /* though the old row may not be gone yet */
    assert_true(shelf_can_open(&sh, &d));
    shelf_free(bytes);
}

TEST(a_touched_file_is_checked_anew)
{
    struct digest d = shelf_put_seed(&sh, CHUNK, 21);
    const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    char path[256];
    struct blob *b = must_open(&d);

    assert_int_equal(blob_checked_to(b, 0, CHUNK), CHUNK);
    blob_close(b);
    shelf_path(&sh, &d, path);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    b = must_open(&d);
    assert_int_equal(blob_checked_to(b, 0, CHUNK), 0);
    assert_true(check(b, 0));
    blob_close(b);
}

static int put_plain_row(struct writer_op *op, struct index_txn *txn, struct pg_err *err);

struct plain_row {
    struct writer_op op;
    struct digest digest;
    struct index_blob blob;
};

static int put_plain_row(struct writer_op *op, struct index_txn *txn, struct pg_err *err)
{
    struct plain_row *r = pg_container_of(op, struct plain_row, op);

    return index_put_blob(txn, &r->digest, &r->blob, err);
}

TEST(without_checksums_the_whole_digest_is_checked)
{
    struct digest d = shelf_put_seed(&sh, 2 * CHUNK, 22), e = shelf_put_seed(&sh, 2 * CHUNK, 23);
    struct plain_row r = {
        .op = {.apply = put_plain_row}, .digest = d, .blob = {2 * CHUNK, d, 0, {0}}};
    struct pg_err err = {0};
    struct blob *b;

    assert_int_equal(writer_do(sh.store->writer, &r.op, &err), 0);
    r = (struct plain_row){
        .op = {.apply = put_plain_row}, .digest = e, .blob = {2 * CHUNK, e, 0, {0}}};
    assert_int_equal(writer_do(sh.store->writer, &r.op, &err), 0);
    restart();
    overwrite(&e, 77, "!!");
    b = must_open(&d);
    assert_true(check(b, 5));
    assert_int_equal(blob_checked_to(b, 0, b->size), b->size);
    blob_close(b);
    b = must_open(&e);
    assert_false(check(b, 5));
    blob_close(b);
    shelf_commit(&sh);
    assert_false(shelf_has_row(&sh, &e));
}

TEST(an_error_of_the_disk_is_no_answer_and_harms_no_row) /* G07 */
{
    struct digest d = shelf_put_seed(&sh, 100, 24);
    struct pg_err err = {0};
    struct blob *b;

    restart();
    assert_int_equal(pg_fault_set("blob.open:EMFILE@1,blob.stat:EIO@1"), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(blob_open(sh.store, &d, &b, &err), -1);
        assert_int_equal(err.kind, PG_E_STORE_IO);
        pg_err_clear(&err);
    }
    assert_int_equal(pg_fault_set(NULL), 0);
    assert_true(shelf_can_open(&sh, &d));
}

TEST(what_cannot_be_read_is_damaged) /* G07 */
{
    struct digest d = shelf_put_seed(&sh, CHUNK, 25);
    struct blob *b;

    restart();
    b = must_open(&d);
    assert_int_equal(pg_fault_set("blob.pread:EIO@1"), 0);
    assert_false(check(b, 0));
    assert_int_equal(pg_fault_set(NULL), 0);
    assert_int_equal(blob_checked_to(b, 0, CHUNK), 0);
    blob_close(b);
    shelf_commit(&sh);
    assert_false(shelf_has_row(&sh, &d));
}

TEST(a_check_may_be_left_alone_while_it_runs)
{
    struct digest d = shelf_put_seed(&sh, CHUNK, 26);
    struct blob_check *c = blob_check_new(&sh.box, on_checked);
    struct blob *b;

    restart();
    b = must_open(&d);
    blob_check_start(c, b, 0);
    blob_check_free(c);
    blob_close(b);
    shelf_pump(&sh);
    b = must_open(&d);
    assert_int_equal(blob_checked_to(b, 0, CHUNK), CHUNK);
    blob_close(b);
}

TEST(few_descriptors_serve_many_blobs)
{
    enum { MANY = 300 };
    struct digest d[MANY];
    unsigned open_now;

    for (unsigned i = 0; i < MANY; i++)
        d[i] = shelf_put_seed(&sh, 10, 1000 + i);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(shelf_can_open(&sh, &d[i]));
    {
        int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);

        open_now = shelf_count_files(fd);
        (void)close(fd);
    }
    assert_in_range(open_now, 200, 290); /* the last 256 stay open */
    for (unsigned i = 0; i < MANY; i++)
        blob_forget(sh.store, &d[i]);
    {
        int fd = open("/proc/self/fd", O_RDONLY | O_DIRECTORY);

        assert_true(shelf_count_files(fd) < 40);
        (void)close(fd);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_was_just_filled_waits_for_no_check),
        CASE(after_a_restart_nothing_is_sent_unchecked),
        CASE(readers_share_what_was_checked),
        CASE(a_flipped_chunk_is_refused_and_those_beside_it_are_not),
        CASE(a_file_of_another_size_or_kind_is_never_opened),
        CASE(a_file_that_is_gone_is_fetched_again),
        CASE(a_touched_file_is_checked_anew),
        CASE(without_checksums_the_whole_digest_is_checked),
        CASE(an_error_of_the_disk_is_no_answer_and_harms_no_row),
        CASE(what_cannot_be_read_is_damaged),
        CASE(a_check_may_be_left_alone_while_it_runs),
        CASE(few_descriptors_serve_many_blobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
