/* SPDX-License-Identifier: Apache-2.0 */
/* A base URL is a scheme, a host and perhaps a port; what else stands in it is refused. */
#include "harness/test.h"

#include "cli/authority.h"

static int parse(const char *text, struct authority_url *url, const char **why)
{
    return authority_parse_url((struct sl){text, strlen(text)}, url, why);
}

TEST(good_urls_come_apart)
{
    static const struct {
        const char *text, *authority, *host;
        uint16_t port;
        bool https;
    } good[] = {
        {"https://ghcr.io", "ghcr.io", "ghcr.io", 443, true},
        {"HTTPS://ghcr.io/", "ghcr.io", "ghcr.io", 443, true},
        {"http://127.0.0.1:5900", "127.0.0.1:5900", "127.0.0.1", 5900, false},
        {"https://[::1]:5000/", "[::1]:5000", "::1", 5000, true},
        {"http://[fd00::7]", "[fd00::7]", "fd00::7", 80, false},
        {"https://registry_1.a-b.test:65535", "registry_1.a-b.test:65535", "registry_1.a-b.test",
         65535, true},
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct authority_url url = {0};
        const char *why = NULL;
        assert_int_equal(parse(good[i].text, &url, &why), 0);
        assert_true(
            sl_eq(url.authority, (struct sl){good[i].authority, strlen(good[i].authority)}));
        assert_true(sl_eq(url.host, (struct sl){good[i].host, strlen(good[i].host)}));
        assert_int_equal(url.port, good[i].port);
        assert_int_equal(url.is_https, good[i].https);
    }
}

TEST(bad_urls_are_refused)
{
    static const char *const bad[] = {
        "",
        "ghcr.io",
        "ftp://ghcr.io",
        "file:///etc/passwd",
        "https:ghcr.io",
        "https://",
        "https:///",
        "https://user@ghcr.io",
        "https://user:pass@ghcr.io",
        "https://ghcr.io/v2",
        "https://ghcr.io//",
        "https://ghcr.io?x",
        "https://ghcr.io#x",
        "https://ghcr.io:",
        "https://ghcr.io:0",
        "https://ghcr.io:65536",
        "https://ghcr.io:4 43",
        "https://ghcr.io:0443",
        "https://ghcr..io",
        "https://.ghcr.io",
        "https://ghcr.io.",
        "https://-ghcr.io",
        "https://gh cr.io",
        "https://gh%63r.io",
        "https://0x7f.1",
        "https://127.1",
        "https://2130706433",
        "https://127.0.0.256",
        "https://0177.0.0.1",
        "https://[::1",
        "https://[::1]5000",
        "https://[fe80::1%25eth0]",
        "https://::1",
        "https://\\\\ghcr.io",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct authority_url url = {0};
        const char *why = NULL;
        if (parse(bad[i], &url, &why) == 0) {
            fail_msg("%s was not refused", bad[i]);
        }
        assert_non_null(why);
    }
}

TEST(a_host_of_any_length_is_read_within_its_bounds)
{
    char text[400];
    struct authority_url url = {0};
    const char *why = NULL;

    memset(text, 'a', sizeof text);
    memcpy(text, SL("https://").p, SL("https://").n);
    assert_int_equal(authority_parse_url((struct sl){text, sizeof text}, &url, &why), -1);
    for (size_t i = 8; i < sizeof text; i += 60) {
        text[i + 50 < sizeof text ? i + 50 : i] = '.';
    }
    assert_int_equal(authority_parse_url((struct sl){text, 300}, &url, &why), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(good_urls_come_apart),
        RUN(bad_urls_are_refused),
        RUN(a_host_of_any_length_is_read_within_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
