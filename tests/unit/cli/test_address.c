/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses are numbers, and ours are ours. */
#include "harness/test.h"

#include "cli/address.h"

static struct sockaddr_storage of(const char *text)
{
    struct sockaddr_storage a;

    if (address_parse((struct sl){text, strlen(text)}, &a) < 0) {
        fail_msg("%s is no address", text);
    }
    return a;
}

TEST(only_numbers_are_addresses)
{
    static const char *const bad[] = {
        "",          ":5000",         "127.0.0.1",       "127.0.0.1:",     "localhost:5000",
        "::1:5000",  "[::1]",         "127.0.0.1:65536", "127.0.0.1:0x50", "127.0.0.1:00",
        "a.test:80", "0.0.0.0:5000 ",
    };
    struct sockaddr_storage a;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (address_parse((struct sl){bad[i], strlen(bad[i])}, &a) == 0) {
            fail_msg("%s was not refused", bad[i]);
        }
    }
    assert_int_equal(of("127.0.0.1:0").ss_family, AF_INET);
    assert_int_equal(of("[::]:5000").ss_family, AF_INET6);
}

TEST(ours)
{
    static const struct {
        const char *to, *listener;
        bool reaches;
    } cases[] = {
        {"127.0.0.1:5000", "127.0.0.1:5000", true},
        {"127.0.0.1:5000", "127.0.0.1:5001", false},
        {"127.0.0.1:5000", "0.0.0.0:5000", true},
        {"127.8.8.8:5000", "[::]:5000", true},
        {"[::1]:5000", "[::]:5000", true},
        {"0.0.0.0:5000", "127.0.0.1:5000", true},
        {"[::ffff:127.0.0.1]:5000", "127.0.0.1:5000", true},
        {"127.0.0.2:5000", "127.0.0.1:5000", false},
        {"203.0.113.7:5000", "0.0.0.0:5000", false},
        {"127.0.0.1:0", "127.0.0.1:0", false}, /* each gets a port of its own */
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sockaddr_storage to = of(cases[i].to), listener = of(cases[i].listener);
        if (address_reaches(&to, &listener) != cases[i].reaches) {
            fail_msg("%s to %s", cases[i].to, cases[i].listener);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(only_numbers_are_addresses),
        RUN(ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
