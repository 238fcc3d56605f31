/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/ip.h"

static struct sl of(const char *s)
{
    return (struct sl){s, strlen(s)};
}

TEST(addresses_with_and_without_ports)
{
    static const struct {
        const char *text, *again; /* NULL: refused */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1:80", "192.0.2.1:80"},
        {"2001:db8::1", "2001:db8::1"},
        {"[2001:DB8:0::1]:443", "[2001:db8::1]:443"},
        {"[::1]", "::1"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"[::ffff:192.0.2.1]:1", "192.0.2.1:1"},
        {"", NULL},
        {"192.0.2", NULL},
        {"192.0.2.1:", NULL},
        {"192.0.2.1:0", NULL},
        {"192.0.2.1:65536", NULL},
        {"192.0.2.1:123456", NULL},
        {"192.0.2.1:+1", NULL},
        {"192.0.2.1 ", NULL},
        {"192.0.2.01", NULL},
        {"0x7f.1", NULL},
        {"[192.0.2.1]:80", NULL},
        {"[::1", NULL},
        {"[::1]80", NULL},
        {"[::1]:", NULL},
        {"[fe80::1%eth0]", NULL},
        {"localhost", NULL},
        {"[]", NULL},
        {":", NULL},
        {"[", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[PG_IP_TEXT_MAX] = "";
        struct pg_ip ip;
        uint16_t port;
        int rc = pg_ip_parse_port(of(cases[i].text), &ip, &port);

        if (rc == 0)
            pg_ip_text(&ip, port, text);
        if ((rc == 0) != (cases[i].again != NULL) || (rc == 0 && strcmp(text, cases[i].again) != 0))
            fail_msg("\"%s\": %d, \"%s\"", cases[i].text, rc, text);
    }
    assert_int_equal(pg_ip_parse((struct sl){"1.1.1.1\0", 8}, &(struct pg_ip){0}), -1);
}

TEST(networks)
{
    static const struct {
        const char *net, *ip;
        bool is_in;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.0.0.0/8", "::ffff:10.0.0.1", true},
        {"10.0.0.0/8", "a00::", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::", false},
        {"::/0", "2001:db8::", true},
        {"::/0", "10.0.0.1", true},
        {"::1", "::1", true},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"fd00::/9", "fd7f::1", true},
        {"fd00::/9", "fd80::1", false},
    };
    static const char *const wrong[] = {"10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "::/129",
                                        "/8",         "10/8",        "::1/64",    "10.0.0.0/8x",
                                        "",           "unix"};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pg_ip_nets nets = {0};
        struct pg_ip_net net;
        struct pg_ip ip;
        struct pg_buf out;

        assert_int_equal(pg_ip_parse_net(of(cases[i].net), &net), 0);
        assert_int_equal(pg_ip_parse(of(cases[i].ip), &ip), 0);
        pg_ip_nets_add(&nets, &net);
        if (pg_ip_is_in(&ip, &nets) != cases[i].is_in)
            fail_msg("%s in %s", cases[i].ip, cases[i].net);
        pg_buf_init(&out, 100);
        pg_ip_put_net(&net, &out);
        assert_true(sl_eq(pg_buf_sl(&out), of(cases[i].net)));
        pg_buf_free(&out);
        pg_ip_nets_free(&nets);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(pg_ip_parse_net(of(wrong[i]), &(struct pg_ip_net){0}), -1);
}

TEST(lists_are_copied_and_compared)
{
    struct pg_ip_nets a = {.has_unix = true}, b;
    struct pg_ip_net net;

    assert_true(pg_ip_nets_is_empty(&(struct pg_ip_nets){0}));
    assert_int_equal(pg_ip_parse_net(SL("10.0.0.0/8"), &net), 0);
    pg_ip_nets_add(&a, &net);
    assert_int_equal(pg_ip_parse_net(SL("fd00::/8"), &net), 0);
    pg_ip_nets_add(&a, &net);
    b = pg_ip_nets_copy(&a);
    assert_true(pg_ip_nets_eq(&a, &b));
    b.nets[1].bits = 9;
    assert_false(pg_ip_nets_eq(&a, &b));
    pg_ip_nets_free(&a);
    assert_false(pg_ip_nets_eq(&a, &b));
    pg_ip_nets_free(&b);
    assert_true(pg_ip_nets_is_empty(&b));
}

TEST(addresses_of_sockets)
{
    struct sockaddr_storage at = {.ss_family = AF_UNIX};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(81)};
    char text[PG_IP_TEXT_MAX];
    struct pg_ip ip;
    uint16_t port;

    assert_int_equal(pg_ip_of(&at, &ip, &port), -1);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(&at, &v4, sizeof(v4));
    assert_int_equal(pg_ip_of(&at, &ip, &port), 0);
    pg_ip_text(&ip, port, text);
    assert_string_equal(text, "127.0.0.1:80");
    v6.sin6_addr = in6addr_loopback;
    memcpy(&at, &v6, sizeof(v6));
    assert_int_equal(pg_ip_of(&at, &ip, &port), 0);
    pg_ip_text(&ip, port, text);
    assert_string_equal(text, "[::1]:81");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(addresses_with_and_without_ports),
        RUN(networks),
        RUN(lists_are_copied_and_compared),
        RUN(addresses_of_sockets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
