/* SPDX-License-Identifier: Apache-2.0 */
/* A registry has one name whatever a client calls it, and a snapshot lives as long as it is held.
 */
#include "harness/test.h"

#include <stdlib.h>

#include "proxy/config.h"

static struct config two_upstreams(void)
{
    struct config c = {.file = strdup("x.yaml"), .nupstreams = 2};

    c.upstreams = calloc(2, sizeof *c.upstreams);
    c.upstreams[0].name = strdup("ghcr.io");
    c.upstreams[0].upstream_url = strdup("https://ghcr.io");
    c.upstreams[1].name = strdup("docker.io");
    c.upstreams[1].upstream_url = strdup("https://registry-1.docker.io");
    c.upstreams[1].upstream_default = true;
    c.listeners = calloc(1, sizeof *c.listeners);
    c.nlisteners = 1;
    c.listeners[0].address = strdup("127.0.0.1:5000");
    c.storage_path = strdup("/data");
    return c;
}

TEST(aliases_of_docker_io_are_docker_io)
{
    struct config c = two_upstreams();
    const struct config_upstream *docker = &c.upstreams[1];

    assert_ptr_equal(config_find_upstream(&c, SL("docker.io")), docker);
    assert_ptr_equal(config_find_upstream(&c, SL("index.docker.io")), docker);
    assert_ptr_equal(config_find_upstream(&c, SL("registry-1.docker.io")), docker);
    assert_ptr_equal(config_find_upstream(&c, SL("Docker.IO")), docker);
    assert_ptr_equal(config_find_upstream(&c, SL("GHCR.io")), &c.upstreams[0]);
    config_free(&c);
}

TEST(unknown_hosts_are_nobody)
{
    struct config c = two_upstreams();

    assert_null(config_find_upstream(&c, SL("quay.io")));
    assert_null(config_find_upstream(&c, SL("docker.io.")));
    assert_null(config_find_upstream(&c, SL("docker.i")));
    assert_null(config_find_upstream(&c, SL("docker.io:443")));
    assert_null(config_find_upstream(&c, SL("")));
    assert_null(config_find_upstream(&c, (struct sl){NULL, 0}));
    assert_null(config_alias_of(SL("docker.io")));
    config_free(&c);
}

TEST(an_alias_is_unknown_when_its_registry_is_not_configured)
{
    struct config c = two_upstreams();

    c.nupstreams = 1;
    assert_null(config_find_upstream(&c, SL("index.docker.io")));
    assert_null(config_default_upstream(&c));
    c.nupstreams = 2;
    assert_ptr_equal(config_default_upstream(&c), &c.upstreams[1]);
    config_free(&c);
}

TEST(a_snapshot_takes_the_config_and_lives_until_the_last_lets_go)
{
    struct config c = two_upstreams();
    struct snapshot *s = config_snapshot_new(&c, 7);

    assert_null(c.upstreams);
    assert_int_equal(c.nupstreams, 0);
    assert_ptr_equal(config_snapshot_ref(s), s);
    config_snapshot_unref(s);
    assert_int_equal(s->revision, 7);
    assert_string_equal(s->config.upstreams[0].name, "ghcr.io");
    config_snapshot_unref(s); /* the leak check of this program sees the rest */
    config_snapshot_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(aliases_of_docker_io_are_docker_io),
        RUN(unknown_hosts_are_nobody),
        RUN(an_alias_is_unknown_when_its_registry_is_not_configured),
        RUN(a_snapshot_takes_the_config_and_lives_until_the_last_lets_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
