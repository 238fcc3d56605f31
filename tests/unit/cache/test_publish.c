/* SPDX-License-Identifier: Apache-2.0 */
/* How blobs enter and leave: the order of things when each of them fails in turn. */
#include "shelf.h"

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

/* ---- one that is published by hand ---- */

struct by_hand {
    struct publish publish;
    bool done;
    int fail_more;
};

static void on_done(struct publish *p)
{
    pg_container_of(p, struct by_hand, publish)->done = true;
}

static int apply_more(struct publish *p, struct index_txn *txn, struct pg_err *err)
{
    struct by_hand *b = pg_container_of(p, struct by_hand, publish);

    (void)txn;
    return b->fail_more ? pg_fail(err, PG_E_STORE_IO, "no more rows") : 0;
}

static void post(struct by_hand *b, struct sl bytes, const char *tmp)
{
    struct publish *p = &b->publish;

    p->digest = p->sha256 = digest_of(PG_SHA256, bytes);
    p->size = bytes.n;
    p->home = &sh.box;
    p->done = on_done;
    p->apply_more = apply_more;
    (void)snprintf(p->tmp_name, sizeof(p->tmp_name), "%s", tmp);
    p->tmp_fd = openat(sh.store->partial_fd, tmp, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(pg_fd_write(p->tmp_fd, bytes.p, bytes.n), 0);
    publish_blob(sh.store, p);
}

static void wait_done(struct by_hand *b)
{
    SHELF_UNTIL(&sh, b->done);
    (void)close(b->publish.tmp_fd);
    assert_int_equal(faccessat(sh.store->partial_fd, b->publish.tmp_name, F_OK, 0), -1);
}

static ino_t inode_of(const struct digest *d)
{
    char path[256];
    struct stat st;

    shelf_path(&sh, d, path);
    assert_int_equal(lstat(path, &st), 0);
    return st.st_ino;
}

TEST(a_file_with_a_row_is_kept)
{
    struct digest d = shelf_put(&sh, SL("twice"));
    ino_t first = inode_of(&d);
    struct by_hand b = {0};

    post(&b, SL("twice"), "again");
    wait_done(&b);
    assert_int_equal(b.publish.err.kind, PG_E_NONE);
    assert_int_equal(inode_of(&d), first);
    assert_int_equal(atomic_load(&sh.store->blobs), 1);
}

TEST(a_file_without_a_row_is_replaced)
{
    struct digest d = digest_of(PG_SHA256, SL("right"));
    char path[256], *slash;
    struct by_hand b = {0};
    int fd;

    shelf_path(&sh, &d, path);
    slash = strrchr(path, '/');
    *slash = '\0';
    (void)mkdirat(sh.store->blobs_fd, "sha256", 0700);
    assert_int_equal(mkdir(path, 0700), 0);
    *slash = '/';
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(pg_fd_write(fd, "wrong", 5), 0); /* of the same size */
    (void)close(fd);

    post(&b, SL("right"), "right");
    wait_done(&b);
    assert_int_equal(b.publish.err.kind, PG_E_NONE);
    assert_true(shelf_can_open(&sh, &d));
}

TEST(what_stands_in_the_way_and_is_no_file_goes_to_quarantine)
{
    struct digest d = digest_of(PG_SHA256, SL("file"));
    char path[256], *slash;
    struct by_hand b = {0};

    shelf_path(&sh, &d, path);
    slash = strrchr(path, '/');
    *slash = '\0';
    (void)mkdirat(sh.store->blobs_fd, "sha256", 0700);
    assert_int_equal(mkdir(path, 0700), 0);
    *slash = '/';
    assert_int_equal(mkdir(path, 0700), 0);
    post(&b, SL("file"), "file");
    wait_done(&b);
    assert_int_equal(b.publish.err.kind, PG_E_NONE);
    assert_true(shelf_can_open(&sh, &d));
}

TEST(a_file_that_somebody_else_made_longer_is_not_published)
{
    struct by_hand b = {0};
    struct digest d = digest_of(PG_SHA256, SL("short"));

    post(&b, SL("short"), "tmp");
    wait_done(&b);
    assert_int_equal(b.publish.err.kind, PG_E_NONE);

    b = (struct by_hand){0};
    b.publish.digest = b.publish.sha256 = digest_of(PG_SHA256, SL("other"));
    b.publish.size = 5;
    b.publish.home = &sh.box;
    b.publish.done = on_done;
    (void)snprintf(b.publish.tmp_name, sizeof(b.publish.tmp_name), "tmp2");
    b.publish.tmp_fd = openat(sh.store->partial_fd, "tmp2", O_RDWR | O_CREAT, 0600);
    assert_int_equal(pg_fd_write(b.publish.tmp_fd, "other and more", 14), 0);
    publish_blob(sh.store, &b.publish);
    wait_done(&b);
    assert_int_equal(b.publish.err.kind, PG_E_STORE_IO);
    pg_err_clear(&b.publish.err);
    assert_true(shelf_has_row(&sh, &d));
}

TEST(rows_that_cannot_be_made_take_the_file_with_them)
{
    struct digest d = digest_of(PG_SHA256, SL("alone"));
    struct by_hand bad = {.fail_more = 1}, good[3] = {{.done = false}};

    post(&bad, SL("alone"), "bad");
    post(&good[0], SL("a"), "a");
    post(&good[1], SL("b"), "b");
    post(&good[2], SL("c"), "c");
    wait_done(&bad);
    for (int i = 0; i < 3; i++) {
        wait_done(&good[i]);
        assert_int_equal(good[i].publish.err.kind, PG_E_NONE); /* in one group, and not harmed */
    }
    assert_int_equal(bad.publish.err.kind, PG_E_STORE_IO);
    pg_err_clear(&bad.publish.err);
    assert_false(shelf_has_file(&sh, &d));
    assert_false(shelf_has_row(&sh, &d));
}

/* ---- leaving ---- */

static unsigned quarantined(void)
{
    return shelf_count_files(sh.store->quarantine_fd);
}

TEST(an_evicted_blob_leaves_row_and_file)
{
    struct digest d = shelf_put_seed(&sh, 1000, 1);

    shelf_drop(&sh, &d, PUBLISH_EVICTED);
    assert_false(shelf_has_row(&sh, &d));
    assert_false(shelf_has_file(&sh, &d));
    assert_int_equal(quarantined(), 0);
    assert_int_equal(atomic_load(&sh.store->blobs), 0);
    assert_int_equal(atomic_load(&sh.store->bytes), 0);
    assert_true(digest_eq(&d, &(struct digest[]){shelf_put_seed(&sh, 1000, 1)}[0]));
    assert_true(shelf_can_open(&sh, &d)); /* it may come back */
}

TEST(open_descriptors_of_an_evicted_blob_keep_serving)
{
    struct sl bytes = shelf_bytes(CHUNK + 7, 2);
    struct digest d = shelf_put(&sh, bytes);
    struct pg_err err = {0};
    char *p = malloc(bytes.n);
    struct blob *b;

    assert_int_equal(blob_open(sh.store, &d, &b, &err), 1);
    shelf_drop(&sh, &d, PUBLISH_EVICTED);
    assert_false(shelf_has_file(&sh, &d));
    assert_int_equal(pg_fd_pread(b->fd, p, bytes.n, 0), 0);
    assert_memory_equal(p, bytes.p, bytes.n);
    assert_false(shelf_can_open(&sh, &d));
    blob_close(b);
    free(p);
    shelf_free(bytes);
}

TEST(a_damaged_blob_is_there_for_the_operator_to_see)
{
    struct digest d = shelf_put_seed(&sh, 1000, 3);

    shelf_drop(&sh, &d, PUBLISH_DAMAGED);
    assert_false(shelf_has_row(&sh, &d));
    assert_false(shelf_has_file(&sh, &d));
    assert_int_equal(quarantined(), 1);
}

TEST(what_is_there_again_is_not_missing)
{
    struct digest d = shelf_put_seed(&sh, 1000, 4);

    shelf_drop(&sh, &d, PUBLISH_MISSING);
    assert_true(shelf_can_open(&sh, &d));
    assert_int_equal(quarantined(), 0);
}

TEST(dropping_what_is_not_there_changes_nothing)
{
    struct digest d = digest_of(PG_SHA256, SL("never was"));

    shelf_drop(&sh, &d, PUBLISH_EVICTED);
    shelf_drop(&sh, &d, PUBLISH_MISSING);
    shelf_drop(&sh, &d, PUBLISH_DAMAGED);
    assert_int_equal(quarantined(), 0);
}

/* ---- each I/O fails in turn ---- */

/* always: a fill cannot come by without visiting it. */
static const struct {
    const char *name;
    bool always;
} points[] = {{"partial.open", true},   {"partial.stat", true},      {"partial.unlink", false},
              {"fill.open", true},      {"fill.pwrite", true},       {"publish.stat", true},
              {"publish.chmod", true},  {"publish.fdatasync", true}, {"publish.rename", true},
              {"publish.mkdir", false}, {"writer.syncdir", true},    {"gc.statvfs", true},
              {"index.begin", true},    {"index.put", true},         {"index.commit", true}};
#define NPOINTS (sizeof(points) / sizeof(points[0]))

/* Fills one blob while the nth visit of the point fails. True when nothing failed. */
static bool fill_with_fault(const char *rule, uint64_t seed)
{
    struct sl bytes = shelf_bytes(2 * CHUNK + 5, seed);
    struct digest d = digest_of(PG_SHA256, bytes);
    struct shelf_fill sf;
    bool landed = false;

    assert_int_equal(pg_fault_set(rule), 0);
    shelf_start(&sh, &sf, &d, bytes.n);
    if (sf.disk == 0 && shelf_write(&sf, bytes, 50000) == 0) {
        landed = shelf_finish(&sf);
    } else {
        assert_int_equal(sf.kind, PG_E_STORE_IO);
        shelf_give_up(&sf, PG_E_STORE_IO);
        flight_leave(&sf.reader);
    }
    assert_int_equal(pg_fault_set(NULL), 0);
    assert_int_equal(shelf_can_open(&sh, &d), landed);
    assert_int_equal(shelf_has_file(&sh, &d), landed);
    shelf_free(bytes);
    return landed;
}

static uint64_t seeds = 1000;

static void fail_each_visit(const char *point, bool always, const char *error)
{
    for (unsigned n = 1;; n++) {
        char rule[96];
        bool ok;

        assert_true(n < 50);
        (void)snprintf(rule, sizeof(rule), "%s:%s@%u", point, error, n);
        ok = fill_with_fault(rule, ++seeds);
        shelf_is_sound(&sh);
        assert_int_equal(partial_claims(sh.store), 0);
        assert_false(ok && always && n == 1);
        if (ok)
            return;
    }
}

TEST(whatever_fails_nothing_half_is_left) /* G04, G06, G14 */
{
    for (size_t i = 0; i < NPOINTS; i++) {
        fail_each_visit(points[i].name, points[i].always, "EIO");
        fail_each_visit(points[i].name, points[i].always, "ENOSPC");
    }
    assert_true(fill_with_fault(NULL, 1));
    assert_false(atomic_load(&sh.store->degraded)); /* over, with the first that lands */
}

TEST(a_failed_sync_discards_and_who_was_aboard_is_served) /* G14 */
{
    struct sl bytes = shelf_bytes(1000, 12);
    struct digest d = digest_of(PG_SHA256, bytes);
    struct shelf_fill sf;
    char p[1000];

    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(shelf_write(&sf, bytes, 1000), 0);
    assert_int_equal(pg_fault_set("publish.fdatasync:EIO@1"), 0);
    fill_end(sf.fill);
    SHELF_UNTIL(&sh, sf.landed == 1); /* it is over, without the owner's doing */
    assert_true(flight_look(&sf.reader).verified);
    assert_int_equal(sf.reader.seen.state, FLIGHT_LOST);
    /* who looks only now, too */
    assert_int_equal(pg_fd_pread(sf.reader.flight->fd, p, sizeof(p), 0), 0);
    assert_memory_equal(p, bytes.p, sizeof(p));
    flight_leave(&sf.reader);
    assert_int_equal(pg_fault_set(NULL), 0);
    assert_false(shelf_has_file(&sh, &d));
    assert_false(shelf_has_partial(&sh, &d));
    assert_true(atomic_load(&sh.store->degraded));
    assert_true(digest_eq(&d, &(struct digest[]){shelf_put(&sh, bytes)}[0])); /* from the start */
    shelf_free(bytes);
}

TEST(a_full_disk_is_called_by_its_name) /* G06 */
{
    struct sl bytes = shelf_bytes(1000, 13);
    struct digest d = digest_of(PG_SHA256, bytes);
    struct shelf_fill sf;

    assert_int_equal(pg_fault_set("fill.pwrite:ENOSPC@1"), 0);
    shelf_start(&sh, &sf, &d, bytes.n);
    assert_int_equal(shelf_write(&sf, bytes, 1000), 0);
    fill_end(sf.fill);
    SHELF_UNTIL(&sh, sf.disk == 1);
    assert_string_equal(sf.fill->err.msg, "the disk of the cache is full");
    assert_true(atomic_load(&sh.store->degraded));
    shelf_give_up(&sf, PG_E_STORE_IO);
    flight_leave(&sf.reader);
    assert_int_equal(pg_fault_set(NULL), 0);
    assert_false(shelf_has_partial(&sh, &d));
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 0);
    shelf_free(bytes);
}

TEST(a_disk_that_cannot_be_asked_for_its_space_is_an_error)
{
    struct pg_err err = {0};

    assert_int_equal(pg_fault_set("gc.statvfs:EIO@1"), 0);
    assert_int_equal(store_make_room(sh.store, 1, &err), -1);
    assert_int_equal(pg_fault_set(NULL), 0);
    assert_int_equal(err.kind, PG_E_STORE_IO);
    pg_err_clear(&err);
}

static void drop_with_fault(const char *rule, enum publish_drop_why why, uint64_t seed)
{
    struct digest d = shelf_put_seed(&sh, 500, seed);

    assert_int_equal(pg_fault_set(rule), 0);
    shelf_drop(&sh, &d, why);
    assert_int_equal(pg_fault_set(NULL), 0);
}

TEST(a_drop_that_fails_is_made_good_by_the_next_start) /* G02 */
{
    static const char *const rules[] = {"publish.quarantine:EIO@1", "publish.unlink:EIO@1",
                                        "index.commit:EIO@1"};

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        drop_with_fault(rules[i], PUBLISH_EVICTED, 40 + i);
        drop_with_fault(rules[i], PUBLISH_DAMAGED, 50 + i);
    }
    shelf_close(&sh);
    shelf_open(&sh);
}

TEST(a_blob_stays_whole_when_its_leaving_cannot_be_written_down) /* G02, G04 */
{
    static const enum publish_drop_why why[] = {PUBLISH_DAMAGED, PUBLISH_MISSING, PUBLISH_EVICTED};

    for (size_t i = 0; i < sizeof(why) / sizeof(why[0]); i++) {
        struct digest d = shelf_put_seed(&sh, 500, 60 + i);
        char path[256];

        shelf_path(&sh, &d, path);
        if (why[i] == PUBLISH_MISSING)
            assert_true(chmod(path, 0600) == 0 && truncate(path, 100) == 0);
        assert_int_equal(pg_fault_set("index.commit:EIO@1"), 0);
        shelf_drop(&sh, &d, why[i]);
        assert_int_equal(pg_fault_set(NULL), 0);
        assert_true(shelf_has_row(&sh, &d)); /* and no row is without its file */
        assert_true(shelf_has_file(&sh, &d));
        assert_int_equal(quarantined(), i);
        shelf_drop(&sh, &d, why[i]);
        assert_false(shelf_has_row(&sh, &d));
        assert_false(shelf_has_file(&sh, &d));
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_file_with_a_row_is_kept),
        CASE(a_file_without_a_row_is_replaced),
        CASE(what_stands_in_the_way_and_is_no_file_goes_to_quarantine),
        CASE(a_blob_stays_whole_when_its_leaving_cannot_be_written_down),
        CASE(a_file_that_somebody_else_made_longer_is_not_published),
        CASE(rows_that_cannot_be_made_take_the_file_with_them),
        CASE(an_evicted_blob_leaves_row_and_file),
        CASE(open_descriptors_of_an_evicted_blob_keep_serving),
        CASE(a_damaged_blob_is_there_for_the_operator_to_see),
        CASE(what_is_there_again_is_not_missing),
        CASE(dropping_what_is_not_there_changes_nothing),
        CASE(whatever_fails_nothing_half_is_left),
        CASE(a_failed_sync_discards_and_who_was_aboard_is_served),
        CASE(a_full_disk_is_called_by_its_name),
        CASE(a_disk_that_cannot_be_asked_for_its_space_is_an_error),
        CASE(a_drop_that_fails_is_made_good_by_the_next_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
