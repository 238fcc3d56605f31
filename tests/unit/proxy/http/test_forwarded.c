/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "proxy/http/forwarded.h"

#define XFF "X-Forwarded-For"
#define FWD "forwarded"

struct line {
    const char *name, *value;
};

/* 10.0.0.0/8 and fd00::/8 are trusted. */
static const struct {
    struct line lines[4];
    const char *client; /* NULL: who connected */
} cases[] = {
    {{{NULL, NULL}}, NULL},
    {{{"X-Real-IP", "1.1.1.1"}}, NULL},
    {{{XFF, "192.0.2.1"}}, "192.0.2.1"},
    {{{"x-FORWARDED-for", "\t 192.0.2.1 \t"}}, "192.0.2.1"},
    {{{XFF, "[2001:db8::1]:80"}}, "[2001:db8::1]:80"},
    {{{XFF, "1.1.1.1,192.0.2.1, 10.0.0.1 ,fd00::1"}}, "192.0.2.1"},
    {{{XFF, "1.1.1.1"}, {"Host", "x"}, {XFF, "192.0.2.1"}, {XFF, "10.0.0.1"}}, "192.0.2.1"},
    {{{XFF, "10.0.0.1"}, {XFF, "10.0.0.2"}}, "10.0.0.1"},
    {{{XFF, "::ffff:10.0.0.1, 10.0.0.2"}}, "10.0.0.1"},
    {{{XFF, "192.0.2.1, , 10.0.0.1"}}, "10.0.0.1"},
    {{{XFF, "192.0.2.1"}, {XFF, ""}}, NULL},
    {{{XFF, "localhost"}}, NULL},
    {{{XFF, "\"192.0.2.1\""}}, NULL},
    {{{XFF, "192.0.2.1:99999"}}, NULL},
    {{{FWD, "for=192.0.2.1"}}, "192.0.2.1"},
    {{{FWD, "By=10.0.0.1; FOR=\"192.0.2.1:80\" ;proto=http"}}, "192.0.2.1:80"},
    {{{FWD, "for=1.1.1.1, for=\"[2001:db8::1]\", for=10.0.0.1"}}, "2001:db8::1"},
    {{{FWD, "for=192.0.2.1, by=10.0.0.2, for=10.0.0.1"}}, "10.0.0.1"},
    {{{FWD, "192.0.2.1"}}, NULL},
    {{{FWD, "for=unknown"}}, NULL},
    {{{FWD, "for="}}, NULL},
    {{{FWD, "for=\""}}, NULL},
    {{{FWD, "for=1.1.1.1;for=192.0.2.1"}}, NULL},
    {{{FWD, "for=192.0.2.1;host=\"x:80\", for=\"10.0.0.1\";host=\"y\""}}, "192.0.2.1"},
    {{{FWD, "for=192.0.2.1;host=\"x,for=1.1.1.1;y\""}}, NULL},
    {{{FWD, "for=192.0.2.1;host=\"x,for=1.1.1.1\""}}, NULL},
    {{{FWD, "for=192.0.2.1;host=\"x,for=1.1.1.1;y=\\\"\""}}, NULL},
    {{{FWD, "host=\"x;for=1.1.1.1;y\""}}, NULL},
    {{{FWD, "for=192.0.2.1"}, {XFF, "192.0.2.1"}}, "192.0.2.1"},
    {{{FWD, "for=1.1.1.1"}, {XFF, "192.0.2.1"}}, NULL},
    {{{FWD, "for=unknown"}, {XFF, "192.0.2.1"}}, NULL},
    {{{FWD, "for=1.1.1.1"}, {XFF, "nobody"}}, NULL},
};

TEST(C17_whom_the_proxies_name)
{
    struct pg_ip_nets trusted = {0};
    struct pg_ip_net net;

    assert_int_equal(pg_ip_parse_net(SL("10.0.0.0/8"), &net), 0);
    pg_ip_nets_add(&trusted, &net);
    assert_int_equal(pg_ip_parse_net(SL("fd00::/8"), &net), 0);
    pg_ip_nets_add(&trusted, &net);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct conn_header headers[4];
        char text[PG_IP_TEXT_MAX] = "nobody";
        struct pg_ip ip;
        uint16_t port;
        size_t n = 0;

        for (; n < 4 && cases[i].lines[n].name != NULL; n++) {
            const struct line *l = &cases[i].lines[n];

            headers[n].name = (struct sl){l->name, strlen(l->name)};
            headers[n].value = (struct sl){l->value, strlen(l->value)};
        }
        if (forwarded_find(headers, n, &trusted, &ip, &port))
            pg_ip_text(&ip, port, text);
        if (strcmp(text, cases[i].client != NULL ? cases[i].client : "nobody") != 0)
            fail_msg("%zu: %s: %s", i, cases[i].lines[0].value, text);
    }
    pg_ip_nets_free(&trusted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(C17_whom_the_proxies_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
