/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of names is the first wall: what passes here may become part of a key, an upstream
 * request or a log line. */
#include "harness/test.h"

#include "oci/ref.h"

#define A63  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A64  A63 "a"
#define A128 A64 A64
#define A255 A128 A64 A63

typedef int check_fn(struct sl s, struct pg_err *err);

static void takes(check_fn *check, struct sl s)
{
    struct pg_err err = {0};

    if (check(s, &err) < 0)
        fail_msg("\"%.*s\" was refused: %s", SL_ARG(s), err.msg);
}

static void refuses(check_fn *check, struct sl s)
{
    struct pg_err err = {0};

    if (check(s, &err) == 0)
        fail_msg("\"%.*s\" was taken", SL_ARG(s));
    assert_int_equal(err.kind, PG_E_NAME_INVALID);
    pg_err_clear(&err);
}

#define EACH(check, how, ...)                                                                      \
    do {                                                                                           \
        static const struct sl rows[] = {__VA_ARGS__};                                             \
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)                                \
            how(check, rows[i]);                                                                   \
    } while (0)
#define S(lit)                                                                                     \
    {                                                                                              \
        "" lit, sizeof(lit) - 1                                                                    \
    }

TEST(names_that_registries_use_are_taken)
{
    EACH(ref_check_name, takes, S("nginx"), S("library/nginx"), S("a"), S("0"), S("a/b/c/d/e"),
         S("a.b"), S("a_b"), S("a__b"), S("a-b"), S("a--b"), S("a-----b"), S("a.b-c__d_e/f.g"),
         S("docker.io/library/nginx"), S("000/111"), S(A255));
}

TEST(b04_names_made_of_the_words_of_the_api_are_taken)
{
    EACH(ref_check_name, takes, S("manifests"), S("blobs/uploads"), S("tags/list"), S("v2"),
         S("a/blobs/b/manifests/c"), S("catalog"), S("referrers"));
}

TEST(b01_hostile_names_are_refused)
{
    EACH(ref_check_name, refuses, S(""), S("."), S(".."), S("a/.."), S("../a"), S("a/../b"),
         S("a/./b"), S("%2e%2e"), S("a%2fb"), S("a%252fb"), S("a%00b"), S("a\\b"), S("a;b"),
         S("a//b"), S("/a"), S("a/"), S("/"), S("A"), S("libraryX"), S("caf\xc3\xa9"),
         S("\xef\xbd\x81"),
         S("a\xc0\xaf"
           "b"),
         S("a\0b"), S("a b"), S("a\r\nb"), S("a\tb"), S("a:b"), S("a@b"), S("a?b"), S("a#b"),
         S(A255 "a"), S("a..b"), S("a.-b"), S("a._b"), S("a___b"), S("-a"), S("a-"), S("a./b"),
         S("a/-b"), S("_a"), S("a_"), S("_catalog"), S("a/_b"), S("a-_b"), S("a__.b"));
}

TEST(a_refused_name_says_where)
{
    struct pg_err err = {0};

    assert_int_equal(ref_check_name(SL("library/Nginx"), &err), -1);
    assert_non_null(strstr(err.msg, "byte 9 "));
    assert_int_equal(ref_check_name(SL("a//b"), &err), -1);
    assert_non_null(strstr(err.msg, "byte 3 "));
    pg_err_clear(&err);
}

TEST(a_name_is_read_no_further_than_its_length)
{
    takes(ref_check_name, (struct sl){"abc/", 3});
    refuses(ref_check_name, (struct sl){"abc/d", 4});
    takes(ref_check_tag, (struct sl){"v1/", 2});
    takes(ref_check_host, (struct sl){"docker.io:x", 9});
}

TEST(tags)
{
    EACH(ref_check_tag, takes, S("latest"), S("v1.2.3-rc.1"), S("_x"), S("A"), S("0"), S("a--b..c"),
         S(A128), S("sha256-" A64 ".sig"));
}

TEST(b01_hostile_tags_are_refused)
{
    EACH(ref_check_tag, refuses, S(""), S("-a"), S(".a"), S(".."), S("."), S(A128 "a"), S("a/b"),
         S("a:b"), S("a b"), S("a\0"), S("a\n"), S("a%2f"), S("a+b"), S("caf\xc3\xa9"), S("a\x7f"),
         S("a\\"), S(".INVALID_MANIFEST_NAME"));
}

TEST(hosts)
{
    EACH(ref_check_host, takes, S("docker.io"), S("registry-1.docker.io"), S("localhost"),
         S("localhost:5000"), S("a:1"), S("a:65535"), S("127.0.0.1"), S("10.0.0.7:5000"),
         S("[::1]"), S("[::1]:5000"), S("[2001:db8::7]"), S("xn--caf-dma.example"), S("1.example"),
         S(A63 ".example"), S(A63 "." A63 "." A63 ".b"));
}

TEST(b06_hostile_hosts_are_refused)
{
    EACH(ref_check_host, refuses, S(""), S("."), S("a."), S(".a"), S("a..b"), S("-a.b"), S("a-.b"),
         S("a_b.c"), S("Docker.io"), S("a/b"), S("u@a"), S("u:p@a"), S("https://a"), S("a:"),
         S("a:0"), S("a:05"), S("a:65536"), S("a:999999"), S("a:4294967297"),
         S("a:99999999999999999999"), S("a:5x"), S("a:1:2"), S(":5000"), S("a b"), S("a\0"),
         S("a\r\n"), S("a%2e"), S("caf\xc3\xa9"), S(A64 ".example"), S(A63 "." A63 "." A63 "." A63),
         S("a?ns=b"));
}

TEST(e17_an_address_has_one_spelling)
{
    EACH(ref_check_host, refuses, S("127.1"), S("0x7f.1"), S("0x7f000001"), S("2130706433"),
         S("127.0.0.01"), S("0177.0.0.1"), S("127.0.0.256"), S("1.2.3.4.5"), S("a.0x7f"), S("a.1"),
         S("::1"), S("[::1"), S("[]"), S("["), S("[]:5000"), S("[::1]x"), S("[::1]:"), S("[::1]:0"),
         S("[::1%eth0]"), S("[0:0:0:0:0:0:0:1]"), S("[2001:DB8::7]"), S("[127.0.0.1]"), S("[::1]]"),
         S("[g::]"));
}

TEST(a_first_segment_is_a_host_when_it_can_be_nothing_else)
{
    assert_true(ref_looks_like_host(SL("docker.io")));
    assert_true(ref_looks_like_host(SL("registry:5000")));
    assert_true(ref_looks_like_host(SL("localhost")));
    assert_true(ref_looks_like_host(SL("[::1]")));
    assert_false(ref_looks_like_host(SL("library")));
    assert_false(ref_looks_like_host(SL("localhosts")));
    assert_false(ref_looks_like_host((struct sl){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(names_that_registries_use_are_taken),
        RUN(b04_names_made_of_the_words_of_the_api_are_taken),
        RUN(b01_hostile_names_are_refused),
        RUN(a_refused_name_says_where),
        RUN(a_name_is_read_no_further_than_its_length),
        RUN(tags),
        RUN(b01_hostile_tags_are_refused),
        RUN(hosts),
        RUN(b06_hostile_hosts_are_refused),
        RUN(e17_an_address_has_one_spelling),
        RUN(a_first_segment_is_a_host_when_it_can_be_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
