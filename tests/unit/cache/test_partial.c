/* SPDX-License-Identifier: Apache-2.0 */
#include "shelf.h"

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
    shelf_end(&sh);
    return 0;
}

static void put_file(const char *name, size_t n, time_t when)
{
    const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
    struct sl bytes = shelf_bytes(n, n);
    int fd = openat(sh.store->partial_fd, name, O_WRONLY | O_CREAT, 0600);

    assert_int_equal(pg_fd_write(fd, bytes.p, n), 0);
    assert_int_equal(futimens(fd, times), 0);
    (void)close(fd);
    shelf_free(bytes);
}

static struct digest put_partial(unsigned i, size_t n, time_t when)
{
    struct digest d = digest_of(i % 2 ? PG_SHA512 : PG_SHA256, (struct sl){(char *)&i, sizeof(i)});
    char name[PARTIAL_NAME_MAX];

    put_file(partial_name(&d, name), n, when);
    atomic_fetch_add(&sh.store->partial_bytes, n);
    return d;
}

static bool is_there(const char *name)
{
    return faccessat(sh.store->partial_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

TEST(a_name_says_whose_partial_it_is)
{
    static const char *const bad[] = {
        "",          ".",
        "sha256",    "sha256-",
        "sha256-00", "md5-00",
        "-",         "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"};
    struct digest d = digest_of(PG_SHA512, SL("x")), back;
    char name[PARTIAL_NAME_MAX];

    assert_true(partial_name_parse(partial_name(&d, name), &back));
    assert_true(digest_eq(&d, &back));
    assert_memory_equal(name, "sha512-", 7);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(partial_name_parse(bad[i], &back));
}

static uint64_t length_of(const struct digest *d)
{
    char name[PARTIAL_NAME_MAX];
    struct stat st;

    assert_int_equal(fstatat(sh.store->partial_fd, partial_name(d, name), &st, 0), 0);
    return (uint64_t)st.st_size;
}

/* What a kill leaves of a blob that came over several connections: islands, and a mark behind. */
TEST(a_mark_says_how_much_is_here_in_order)
{
    struct digest good = put_partial(0, 5000, 1), forged = put_partial(2, 5000, 1);
    struct digest empty = put_partial(4, 5000, 1);
    char name[PARTIAL_NAME_MAX];
    struct pg_err err = {0};
    uint64_t have;
    int fd = openat(sh.store->partial_fd, partial_name(&good, name), O_RDWR);

    assert_int_equal(partial_mark(fd, 5000, 1234), 0);
    (void)close(fd);
    fd = openat(sh.store->partial_fd, partial_name(&empty, name), O_RDWR);
    assert_int_equal(partial_mark(fd, 5000, 0), 0);
    (void)close(fd);
    fd = openat(sh.store->partial_fd, partial_name(&forged, name), O_RDWR);
    assert_int_equal(partial_mark(fd, 5000, 1234), 0);
    assert_int_equal(pg_fd_pwrite(fd, "x", 1, 5000 + 10), 0); /* its sum is wrong now */
    (void)close(fd);
    shelf_close(&sh);
    shelf_open(&sh);
    assert_int_equal(length_of(&good), 1234);
    assert_false(shelf_has_partial(&sh, &empty));
    assert_int_equal(length_of(&forged), 5000 + PARTIAL_MARK_BYTES);
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 1234 + 5000 + PARTIAL_MARK_BYTES);
    fd = openat(sh.store->partial_fd, partial_name(&good, name), O_RDWR); /* beside a server */
    assert_int_equal(partial_mark(fd, 5000, 1000), 0);
    (void)close(fd);
    atomic_fetch_add(&sh.store->partial_bytes, 5000 + PARTIAL_MARK_BYTES - 1234);
    assert_true(partial_claim(sh.store, &good));
    assert_int_equal(partial_open(sh.store, &good, 5000, &fd, &have, &err), 0);
    (void)close(fd);
    partial_release(sh.store, &good);
    assert_int_equal(have, 1000);
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 1000 + 5000 + PARTIAL_MARK_BYTES);
}

TEST(a_claim_is_for_one)
{
    struct digest a = digest_of(PG_SHA256, SL("a")), b = digest_of(PG_SHA256, SL("b"));

    assert_true(partial_claim(sh.store, &a));
    assert_false(partial_claim(sh.store, &a));
    assert_true(partial_claim(sh.store, &b));
    assert_int_equal(partial_claims(sh.store), 2);
    partial_release(sh.store, &a);
    assert_true(partial_claim(sh.store, &a));
    partial_release(sh.store, &a);
    partial_release(sh.store, &b);
    assert_int_equal(partial_claims(sh.store), 0);
}

TEST(one_that_is_longer_than_the_blob_is_begun_afresh)
{
    struct digest d = put_partial(1, 100, 5);
    struct pg_err err = {0};
    uint64_t have;
    int fd;

    assert_true(partial_claim(sh.store, &d));
    assert_int_equal(partial_open(sh.store, &d, 100, &fd, &have, &err), 0);
    assert_int_equal(have, 100);
    (void)close(fd);
    assert_int_equal(partial_open(sh.store, &d, 99, &fd, &have, &err), 0);
    assert_int_equal(have, 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), 0);
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 0);
    (void)close(fd);
    partial_release(sh.store, &d);
}

TEST(no_link_is_followed)
{
    struct digest d = digest_of(PG_SHA256, SL("linked"));
    char name[PARTIAL_NAME_MAX], outside[128];
    struct pg_err err = {0};
    uint64_t have;
    struct stat st;
    int fd;

    (void)snprintf(outside, sizeof(outside), "%s/outside", sh.dir);
    fd = open(outside, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(pg_fd_write(fd, "precious", 8), 0);
    (void)close(fd);
    assert_int_equal(symlinkat(outside, sh.store->partial_fd, partial_name(&d, name)), 0);
    assert_true(partial_claim(sh.store, &d));
    assert_int_equal(partial_open(sh.store, &d, 3, &fd, &have, &err), 0);
    assert_int_equal(have, 0);
    (void)close(fd);
    partial_drop(sh.store, &d);
    partial_release(sh.store, &d);
    assert_int_equal(stat(outside, &st), 0);
    assert_int_equal(st.st_size, 8);
}

TEST(eviction_takes_the_longest_unused_and_leaves_what_is_at_work)
{
    struct digest old = put_partial(1, 100, 10), older = put_partial(2, 100, 5);
    struct digest oldest = put_partial(3, 100, 1), young = put_partial(4, 100, 20);

    assert_true(partial_claim(sh.store, &oldest));
    assert_int_equal(partial_evict(sh.store, 150), 200);
    assert_true(shelf_has_partial(&sh, &oldest));
    assert_true(shelf_has_partial(&sh, &young));
    assert_false(shelf_has_partial(&sh, &older));
    assert_false(shelf_has_partial(&sh, &old));
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 200);
    assert_int_equal(partial_evict(sh.store, UINT64_MAX), 100);
    partial_release(sh.store, &oldest);
    assert_int_equal(partial_evict(sh.store, UINT64_MAX), 100);
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 0);
}

TEST(a_start_keeps_what_is_half_here_and_nothing_else)
{
    struct digest kept = put_partial(7, 100, 1), empty = put_partial(8, 0, 1);
    struct digest whole = shelf_put_seed(&sh, 50, 1);
    char name[PARTIAL_NAME_MAX];

    put_file(partial_name(&whole, name), 20, 1);
    put_file("garbage", 10, 1);
    assert_int_equal(mkdirat(sh.store->partial_fd, "dir", 0700), 0);
    assert_int_equal(symlinkat("/etc/passwd", sh.store->partial_fd, "link"), 0);
    assert_int_equal(mkfifoat(sh.store->partial_fd, "fifo", 0600), 0);
    shelf_close(&sh);
    shelf_open(&sh);
    assert_true(shelf_has_partial(&sh, &kept));
    assert_int_equal(shelf_count_files(sh.store->partial_fd), 1);
    assert_false(shelf_has_partial(&sh, &empty));
    assert_false(is_there("garbage"));
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 100);
    assert_true(shelf_can_open(&sh, &whole));
    shelf_is_sound(&sh);
}

TEST(the_count_never_goes_below_nothing)
{
    struct digest d = put_partial(9, 100, 1);

    atomic_store(&sh.store->partial_bytes, 30); /* somebody else made the file longer */
    assert_true(partial_claim(sh.store, &d));
    partial_drop(sh.store, &d);
    partial_drop(sh.store, &d);
    partial_release(sh.store, &d);
    assert_int_equal(atomic_load(&sh.store->partial_bytes), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_name_says_whose_partial_it_is),
        CASE(a_mark_says_how_much_is_here_in_order),
        CASE(a_claim_is_for_one),
        CASE(one_that_is_longer_than_the_blob_is_begun_afresh),
        CASE(no_link_is_followed),
        CASE(eviction_takes_the_longest_unused_and_leaves_what_is_at_work),
        CASE(a_start_keeps_what_is_half_here_and_nothing_else),
        CASE(the_count_never_goes_below_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
