/* SPDX-License-Identifier: Apache-2.0 */
/* A damaged index is found in a child: this process neither crashes nor believes it. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/index_use.h"
#include "harness/scratch.h"

#include "base/fd.h"

#define ROUNDS 200 /* of each kind of damage in turn */

static struct pg_err err;
static struct index_config config;

static uint32_t seed = 1;

static uint32_t chance(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)seed * below) >> 32);
}

static enum index_health check(void)
{
    enum index_health health;

    assert_int_equal(index_check(&config, &health, &err), 0);
    return health;
}

static void fill(unsigned from, unsigned to)
{
    struct index *ix;

    assert_int_equal(index_open(&config, &ix, &err), 0);
    for (unsigned group = from; group < to; group++) {
        struct index_txn *txn;

        assert_int_equal(index_txn_begin(ix, &txn, &err), 0);
        for (unsigned n = 0; n < 100; n++) {
            struct digest d = {.alg = PG_SHA256, .bytes = {(uint8_t)n, (uint8_t)group}};
            struct index_blob b = {.size = n, .sha256 = d};
            struct index_link l = {.kind = INDEX_LINK_BLOB};

            assert_int_equal(index_put_blob(txn, &d, &b, &err), 0);
            assert_int_equal(index_put_link(txn, SL("r.io/a"), &d, &l, &err), 0);
            if (n % 7 == 0)
                assert_int_equal(index_del_blob(txn, &d, &err), 1);
        }
        assert_int_equal(index_txn_commit(txn, &err), 0);
    }
    index_close(ix);
}

static int setup(void **state)
{
    static char path[512];

    (void)state;
    scratch_make();
    (void)snprintf(path, sizeof(path), "%s", scratch_path("index"));
    config = (struct index_config){.path = path};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

TEST(nothing_there_is_absent)
{
    assert_int_equal(check(), INDEX_ABSENT);
    assert_int_equal(mkdir(config.path, 0700), 0);
    assert_int_equal(check(), INDEX_ABSENT);
}

TEST(a_sound_index_is_sound_and_stays_so)
{
    fill(0, 5);
    assert_int_equal(check(), INDEX_SOUND);
    config.read_only = true;
    assert_int_equal(check(), INDEX_SOUND);
    config.read_only = false;
    fill(5, 6);
    assert_int_equal(check(), INDEX_SOUND);
}

/* Rows of all sizes come, change and go, beside a reader that keeps old pages from use. */
static void change_much(struct index_txn *txn, unsigned nchanges)
{
    static const char bytes[30000];

    for (unsigned i = 0; i < nchanges; i++) {
        struct digest d = {.alg = PG_SHA256, .bytes = {(uint8_t)chance(256), (uint8_t)chance(4)}};
        struct index_blob b = {.size = i, .sha256 = d};
        struct index_link l = {.kind = INDEX_LINK_MANIFEST};
        struct index_manifest m = {
            .kind = MANIFEST_IMAGE,
            .sha256 = d,
            .media_type = SL("application/x"),
            .bytes = {bytes, chance(5) == 0 ? chance(sizeof(bytes)) : chance(500)}};

        if (chance(3) == 0) {
            assert_true(index_del_blob(txn, &d, &err) >= 0);
            assert_true(index_del_manifest(txn, &d, &err) >= 0);
            continue;
        }
        assert_int_equal(index_put_blob(txn, &d, &b, &err), 0);
        assert_int_equal(index_put_link(txn, SL("r.io/b"), &d, &l, &err), 0);
        if (chance(2) == 0)
            assert_int_equal(index_put_manifest(txn, &d, &m, &err), 0);
    }
}

TEST(an_index_that_changes_much_is_sound_each_time)
{
    for (unsigned round = 0; round < 25; round++) {
        struct index *ix;

        assert_int_equal(index_open(&config, &ix, &err), 0);
        {
            _index_view_ struct index_view old = index_view_begin(ix);

            for (unsigned i = 0; i < 1 + round % 3; i++) {
                struct index_txn *txn;

                assert_int_equal(index_txn_begin(ix, &txn, &err), 0);
                change_much(txn, 1 + chance(round % 5 == 4 ? 2000 : 50));
                assert_int_equal(index_txn_commit(txn, &err), 0);
            }
            (void)old;
        }
        index_close(ix);
        assert_int_equal(check(), INDEX_SOUND);
    }
}

TEST(a_newer_schema_is_refused_in_words)
{
    struct index *ix;
    struct index_txn *txn;
    enum index_health health;

    fill(0, 1);
    assert_int_equal(index_open(&config, &ix, &err), 0);
    assert_int_equal(index_txn_begin(ix, &txn, &err), 0);
    assert_int_equal(index_put_meta(txn, SL(".schema"), INDEX_SCHEMA + 1, &err), 0);
    assert_int_equal(index_txn_commit(txn, &err), 0);
    index_close(ix);
    assert_int_equal(index_check(&config, &health, &err), -1);
    assert_non_null(strstr(err.msg, "newer version"));
    assert_int_equal(index_open(&config, &ix, &err), -1);
}

static void flip(int fd, uint64_t size, unsigned nflips)
{
    for (unsigned i = 0; i < nflips; i++) {
        uint64_t at = chance((uint32_t)size);
        uint8_t byte;

        assert_int_equal(pg_fd_pread(fd, &byte, 1, at), 0);
        byte ^= (uint8_t)(1u << chance(8));
        assert_int_equal(pg_fd_pwrite(fd, &byte, 1, at), 0);
    }
}

static void put_back(const char *path, const char *bytes, size_t n)
{
    _fd_ int fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pg_fd_write(fd, bytes, n), 0);
}

TEST(H05_no_damaged_file_crashes_its_user)
{
    static const unsigned flips[] = {1, 100, 10000};
    const char *path = scratch_path("index/data.mdb");
    struct stat st;
    unsigned found = 0;
    char *sound;

    fill(0, 5);
    assert_int_equal(stat(path, &st), 0);
    sound = malloc((size_t)st.st_size);
    assert_non_null(sound);
    {
        _fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_int_equal(pg_fd_pread(fd, sound, (size_t)st.st_size, 0), 0);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        char file[512];

        (void)snprintf(file, sizeof(file), "%s/index/data.mdb", scratch);
        put_back(file, sound, (size_t)st.st_size);
        {
            _fd_ int fd = open(file, O_RDWR | O_CLOEXEC);

            assert_true(fd >= 0);
            if (round % 5 == 4)
                assert_int_equal(ftruncate(fd, chance((uint32_t)st.st_size)), 0);
            else
                flip(fd, (uint64_t)st.st_size, flips[round % 3]);
        }
        if (check() == INDEX_SOUND)
            index_use(&config);
        else
            found++;
    }
    free(sound);
    assert_true(found > ROUNDS / 2);
}

/* The first bytes of pages: their headers, and where their rows are. */
TEST(H05_damaged_heads_of_pages_are_found_before_they_are_believed)
{
    enum { PAGE = 4096 };
    char file[512];
    struct stat st;
    char *sound;
    unsigned found = 0;

    fill(0, 5);
    (void)snprintf(file, sizeof(file), "%s/index/data.mdb", scratch);
    assert_int_equal(stat(file, &st), 0);
    sound = malloc((size_t)st.st_size);
    assert_non_null(sound);
    {
        _fd_ int fd = open(file, O_RDONLY | O_CLOEXEC);

        assert_int_equal(pg_fd_pread(fd, sound, (size_t)st.st_size, 0), 0);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        put_back(file, sound, (size_t)st.st_size);
        {
            _fd_ int fd = open(file, O_RDWR | O_CLOEXEC);
            uint64_t at = (uint64_t)chance((uint32_t)(st.st_size / PAGE)) * PAGE + 8 + chance(24);
            uint8_t byte = (uint8_t)(sound[at] ^ (1 << chance(8)));

            assert_int_equal(pg_fd_pwrite(fd, &byte, 1, at), 0);
        }
        (void)alarm(60);
        if (check() == INDEX_SOUND)
            index_use(&config);
        else
            found++;
        (void)alarm(0);
    }
    free(sound);
    assert_true(found > ROUNDS / 3);
}

/* Pages that changed places: rows out of order, which a walk from row to row never gets past. */
TEST(H05_rows_out_of_order_are_found_and_no_walk_of_them_is_endless)
{
    enum { PAGE = 4096 };
    char a[PAGE], b[PAGE];
    unsigned found = 0;
    struct stat st;
    char file[512];

    fill(0, 5);
    (void)snprintf(file, sizeof(file), "%s/index/data.mdb", scratch);
    assert_int_equal(stat(file, &st), 0);
    for (off_t at = (off_t)2 * PAGE; at + (off_t)2 * PAGE <= st.st_size; at += PAGE) {
        {
            _fd_ int fd = open(file, O_RDWR | O_CLOEXEC);

            assert_true(fd >= 0);
            assert_int_equal(pg_fd_pread(fd, a, PAGE, (uint64_t)at), 0);
            assert_int_equal(pg_fd_pread(fd, b, PAGE, (uint64_t)at + PAGE), 0);
            assert_int_equal(pg_fd_pwrite(fd, a, PAGE, (uint64_t)at + PAGE), 0);
            assert_int_equal(pg_fd_pwrite(fd, b, PAGE, (uint64_t)at), 0);
        }
        (void)alarm(60);
        if (check() == INDEX_SOUND)
            index_use(&config);
        else
            found++;
        (void)alarm(0);
        {
            _fd_ int fd = open(file, O_RDWR | O_CLOEXEC);

            assert_true(fd >= 0);
            assert_int_equal(pg_fd_pwrite(fd, a, PAGE, (uint64_t)at), 0);
            assert_int_equal(pg_fd_pwrite(fd, b, PAGE, (uint64_t)at + PAGE), 0);
        }
    }
    assert_true(found > 0);
}

TEST(an_empty_file_is_damaged_or_begun_anew)
{
    fill(0, 1);
    assert_int_equal(truncate(scratch_path("index/data.mdb"), 0), 0);
    assert_int_equal(check(), INDEX_DAMAGED);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_there_is_absent),
        CASE(a_sound_index_is_sound_and_stays_so),
        CASE(an_index_that_changes_much_is_sound_each_time),
        CASE(a_newer_schema_is_refused_in_words),
        CASE(H05_no_damaged_file_crashes_its_user),
        CASE(H05_damaged_heads_of_pages_are_found_before_they_are_believed),
        CASE(H05_rows_out_of_order_are_found_and_no_walk_of_them_is_endless),
        CASE(an_empty_file_is_damaged_or_begun_anew),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
