/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is, when many want one. */
#include "harness/test.h"

#include <stdio.h>

#include "proxy/upstream/fair_int.h"

static struct fair f;

/* A seed of its own kind each time would let two of a test share a place once in some hundred runs.
 */
static void start(void)
{
    fair_init(&f);
    f.seed = 1;
}

static struct fair_party party(const char *caller, const char *repo)
{
    return fair_party(&f, (struct sl){caller, strlen(caller)}, (struct sl){repo, strlen(repo)});
}

TEST(who_has_none_goes_before_who_has_many)
{
    start();
    struct fair_party greedy = party("10.0.0.1", "a"), modest = party("10.0.0.2", "b");

    assert_false(fair_is_before(&f, &greedy, &modest)); /* nobody has any: who came first */
    assert_false(fair_is_before(&f, &modest, &greedy));
    fair_begin(&f, &greedy);
    fair_begin(&f, &greedy);
    assert_true(fair_is_before(&f, &modest, &greedy));
    fair_begin(&f, &modest);
    assert_true(fair_is_before(&f, &modest, &greedy)); /* one is still less than two */
    fair_end(&f, &greedy);
    assert_true(fair_is_before(&f, &greedy, &modest)); /* as many, and served longer ago */
    fair_end(&f, &greedy);
    fair_end(&f, &modest);
}

TEST(a_caller_of_many_repositories_is_one_caller)
{
    start();
    struct fair_party many[16], other = party("10.0.0.2", "x");

    for (int i = 0; i < 16; i++) {
        char repo[16];

        assert_true(snprintf(repo, sizeof(repo), "r%d", i) > 0);
        many[i] = party("10.0.0.1", repo);
    }
    for (int i = 0; i < 8; i++) {
        fair_begin(&f, &many[i]);
    }
    assert_true(fair_is_before(&f, &other, &many[15]));
    assert_false(fair_is_before(&f, &many[15], &other));
}

TEST(builds_behind_one_address_share_by_repository)
{
    start();
    struct fair_party a = party("10.0.0.1", "a"), b = party("10.0.0.1", "b");

    fair_begin(&f, &a);
    fair_begin(&f, &a);
    assert_true(fair_is_before(&f, &b, &a));
    fair_begin(&f, &b);
    fair_end(&f, &a);
    fair_end(&f, &a);
    assert_true(fair_is_before(&f, &a, &b));
}

TEST(of_three_who_want_all_each_gets_a_third)
{
    start();
    struct fair_party p[3] = {party("1", "a"), party("2", "b"), party("3", "c")};
    unsigned got[3] = {0}, line[300], n = 0;

    for (unsigned i = 0; i < 100; i++) { /* the first one's stand first, all of them */
        line[i] = 0;
        line[100 + i] = 1;
        line[200 + i] = 2;
    }
    n = 300;
    for (unsigned turn = 0; turn < 60; turn++) {
        unsigned best = 0;

        for (unsigned i = 1; i < n; i++) {
            if (fair_is_before(&f, &p[line[i]], &p[line[best]]))
                best = i;
        }
        got[line[best]]++;
        fair_begin(&f, &p[line[best]]);
        fair_end(&f, &p[line[best]]);
        memmove(&line[best], &line[best + 1], (--n - best) * sizeof(line[0]));
    }
    assert_int_equal(got[0], 20);
    assert_int_equal(got[1], 20);
    assert_int_equal(got[2], 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(who_has_none_goes_before_who_has_many),
        RUN(a_caller_of_many_repositories_is_one_caller),
        RUN(builds_behind_one_address_share_by_repository),
        RUN(of_three_who_want_all_each_gets_a_third),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
