/* SPDX-License-Identifier: Apache-2.0 */
/* One vulnerability under several names. */
#include "harness/test.h"

#include "base/hash.h"
#include "scan/alias.h"

TEST(any_of_the_names_fits_in_any_case)
{
    const struct sl names[] = {SL("CVE-2023-32681"), SL("PYSEC-2023-74")};
    const struct alias_list aliases = {names, 2};

    assert_true(alias_fits(SL("cve-2023-32681"), SL("GHSA-j8r2-6x86-q33q"), &aliases));
    assert_true(alias_fits(SL("GHSA-J8R2-6X86-Q33Q"), SL("GHSA-j8r2-6x86-q33q"), NULL));
    assert_false(alias_fits(SL("CVE-2023-3268"), SL("GHSA-j8r2-6x86-q33q"), &aliases));
}

TEST(what_is_no_name)
{
    char text[ALIAS_MAX + 1];

    memset(text, 'A', sizeof(text));
    assert_true(alias_is_name((struct sl){text, ALIAS_MAX}));
    assert_false(alias_is_name((struct sl){text, ALIAS_MAX + 1}));
    assert_false(alias_is_name(SL("")));
    assert_false(alias_is_name((struct sl){NULL, 0}));
    assert_false(alias_is_name(SL("CVE 1")));
    assert_false(alias_is_name(SL("CVE\x1b[2J")));
    assert_false(alias_is_name(SL("CVE\xc3\xa9")));
}

TEST(an_index_keeps_the_order_and_knows_no_case)
{
    int first, second, other;
    struct alias_index x;
    struct pg_arena arena;

    pg_hash_setup();
    pg_arena_init(&arena, 65536);
    alias_index_init(&x);
    alias_index_add(&x, SL("CVE-1"), &first, &arena);
    alias_index_add(&x, SL("CVE-2"), &other, &arena);
    alias_index_add(&x, SL("cve-1"), &second, &arena);
    const struct alias_entry *e = alias_index_find(&x, SL("Cve-1"));
    assert_ptr_equal(e->item, &first);
    assert_ptr_equal(e->next->item, &second);
    assert_null(e->next->next);
    assert_null(alias_index_find(&x, SL("CVE-3")));
    alias_index_free(&x);
    pg_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(any_of_the_names_fits_in_any_case),
        RUN(what_is_no_name),
        RUN(an_index_keeps_the_order_and_knows_no_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
