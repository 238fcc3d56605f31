/* SPDX-License-Identifier: Apache-2.0 */
/* What a tag was, and for how long: without a break, as far as upstream was heard. N08. */
#include "harness/scratch.h"

#include "cache/index_row_int.h"
#include "cache/past.h"

#define REPO SL("docker.io/library/nginx")

static struct index *ix;
static struct pg_err err;
static struct past p;

static struct digest digest(unsigned n)
{
    struct digest d = {.alg = PG_SHA256};

    d.bytes[0] = (uint8_t)n;
    return d;
}

static bool is(unsigned n, int64_t now_s)
{
    struct digest d = digest(n);

    return past_add(&p, NULL, &d, now_s);
}

static void spell(size_t at, unsigned n, int64_t since_s, int64_t until_s)
{
    struct digest d = digest(n);

    assert_true(at < p.n);
    assert_true(digest_eq(&p.spells[at].digest, &d));
    assert_int_equal(p.spells[at].since_s, since_s);
    assert_int_equal(p.spells[at].until_s, until_s);
    assert_int_equal(p.spells[at].is_open, at == 0);
}

static int setup(void **state)
{
    struct index_config c;

    (void)state;
    p = (struct past){0};
    scratch_make();
    c = (struct index_config){.path = scratch_path("index")};
    assert_int_equal(index_open(&c, &ix, &err), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    index_close(ix);
    pg_err_clear(&err);
    scratch_remove();
    return 0;
}

TEST(N08_a_spell_ends_where_upstream_said_so_for_the_last_time)
{
    assert_true(is(1, 100));
    assert_false(is(1, 200));
    assert_true(is(2, 900)); /* what it was between 200 and 900 nobody saw */
    assert_true(is(1, 910));
    assert_int_equal(p.n, 3);
    spell(0, 1, 910, 910);
    spell(1, 2, 900, 900);
    spell(2, 1, 100, 200);
}

TEST(N08_a_tag_that_went_and_came_back_begins_anew)
{
    (void)is(1, 100);
    (void)is(1, 200);
    past_close(&p);
    assert_true(is(1, 300));
    assert_int_equal(p.n, 2);
    spell(0, 1, 300, 300);
    spell(1, 1, 100, 200);
}

TEST(what_is_said_of_a_time_before_changes_nothing)
{
    (void)is(1, 100);
    (void)is(2, 200);
    assert_false(is(1, 150));
    assert_false(is(2, 190));
    assert_int_equal(p.n, 2);
    spell(0, 2, 200, 200);
}

TEST(flapping_drives_out_nothing_that_was_for_long)
{
    (void)is(1, 1000);
    (void)is(1, 9000);
    for (unsigned i = 0; i < 100; i++) {
        (void)is(2 + i % 2, 10000 + i * 10);
        (void)is(2 + i % 2, 10001 + i * 10);
    }
    assert_int_equal(p.n, PAST_SPELLS_MAX);
    spell(PAST_SPELLS_MAX - 1, 1, 1000, 9000);
    spell(0, 3, 10990, 10991);
}

TEST(a_store_of_an_older_release_begins_with_what_the_tag_was)
{
    const struct index_tag was = {digest(1), 500, 100}, unsound = {digest(1), 50, 100};
    struct digest now = digest(2);

    assert_true(past_add(&p, &was, &now, 600));
    spell(0, 2, 600, 600);
    spell(1, 1, 100, 500);
    p = (struct past){0};
    assert_true(past_add(&p, &unsound, &now, 600));
    spell(1, 1, 100, 100);
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void note(struct index_txn *txn, const char *tag, unsigned n, int64_t now_s)
{
    const struct index_tag t = {digest(n), now_s, now_s};

    assert_int_equal(index_put_tag(txn, REPO, sl_str(tag), &t, &err), 0);
    assert_int_equal(past_note(txn, REPO, sl_str(tag), &t, NULL, &err), 0);
}

static int64_t first(unsigned n)
{
    _index_view_ struct index_view v = index_view_begin(ix);
    struct digest d = digest(n);
    int64_t since_s = 0;

    assert_true(past_first(&v, REPO, &d, &since_s, &err) >= 0);
    return since_s;
}

static struct index_txn *begin(void)
{
    struct index_txn *txn;

    assert_int_equal(index_txn_begin(ix, &txn, &err), 0);
    return txn;
}

TEST(N08_by_digest_the_first_of_its_tags_counts_though_it_is_another_by_now)
{
    struct index_txn *txn = begin();
    struct digest gone = digest(1);

    note(txn, "v1", 1, 100);
    note(txn, "v1", 1, 300);
    note(txn, "v1", 2, 400);
    note(txn, "stable", 1, 500);
    assert_int_equal(index_txn_commit(txn, &err), 0);
    assert_int_equal(first(1), 100);
    assert_int_equal(first(2), 400);
    assert_int_equal(first(3), 0);
    txn = begin(); /* upstream has it no more */
    assert_int_equal(past_asked(txn, REPO, SL("v1"), &gone, 0, &err), 0);
    assert_int_equal(index_txn_commit(txn, &err), 0);
    assert_int_equal(first(1), 500);
}

TEST(what_a_tag_may_not_move_from_is_set_once_and_outlives_all_but_an_operators_word)
{
    struct index_txn *txn = begin();
    struct digest d1 = digest(1);
    const struct index_tag t1 = {d1, 100, 100}, t2 = {digest(2), 210, 210};
    bool is_new;

    assert_int_equal(past_fix(txn, REPO, SL("v1"), &t1, &is_new, &err), 0);
    assert_true(is_new); /* though its own row comes later */
    note(txn, "v1", 1, 100);
    note(txn, "v1", 2, 200);
    assert_int_equal(past_fix(txn, REPO, SL("v1"), &t2, &is_new, &err), 0);
    assert_false(is_new);
    for (unsigned i = 0; i < 40; i++)
        note(txn, "v1", 10 + i, 300 + i);
    assert_int_equal(past_asked(txn, REPO, SL("v1"), &d1, 0, &err), 0);
    assert_int_equal(past_end(txn, REPO, SL("v1"), &err), 0);
    {
        struct index_view v = index_txn_view(txn);

        assert_int_equal(past_get(&v, REPO, SL("v1"), &p, &err), 1);
        assert_non_null(past_fixed(&p));
        assert_true(digest_eq(&past_fixed(&p)->digest, &d1));
        assert_true(past_is_held(past_fixed(&p), 1) && !past_is_held(&p.spells[0], 1));
        assert_int_equal(past_forget(txn, REPO, SL("v1"), &err), 0);
        assert_int_equal(past_get(&v, REPO, SL("v1"), &p, &err), 0);
    }
    assert_int_equal(index_txn_commit(txn, &err), 0);
    assert_int_equal(first(1), 0);
}

TEST(the_past_comes_back_after_a_restart_and_stays_when_the_tag_goes)
{
    struct index_config c = {.path = scratch_path("index")};
    struct index_txn *txn = begin();
    struct digest asked = digest(1);

    note(txn, "v1", 1, 100);
    note(txn, "v1", 1, 300);
    note(txn, "v1", 2, 400);
    assert_int_equal(past_asked(txn, REPO, SL("v1"), &asked, 77, &err), 0);
    assert_int_equal(index_del_tag(txn, REPO, SL("v1"), &err), 1);
    assert_int_equal(past_end(txn, REPO, SL("v1"), &err), 0);
    assert_int_equal(index_txn_commit(txn, &err), 0);
    index_close(ix);
    assert_int_equal(index_open(&c, &ix, &err), 0);
    {
        _index_view_ struct index_view v = index_view_begin(ix);

        assert_int_equal(past_get(&v, REPO, SL("v1"), &p, &err), 1);
        assert_int_equal(past_get(&v, REPO, SL("v2"), &(struct past){0}, &err), 0);
    }
    assert_int_equal(p.n, 2);
    assert_false(p.spells[0].is_open);
    assert_int_equal(p.spells[1].asked_s, 77);
    assert_int_equal(p.spells[1].until_s, 300);
    assert_int_equal(first(1), 100);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(N08_a_spell_ends_where_upstream_said_so_for_the_last_time),
        CASE(N08_a_tag_that_went_and_came_back_begins_anew),
        CASE(what_is_said_of_a_time_before_changes_nothing),
        CASE(flapping_drives_out_nothing_that_was_for_long),
        CASE(a_store_of_an_older_release_begins_with_what_the_tag_was),
        CASE(N08_by_digest_the_first_of_its_tags_counts_though_it_is_another_by_now),
        CASE(what_a_tag_may_not_move_from_is_set_once_and_outlives_all_but_an_operators_word),
        CASE(the_past_comes_back_after_a_restart_and_stays_when_the_tag_goes),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
