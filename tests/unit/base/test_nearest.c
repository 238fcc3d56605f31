/* SPDX-License-Identifier: Apache-2.0 */
/* A typo finds its word; a different word finds none. */
#include "harness/test.h"

#include "base/nearest.h"

static const char *const words[] = {"listen", "storage", "tags", "ttl", "max_size", "upstreams"};

static const char *near(const char *word)
{
    return pg_nearest_of((struct sl){word, strlen(word)}, words, sizeof words / sizeof *words);
}

TEST(a_typo_finds_its_word)
{
    assert_string_equal(near("lisen"), "listen");
    assert_string_equal(near("stroage"), "storage"); /* a transposition is one edit */
    assert_string_equal(near("ttll"), "ttl");
    assert_string_equal(near("maxsize"), "max_size");
    assert_string_equal(near("upstream"), "upstreams");
}

TEST(another_word_finds_none)
{
    assert_null(near("colour"));
    assert_null(near("xy"));
    assert_null(near(""));
    assert_null(near("a_word_of_many_letters_that_is_longer_than_any_key_could_ever_be_here"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_typo_finds_its_word),
        RUN(another_word_finds_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
