/* SPDX-License-Identifier: Apache-2.0 */
/* What an upstream says about who it wants to see: read whole, or not at all. */
#include "harness/test.h"

#include <stdio.h>

#include "oci/challenge.h"

static struct pg_arena arena;
static struct challenge c;

static int set_up(void **state __attribute__((unused)))
{
    pg_arena_init(&arena, (size_t)64 * 1024);
    return 0;
}

static int tear_down(void **state __attribute__((unused)))
{
    pg_arena_free(&arena);
    return 0;
}

static struct sl sl(const char *text)
{
    return (struct sl){text, strlen(text)};
}

static void assert_sl(const char *of, struct sl is, const char *wanted)
{
    if (wanted == NULL ? is.p != NULL : is.p == NULL || !sl_eq(is, sl(wanted)))
        fail_msg("%s: \"%.*s\" is not \"%s\"", of, SL_ARG(is), wanted != NULL ? wanted : "absent");
}

static void takes(struct sl value)
{
    struct pg_err err = {0};

    if (challenge_parse(value, &arena, &c, &err) < 0)
        fail_msg("%.*s was refused: %s", SL_ARG(value), err.msg);
}

static void refuses(struct sl value)
{
    struct pg_err err = {0};
    struct challenge before = c;

    if (challenge_parse(value, &arena, &c, &err) == 0)
        fail_msg("%.*s was taken", SL_ARG(value));
    assert_int_equal(err.kind, PG_E_UPSTREAM_WRONG);
    assert_true(before.has_bearer == c.has_bearer && before.has_basic == c.has_basic &&
                before.realm.p == c.realm.p && before.service.p == c.service.p &&
                before.insufficient_scope == c.insufficient_scope);
    pg_err_clear(&err);
}

TEST(the_table_of_challenges)
{
    static const struct {
        const char *value;
        bool has_bearer, has_basic;
        const char *realm, *service;
        bool insufficient_scope;
    } rows[] = {
        /* as the registries send it */
        {"Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"", true,
         false, "https://auth.docker.io/token", "registry.docker.io", false},
        {"Bearer realm=\"https://ghcr.io/token\",service=\"ghcr.io\",scope=\"repository:a/b:pull\"",
         true, false, "https://ghcr.io/token", "ghcr.io", false},
        {"Bearer realm=\"https://a/t\", service=\"Docker registry\", error=\"insufficient_scope\"",
         true, false, "https://a/t", "Docker registry", true},
        {"Bearer realm=\"https://a/t\",scope=\"repository:a:pull,push\",error=\"invalid_token\"",
         true, false, "https://a/t", NULL, true},
        {"Bearer error=\"invalid_token\"", true, false, NULL, NULL, true},
        {"Bearer realm=\"https://a/t\",error=\"invalid_request\"", true, false, "https://a/t", NULL,
         false},
        {"Basic realm=\"Sonatype Nexus Repository Manager\"", false, true, NULL, NULL, false},
        {"BASIC realm=\"Amazon\"", false, true, NULL, NULL, false},
        {"Bearer", true, false, NULL, NULL, false},
        {"Negotiate", false, false, NULL, NULL, false},
        {"Bearer realm=", true, false, NULL, NULL, false}, /* by its grammar a token68 */
        {"NTLM TlRMTVNTUAAC==", false, false, NULL, NULL, false},
        /* as RFC 9110 allows */
        {"bearer REALM=\"https://a/t\"", true, false, "https://a/t", NULL, false},
        {"Bearer realm=x", true, false, "x", NULL, false},
        {"Bearer realm = \"x\" , service\t=\ty", true, false, "x", "y", false},
        {"  ,, Bearer realm=\"x\",,service=\"y\" , ", true, false, "x", "y", false},
        {"Bearer realm=\"a\\\"b\\\\c\\d\"", true, false, "a\"b\\cd", NULL, false},
        {"Bearer service=\"\",realm=\"x\"", true, false, "x", "", false},
        {"Bearer service=\"a, Basic realm=b\",realm=\"x\"", true, false, "x", "a, Basic realm=b",
         false},
        /* two schemes; the first Bearer counts, and only what belongs to it */
        {"Basic realm=\"b\", Bearer realm=\"x\",service=\"y\"", true, true, "x", "y", false},
        {"Bearer realm=\"x\",service=\"y\", Basic realm=\"b\"", true, true, "x", "y", false},
        {"Bearer realm=\"x\", Bearer realm=\"evil\",service=\"z\",error=\"invalid_token\"", true,
         false, "x", NULL, false},
        {"Negotiate, Basic realm=b, Bearer realm=x", true, true, "x", NULL, false},
        {"NTLM abc=, Bearer realm=x", true, false, "x", NULL, false},
        {"Bearer, Basic realm=b", true, true, NULL, NULL, false},
        {"Digest realm=\"r\", qop=\"auth, auth-int\", nonce=\"n\", Bearer realm=x", true, false,
         "x", NULL, false},
        {"Other x=\"\xc3\xa9\",x=1, Bearer realm=x", true, false, "x", NULL, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *value = rows[i].value;

        c = (struct challenge){0};
        takes(sl(value));
        if (c.has_bearer != rows[i].has_bearer || c.has_basic != rows[i].has_basic ||
            c.insufficient_scope != rows[i].insufficient_scope)
            fail_msg("%s: bearer %d, basic %d, scope %d", value, c.has_bearer, c.has_basic,
                     c.insufficient_scope);
        assert_sl(value, c.realm, rows[i].realm);
        assert_sl(value, c.service, rows[i].service);
    }
}

/* They are told apart by the caller, who knows the upstream's allow-list. */
TEST(e32_a_hostile_realm_arrives_as_it_was_sent)
{
    static const char *const realms[] = {"https://evil.test/token",
                                         "http://auth.docker.io/token",
                                         "https://u:p@auth.docker.io/token",
                                         "//auth.docker.io",
                                         "/token",
                                         "file:///etc/passwd",
                                         "https://[::1]/"};

    for (size_t i = 0; i < sizeof(realms) / sizeof(realms[0]); i++) {
        char value[128];

        (void)snprintf(value, sizeof(value), "Bearer realm=\"%s\"", realms[i]);
        c = (struct challenge){0};
        takes(sl(value));
        assert_sl(value, c.realm, realms[i]);
    }
}

TEST(e32_what_is_malformed_is_refused_whole)
{
    static const char *const rows[] = {
        "",
        " ",
        ",,,",
        "\"Bearer\"",
        "=x",
        "realm=\"x\"",
        "Bearer realm=\"x",
        "Bearer realm=\"x\\",
        "Bearer realm=\"x\\\"",
        "Bearer realm=\"\"",
        "Bearer realm=\"x y\"",
        "Bearer realm=\"caf\xc3\xa9\"",
        "Bearer realm=\"x\\\x01\"",
        "Bearer service=\"caf\xc3\xa9\",realm=x",
        "Bearer service=\"a\tb\",realm=x",
        "Bearer realm=\"x\r\nAuthorization: Basic eA==\"",
        "Bearer realm=x\r\n",
        "Bearer realm=\"x\", other=\"\n\"",
        "Other x=\"\x7f\", Bearer realm=x",
        "Bearer realm=\"x\" service=\"y\"",
        "Bearer realm=\"x\"service=\"y\"",
        "Bearer realm=x y",
        "Bearer realm=,service=x",
        "Bearer realm=\"x\",realm=\"y\"",
        "Bearer realm=\"x\",REALM=\"x\"",
        "Bearer realm=x,service=y,service=y",
        "Bearer error=a,error=b,realm=x",
        "Bearer realm==x",
        "Bearer realm=https://a/t",
        "Bearer: realm=x",
        "Bearer/realm=x",
        "Bearer, realm=x",
        "Bearer abc=, realm=x",
        "Bearer abc realm=x",
        "Bearer [",
        "Bearer \"x\"",
        "Basic realm=\"b\", Bearer realm=\"x",
        "Bearer realm=\"x\", Basic [",
    };

    c = (struct challenge){0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        refuses(sl(rows[i]));
    refuses((struct sl){NULL, 0});
    refuses(SL("Bearer realm=\"x\0y\""));
    refuses(SL("Bearer\0realm=\"x\""));
}

TEST(e32_its_length_and_its_schemes_are_bounded)
{
    static char value[CHALLENGE_MAX + 1];
    size_t head = sizeof("Bearer realm=\"") - 1;

    c = (struct challenge){0};
    memset(value, 'x', sizeof(value));
    memcpy(value, "Bearer realm=\"", head);
    value[CHALLENGE_MAX - 1] = '"';
    takes((struct sl){value, CHALLENGE_MAX});
    assert_int_equal(c.realm.n, CHALLENGE_MAX - head - 1);
    value[CHALLENGE_MAX - 1] = 'x';
    value[CHALLENGE_MAX] = '"';
    refuses((struct sl){value, CHALLENGE_MAX + 1});

    takes(SL("a, b, c, d, e, f, g, h"));
    refuses(SL("a, b, c, d, e, f, g, h, i"));
}

TEST(many_parameters_cost_no_memory)
{
    static const char param[] = {',', 'x', '=', '"', '"'};
    static char value[CHALLENGE_MAX];
    size_t used = arena.used;
    size_t n = 10;

    memcpy(value, "Bearer a=b", n);
    for (; n + sizeof(param) <= sizeof(value); n += sizeof(param))
        memcpy(value + n, param, sizeof(param));
    c = (struct challenge){0};
    takes((struct sl){value, n});
    assert_int_equal(arena.used, used);
}

TEST(several_headers_add_up_and_the_first_bearer_wins)
{
    c = (struct challenge){0};
    takes(SL("Basic realm=\"b\""));
    takes(SL("Bearer realm=\"x\",service=\"y\""));
    takes(SL("Bearer realm=\"evil\",service=\"z\",error=\"invalid_token\""));
    refuses(SL("Bearer realm=\"evil"));
    assert_true(c.has_basic && c.has_bearer && !c.insufficient_scope);
    assert_sl("realm", c.realm, "x");
    assert_sl("service", c.service, "y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(the_table_of_challenges),
        RUN(e32_a_hostile_realm_arrives_as_it_was_sent),
        RUN(e32_what_is_malformed_is_refused_whole),
        RUN(e32_its_length_and_its_schemes_are_bounded),
        RUN(many_parameters_cost_no_memory),
        RUN(several_headers_add_up_and_the_first_bearer_wins),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
