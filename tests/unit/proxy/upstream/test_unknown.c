/* SPDX-License-Identifier: Apache-2.0 */
/* What upstreams do not have is remembered for a moment, and not longer. */
#include "harness/test.h"

#include <stdio.h>

#include "proxy/upstream/unknown.h"

static struct unknown_table table;

static int open_table(void **state)
{
    (void)state;
    unknown_open(&table);
    return 0;
}

static int close_table(void **state)
{
    (void)state;
    unknown_close(&table);
    return 0;
}

static struct unknown_key key(enum unknown_kind kind, const char *repo, const char *reference)
{
    return (struct unknown_key){.revision = 1,
                                .kind = kind,
                                .upstream = SL("hub.test"),
                                .repo = {repo, strlen(repo)},
                                .reference = {reference, strlen(reference)}};
}

TEST(for_ten_seconds)
{
    struct unknown_key k = key(UNKNOWN_MANIFEST, "library/app", "v1");

    assert_false(unknown_has(&table, &k, 1000));
    unknown_note(&table, &k, 1000);
    assert_true(unknown_has(&table, &k, 1000));
    assert_true(unknown_has(&table, &k, 10999));
    assert_false(unknown_has(&table, &k, 11000));
    assert_int_equal(table.all.n, 0);
    unknown_note(&table, &k, 20000);
    unknown_note(&table, &k, 25000); /* said again: from then on */
    assert_true(unknown_has(&table, &k, 34999));
    assert_int_equal(table.all.n, 1);
}

TEST(of_just_what_was_asked)
{
    const struct unknown_key others[] = {
        key(UNKNOWN_MANIFEST, "library/app", "v2"), key(UNKNOWN_MANIFEST, "library/ap", "v1"),
        key(UNKNOWN_BLOB, "library/app", "v1"), key(UNKNOWN_BLOB_HEAD, "library/app", "v1"),
        key(UNKNOWN_REPO, "library/app", "")};
    struct unknown_key k = key(UNKNOWN_MANIFEST, "library/app", "v1");

    unknown_note(&table, &k, 0);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(unknown_has(&table, &others[i], 1));
    k.revision = 2; /* after a reload it may have other credentials */
    assert_false(unknown_has(&table, &k, 1));
    k.revision = 1;
    k.upstream = SL("other.test");
    assert_false(unknown_has(&table, &k, 1));
}

TEST(it_is_forgotten_by_repository)
{
    struct unknown_key one = key(UNKNOWN_MANIFEST, "library/app", "v1"),
                       two = key(UNKNOWN_REPO, "library/app", ""),
                       longer = key(UNKNOWN_MANIFEST, "library/app/more", "v1");

    unknown_note(&table, &one, 0);
    unknown_note(&table, &two, 0);
    unknown_note(&table, &longer, 0);
    unknown_forget(&table, SL("hub.test"), SL("library/other"));
    assert_int_equal(table.all.n, 3);
    unknown_forget(&table, SL("hub.test"), SL("library/app"));
    assert_false(unknown_has(&table, &one, 1) || unknown_has(&table, &two, 1));
    assert_true(unknown_has(&table, &longer, 1));
}

TEST(it_is_bounded_and_the_oldest_goes_first)
{
    char tag[32];

    for (unsigned i = 0; i < UNKNOWN_MAX + 10; i++) {
        struct unknown_key k;

        (void)snprintf(tag, sizeof(tag), "t%u", i);
        k = key(UNKNOWN_MANIFEST, "library/app", tag);
        unknown_note(&table, &k, i);
    }
    assert_int_equal(table.all.n, UNKNOWN_MAX);
    for (unsigned i = 8; i < 12; i++) {
        struct unknown_key k;

        (void)snprintf(tag, sizeof(tag), "t%u", i);
        k = key(UNKNOWN_MANIFEST, "library/app", tag);
        assert_int_equal(unknown_has(&table, &k, 5000), i >= 10);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_table, close_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(for_ten_seconds),
        CASE(of_just_what_was_asked),
        CASE(it_is_forgotten_by_repository),
        CASE(it_is_bounded_and_the_oldest_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
