/* SPDX-License-Identifier: Apache-2.0 */
/* What was put is found by its key, once, until it is removed; a walk meets every node once. */
#include "harness/test.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/list.h"
#include "base/map.h"

#define N 1000

struct entry {
    struct pg_map_node node;
    char key[8];
    unsigned met;
};

static struct entry entries[N];

static struct sl key_of(int i)
{
    (void)snprintf(entries[i].key, sizeof(entries[i].key), "k%d", i);
    return (struct sl){entries[i].key, strlen(entries[i].key)};
}

static void fill(struct pg_map *m)
{
    memset(entries, 0, sizeof(entries));
    pg_map_init(m);
    for (int i = 0; i < N; i++)
        pg_map_put(m, &entries[i].node, key_of(i));
}

TEST(what_was_put_is_found_until_it_is_removed)
{
    struct pg_map m;

    fill(&m);
    assert_int_equal(m.n, N);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(pg_map_get(&m, key_of(i)), &entries[i].node);
    for (int i = 0; i < N; i += 2)
        pg_map_remove(&m, &entries[i].node);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(pg_map_get(&m, key_of(i)), i % 2 == 0 ? NULL : &entries[i].node);
    assert_int_equal(m.n, N / 2);
    pg_map_put(&m, &entries[0].node, key_of(0));
    assert_non_null(pg_map_get(&m, SL("k0")));
    assert_null(pg_map_get(&m, SL("k")));
    pg_map_free(&m);
}

TEST(an_empty_map_has_nothing)
{
    struct pg_map m;

    pg_map_init(&m);
    assert_null(pg_map_get(&m, SL("k")));
    assert_null(pg_map_next(&m, NULL));
    pg_map_free(&m);
    assert_null(pg_map_get(&m, SL("k")));
}

TEST(the_empty_key_is_a_key)
{
    struct pg_map m;
    struct pg_map_node node;

    pg_map_init(&m);
    pg_map_put(&m, &node, (struct sl){NULL, 0});
    assert_ptr_equal(pg_map_get(&m, SL("")), &node);
    assert_ptr_equal(pg_map_next(&m, NULL), &node);
    assert_null(pg_map_next(&m, &node));
    pg_map_remove(&m, &node);
    assert_null(pg_map_get(&m, SL("")));
    pg_map_free(&m);
}

TEST(a_walk_meets_each_once)
{
    struct pg_map m;

    fill(&m);
    for (struct pg_map_node *n = pg_map_next(&m, NULL); n != NULL; n = pg_map_next(&m, n))
        pg_container_of(n, struct entry, node)->met++;
    for (int i = 0; i < N; i++)
        assert_int_equal(entries[i].met, 1);
    pg_map_free(&m);
}

TEST(a_walk_may_remove_what_it_passed)
{
    struct pg_map m;
    struct pg_map_node *node, *next;
    unsigned n = 0;

    fill(&m);
    for (node = pg_map_next(&m, NULL); node != NULL; node = next, n++) {
        next = pg_map_next(&m, node);
        pg_map_remove(&m, node);
    }
    assert_int_equal(n, N);
    assert_int_equal(m.n, 0);
    pg_map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(what_was_put_is_found_until_it_is_removed),
        RUN(an_empty_map_has_nothing),
        RUN(the_empty_key_is_a_key),
        RUN(a_walk_meets_each_once),
        RUN(a_walk_may_remove_what_it_passed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
