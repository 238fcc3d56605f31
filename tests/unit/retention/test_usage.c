/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "harness/retention_world.h"
#include "retention/usage.h"

static struct usage usage;

static void count(void)
{
    usage_make(world.images, world.n, SL("team"), WORLD_NOW_S, &usage);
}

static const struct usage_sum *row(enum usage_by by, const char *name)
{
    for (size_t i = 0; i < usage.tables[by].n; i++) {
        if (sl_eq(usage.tables[by].rows[i].name, sl_str(name))) {
            return &usage.tables[by].rows[i];
        }
    }
    fail_msg("no row %s", name);
    return NULL;
}

static int teardown(void **state)
{
    usage_free(&usage);
    return world_teardown(state);
}

TEST(what_images_share_is_stored_once_and_belongs_to_none_alone)
{
    struct image *a = world_tagged("docker.io/one/a", "a", 30);
    struct image *b = world_tagged("docker.io/one/b", "b", 20);
    struct image *c = world_tagged("quay.io/c", "c", 1);

    world_layer(a, "base", 1000);
    world_layer(b, "base", 1000);
    world_layer(b, "own", 10);
    world_layer(c, "base", 1000);
    world_layer(c, "new", 200);
    world_note(c, "team", "red");
    count();
    assert_int_equal(usage.all.bytes, 1213); /* and three manifests of one byte */
    assert_int_equal(usage.all.apart, 3213);
    assert_int_equal(usage.all.duplicates, 2);
    assert_int_equal(usage.repositories, 3);
    assert_int_equal(row(USAGE_UPSTREAM, "docker.io")->bytes, 1012);
    assert_int_equal(row(USAGE_UPSTREAM, "docker.io")->unique, 12);
    assert_int_equal(row(USAGE_NAMESPACE, "docker.io/one")->manifests, 2);
    assert_int_equal(row(USAGE_NAMESPACE, "quay.io")->unique, 201);
    assert_int_equal(row(USAGE_TEAM, "red")->bytes, 1201);
    assert_int_equal(row(USAGE_TEAM, "")->unique, 12);
    assert_true(sl_eq(usage.tables[USAGE_UPSTREAM].rows[0].name, SL("quay.io"))); /* the largest */
}

TEST(what_came_is_counted_in_the_week_of_the_first_that_names_it)
{
    struct image *old = world_tagged("docker.io/one/a", "old", 30);
    struct image *new = world_tagged("docker.io/one/a", "new", 1);
    struct image *unknown = world_tagged("docker.io/one/a", "unknown", 1);

    world_layer(old, "base", 1000);
    world_layer(new, "base", 1000);
    world_layer(new, "own", 50);
    world_layer(unknown, "lost", 7);
    unknown->first_seen_s = 0;
    count();
    assert_int_equal(usage.weeks[0], 51);
    assert_int_equal(usage.weeks[4], 1001);
    assert_int_equal(usage.all.week, 51);
    assert_int_equal(row(USAGE_UPSTREAM, "docker.io")->week, 51);
    assert_int_equal(usage.oldest_s, WORLD_NOW_S - 30 * DAYS);
}

TEST(what_is_not_stored_takes_no_room_and_nothing_is_nothing)
{
    struct image *a = world_tagged("a.test", "a", 1);

    world_layer(a, "absent", 1000);
    world.blobs[0][0].is_stored = false;
    count();
    assert_int_equal(usage.all.bytes, 1);
    assert_int_equal(row(USAGE_NAMESPACE, "a.test")->objects, 1);
    usage_free(&usage);
    world.n = 0;
    count();
    assert_int_equal(usage.all.bytes, 0);
    assert_int_equal(usage.tables[USAGE_TEAM].n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_images_share_is_stored_once_and_belongs_to_none_alone,
                                  teardown),
        cmocka_unit_test_teardown(what_came_is_counted_in_the_week_of_the_first_that_names_it,
                                  teardown),
        cmocka_unit_test_teardown(what_is_not_stored_takes_no_room_and_nothing_is_nothing,
                                  teardown),
    };

    pg_hash_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
