/* SPDX-License-Identifier: Apache-2.0 */
/* What upstream said last of a manifest is what is noted, however quickly it changes its mind. */
#include "shelf.h"

#include "cache/lost.h"

#define APP   SL("docker.io/team/app")
#define OTHER SL("docker.io/team/other")

static struct shelf sh;
static struct pg_err err;
static const struct digest one = {.alg = PG_SHA256, .bytes = {1}};

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
    pg_err_clear(&err);
    shelf_end(&sh);
    return 0;
}

static bool is_lost(struct sl repo)
{
    _index_view_ struct index_view v = index_view_begin(sh.store->index);

    return lost_is(&v, repo, &one);
}

TEST(it_is_noted_of_one_repository_and_outlives_a_restart)
{
    assert_false(is_lost(APP));
    lost_note(sh.store, APP, &one);
    shelf_commit(&sh);
    assert_true(is_lost(APP) && !is_lost(OTHER));
    shelf_close(&sh);
    shelf_open(&sh);
    assert_true(is_lost(APP) && !is_lost(OTHER));
    lost_found(sh.store, OTHER, &one);
    shelf_commit(&sh);
    assert_true(is_lost(APP));
    lost_found(sh.store, APP, &one);
    shelf_commit(&sh);
    assert_false(is_lost(APP));
}

/* Before the first has been written the index still says what the last one says. */
TEST(the_last_word_counts_while_those_before_are_on_their_way)
{
    for (unsigned i = 0; i < 20; i++) {
        lost_note(sh.store, APP, &one);
        lost_found(sh.store, APP, &one);
    }
    shelf_commit(&sh);
    assert_false(is_lost(APP));
    lost_note(sh.store, APP, &one);
    shelf_commit(&sh);
    for (unsigned i = 0; i < 20; i++) {
        lost_found(sh.store, APP, &one);
        lost_note(sh.store, APP, &one);
    }
    shelf_commit(&sh);
    assert_true(is_lost(APP));
}

static int apply_forget(struct writer_op *op, struct index_txn *txn, struct pg_err *e)
{
    (void)op;
    return lost_forget(txn, APP, &one, e);
}

TEST(it_is_forgotten_with_the_link_of_its_repository)
{
    struct writer_op op = {.apply = apply_forget}, again = {.apply = apply_forget};

    lost_note(sh.store, APP, &one);
    lost_note(sh.store, OTHER, &one);
    assert_int_equal(writer_do(sh.store->writer, &op, &err), 0);
    assert_true(!is_lost(APP) && is_lost(OTHER));
    assert_int_equal(writer_do(sh.store->writer, &again, &err), 0); /* there is nothing to forget */
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(it_is_noted_of_one_repository_and_outlives_a_restart),
        CASE(the_last_word_counts_while_those_before_are_on_their_way),
        CASE(it_is_forgotten_with_the_link_of_its_repository),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
