/* SPDX-License-Identifier: Apache-2.0 */
/* Four ways to name an upstream, one canonical name (B06, B07). */
#include "harness/test.h"

#include <stdlib.h>

#include "oci/route.h"
#include "proxy/journey/canary.h"
#include "proxy/journey/target.h"

static struct config config;
static struct pg_arena arena;
static struct target found;
static struct pg_err err;

static int open_config(void **state)
{
    (void)state;
    config.nupstreams = 3;
    config.upstreams = calloc(3, sizeof(config.upstreams[0]));
    config.upstreams[0].name = strdup("docker.io");
    config.upstreams[1].name = strdup("quay.io");
    config.upstreams[1].upstream_host = strdup("quay.local");
    config.upstreams[2].name = strdup("reg.test:5000");
    pg_arena_init(&arena, 1 << 20);
    return 0;
}

static int close_config(void **state)
{
    (void)state;
    pg_arena_free(&arena);
    pg_err_clear(&err);
    config_free(&config);
    return 0;
}

static int find(const char *target, const char *host)
{
    struct route want;

    pg_err_clear(&err);
    if (route_parse(SL("GET"), (struct sl){target, strlen(target)}, &arena, &want, &err) < 0)
        return -1;
    return target_find(&config, &want, (struct sl){host, strlen(host)}, &arena, &found, &err);
}

static void assert_is(const char *target, const char *host, const char *canonical)
{
    int status = find(target, host);

    if (status < 0)
        print_error("%s: %s\n", target, err.msg);
    assert_int_equal(status, 0);
    assert_int_equal(found.canonical.n, strlen(canonical));
    assert_memory_equal(found.canonical.p, canonical, found.canonical.n);
    assert_int_equal(found.repo.n, found.canonical.n - strlen(found.upstream->name) - 1);
}

static void assert_refused(const char *target, const char *host, enum pg_ekind kind)
{
    assert_int_equal(find(target, host), -1);
    assert_int_equal(err.kind, kind);
}

TEST(B07_all_names_of_one_image_are_one)
{
    static const char nginx[] = "docker.io/library/nginx";

    config.upstreams[0].upstream_default = true;
    assert_is("/v2/nginx/manifests/v1", "h", nginx);
    assert_is("/v2/library/nginx/manifests/v1", "h", nginx);
    assert_is("/v2/docker.io/nginx/manifests/v1", "h", nginx);
    assert_is("/v2/docker.io/library/nginx/manifests/v1", "h", nginx);
    assert_is("/v2/index.docker.io/library/nginx/manifests/v1", "h", nginx);
    assert_is("/v2/registry-1.docker.io/library/nginx/manifests/v1", "h", nginx);
    assert_is("/v2/library/nginx/manifests/v1?ns=docker.io", "h", nginx);
    assert_is("/v2/nginx/manifests/v1?ns=index.docker.io", "h", nginx);
    assert_is("/v2/docker.io/library/nginx/manifests/v1?ns=registry-1.docker.io", "h", nginx);
}

TEST(only_the_hub_has_official_images)
{
    assert_is("/v2/quay.io/app/manifests/v1", "h", "quay.io/app");
    assert_is("/v2/app/manifests/v1?ns=quay.io", "h", "quay.io/app");
}

TEST(a_port_is_part_of_the_name)
{
    assert_is("/v2/a/b/manifests/v1?ns=reg.test:5000", "h", "reg.test:5000/a/b");
    assert_refused("/v2/a/b/manifests/v1?ns=reg.test", "h", PG_E_NAME_UNKNOWN);
}

TEST(a_virtual_host_names_its_upstream)
{
    config.upstreams[0].upstream_default = true;
    assert_is("/v2/a/b/manifests/v1", "quay.local", "quay.io/a/b");
    assert_is("/v2/a/b/manifests/v1", "QUAY.local:5000", "quay.io/a/b");
    assert_is("/v2/a/b/manifests/v1", "other.local", "docker.io/a/b");
}

TEST(two_ways_that_disagree_are_refused)
{
    assert_refused("/v2/quay.io/a/manifests/v1?ns=docker.io", "h", PG_E_BAD_FRAMING);
    assert_refused("/v2/docker.io/a/b/manifests/v1", "quay.local", PG_E_BAD_FRAMING);
    assert_refused("/v2/a/b/manifests/v1?ns=docker.io", "quay.local", PG_E_BAD_FRAMING);
    assert_is("/v2/quay.io/a/manifests/v1?ns=quay.io", "quay.local", "quay.io/a");
}

TEST(the_canary_is_refused_by_every_name_and_for_every_upstream)
{
    static const char *const targets[] = {
        "/v2/pullgate/canary/manifests/v1",
        "/v2/docker.io/pullgate/canary/manifests/v1",
        "/v2/index.docker.io/pullgate/canary/tags/list",
        "/v2/reg.test:5000/pullgate/canary/manifests/v1",
        "/v2/pullgate/canary/manifests/v1?ns=quay.io",
        "/v2/pullgate/canary/manifests/v1?ns=evil.test",
        "/v2/evil.test/pullgate/canary/manifests/v1",
    };

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        assert_refused(targets[i], "h", PG_E_DENIED);
    assert_refused(targets[0], "quay.local", PG_E_DENIED);
    config.upstreams[0].upstream_default = true;
    assert_refused(targets[0], "h", PG_E_DENIED);
    assert_non_null(strstr(err.msg, CANARY_MARK));
    assert_is("/v2/pullgate/canary2/manifests/v1", "h", "docker.io/pullgate/canary2");
    assert_is("/v2/docker.io/a/pullgate/canary/manifests/v1", "h", "docker.io/a/pullgate/canary");
}

TEST(B06_an_unknown_upstream_is_never_asked_and_the_message_says_how_to_allow_it)
{
    config.upstreams[0].upstream_default = true;
    assert_refused("/v2/evil.test/a/manifests/v1", "h", PG_E_NAME_UNKNOWN);
    assert_non_null(strstr(err.msg, "evil.test"));
    assert_non_null(strstr(err.msg, "`upstreams:`"));
    assert_refused("/v2/a/manifests/v1?ns=evil.test", "h", PG_E_NAME_UNKNOWN);
    assert_refused("/v2/a/manifests/v1?ns=169.254.169.254", "h", PG_E_NAME_UNKNOWN);
    assert_refused("/v2/a/manifests/v1?ns=docker.io/x", "h", PG_E_NAME_INVALID);
    assert_refused("/v2/a/manifests/v1?ns=u:p@docker.io", "h", PG_E_NAME_INVALID);
    assert_refused("/v2/a/manifests/v1?ns=docker.io%0d%0aX", "h", PG_E_NAME_INVALID);
    assert_refused("/v2/a/manifests/v1?ns=docker.io&ns=quay.io", "h", PG_E_BAD_FRAMING);
}

TEST(a_repository_may_look_like_a_host_when_its_upstream_is_named)
{
    assert_is("/v2/foo.bar/baz/manifests/v1?ns=quay.io", "h", "quay.io/foo.bar/baz");
    assert_is("/v2/foo.bar/baz/manifests/v1", "quay.local", "quay.io/foo.bar/baz");
}

TEST(without_a_default_there_is_nothing_to_guess)
{
    assert_refused("/v2/library/nginx/manifests/v1", "h", PG_E_NAME_UNKNOWN);
    assert_non_null(strstr(err.msg, "default"));
}

static int reset(void **state)
{
    (void)state;
    for (size_t i = 0; i < config.nupstreams; i++)
        config.upstreams[i].upstream_default = false;
    return 0;
}

#define CASE(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(B07_all_names_of_one_image_are_one),
        CASE(only_the_hub_has_official_images),
        CASE(a_port_is_part_of_the_name),
        CASE(a_virtual_host_names_its_upstream),
        CASE(two_ways_that_disagree_are_refused),
        CASE(the_canary_is_refused_by_every_name_and_for_every_upstream),
        CASE(B06_an_unknown_upstream_is_never_asked_and_the_message_says_how_to_allow_it),
        CASE(a_repository_may_look_like_a_host_when_its_upstream_is_named),
        CASE(without_a_default_there_is_nothing_to_guess),
    };
    return cmocka_run_group_tests(tests, open_config, close_config);
}
