/* SPDX-License-Identifier: Apache-2.0 */
/* E32: to whom an upstream can make us show our credentials. */
#include "harness/test.h"

#include "proxy/upstream/realm.h"

struct stand {
    const char *url, *realms;
    bool allow_private;
};

static int check(const struct stand *s, const char *realm)
{
    char realms[256] = "";
    struct config_upstream up = {.upstream_realms = realms,
                                 .upstream_allow_private = s->allow_private};
    struct url base, u = {0};
    struct pg_err err = {0};
    int result;

    if (s->realms != NULL)
        memcpy(realms, s->realms, strlen(s->realms));
    assert_int_equal(url_parse(NULL, (struct sl){s->url, strlen(s->url)}, &base, &err), 0);
    result = realm_check(&up, &base, (struct sl){realm, strlen(realm)}, &u, &err);
    assert_int_equal(result < 0, err.kind == PG_E_UPSTREAM_WRONG);
    url_free(&u);
    url_free(&base);
    pg_err_clear(&err);
    return result;
}

static void expect(const struct stand *s, const char *realm, int result)
{
    if (check(s, realm) != result)
        fail_msg("%s: realm %s %s", s->url, realm, result < 0 ? "passes" : "is refused");
}

TEST(E32_its_own_host_and_port_and_nobody_elses)
{
    static const struct stand own = {.url = "https://registry.test/"};
    static const struct stand port = {.url = "https://registry.test:5000"};

    expect(&own, "https://registry.test/token", 0);
    expect(&own, "https://REGISTRY.test:443/token?x=y", 0);
    expect(&port, "https://registry.test:5000/token", 0);
    expect(&port, "https://registry.test/token", -1);
    expect(&own, "https://registry.test:8443/token", -1);
    expect(&own, "https://auth.registry.test/token", -1);
    expect(&own, "https://evil.test/token", -1);
    expect(&own, "https://registry.test.evil.test/token", -1);
    expect(&own, "https://evilregistry.test/token", -1);
    expect(&own, "https://registry.test@evil.test/token", -1);
    expect(&own, "https://u:p@registry.test/token", -1);
    expect(&own, "http://registry.test/token", -1);
    expect(&own, "http://registry.test:443/token", -1);
    expect(&own, "//registry.test/token", -1);
    expect(&own, "/token", -1);
    expect(&own, "token", -1);
    expect(&own, "", -1);
    expect(&own, "https://registry.test/\r\nX: y", -1);
    expect(&own, "https://registry.test\\@evil.test/", -1);
    expect(&own, "https://127.0.0.1/token", -1);
    expect(&own, "file://registry.test/token", -1);
}

TEST(E32_a_realm_of_64_kib)
{
    static const struct stand own = {.url = "https://registry.test/"};
    static char text[65536] = "https://registry.test/";

    memset(text + strlen("https://registry.test/"), 'a', sizeof(text) - 23);
    expect(&own, text, -1);
}

TEST(known_pairs_are_pairs)
{
    static const struct stand docker = {.url = "https://registry-1.docker.io"};
    static const struct stand other = {.url = "https://registry.test"};

    expect(&docker, "https://auth.docker.io/token", 0);
    expect(&docker, "http://auth.docker.io/token", -1);
    expect(&docker, "https://auth.docker.io:444/token", -1);
    expect(&docker, "https://auth.docker.io.evil.test/token", -1);
    expect(&docker, "https://gitlab.com/jwt/auth", -1);
    expect(&other, "https://auth.docker.io/token", -1);
}

TEST(what_the_operator_lists)
{
    static const struct stand s = {.url = "https://registry.test",
                                   .realms = "auth.test  id.test:8443,last.test"};

    expect(&s, "https://auth.test/t", 0);
    expect(&s, "https://AUTH.test/t", 0);
    expect(&s, "https://id.test:8443/t", 0);
    expect(&s, "https://last.test/t", 0);
    expect(&s, "https://auth.test:8443/t", -1);
    expect(&s, "https://id.test/t", -1);
    expect(&s, "http://auth.test/t", -1);
    expect(&s, "https://auth.tes/t", -1);
    expect(&s, "https://h.test/t", -1);
}

TEST(plain_http_only_for_a_private_upstream_of_plain_http)
{
    static const struct stand lab = {.url = "http://127.0.0.1:5000", .allow_private = true};
    static const struct stand open = {.url = "http://registry.test:5000"};
    static const struct stand tls = {.url = "https://registry.test:5000", .allow_private = true};

    expect(&lab, "http://127.0.0.1:5000/token", 0);
    expect(&open, "http://registry.test:5000/token", -1);
    expect(&tls, "http://registry.test:5000/token", -1); /* same place, without its lock */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(E32_its_own_host_and_port_and_nobody_elses),
        RUN(E32_a_realm_of_64_kib),
        RUN(known_pairs_are_pairs),
        RUN(what_the_operator_lists),
        RUN(plain_http_only_for_a_private_upstream_of_plain_http),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
