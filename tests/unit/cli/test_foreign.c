/* SPDX-License-Identifier: Apache-2.0 */
/* Of what another registry has: as many tags of one image as it says. */
#include "harness/test.h"

#include "cli/foreign.h"

TEST(an_image_may_have_all_tags_of_its_repository)
{
    struct image image = {.size = 1};
    struct pg_arena arena;
    char names[50000];

    memset(names, 'a', sizeof(names));
    pg_arena_init(&arena, (size_t)64 << 20);
    for (size_t i = 0; i < sizeof(names); i++) {
        foreign_add_tag(&arena, &image, (struct sl){&names[i], 1});
    }
    assert_int_equal(image.ntags, sizeof(names));
    for (size_t i = 0; i < sizeof(names); i++) {
        assert_ptr_equal(image.tags[i].p, &names[i]);
    }
    pg_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(an_image_may_have_all_tags_of_its_repository),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
