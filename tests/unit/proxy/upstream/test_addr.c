/* SPDX-License-Identifier: Apache-2.0 */
/* E17: which addresses an upstream can make us connect to. */
#include "harness/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/un.h>

#include "proxy/upstream/addr.h"

static bool passes(const char *text, bool (*look)(const struct sockaddr *sa, socklen_t n))
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return look((const struct sockaddr *)&in, sizeof(in));
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
        return look((const struct sockaddr *)&in6, sizeof(in6));
    fail_msg("not an address: %s", text);
    return false;
}

static bool is_public(const char *text)
{
    return passes(text, addr_is_public);
}

TEST(E17_no_address_of_our_own_nets)
{
    static const char *const denied[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fdff:ffff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    };

    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
        if (is_public(denied[i]))
            fail_msg("%s passes", denied[i]);
    }
}

TEST(neighbours_of_what_is_denied_pass)
{
    static const char *const allowed[] = {
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1",
        "2001:4860:4860::8888",
        "2a00:1450::1",
        "2003::1",
        "64:ff9a::1",
        "1::1",
    };

    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        if (!is_public(allowed[i]))
            fail_msg("%s does not pass", allowed[i]);
    }
}

TEST(other_families_and_short_addresses_are_no_addresses)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX, .sun_path = "/run/docker.sock"};
    struct sockaddr_in in = {.sin_family = AF_INET};

    in.sin_addr.s_addr = htonl(0x01010101);
    assert_false(addr_is_public((const struct sockaddr *)&un, sizeof(un)));
    assert_false(addr_is_public((const struct sockaddr *)&in, sizeof(in) - 1));
    assert_true(addr_is_public((const struct sockaddr *)&in, sizeof(in)));
}

/* A private upstream that redirects to a metadata service would get the credentials of this host.
 */
TEST(E17_whoever_may_be_private_is_no_metadata_service)
{
    static const char *const denied[] = {
        "0.0.0.0",
        "169.254.169.254",
        "169.254.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1",
        "febf::1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1",
    };
    static const char *const allowed[] = {
        "10.0.0.1",     "127.0.0.1",        "100.64.0.1",
        "192.168.1.1",  "172.16.0.1",       "8.8.8.8",
        "::1",          "fd12::1",          "fd00:ec2::1",
        "2606:4700::1", "::ffff:127.0.0.1", "64:ff9b::808:808",
    };

    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
        if (passes(denied[i], addr_is_host))
            fail_msg("%s passes", denied[i]);
    }
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        if (!passes(allowed[i], addr_is_host))
            fail_msg("%s does not pass", allowed[i]);
    }
}

TEST(E17_what_a_proxy_may_be_asked_for)
{
    static const struct {
        const char *host;
        bool public, private;
    } cases[] = {
        {"registry.example", true, true},
        {"8.8.8.8", true, true},
        {"127.0.0.1", false, true},
        {"10.1.2.3", false, true},
        {"[::1]", false, true},
        {"[2606:4700::1]", true, true},
        {"[::ffff:10.0.0.1]", false, true},
        {"169.254.169.254", false, false},
        {"[fe80::1]", false, false},
        {"[::ffff:169.254.169.254]", false, false},
        {"0.0.0.0", false, false},
        {"localhost", false, true},
        {"a.LOCALHOST", false, true},
        {"notlocalhost", true, true},
        {"[not an address]", false, false},
        {"[", false, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (addr_may_name(cases[i].host, false) != cases[i].public ||
            addr_may_name(cases[i].host, true) != cases[i].private)
            fail_msg("%s", cases[i].host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(E17_no_address_of_our_own_nets),
        RUN(E17_whoever_may_be_private_is_no_metadata_service),
        RUN(E17_what_a_proxy_may_be_asked_for),
        RUN(neighbours_of_what_is_denied_pass),
        RUN(other_families_and_short_addresses_are_no_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
