/* SPDX-License-Identifier: Apache-2.0 */
/* E16 and E17: where a Location may lead. */
#include "harness/test.h"

#include <stdio.h>

#include "proxy/upstream/redirect.h"

#define FROM "https://registry.test/v2/app/blobs/sha256:00"

static int resolve(const char *location, bool may_http, struct url *u)
{
    struct pg_err err = {0};
    int result =
        redirect_resolve(FROM, (struct sl){location, strlen(location)}, may_http, 0, u, &err);

    assert_int_equal(result < 0, err.kind == PG_E_UPSTREAM_WRONG);
    pg_err_clear(&err);
    return result;
}

TEST(E16_any_https_host_and_what_is_relative)
{
    static const struct {
        const char *location, *to, *host;
        unsigned port;
    } good[] = {
        {"https://cdn.test/a?sig=%2B", "https://cdn.test/a?sig=%2B", "cdn.test", 443},
        {"https://cdn.registry.test/a", "https://cdn.registry.test/a", "cdn.registry.test", 443},
        {"https://registry.test:8443/a", "https://registry.test:8443/a", "registry.test", 8443},
        {"HTTPS://CDN.Test/A#frag", "https://cdn.test/A", "cdn.test", 443},
        {"https:///cdn.test", "https://cdn.test/", "cdn.test", 443}, /* as libcurl reads it */
        {"/other", "https://registry.test/other", "registry.test", 443},
        {"//cdn.test/x", "https://cdn.test/x", "cdn.test", 443},
        {"https://[2606:4700::1]/x", "https://[2606:4700::1]/x", "[2606:4700::1]", 443},
    };
    struct url u;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (resolve(good[i].location, false, &u) < 0)
            fail_msg("refused: %s", good[i].location);
        assert_string_equal(u.text, good[i].to);
        assert_string_equal(u.host, good[i].host);
        assert_int_equal(u.port, good[i].port);
        assert_true(u.https);
        url_free(&u);
    }
}

TEST(E17_nothing_but_a_plain_https_url)
{
    static const char *const bad[] = {
        "",
        "http://cdn.test/",
        "file:///etc/passwd",
        "gopher://cdn.test/",
        "ftp://cdn.test/",
        "dict://cdn.test/",
        "ldap://cdn.test/",
        "javascript:alert(1)",
        "data:,x",
        "https://",

        "https://user@cdn.test/",
        "https://user:pass@cdn.test/",
        "https://:@cdn.test/",
        "https://cdn.test/a b",
        "https://cdn.test/\r\nX: y",
        "https://cdn.test/\x01",
        "https://cdn.test/\xc3\xa4",
        "https://c\xc3\xa4n.test/",
        "https://cdn .test/",

        "https://cdn..test/",
        "https://.cdn.test/",
        "https://cdn.test:0/",
        "https://cdn.test:99999/",
        "https://cdn.test:x/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://cdn%00.test/",
        "https://c*n.test/",
        "https://%3127.1/", /* 127.1 when read once, 127.0.0.1 when read again */
        "//%355/../5",
        "\thttps://cdn.test/",
    };
    struct url u;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (resolve(bad[i], false, &u) == 0)
            fail_msg("passes: %s", bad[i]);
    }
}

/* That they are addresses of our own nets is seen when the socket is made; what is checked there
 * is what libcurl makes of the text, and it must make the same of it here. */
TEST(E17_every_way_to_write_an_address_is_the_dotted_one)
{
    static const char *const same[] = {"https://127.0.0.1/", "https://0x7f.1/",
                                       "https://2130706433/", "https://0177.0.0.1/",
                                       "https://127.1/"};
    struct url u;

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        assert_int_equal(resolve(same[i], false, &u), 0);
        assert_string_equal(u.host, "127.0.0.1");
        url_free(&u);
    }
}

TEST(E17_a_host_of_300_bytes_and_a_url_of_9000)
{
    char text[URL_MAX + 100];
    struct url u;
    int n = snprintf(text, sizeof(text), "https://");

    for (int i = 0; i < 300; i++) {
        text[n + i] = i % 50 == 49 ? '.' : 'a';
    }
    text[n + 300] = '\0';
    assert_int_equal(resolve(text, false, &u), -1);
    memset(text + n, 'a', 64); /* one label that is too long */
    text[n + 64] = '\0';
    assert_int_equal(resolve(text, false, &u), -1);
    memset(text + n, 'a', sizeof(text) - (size_t)n);
    text[n + 1] = '/';
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(resolve(text, false, &u), -1);
}

TEST(plain_http_only_where_the_upstream_is_like_that)
{
    struct url u;

    assert_int_equal(resolve("http://127.0.0.1:5000/x", false, &u), -1);
    assert_int_equal(resolve("http://127.0.0.1:5000/x", true, &u), 0);
    assert_false(u.https);
    assert_int_equal(u.port, 5000);
    url_free(&u);
    assert_int_equal(resolve("ftp://127.0.0.1:5000/x", true, &u), -1);
}

TEST(E17_hops_come_to_an_end)
{
    struct pg_err err = {0};
    struct url u;

    assert_int_equal(redirect_resolve(FROM, SL(FROM), false, REDIRECT_HOPS_MAX - 1, &u, &err), 0);
    url_free(&u);
    assert_int_equal(redirect_resolve(FROM, SL(FROM), false, REDIRECT_HOPS_MAX, &u, &err), -1);
    assert_int_equal(err.kind, PG_E_UPSTREAM_WRONG);
    pg_err_clear(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(E16_any_https_host_and_what_is_relative),
        RUN(E17_nothing_but_a_plain_https_url),
        RUN(E17_every_way_to_write_an_address_is_the_dotted_one),
        RUN(E17_a_host_of_300_bytes_and_a_url_of_9000),
        RUN(plain_http_only_where_the_upstream_is_like_that),
        RUN(E17_hops_come_to_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
