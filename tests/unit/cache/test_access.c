/* SPDX-License-Identifier: Apache-2.0 */
/* Whether upstream lets us read a repository: in memory, and after a restart. */
#include <stdio.h>
#include <sys/stat.h>

#include "harness/scratch.h"

#include "base/hash.h"
#include "cache/access.h"
#include "cache/recover.h"
#include "cache/store.h"

#define REPO  SL("ghcr.io/team/app")
#define OTHER SL("ghcr.io/team/app2")

static struct store *store;
static struct store_config config;
static struct pg_err err;

static void open_store(void)
{
    assert_int_equal(store_open(&config, &store, &err), 0);
    recover_wait(store->recover);
}

static int setup(void **state)
{
    static char path[512];

    (void)state;
    scratch_make();
    (void)snprintf(path, sizeof(path), "%s", scratch_path("store"));
    config = (struct store_config){.path = path};
    config.data_pool = pg_pool_new("data", 1);
    config.slow_pool = pg_pool_new("slow", 1);
    assert_int_equal(mkdir(path, 0700), 0);
    open_store();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(store);
    pg_pool_free(config.data_pool);
    pg_pool_free(config.slow_pool);
    scratch_remove();
    return 0;
}

static void restart(void)
{
    store_close(store);
    open_store();
}

static void expect(struct sl repo, bool withdrawn, int64_t at_s)
{
    struct access a;

    assert_int_equal(access_look(store, repo, &a, &err), 0);
    assert_int_equal(a.withdrawn, withdrawn);
    assert_int_equal(a.at_s, at_s);
}

TEST(of_what_was_never_asked_nothing_is_known)
{
    expect(REPO, false, 0);
    restart();
    expect(REPO, false, 0);
}

TEST(E23_a_withdrawal_outlives_a_restart_and_so_does_its_end)
{
    access_note(store, REPO, false, 100);
    access_note(store, REPO, true, 200);
    expect(REPO, true, 200);
    expect(OTHER, false, 0);
    restart();
    expect(REPO, true, 200);
    access_note(store, REPO, false, 300);
    restart();
    expect(REPO, false, 300);
    expect(OTHER, false, 0);
}

TEST(a_silence_is_remembered_for_a_while_until_upstream_speaks)
{
    struct access a;

    access_silent(store, REPO); /* nobody has looked: nobody waits */
    expect(REPO, false, 0);
    access_silent(store, REPO);
    assert_int_equal(access_look(store, REPO, &a, &err), 0);
    assert_true(a.silent);
    assert_int_equal(access_look(store, OTHER, &a, &err), 0);
    assert_false(a.silent);
    access_note(store, REPO, true, 200);
    assert_int_equal(access_look(store, REPO, &a, &err), 0);
    assert_true(a.withdrawn && !a.silent);
}

TEST(a_yes_is_written_once_a_day)
{
    access_note(store, REPO, false, 1000);
    access_note(store, REPO, false, 1000 + ACCESS_KEPT_S - 1);
    expect(REPO, false, 1000 + ACCESS_KEPT_S - 1);
    restart();
    expect(REPO, false, 1000);
    access_note(store, REPO, false, 1000 + ACCESS_KEPT_S);
    restart();
    expect(REPO, false, 1000 + ACCESS_KEPT_S);
}

TEST(more_repositories_than_fit_into_memory_are_looked_up_again)
{
    char repo[64];

    access_note(store, REPO, true, 7);
    for (unsigned i = 0; i < ACCESS_MAX + 5; i++) {
        struct access a;
        int n = snprintf(repo, sizeof(repo), "ghcr.io/many/r%u", i);

        assert_int_equal(access_look(store, (struct sl){repo, (size_t)n}, &a, &err), 0);
    }
    expect(REPO, true, 7);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(of_what_was_never_asked_nothing_is_known),
        CASE(E23_a_withdrawal_outlives_a_restart_and_so_does_its_end),
        CASE(a_silence_is_remembered_for_a_while_until_upstream_speaks),
        CASE(a_yes_is_written_once_a_day),
        CASE(more_repositories_than_fit_into_memory_are_looked_up_again),
    };
    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
