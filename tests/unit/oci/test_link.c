/* SPDX-License-Identifier: Apache-2.0 */
/* Where the next page of a list is, and what may be taken from that. */
#include "harness/test.h"

#include "oci/link.h"

static struct pg_arena arena;

static void next_is(struct sl value, struct sl expected)
{
    struct sl target;

    if (link_next(value, &target) != 1)
        fail_msg("no next in %.*s", SL_ARG(value));
    if (!sl_eq(target, expected))
        fail_msg("%.*s", SL_ARG(target));
}

TEST(the_next_page_is_found)
{
    next_is(SL("</v2/a/tags/list?n=2&last=b>; rel=\"next\""), SL("/v2/a/tags/list?n=2&last=b"));
    next_is(SL("<https://r.example/v2/_catalog?last=x,y>; rel=next"),
            SL("https://r.example/v2/_catalog?last=x,y"));
    next_is(SL("<a>;rel=next"), SL("a"));
    next_is(SL(" <a> ; REL = \"Next\" "), SL("a"));
    next_is(SL("<>; rel=next"), SL(""));
    next_is(SL("<a>; title=\"x, <b>; rel=next\"; rel=next"), SL("a"));
    next_is(SL("<a>; rel=\"last next\""), SL("a"));
    next_is(SL("<a>; crossorigin; rel=next"), SL("a"));
}

TEST(other_links_before_it_are_passed_over)
{
    next_is(SL("<p>; rel=prev, <n>; rel=next, <z>; rel=next"), SL("n"));
    next_is(SL("<p>; rel=\"nextpage\", ,<q>,<n>; rel=next"), SL("n"));
    next_is(SL("<p>; rel=prev; rel=next, <n>; rel=next"), SL("n")); /* the first rel counts */
}

TEST(without_a_next_there_is_none)
{
    static const struct sl values[] = {
        {NULL, 0},
        SL(""),
        SL(","),
        SL("<a>"),
        SL("<a>; rel=prev"),
        SL("<a>; rel=\"\""),
        SL("<a>; rel"),
        SL("<a>; rel=\"next"),
        SL("<a>; rel="),
        SL("<a; rel=next"),
        SL("a>; rel=next"),
        SL("a; rel=next"),
        SL("<a> rel=next"),
        SL("<a>; rel=prev x, <b>; rel=next"),
        SL("<a>; rev=next"),
        SL("<a>; rel=\"\\"),
        SL("<a b>; rel=next"),
        SL("<a\r\nX: y>; rel=next"),
        SL("<a\0b>; rel=next"),
        SL("<\xc3\xa9>; rel=next"),
        SL("<a<b>; rel=next"),
    };

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct sl target = SL("untouched");

        if (link_next(values[i], &target) != 0)
            fail_msg("found %.*s in %.*s", SL_ARG(target), SL_ARG(values[i]));
        assert_true(sl_eq(target, SL("untouched")));
    }
}

static void query_is(struct sl target, struct sl key, struct sl expected)
{
    struct sl value;

    if (link_query(target, key, &arena, &value) != 1)
        fail_msg("no %.*s in %.*s", SL_ARG(key), SL_ARG(target));
    if (!sl_eq(value, expected))
        fail_msg("%.*s", SL_ARG(value));
}

TEST(a_parameter_is_decoded)
{
    query_is(SL("/v2/a/tags/list?n=2&last=b"), SL("last"), SL("b"));
    query_is(SL("/v2/a/tags/list?n=2&last=b"), SL("n"), SL("2"));
    query_is(SL("?last=a%2Fb%3d%26+c#last=x"), SL("last"), SL("a/b=& c"));
    query_is(SL("?last="), SL("last"), SL(""));
    query_is(SL("?last"), SL("last"), SL(""));
    query_is(SL("?a&&last=a=b&last=c"), SL("last"), SL("a=b"));
    query_is(SL("?last=%00%0a"), SL("last"), SL("\0\n"));
    query_is(SL("?x=y?last=1&last=2"), SL("last"), SL("2"));
}

TEST(a_parameter_that_is_not_there_is_not_found)
{
    static const struct sl targets[] = {
        {NULL, 0},       SL(""),          SL("?"),         SL("/last=1"), SL("?xlast=1"),
        SL("?last2=1"),  SL("?LAST=1"),   SL("#?last=1"),  SL("?last=%"), SL("?last=%4"),
        SL("?last=%4g"), SL("?last=%zz"), SL("?a#last=1"),
    };

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        struct sl value = SL("untouched");

        if (link_query(targets[i], SL("last"), &arena, &value) != 0)
            fail_msg("found in %.*s", SL_ARG(targets[i]));
        assert_true(sl_eq(value, SL("untouched")));
    }
}

TEST(what_was_encoded_comes_back_whatever_it_was)
{
    char all[256], target[1024];
    struct sl value = {all, sizeof(all)}, encoded, back;
    int n;

    for (int i = 0; i < 256; i++)
        all[i] = (char)(signed char)i;
    encoded = link_encode(&arena, value);
    for (size_t i = 0; i < encoded.n; i++)
        assert_non_null(strchr(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%", encoded.p[i]));
    n = snprintf(target, sizeof(target), "/v2/a/tags/list?last=%.*s&n=1", SL_ARG(encoded));
    assert_true(n > 0 && n < (int)sizeof(target));
    assert_int_equal(link_query((struct sl){target, (size_t)n}, SL("last"), &arena, &back), 1);
    assert_true(sl_eq(back, value));
    assert_true(sl_eq(link_encode(&arena, SL("a/b c\r\n~")), SL("a%2Fb%20c%0D%0A~")));
    assert_int_equal(link_encode(&arena, (struct sl){NULL, 0}).n, 0);
}

TEST(what_ends_a_query_or_a_line_is_in_none)
{
    static const char *const bad[] = {"a b", "a#b", "a\"b", "a<b", "a>b",  "a\\b",    "a^b",
                                      "a`b", "a{b", "a|b",  "a}b", "a\nb", "a\x7f.b", "a\xc3\xa4"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(link_is_query((struct sl){bad[i], strlen(bad[i])}));
    assert_false(link_is_query((struct sl){"a\0b", 3}));
    assert_true(link_is_query(SL("")));
    assert_true(link_is_query(SL("n=1000&last=a%2Fb+c/?:@!$'()*,;~[]")));
}

static int setup(void **state)
{
    (void)state;
    pg_arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pg_arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_next_page_is_found),
        RUN(other_links_before_it_are_passed_over),
        RUN(without_a_next_there_is_none),
        RUN(a_parameter_is_decoded),
        RUN(a_parameter_that_is_not_there_is_not_found),
        RUN(what_was_encoded_comes_back_whatever_it_was),
        RUN(what_ends_a_query_or_a_line_is_in_none),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
